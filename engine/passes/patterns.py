"""What a pass looks at that replaces patterns: who makes and who reads a slot; and new slots and steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import prod
from typing import Any

import numpy as np

from engine.dtypes import TensorType
from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape

LAID_OUT = ("broadcast_to", "expand_dims", "reshape")  # what repeats a row's number along its classes


class Patterns:
    """A tape, and what is written instead of its steps.

    `more` are steps that come before another one, `instead` those that take its place, by its id.
    """

    def __init__(self, tape: Tape) -> None:
        self.types = list(tape.types)
        self.constants = dict(tape.constants)
        self.tape = tape
        self.makers = {slot: step for step in tape.instructions for slot in step.outputs}
        self.readers: dict[int, list[Instruction]] = defaultdict(list)
        for step in tape.instructions:
            for slot in dict.fromkeys(step.inputs):
                self.readers[slot].append(step)
        self.outputs = Counter(tape.outputs)
        self.more: dict[int, list[Instruction]] = {}
        self.instead: dict[int, list[Instruction]] = {}

    def source(self, slot: int, *, negated: bool = False) -> int:
        """The slot that is laid out as this one, or the one whose negative is."""
        maker = self.makers.get(slot)
        while maker is not None and maker.op.name in LAID_OUT:
            slot = maker.inputs[0]
            maker = self.makers.get(slot)
        if not negated:
            return slot
        return maker.inputs[0] if maker is not None and maker.op.name == "negative" else -1

    def row_number(self, slot: int, type: TensorType, axis: int) -> int:
        """A slot that broadcasts to `slot` and has one number along `axis`; -1 if there is none."""
        while True:
            shape = self.types[slot].shape
            missing = type.ndim - len(shape)
            if missing > axis or shape[axis - missing] == 1:
                return slot
            constant = self.constants.get(slot)
            if constant is not None:
                first = np.take(constant, [0], axis=axis - missing)
                return self.constant(first) if (constant == first).all() else -1
            maker = self.makers.get(slot)
            if maker is None or maker.op.name != "broadcast_to":
                return -1
            slot = maker.inputs[0]

    def constant(self, value: np.ndarray[Any, Any]) -> int:
        """A new slot of a constant."""
        slot = self.slot(TensorType(value.shape, value.dtype.name))
        self.constants[slot] = value
        return slot

    def slot(self, type: TensorType) -> int:
        """A new slot."""
        self.types.append(type)
        return len(self.types) - 1

    def reshaped(self, before: Instruction, slot: int, shape: tuple[int, ...]) -> int:
        """The slot in another shape, made before a step."""
        type = self.types[slot]
        if type.shape == shape:
            return slot
        if type.size != prod(shape):
            return -1
        constant = self.constants.get(slot)
        if constant is not None:
            return self.constant(constant.reshape(shape))
        out = self.slot(TensorType(shape, type.dtype))
        step = Instruction(TABLE["reshape"], (slot,), {"shape": shape, "copy": False}, (out,), before.origin)
        self.more.setdefault(id(before), []).append(step)
        return out

    def only_reader(self, slot: int) -> Instruction | None:
        """The one step that reads a slot, None if there are others or it is an output."""
        readers = self.readers[slot]
        return readers[0] if len(readers) == 1 and not self.outputs[slot] else None

    def is_small(self, slot: int) -> bool:
        """Whether it is known to be 1 at most everywhere."""
        constant = self.constants.get(slot)
        return constant is not None and bool((np.abs(constant) <= 1).all())

    def is_number(self, slot: int, number: float) -> bool:
        """Whether it is a constant without axes, of this value."""
        constant = self.constants.get(slot)
        return constant is not None and constant.ndim == 0 and bool(constant == number)

    def are_opposite(self, h: int, opposite: int) -> bool:
        """Whether one slot is the negative of the other, as far as it is laid out."""
        a, b = self.constants.get(h), self.constants.get(opposite)
        if a is not None and b is not None:
            return bool(np.array_equal(np.broadcast_to(a, b.shape) if a.ndim <= b.ndim else a, -b))
        return self.source(self.source(opposite, negated=True)) == self.source(h) != h

    def finish(self) -> Tape:
        """The tape as it was rewritten."""
        if not self.instead:
            return self.tape
        steps: list[Instruction] = []
        for step in self.tape.instructions:
            steps += self.more.get(id(step), ())
            steps += self.instead.get(id(step), (step,))
        return Tape(self.types, self.tape.inputs, self.constants, steps, list(self.tape.outputs))
