"""Where a value that is not finite was first made.

From a value that is NaN or infinite the search follows the operands that are so too, element by element
where the op allows it, to the instruction whose operands were finite, or to the data that came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, undefined, values_at
from engine.diagnosis.evidence.extended_precision import compute_wider
from engine.diagnosis.evidence.influence import pull_mask, push_mask
from engine.diagnosis.evidence.interpreter import Values, execute
from engine.ir.tape import Instruction

NUDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Birth:
    """Where non-finite elements came from: a step with finite operands, or a slot of data (`step` None).

    `mask` marks them in the step's output `slot`, or in the data; `reason` is the wire's: domain, overflow,
    empty_selection, nonfinite_input or infinite_derivative.
    """

    step: Instruction | None
    slot: int
    mask: Mask
    reason: str


def find_births(steps: Sequence[Instruction], values: Values, wrong: Mapping[int, Mask]) -> list[Birth]:
    """Every birth behind the elements marked in `wrong`: data first, then steps in their order."""
    chased = dict(wrong)
    births: list[Birth] = []
    for step in reversed(steps):
        for slot in step.outputs:
            mask = chased.pop(slot, None)
            if mask is not None:
                births += _chase(step, slot, mask, values, chased)
    births.reverse()
    data = [Birth(None, slot, mask, "nonfinite_input") for slot, mask in sorted(chased.items())]
    return data + births


def _chase(step: Instruction, slot: int, mask: Mask, values: Values, chased: dict[int, Mask]) -> list[Birth]:
    """Pass the elements on to the operands that brought them; a birth for those that none brought."""
    own = mask
    for position, operand in enumerate(step.inputs):
        wrong = nonfinite(values[operand])
        if wrong.any():
            wrong = wrong & pull_mask(step, position, slot, mask, values)
        if wrong.any():
            own = own & ~push_mask(step, {position: wrong}, slot, values)
            chased[operand] = chased[operand] | wrong if operand in chased else wrong
    return [Birth(step, slot, own, why_nonfinite(step, slot, own, values))] if own.any() else []


def why_nonfinite(step: Instruction, slot: int, mask: Mask, values: Values) -> str:
    """The reason for elements that a step made non-finite from finite operands."""
    operands = [values[operand] for operand in step.inputs]
    if any(operand.size == 0 for operand in operands):
        return "empty_selection"
    place = step.outputs.index(slot)
    wide = compute_wider(step, operands)
    if wide is not None and np.isfinite(wide[place][mask]).all():
        return "overflow"
    if undefined(values[slot][mask]).any():
        return "domain"
    return "domain" if _is_pole(step, operands, place, mask) else "overflow"


def _is_pole(step: Instruction, operands: Sequence[Array], place: int, mask: Mask) -> bool:
    """Whether the result is finite close by, as beside a division by zero or a singular matrix."""
    draw = np.random.default_rng(0)
    finite = np.zeros(mask.shape, bool)
    with np.errstate(all="ignore"):
        for factor in (NUDGE, -NUDGE):
            if step.op.family.name == "elementwise":
                moved = [_move(x, factor) for x in operands]
            elif step.op.family.name == "linalg":  # the same for every element would leave some singular
                moved = [_move(x, factor * draw.uniform(0.5, 1.5, x.shape)) for x in operands]
            else:
                return False
            finite |= np.isfinite(execute(step, moved)[place])
    return bool(finite[mask].all())


def _move(x: Array, factor: Any) -> Array:
    """An operand a little off; integers stay."""
    if x.dtype.kind not in "fc":
        return x
    return np.asarray(x + factor * np.maximum(1, np.abs(x)), x.dtype)


def evidence_of(birth: Birth, values: Values) -> dict[str, Any]:
    """The values at the marked elements: what was made, and from what where elements correspond."""
    evidence: dict[str, Any] = {"value": values_at(values[birth.slot], birth.mask)}
    if birth.step is not None and birth.step.op.family.name == "elementwise":
        evidence = {**operands_at(birth.step, birth.mask, values), **evidence}
    return evidence


def operands_at(step: Instruction, mask: Mask, values: Values) -> dict[str, Any]:
    """The operands of an elementwise step at elements of its result, by parameter."""
    return {
        step.op.input(position).name: values_at(values[slot], mask)
        for position, slot in enumerate(step.inputs)
    }
