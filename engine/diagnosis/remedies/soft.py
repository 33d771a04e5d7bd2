"""The record of a cut whose remedy is an expression: what has no slope, and what to write in its place.

As in `engine.diagnosis.remedies.table` patterns are matched against the tape, and forms tried in order. The
number k is how steep a soft step is: it is chosen by the values, so that the step has a slope all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.remedies.table import Condition, Scene
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound, Call, parse


@dataclass(frozen=True)
class Soft:
    """What to write for any of `before`, or with `loss` in place of the whole target."""

    before: tuple[str, ...]
    forms: tuple[str, ...]
    why: str
    when: Condition | None = None
    loss: bool = False

    @cached_property
    def patterns(self) -> tuple[Call, ...]:
        """The expressions that are matched."""
        parsed = tuple(parse(text) for text in self.before)
        assert all(isinstance(pattern, Call) for pattern in parsed), self.before
        return parsed  # type: ignore[return-value]  # asserted in the line before


def words_of(scene: Scene, step: Instruction, bound: Bound) -> Mapping[str, str]:
    """The literals that a form may use: k, the number N of elements of x along A, the last place M in y."""
    shape = scene.type(bound["x"]).shape
    axis = bound.get("A", -1)
    size = shape[axis] if shape and isinstance(axis, int) else 1
    table = scene.type(bound["y"]).shape if isinstance(bound.get("y"), int) else ()
    return {
        "k": f"{steepness(scene, bound):g}",
        "N": f"{float(size)}",
        "M": f"{table[0] - 1 if table else 0}",
    }


def steepness(scene: Scene, bound: Bound) -> float:
    """A power of ten that makes the typical difference between x and y a few units."""
    x = np.asarray(scene.value(bound["x"]), float)
    y = np.asarray(scene.value(bound["y"]), float) if "y" in bound else np.zeros(())
    try:
        apart = np.abs(x - y)
    except ValueError:
        apart = np.abs(x)
    typical = _typical(apart)
    return float(10.0 ** np.clip(np.floor(np.log10(10 / typical)), -9, 9)) if typical > 0 else 10.0


def _typical(apart: Array) -> float:
    positive = apart[np.isfinite(apart) & (apart > 0)]
    return float(np.median(positive)) if positive.size else 0.0


def vector(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether x is a vector."""
    return scene.type(bound["x"]).ndim == 1


def last(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether the axis A is the last one of x."""
    return bool(bound["A"] in (-1, scene.type(bound["x"]).ndim - 1))


def cast(text: str) -> tuple[str, ...]:
    """An expression, and the same converted to another dtype."""
    return text, f"astype({text}, dtype=D)"


SIDES = ("greater", "greater_equal"), ("less", "less_equal")
