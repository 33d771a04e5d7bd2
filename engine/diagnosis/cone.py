"""What some elements of a variable have a part in: masks pushed forward over gradient edges.

A mask may mark too much, never too little: elementwise steps and steps that only move or add elements are
followed exactly, behind any other step every element counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.diagnosis.elements import Mask, spread
from engine.diagnosis.pullbacks import Pullback
from engine.diagnosis.replay import Values, execute
from engine.tape import Instruction

_MOVING = frozenset({"shaping", "indexing", "reduction"})


def cone(pullbacks: Sequence[Pullback], values: Values, source: int, marked: Mask) -> dict[int, Mask]:
    """By slot the elements that depend on the `marked` elements of `source`."""
    masks = {source: marked}
    for pullback in reversed(pullbacks):
        step = pullback.step
        moved = {edge.position: masks[edge.slot] for edge, _ in pullback.answers if edge.slot in masks}
        if moved:
            for slot, mask in zip(step.outputs, _push(step, moved, values), strict=True):
                masks[slot] = masks[slot] | mask if slot in masks else mask
    return masks


def _push(step: Instruction, moved: dict[int, Mask], values: Values) -> list[Mask]:
    shapes = [values[slot].shape for slot in step.outputs]
    if not any(mask.any() for mask in moved.values()):
        return [np.zeros(shape, bool) for shape in shapes]
    if step.op.family.name == "elementwise":
        pushed = np.zeros(shapes[0], bool)
        for mask in moved.values():
            pushed |= spread(mask, shapes[0])
        return [pushed]
    if step.op.family.name in _MOVING and all(_is_linear(step, position) for position in moved):
        return _follow(step, moved, values)
    return [np.ones(shape, bool) for shape in shapes]


def _is_linear(step: Instruction, position: int) -> bool:
    last = len(step.op.inputs) - 1
    return min(position, last) in step.op.linear_in


def _follow(step: Instruction, moved: dict[int, Mask], values: Values) -> list[Mask]:
    """The step itself on the masks as numbers."""
    operands = []
    for position, slot in enumerate(step.inputs):
        value = values[slot]
        if position in moved:
            operands.append(moved[position].astype(value.dtype))
        else:
            operands.append(np.zeros_like(value) if _is_linear(step, position) else value)
    with np.errstate(all="ignore"):
        return [output != 0 for output in execute(step, operands)]
