"""A remedy tried before it is offered: the tape with some of its steps written anew, differentiated.

What is to be pasted should give a gradient of every variable that has a part in the place, one that is finite
and not huge. Whether it does is found out here, on the values of the run that is diagnosed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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

LONGEST = 2_000  # instructions beyond which a remedy is offered without a trial
LARGEST = 1 << 21  # bytes of values, likewise
FAINT = 1e-100  # a gradient below it has vanished
ROUNDING = 1e-17  # of the value, below which a change is lost
HUGE = 1e8  # beyond it, relative to the largest input, a number only says how close to a pole it is


@dataclass(frozen=True, slots=True)
class Replacement:
    """`form` in the place of the slot `output` of `step`, or of an input if `step` is None."""

    step: Instruction | None
    output: int
    form: Form


@dataclass(frozen=True, slots=True)
class Outcome:
    """The target and the gradients with a remedy in place, by the slots of the variables that it concerns.

    `replacements` are the values in the places that were written anew; `limit` bounds sensible numbers, and
    `scales` are the largest magnitudes of the variables.
    """

    value: Array
    gradients: Mapping[int, Array]
    replacements: Sequence[Array]
    limit: float
    scales: Mapping[int, float]

    @property
    def is_finite(self) -> bool:
        """Whether all of it is finite."""
        return all(bool(np.isfinite(array).all()) for array in (self.value, *self.gradients.values()))

    @property
    def is_sensible(self) -> bool:
        """Whether all of it is finite, and no number is so large that it only tells of a pole.

        The gradient of a tiny variable may be large: it is the change for its own size that counts.
        """
        with np.errstate(all="ignore"):  # an infinite gradient of a variable that is 0 is not below
            return _is_below(self.value, self.limit) and all(
                _is_below(gradient, self.limit) or _is_below(gradient * self.scales[slot], HUGE)
                for slot, gradient in self.gradients.items()
            )

    @property
    def is_healthy(self) -> bool:
        """Whether it is sensible, and no gradient is zero or has vanished beside the value."""
        return self.is_sensible and all(
            float(np.abs(gradient).sum()) > FAINT and not self._has_vanished(slot, gradient)
            for slot, gradient in self.gradients.items()
        )

    def _has_vanished(self, slot: int, gradient: Array) -> bool:
        """Whether a change of the variable by its own size would not be seen in the value."""
        change = float(np.abs(gradient).max(initial=0.0)) * self.scales[slot]
        return change < ROUNDING * float(np.abs(self.value).max(initial=0.0))


def _is_below(array: Array, limit: float) -> bool:
    return bool(np.isfinite(array).all()) and float(np.abs(array).max(initial=0.0)) <= limit


@dataclass(frozen=True)
class Trial:
    """A run of `steps` of a tape, in which something can be replaced.

    `source` is the slot of the variable that is diagnosed, `sources` are those of all that were asked for.
    """

    tape: Tape
    steps: Sequence[Instruction]
    inputs: Mapping[str, Array]
    source: int
    target: int
    sources: tuple[int, ...] = ()

    @cached_property
    def is_possible(self) -> bool:
        """Whether a trial is small enough."""
        nbytes = sum(self.tape.types[slot].nbytes for step in self.steps for slot in step.outputs)
        return len(self.steps) <= LONGEST and nbytes <= LARGEST

    @cached_property
    def limit(self) -> float:
        """The magnitude beyond which a result is no sensible one: it grows with the inputs."""
        sizes = (np.abs(np.asarray(value, np.complex128)) for value in self.inputs.values())
        largest = max((float(size[np.isfinite(size)].max(initial=1.0)) for size in sizes), default=1.0)
        return HUGE * max(largest, 1.0)

    def outcome(self, replacements: Sequence[Replacement]) -> Outcome | None:
        """What comes out with all replacements in place; None where they do not fit."""
        try:
            with np.errstate(all="ignore"):
                return self._run(replacements)
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
        result = form.record(tape, form.slots)
        total = F.sum(result)
        slots = [slot for slot in form.slots.values() if is_inexact(tape.types[slot].dtype)]
        gradients = backward(tape, {total.slot: ones(tape, total)}, slots)
        tape.outputs = [total.slot, *(gradients[slot].slot for slot in slots if slot in gradients)]
        values = {name: self.inputs[name] for name in tape.inputs if name in self.inputs}
        return all(bool(np.isfinite(value).all()) for value in run_tape(tape, values))

    def _run(self, replacements: Sequence[Replacement]) -> Outcome | None:
        copy = Rewrite(Tape(list(self.tape.types), dict(self.tape.inputs), dict(self.tape.constants)))
        tape = copy.target
        places: list[int] = []
        for one in replacements:
            if one.step is None:
                copy.stands_for[one.output] = one.form.record(tape, one.form.slots).slot
                places.append(copy.stands_for[one.output])
        for other in self.steps:
            here = [(one, one.step) for one in replacements if one.step and _is_same(other, one.step)]
            if not here or len(other.outputs) > 1 or any(o.output in o.form.slots.values() for o, _ in here):
                _keep(copy, other)
            for one, step in here:
                slot = other.outputs[step.outputs.index(one.output)]
                bound = {name: _move(read, step, other) for name, read in one.form.slots.items()}
                resolved = {name: copy.stands_for.get(read, read) for name, read in bound.items()}
                result = one.form.record(tape, resolved)
                if result.shape != self.tape.types[slot].shape:
                    return None
                copy.stands_for[slot] = result.slot
                places.append(result.slot)
        target = copy.stands_for.get(self.target, self.target)
        if tape.types[target].size != 1 or not is_inexact(tape.types[target].dtype):
            return None
        concerned = self._concerned(replacements)
        gradients = backward(tape, {target: ones(tape, tape.variable(target))}, concerned)
        if self.source not in gradients:
            return None
        sources = [slot for slot in concerned if slot in gradients]
        tape.outputs = [target, *(gradients[slot].slot for slot in sources), *places]
        values = {name: self.inputs[name] for name in tape.inputs if name in self.inputs}
        value, *rest = map(np.asarray, run_tape(tape, values))
        slopes = dict(zip(sources, rest, strict=False))
        scales = {slot: self._scale(slot) for slot in sources}
        return Outcome(value, slopes, rest[len(sources) :], self.limit, scales)

    def _scale(self, slot: int) -> float:
        """The largest magnitude of a variable; infinite for zeros, which have no size of their own."""
        operands = [
            self.inputs[name] for name, at in self.tape.inputs.items() if at == slot and name in self.inputs
        ]
        largest = max((float(np.abs(value).max(initial=0.0)) for value in operands), default=0.0)
        return largest or np.inf

    def _concerned(self, replacements: Sequence[Replacement]) -> list[int]:
        """The variables that have a part in one of the places, the one that is diagnosed among them."""
        behind = {one.output for one in replacements}
        behind.update(slot for one in replacements for slot in one.form.slots.values())
        for step in reversed(self.steps):
            if any(slot in behind for slot in step.outputs):
                behind.update(step.inputs)
        return [self.source, *(slot for slot in self.sources if slot in behind and slot != self.source)]


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
        outputs: Any = tape.apply(step.op, [tape.variable(slot) for slot in inputs], settings)
    answers: Iterable[Any] = outputs if isinstance(outputs, tuple) else (outputs,)
    copy.stands_for.update((old, new.slot) for old, new in zip(step.outputs, answers, strict=True))


def _is_same(other: Instruction, step: Instruction) -> bool:
    """Whether it is the step, or what the same line of a function made of it in another iteration."""
    if other is step:
        return True
    node = step.origin.node
    return node is not None and "/" in node and (other.op, other.origin) == (step.op, step.origin)


def _move(slot: int, step: Instruction, other: Instruction) -> int:
    """What another iteration reads where `step` reads a slot."""
    if slot in step.outputs:
        return other.outputs[step.outputs.index(slot)]
    return other.inputs[step.inputs.index(slot)] if slot in step.inputs else slot
