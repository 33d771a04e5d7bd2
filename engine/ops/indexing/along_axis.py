"""One index for every element: take_along_axis and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXIS, Attribute
from engine.ir.cost import Cost
from engine.ir.derivative import JOINT, Accumulate
from engine.ir.families import INDEXING, composite, define
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast, normalize_axis
from engine.ir.table import F
from engine.ops.indexing.basic import POSITION, selected_cost


def _normalize(types: Sequence[Any], *, axis: int | None) -> dict[str, Any]:
    x, indices = types[0], types[-1]
    if axis is None:
        if indices.ndim != 1:
            raise ShapeMismatch(
                f"indices of shape {indices.shape} into the flattened tensor: expected a vector of indices",
                hint="name an axis to read along it",
            )
        return {}
    if x.ndim != indices.ndim:
        raise ShapeMismatch(
            f"indices of shape {indices.shape} into shape {x.shape}: expected as many axes",
            hint="take and gather read whole slices; expand_dims can add an axis to the indices",
        )
    axis = normalize_axis(axis, x.ndim)
    broadcast(_beside(x.shape, axis), _beside(indices.shape, axis))
    return {"axis": axis}


def _beside(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _take_along_axis(x: Any, indices: Any, *, axis: int | None) -> Any:
    if axis is None:
        x, axis = x.reshape((x.size,)), 0
    common = broadcast(_beside(x.shape, axis), _beside(indices.shape, axis))
    x = x.broadcast_to((*common[:axis], x.shape[axis], *common[axis:]))
    indices = indices.broadcast_to((*common[:axis], indices.shape[axis], *common[axis:]))
    return F.read_along_axis(x, indices, axis=axis)


take_along_axis = composite(
    "take_along_axis",
    "gather_elements",
    summary="The elements of x along an axis at an index for each of them.",
    formula=_take_along_axis,
    normalize=_normalize,
    vjp=(JOINT, POSITION),
    kinds=("any", "integer"),
    promote=False,
    attributes=(Attribute("axis", AXIS, -1, "null: the flattened tensor", nullable=True),),
    samples=(
        Sample(((2, 3), [[0, -1, 0, 1], [2, 2, 1, 0]])),
        Sample(((2, 3), [5, 0, -2]), {"axis": None}),
        Sample(((3, 2), [[0, 2]]), {"axis": 0}),
        Sample(((1, 3), [[0], [2]]), {"axis": 1}),
        Sample(((3,), [1, 1])),
    ),
    conventions="PyTorch's gather, ONNX's GatherElements. Sizes beside the axis broadcast, as in NumPy.",
)


def _read(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    xp.watch_indices(indices, x.shape[axis])
    return xp.take_along_axis(x, indices, axis=axis)


def _infer_read(types: Sequence[TensorType], *, axis: int) -> tuple[TensorType, ...]:
    return (TensorType(types[1].shape, types[0].dtype),)


read_along_axis = define(
    "read_along_axis",
    family=INDEXING,
    batch=batch_rules.along_axis,
    summary="take_along_axis of tensors whose sizes beside the axis are equal.",
    forward=_read,
    normalize=_normalize,
    infer=_infer_read,
    vjp=(
        lambda g, y, x, indices, axis: Accumulate(
            lambda total: F.add_along_axis(total, g, indices, axis=axis)
        ),
        POSITION,
    ),
    kinds=("any", "integer"),
    promote=False,
    attributes=(Attribute("axis", AXIS),),
    cost=selected_cost,
    linear_in=frozenset({0}),
    zero_reason="unselected",
    internal=True,
    samples=(Sample(((2, 3), [[0, -1, 0, 1], [2, 2, 1, 0]]), {"axis": 1}),),
)


def _added_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    """Beside the values in one row, the places in the flattened target, and which count from the end."""
    values, indices = types[1:]
    plain = selected_cost(types, outputs)
    row = 0 if values.shape == indices.shape else indices.size * ITEMSIZE[values.dtype]
    return Cost(indices.size, plain.bytes, row + 9 * indices.size)


add_along_axis = define(
    "add_along_axis",
    family=INDEXING,
    batch=batch_rules.along_axis,
    dependence=dependence_rules.added("read_along_axis"),
    summary="x with `values` added at places along an axis; repeated places add up.",
    forward=lambda xp, x, values, indices, *, axis: xp.put_along_axis_add(x, indices, values, axis),
    normalize=_normalize,
    infer=lambda types, **_: (types[0],),
    vjp=(
        lambda g, y, x, values, indices, axis: g,
        lambda g, y, x, values, indices, axis: F.read_along_axis(g, indices, axis=axis),
        POSITION,
    ),
    kinds=("numeric", "numeric", "integer"),
    promote=(True, True, False),
    attributes=(Attribute("axis", AXIS),),
    cost=_added_cost,
    in_place=True,
    linear_in=frozenset({0, 1}),
    internal=True,
    samples=(
        Sample(((2, 3), (2, 4), [[0, -1, 0, 1], [2, 2, 1, 0]]), {"axis": 1}),
        Sample(((3, 2), (1, 2), [[0, 2]]), {"axis": 0}),
    ),
)
