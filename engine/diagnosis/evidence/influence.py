"""What some elements of a variable have a part in, and what has a part in some elements of a result.

Masks are pushed forward over gradient edges, or drawn back from an output to an input, by the ops' own rules
of which element reads which. A mask may mark too much, never too little: where an op has no rule, every
element counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.diagnosis.evidence.edge_adjoints import Pullback
from engine.diagnosis.evidence.element_masks import Mask, gather, spread
from engine.diagnosis.evidence.interpreter import Values
from engine.diagnosis.evidence.structure import Edge, Graphing
from engine.dtypes import TensorType, name_of
from engine.ir.dependence import Inside, Reach, Stepwise
from engine.ir.dependence_rules import TypedStep
from engine.ir.tape import Instruction


def cone(pullbacks: Sequence[Pullback], values: Values, source: int, marked: Mask) -> dict[int, Mask]:
    """By slot the elements that depend on the `marked` elements of `source`."""
    masks = {source: marked}
    for pullback in reversed(pullbacks):
        step = pullback.step
        moved = {edge.position: masks[edge.slot] for edge, _ in pullback.answers if edge.slot in masks}
        if moved:
            for slot in step.outputs:
                mask = push_mask(step, moved, slot, values)
                masks[slot] = masks[slot] | mask if slot in masks else mask
    return masks


def losing_cuts(
    graph: Graphing, values: Values, source: int, marked: Mask, edges: Sequence[Edge]
) -> list[Edge]:
    """Those of the `edges` at which what the `marked` elements of `source` have a part in arrives."""
    masks = {source: marked}
    for step in graph.downstream(source):
        moved = {
            i: masks[slot]
            for i, slot in enumerate(step.inputs)
            if slot in masks and not Edge(step, i).shape_only
        }
        for slot in step.outputs if moved else ():
            masks[slot] = push_mask(step, moved, slot, values)
    return [edge for edge in edges if edge.slot in masks and masks[edge.slot].any()]


def push_mask(step: Instruction, moved: dict[int, Mask], slot: int, values: Values) -> Mask:
    """The elements of the output in `slot` that depend on those marked in `moved`, by position."""
    shape = values[slot].shape
    mask = np.zeros(shape, bool)
    for position, marked in moved.items():
        if not marked.any():
            continue
        if step.op.family.name == "elementwise":
            mask |= spread(marked, shape)
        else:
            reach = _reach(step, position, slot, values)
            mask |= np.ones(shape, bool) if reach is None else _forward(reach, marked).reshape(shape)
    return mask


def pull_mask(step: Instruction, position: int, slot: int, mask: Mask, values: Values) -> Mask:
    """The elements of an input that those marked in the output in `slot` depend on."""
    value = values[step.inputs[position]]
    if step.op.family.name == "elementwise":
        return gather(mask, value.shape)
    reach = _reach(step, position, slot, values)
    if reach is None:
        return np.full(value.shape, bool(mask.any()))
    return _back(reach, mask, value.size).reshape(value.shape)


def _reach(step: Instruction, position: int, slot: int, values: Values) -> Reach | None:
    rule = step.op.rules.dependence
    if rule is None or isinstance(rule, Inside | Stepwise):
        return None
    view = TypedStep(
        step.op,
        [_type(values[source]) for source in step.inputs],
        _type(values[slot]),
        step.attributes,
        lambda i: values[step.inputs[i]],
    )
    answer: Reach | None = rule(view, position)
    return answer


def _type(value: np.ndarray) -> TensorType:
    return TensorType(value.shape, name_of(value.dtype))


def _forward(reach: Reach, mask: Mask) -> Mask:
    flat = mask.reshape(-1)
    if reach.take is not None:
        flat = np.append(flat, False)[reach.take]
    if reach.into is not None:
        flat = np.bincount(reach.into, weights=flat, minlength=reach.groups) > 0
    return flat if reach.read is None else np.append(flat, False)[reach.read]


def _back(reach: Reach, mask: Mask, size: int) -> Mask:
    flat = mask.reshape(-1)
    places = size if reach.take is None else reach.take.size
    if reach.read is not None:
        flat = _set(reach.read[flat], places if reach.into is None else reach.groups)
    if reach.into is not None:
        flat = flat[reach.into]
    return flat if reach.take is None else _set(reach.take[flat], size)


def _set(numbers: np.ndarray, size: int) -> Mask:
    """The places of these numbers; -1 is none."""
    mask = np.zeros(size + 1, bool)
    mask[numbers] = True
    return mask[:-1]
