"""Entries of the tables found in a recording: where a pattern matches, and what its letters stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.diagnosis.remedies.forms import Form
from engine.diagnosis.remedies.soft import Soft, words_of
from engine.diagnosis.remedies.table import Remedy
from engine.diagnosis.texts.source_text import Expressions
from engine.dtypes import TensorType
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound, Call


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry whose pattern matches at a step: what its letters are bound to, and the steps it covers."""

    remedy: Remedy | Soft
    step: Instruction
    bound: Bound
    covers: tuple[Instruction, ...]

    def covers_step(self, step: Instruction) -> bool:
        """Whether a step is a part of what would be written anew."""
        return any(step is one for one in self.covers)


@dataclass
class Matching:
    """The recording of one run, with its values, in which entries are looked for."""

    expressions: Expressions
    values: Mapping[int, Array]

    def value(self, operand: Any) -> Array:
        """The value of a slot, or a number."""
        return np.asarray(operand) if isinstance(operand, float) else np.asarray(self.values[operand])

    def type(self, slot: int) -> TensorType:
        """The type of a slot."""
        return self.expressions.graph.tape.types[slot]

    def depends(self, slot: int) -> bool:
        """Whether a variable has a part in a slot: unless more is known, it may have one in any."""
        return True

    def text(self, slot: int) -> str:
        """What makes a slot, as it is written, whatever its name is."""
        step = self.expressions.maker(slot)
        return self.expressions.text(slot) if step is None else self.expressions.node(step)

    def operand_text(self, step: Instruction, position: int) -> str:
        """What a step reads, as it is written there."""
        return self.expressions.operand(step, position)

    def candidates(self, table: Sequence[Remedy | Soft], steps: Sequence[Instruction]) -> Iterator[Candidate]:
        """Every entry of a table that matches at one of the steps, in the order of the table."""
        at: dict[str, list[tuple[Instruction, list[Any]]]] = {}
        for step in steps:
            guises = list(self.expressions.matcher.guises(step))
            for op in {guise.op for guise in guises}:
                at.setdefault(op, []).append((step, guises))
        for remedy in table:
            for pattern in remedy.patterns:
                for step, guises in at.get(pattern.op, ()):
                    yield from self._matches(remedy, pattern, step, guises)

    def _matches(
        self, remedy: Remedy | Soft, pattern: Call, step: Instruction, guises: list[Any]
    ) -> Iterator[Candidate]:
        for bound, covered in self.expressions.matcher.matches(pattern, step, guises):
            try:
                fits = remedy.when is None or remedy.when(self, step, bound)
            except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError, OverflowError):
                fits = False
            if fits and (self.is_whole(step) or (isinstance(remedy, Remedy) and remedy.says)):
                yield Candidate(remedy, step, bound, tuple(covered))
                return

    def is_whole(self, step: Instruction) -> bool:
        """Whether a step is all that a node of the user's came to."""
        return step.origin.op == step.op.name or self._counts[step.origin.node] == 1

    @cached_property
    def _counts(self) -> Counter[str | None]:
        return Counter(step.origin.node for step in self.expressions.graph.steps)

    def is_on_kink(self, step: Instruction) -> bool:
        """Whether some element lies where the slope of a step is a convention."""
        if step.op.derivative.nonsmooth_at is None:
            return False
        with np.errstate(all="ignore"):
            hit = step.op.derivative.nonsmooth_at(
                arrays.numpy_namespace(), *(self.value(slot) for slot in step.inputs), **step.attributes
            )
        return bool(np.any(hit))

    def form(self, candidate: Candidate, text: str) -> Form:
        """A form of an entry, its letters bound."""
        remedy, step, bound = candidate.remedy, candidate.step, candidate.bound
        slots = {k: v for k, v in bound.items() if k.islower() and isinstance(v, int)}
        numbers = {k: f"{v:g}" for k, v in bound.items() if k.islower() and isinstance(v, float)}
        settings = {k: self._setting(k, v, bound) for k, v in bound.items() if k.isupper()}
        more: Mapping[str, str] = {}
        if isinstance(remedy, Soft):
            more = words_of(self, step, bound) if "x" in bound else {}
            more = {**more, "W": self.expressions.node(step)}
        elif remedy.words is not None:
            more = remedy.words(self, step, bound)
        names = {}
        own = step.origin.op == step.op.name and len(candidate.covers) == 1
        for letter, slot in slots.items():
            if own and slot in step.inputs:
                names[letter] = self.expressions.operand(step, step.inputs.index(slot))
        return Form(text, slots, {**numbers, **settings, **more}, names)

    def _setting(self, letter: str, value: Any, bound: Bound) -> str:
        """An attribute as it is written, or nothing for one that is at its default."""
        if letter in ("A", "B"):
            axes = (value,) if isinstance(value, int) else tuple(value or ())
            x = bound.get("x")
            ndim = self.type(x).ndim if isinstance(x, int) else 0
            if axes == tuple(range(ndim)) and not isinstance(value, int):
                return ""
            return repr(axes[0] if len(axes) == 1 else axes)
        if value is False or value is None or (letter == "C" and value == 0):
            return ""
        return repr(value)

    def texts(self, candidate: Candidate) -> dict[str, str]:
        """The user's expressions for the letters of an entry, and for the whole `node`."""
        texts = {
            k: _without_axes(self.expressions.text(v)) if isinstance(v, int) else f"{v:g}"
            for k, v in candidate.bound.items()
            if k.islower() and isinstance(v, int | float)
        }
        return {**texts, "node": self.expressions.node(candidate.step)}


def _without_axes(text: str) -> str:
    """An expression without the axes of size 1 that were added to it last."""
    return text.removesuffix("[..., None]").removesuffix("[:, None]")
