"""Elements in another order along axes: reversed or rolled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir import batch_rules
from engine.ir.attributes import AXES, INTS, Attribute
from engine.ir.families import axes_of_input, composite
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.shaping.common import mover

flip = mover(
    "flip",
    "reverse",
    batch=batch_rules.along_axis,
    summary="The elements in reverse order along axes, all of them when none is named.",
    forward=lambda xp, x, *, axis: xp.flip(x, axis=axis),
    normalize=axes_of_input,
    infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
    vjp=lambda g, y, x, axis: F.flip(g, axis=axis),
    attributes=(Attribute("axis", AXES, None),),
    view=True,
    samples=(Sample(((2, 3),)), Sample(((2, 3),), {"axis": -1}), Sample(((2, 3, 2),), {"axis": [0, 2]})),
)

fliplr = composite(
    "fliplr",
    summary="Each row reversed: axis 1 in reverse order.",
    formula=lambda x: F.flip(x, axis=1),
    samples=(Sample(((2, 3),)),),
)

flipud = composite(
    "flipud",
    summary="The rows reversed: axis 0 in reverse order.",
    formula=lambda x: F.flip(x, axis=0),
    samples=(Sample(((2, 3),)),),
)


def _normalize_roll(
    types: Sequence[TensorType], *, shift: tuple[int, ...], axis: tuple[int, ...] | None
) -> dict[str, Any]:
    x = types[0]
    if axis is None:
        return {"shift": (sum(shift) % max(x.size, 1),), "axis": None}
    axes = tuple(normalize_axis(a, x.ndim) for a in axis)
    if len(shift) == 1:
        shift = shift * len(axes)
    if len(shift) != len(axes):
        raise InvalidAttribute(f"expected one shift or {len(axes)}, one for each axis, got {len(shift)}")
    total = dict.fromkeys(axes, 0)
    for places, place in zip(shift, axes, strict=True):
        total[place] += places  # one axis may be named twice, as 1 and -1: its shifts add up
    return {"shift": tuple(s % max(x.shape[a], 1) for a, s in total.items()), "axis": tuple(total)}


def _roll(xp: Any, x: Any, *, shift: tuple[int, ...], axis: tuple[int, ...] | None) -> Any:
    if not shift:
        return xp.asarray(x, copy=True)
    return xp.roll(x, shift[0] if axis is None else shift, axis=axis)


roll = mover(
    "roll",
    batch=batch_rules.along_axis,
    summary="The elements moved on by `shift` along axes; what leaves at the end enters at the start.",
    forward=_roll,
    normalize=_normalize_roll,
    infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
    vjp=lambda g, y, x, shift, axis: F.roll(g, shift=tuple(-s for s in shift), axis=axis),
    attributes=(
        Attribute("shift", INTS, doc="one for all axes, or one for each"),
        Attribute("axis", AXES, None, "the flattened tensor is rolled when absent"),
    ),
    samples=(
        Sample(((2, 3),), {"shift": 1}),
        Sample(((2, 3),), {"shift": -1, "axis": 1}),
        Sample(((3, 4),), {"shift": [1, 2], "axis": [0, -1]}),
    ),
)
