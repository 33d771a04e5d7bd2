"""What the target does around a point of gradient zero: least there, greatest, neither, or the same.

The values of a few points nearby say it. They are no proof, and told as what was tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.interpreter import Bound, replay
from engine.ir.tape import Instruction, Tape

Surroundings = Literal["minimum", "maximum", "saddle", "flat"]
STEPS = (1e-2, 1e-1)  # relative to the size of the variable
DIRECTIONS = 4  # drawn at random, beside the axes of a variable of few elements
FEW = 4
LARGEST = 1 << 22  # bytes of values beyond which nothing is tried


def surroundings(
    tape: Tape, steps: Sequence[Instruction], inputs: Mapping[str, Array], name: str, target: int
) -> Surroundings | None:
    """How the target changes with the input `name` nearby; None where that cannot be said."""
    if sum(tape.types[slot].nbytes for step in steps for slot in step.outputs) > LARGEST:
        return None
    x = np.asarray(inputs[name])
    if x.dtype.kind != "f" or not x.size or not np.isfinite(x).all():
        return None

    bound: Bound = {}

    def value(at: Array) -> float:
        return float(replay(tape, steps, {**inputs, name: at}, bound)[target].reshape(()))

    here = value(x)
    nearby = [value(np.asarray(at, x.dtype)) for at in _nearby(x)]
    if not np.isfinite([here, *nearby]).all():
        return None
    values = replay(tape, steps, inputs, bound)
    last = next((step for step in reversed(steps) if target in step.outputs), None)
    terms = [float(np.abs(np.asarray(values[slot], float)).sum()) for slot in (last.inputs if last else ())]
    rounding = 64 * float(np.finfo(x.dtype).eps) * max(*map(abs, (here, *nearby)), *terms)
    above, below = (any(sign * (other - here) > rounding for other in nearby) for sign in (1, -1))
    if above and below:
        return "saddle"
    return "minimum" if above else "maximum" if below else "flat"


def _nearby(x: Array) -> Iterator[Array]:
    """Points on both sides, along axes and random directions."""
    draw = np.random.default_rng(0)
    ways = [draw.standard_normal(x.shape) for _ in range(DIRECTIONS if x.size > 1 else 0)]
    if x.size <= FEW:
        ways += [np.eye(x.size)[k].reshape(x.shape) for k in range(x.size)]
    size = max(float(np.abs(x).max()), 1.0)
    for length in STEPS:
        for way in ways:
            for sign in (1, -1):
                yield x + sign * length * size * way
