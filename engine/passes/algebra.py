"""Rewrite sums and products of real numbers where no bit of the result changes, but the sign of a NaN.

A sign moves into the constant beside it or into the sum behind it, what is repeated by broadcasting is read
as it was, and what is added to the same place of zeros is added up first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.shapes import broadcast
from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape
from engine.passes.rewrite import Rewrite

_PLAIN = frozenset({"add", "subtract", "multiply", "divide"})
_OPPOSITE = {"add": "subtract", "subtract": "add"}


def algebra(tape: Tape) -> Tape:
    """The tape with fewer signs, repetitions and additions to zeros."""
    return _Algebra(tape).rewritten()


class _Algebra:
    def __init__(self, tape: Tape) -> None:
        self.rewrite = Rewrite(tape)
        self.target = self.rewrite.target
        self.makers: dict[int, Instruction] = {}  # as they stand on the new tape
        self.uses = Counter(slot for step in tape.instructions for slot in step.inputs)
        self.uses.update(tape.outputs)

    def rewritten(self) -> Tape:
        for step in self.rewrite.source.instructions:
            inputs = self.rewrite.resolved(step.inputs)
            new = step if inputs == step.inputs else replace(step, inputs=inputs)
            if len(step.outputs) == 1 and dtypes.is_floating(self._type(step.outputs[0]).dtype):
                same, new = self._simplified(new)
                if same is not None:
                    self.rewrite.stands_for[step.outputs[0]] = same
                    continue
            self.rewrite.keep(new, new.inputs)
            self.makers.update(dict.fromkeys(new.outputs, new))
        return self.rewrite.finish()

    def _type(self, slot: int) -> TensorType:
        return self.target.types[slot]

    def _simplified(self, step: Instruction) -> tuple[int | None, Instruction]:
        """The slot whose value the step repeats, or None, and what to write in its place."""
        name = step.op.name
        if name == "negative":
            return self._negative(step)
        if name == "index_add":
            return None, self._added_up(step)
        if name not in _PLAIN:
            return None, step
        repeated = self._repeated(step) if name == "multiply" else None
        if repeated is not None:
            return None, repeated
        step = self._unspread(step)
        a, b = step.inputs
        if name in _OPPOSITE:
            positive = self._negated(b)
            if positive is not None:
                return None, replace(step, op=TABLE[_OPPOSITE[name]], inputs=(a, positive))
            positive = self._negated(a)
            if name == "add" and positive is not None:
                return None, replace(step, op=TABLE["subtract"], inputs=(b, positive))
        elif name == "multiply":
            for number, other in ((a, b), (b, a)):
                positive = self._negated(other)
                if positive is not None and self._is_number(number):
                    return None, replace(step, inputs=(self._minus(number), positive))
        return None, step

    def _negative(self, step: Instruction) -> tuple[int | None, Instruction]:
        """-(-x) is x, and -(c x) is (-c) x."""
        (x,) = step.inputs
        maker = self.makers.get(x)
        if maker is None:
            return None, step
        if maker.op.name == "negative":
            return maker.inputs[0], step
        if maker.op.name == "multiply" and self.uses[x] == 1:
            a, b = maker.inputs
            if self._is_number(a):
                return None, replace(step, op=maker.op, inputs=(self._minus(a), b))
            if self._is_number(b):
                return None, replace(step, op=maker.op, inputs=(a, self._minus(b)))
        return None, step

    def _negated(self, slot: int) -> int | None:
        """What a slot is the negative of, in the same shape and dtype."""
        maker = self.makers.get(slot)
        return maker.inputs[0] if maker is not None and maker.op.name == "negative" else None

    def _is_number(self, slot: int) -> bool:
        """Whether it is a constant without axes; a NaN has a sign that is not looked at."""
        constant = self.target.constants.get(slot)
        return constant is not None and constant.ndim == 0

    def _minus(self, slot: int) -> int:
        return self._constant(np.negative(self.target.constants[slot]))

    def _constant(self, value: np.ndarray[Any, Any]) -> int:
        type = TensorType(value.shape, value.dtype.name)
        self.target.types.append(type)
        slot = len(self.target.types) - 1
        self.target.constants[slot] = np.asarray(value)
        return slot

    def _unspread(self, step: Instruction) -> Instruction:
        """Operands before they were repeated, as long as the result keeps its shape."""
        shape = self._type(step.outputs[0]).shape
        operands = list(step.inputs)
        for place, slot in enumerate(operands):
            maker = self.makers.get(slot)
            if maker is None or maker.op.name != "broadcast_to":
                continue
            source = self._number(maker.inputs[0])
            if self._type(source).shape == (1,):
                continue  # executors take numbers and whole vectors in blocks
            others = [self._type(own).shape for k, own in enumerate(operands) if k != place]
            if broadcast(self._type(source).shape, *others) == shape:
                operands[place] = source
        return replace(step, inputs=tuple(operands)) if tuple(operands) != step.inputs else step

    def _number(self, slot: int) -> int:
        """A constant of one element without its axes; any other slot is itself."""
        constant = self.target.constants.get(slot)
        if constant is None or constant.size != 1 or not constant.ndim:
            return slot
        return self._constant(constant.reshape(()))

    def _repeated(self, step: Instruction) -> Instruction | None:
        """A product with ones that only repeat the other factor, as what repeats it."""
        for ones, other in (step.inputs, step.inputs[::-1]):
            maker = self.makers.get(ones)
            if maker is None or maker.op.name != "broadcast_to":
                continue
            constant = self.target.constants.get(maker.inputs[0])
            if constant is not None and constant.size == 1 and constant == 1:
                attributes = {"shape": self._type(step.outputs[0]).shape}
                return replace(step, op=maker.op, inputs=(other,), attributes=attributes)
        return None

    def _added_up(self, step: Instruction) -> Instruction:
        """Two pieces that are added to one place of zeros are added to each other first."""
        target, piece, *indices = step.inputs
        before = self.makers.get(target)
        if before is None or before.op.name != "index_add" or self.uses[target] != 1 or indices:
            return step
        index = step.attributes["index"]
        if len(before.inputs) != 2 or repr(before.attributes["index"]) != repr(index):
            return step
        if not all(isinstance(item, slice) for item in index) or not self._is_zero(before.inputs[0]):
            return step
        first = before.inputs[1]
        if self._type(first) != self._type(piece):
            return step
        self.target.types.append(self._type(piece))
        total = len(self.target.types) - 1
        added = Instruction(TABLE["add"], (first, piece), {}, (total,), step.origin)
        self.rewrite.keep(added, added.inputs)
        self.makers[total] = added
        return replace(step, inputs=(before.inputs[0], total))

    def _is_zero(self, slot: int) -> bool:
        maker = self.makers.get(slot)
        if maker is not None and maker.op.name == "broadcast_to":
            slot = maker.inputs[0]
        constant = self.target.constants.get(slot)
        return constant is not None and constant.size > 0 and not constant.any()
