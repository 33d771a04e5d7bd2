"""What a culprit multiplies or divides by, and why that is 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from engine.diagnosis.causes.provenance import Cause, Causes
from engine.diagnosis.evidence.element_masks import Mask
from engine.diagnosis.remedies.table import Scene
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

#: By op the operand at whose 0 (or below) it is not defined, or infinitely steep.
POLE_AT: Mapping[str, int] = {
    "divide": 1, "reciprocal": 0, "log": 0, "log2": 0, "log10": 0, "sqrt": 0, "rsqrt": 0, "cbrt": 0, "pow": 0,
    "xlogy": 1, "digamma": 0, "gammaln": 0,
}  # fmt: skip
FEW = 12  # steps behind a factor that are looked at


class Traced(Scene, Protocol):
    """The values of a run, and where they came from."""

    expressions: Expressions

    @property
    def causes(self) -> Causes:
        """Where values came from."""


def factor_of(run: Traced, culprit: Culprit) -> tuple[str, Cause | None] | None:
    """What a culprit multiplies by, as it was written, and why that is 0."""
    edge, step = culprit.edge, culprit.step
    if edge is None or step is None:
        return None
    mask = mask_of(culprit.elements, run.value(edge.slot).shape)
    met = run.causes.factor(step, edge.position, mask)
    if met is None:
        return None
    slot, zero = met
    position = next(i for i, other in enumerate(step.inputs) if other == slot and i != edge.position)
    return run.expressions.operand(step, position), run.causes.of_zero(slot, zero)


def steps_behind(run: Traced, culprit: Culprit) -> list[Instruction]:
    """The steps that make the factor that a culprit multiplies by, the last few."""
    step = culprit.step if culprit.reason == "zero_operand" and culprit.edge is not None else None
    ahead = [slot for i, slot in enumerate(step.inputs) if i != culprit.input] if step is not None else []
    steps: list[Instruction] = []
    while ahead and len(steps) < FEW:
        maker = run.expressions.graph.makers.get(ahead.pop())
        if maker is not None and not any(maker is other for other in steps):
            steps.append(maker)
            ahead += maker.inputs
    return steps


def cause_of(run: Traced, step: Instruction) -> Cause | None:
    """Why what a step is not defined for is 0."""
    position = POLE_AT.get(step.op.name)
    if position is None:
        return None
    slot = step.inputs[position]
    zero = np.asarray(run.value(slot) == 0)
    return run.causes.of_zero(slot, zero) if zero.any() else None


def mask_of(elements: Sequence[Sequence[int]], shape: tuple[int, ...]) -> Mask:
    """The elements that are listed; all of them if none fits."""
    mask = np.zeros(shape, bool)
    for place in elements:
        if len(place) == len(shape) and all(i < size for i, size in zip(place, shape, strict=True)):
            mask[tuple(place)] = True
    return mask if mask.any() else np.ones(shape, bool)
