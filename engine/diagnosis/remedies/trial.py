"""A cure tried before it is told: the tape with one of its steps written in another way, differentiated.

What is told to be pasted should give a gradient that is finite and not zero. Whether it does is found out
here, on the values of the run that is diagnosed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.remedies.forms import Form
from engine.dtypes import is_inexact
from engine.errors import EngineError
from engine.ir.table import F
from engine.ir.tape import Instruction, Tape
from engine.passes.rewrite import Rewrite
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward, ones

LONGEST = 2_000  # instructions beyond which a cure is told without a trial
LARGEST = 1 << 21  # bytes of values, likewise


@dataclass(frozen=True, slots=True)
class Outcome:
    """The target and the gradient with a cure in place."""

    value: Array
    gradient: Array

    @property
    def finite(self) -> bool:
        """Whether both are finite."""
        return bool(np.isfinite(self.value).all() and np.isfinite(self.gradient).all())

    @property
    def healthy(self) -> bool:
        """Whether both are finite, and the gradient is not zero."""
        size = float(np.abs(self.gradient).sum()) if self.finite else 0.0
        return size > FAINT


FAINT = 1e-100  # a gradient below it has vanished


@dataclass(frozen=True, slots=True)
class Trial:
    """A run of `steps` of a tape, in which something can be replaced; `source` is the variable's slot."""

    tape: Tape
    steps: Sequence[Instruction]
    inputs: Mapping[str, Array]
    source: int
    target: int

    @property
    def possible(self) -> bool:
        """Whether a trial is small enough."""
        made = sum(self.tape.types[slot].nbytes for step in self.steps for slot in step.outputs)
        return len(self.steps) <= LONGEST and made <= LARGEST

    def outcome(self, step: Instruction | None, output: int, form: Form) -> Outcome | None:
        """With `form` in place of the slot `output` of `step`, or of an input; None where it does not fit."""
        try:
            with np.errstate(all="ignore"):
                return self._run(step, output, form)
        except (EngineError, ArithmeticError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def holds(self, step: Instruction, form: Form) -> bool:
        """Whether `form` in place of a step is finite, and its derivatives, whatever comes behind it."""
        try:
            with np.errstate(all="ignore"):
                return self._holds(step, form)
        except (EngineError, ArithmeticError, ValueError, TypeError, KeyError, AttributeError):
            return False

    def _holds(self, step: Instruction, form: Form) -> bool:
        tape = Tape(list(self.tape.types), dict(self.tape.inputs), dict(self.tape.constants))
        for other in self.steps:
            if other is step:
                break
            tape.instructions.append(other)
        made = form.record(tape, form.slots)
        total = F.sum(made)
        slots = [slot for slot in form.slots.values() if is_inexact(tape.types[slot].dtype)]
        gradients = backward(tape, {total.slot: ones(tape, total)}, slots)
        tape.outputs = [total.slot, *(gradients[slot].slot for slot in slots if slot in gradients)]
        given = {name: self.inputs[name] for name in tape.inputs if name in self.inputs}
        return all(bool(np.isfinite(value).all()) for value in run_tape(tape, given))

    def _run(self, step: Instruction | None, output: int, form: Form) -> Outcome | None:
        copy = Rewrite(Tape(list(self.tape.types), dict(self.tape.inputs), dict(self.tape.constants)))
        tape = copy.target
        if step is None:
            copy.stands_for[output] = form.record(tape, form.slots).slot
        for other in self.steps:
            if step is not None and _is_same(other, step):
                place = step.outputs.index(output)
                _keep(copy, other)
                bound = {name: _moved(slot, step, other) for name, slot in form.slots.items()}
                resolved = {name: copy.stands_for.get(slot, slot) for name, slot in bound.items()}
                made = form.record(tape, resolved)
                if made.shape != tape.types[other.outputs[place]].shape:
                    return None
                copy.stands_for[other.outputs[place]] = made.slot
            else:
                _keep(copy, other)
        target = copy.stands_for.get(self.target, self.target)
        if tape.types[target].size != 1 or not is_inexact(tape.types[target].dtype):
            return None
        gradients = backward(tape, {target: ones(tape, tape.variable(target))}, [self.source])
        gradient = gradients.get(self.source)
        if gradient is None:
            return None
        tape.outputs = [target, gradient.slot]
        value, slope = run_tape(
            tape, {name: self.inputs[name] for name in tape.inputs if name in self.inputs}
        )
        return Outcome(np.asarray(value), np.asarray(slope))


def _keep(copy: Rewrite, step: Instruction) -> None:
    """Carry a step over; where the types that it reads have changed, its own are inferred anew."""
    tape = copy.target
    inputs = copy.resolved(step.inputs)
    before = [copy.source.types[slot] for slot in step.inputs]
    after = [tape.types[slot] for slot in inputs]
    if all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(before, after, strict=True)):
        copy.keep(step, inputs)
        return
    with tape.at(step.origin):
        settings = step.attributes
        if step.op.family.name == "reduction":  # what adds up booleans adds up in integers
            settings = {key: value for key, value in settings.items() if key != "dtype"}
        made: Any = tape.apply(step.op, [tape.variable(slot) for slot in inputs], settings)
    answers = made if isinstance(made, tuple) else (made,)
    copy.stands_for.update((old, new.slot) for old, new in zip(step.outputs, answers, strict=True))


def _is_same(other: Instruction, step: Instruction) -> bool:
    """Whether it is the step, or what the same line of a function made of it in another iteration."""
    if other is step:
        return True
    node = step.origin.node
    return node is not None and "/" in node and (other.op, other.origin) == (step.op, step.origin)


def _moved(slot: int, step: Instruction, other: Instruction) -> int:
    """What another iteration reads where `step` reads a slot."""
    if slot in step.outputs:
        return other.outputs[step.outputs.index(slot)]
    return other.inputs[step.inputs.index(slot)] if slot in step.inputs else slot
