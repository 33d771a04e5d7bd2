"""Slices picked by tensors of indices, and indices spread out as one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange
from engine.ir import batch_rules
from engine.ir.attributes import AXIS, DTYPE, SIZE, Attribute, InputIndex
from engine.ir.cost import Cost
from engine.ir.derivative import JOINT
from engine.ir.families import INDEXING, composite, define
from engine.ir.indices import along
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.indexing.basic import POSITION


def _at(x: Any, indices: Any, axis: int) -> Any:
    return F.getitem(x, indices, index=along(normalize_axis(axis, x.ndim), InputIndex(1)))


def _take(x: Any, indices: Any, *, axis: int | None) -> Any:
    return _at(x.reshape((x.size,)), indices, 0) if axis is None else _at(x, indices, axis)


_RANGE = "Negative indices count from the end; an index out of range is an error."

take = composite(
    "take",
    summary="The slices of x along an axis at `indices`.",
    formula=_take,
    vjp=(JOINT, POSITION),
    kinds=("any", "integer"),
    promote=False,
    attributes=(Attribute("axis", AXIS, None, "the flattened tensor when absent"),),
    samples=(
        Sample(((4, 3), [0, -1, 0]), {"axis": 0}),
        Sample(((4, 3), [[0, 2], [1, 1]]), {"axis": -1}),
        Sample(((2, 3), [5, 0])),
        Sample(((4,), 2), {"axis": 0}),
    ),
    conventions=_RANGE,
)

gather = composite(
    "gather",
    "embedding_lookup",
    summary="The slices of x along an axis at `indices`; along axis 0 if none is given.",
    formula=lambda x, indices, *, axis: _at(x, indices, axis),
    vjp=(JOINT, POSITION),
    kinds=("any", "integer"),
    promote=False,
    attributes=(Attribute("axis", AXIS, 0),),
    samples=(Sample(((4, 3), [[0, 3], [3, 3]])), Sample(((2, 3), [0, 2]), {"axis": 1})),
    conventions=f"Gather of ONNX and TensorFlow. PyTorch's gather is take_along_axis. {_RANGE}",
)


def _gather_nd(x: Any, indices: Any) -> Any:
    depth = indices.shape[-1] if indices.ndim else 0
    if not 1 <= depth <= x.ndim:
        raise IndexOutOfRange(
            f"the last axis of the indices, shape {indices.shape}, names places in shape {x.shape}",
            hint=f"its size is from 1 to {x.ndim}",
        )
    places = [F.getitem(indices, index=(..., k)) for k in range(depth)]
    return F.getitem(x, *places, index=tuple(InputIndex(k + 1) for k in range(depth)))


gather_nd = composite(
    "gather_nd",
    summary="The elements or slices of x at the indices that the rows of `indices` hold.",
    formula=_gather_nd,
    vjp=(JOINT, POSITION),
    kinds=("any", "integer"),
    promote=False,
    samples=(Sample(((2, 3), [[0, 0], [1, 2]])), Sample(((2, 3), [[1], [1]]))),
    conventions=_RANGE,
)


def _one_hot(xp: Any, indices: Any, *, num_classes: int, axis: int, dtype: str) -> Any:
    xp.check_indices(indices, num_classes, negative=False)
    classes = [1] * (indices.ndim + 1)
    classes[axis] = num_classes
    indices = xp.expand_dims(xp.astype(indices, xp.int64, copy=False), axis=axis)
    rows = indices == xp.reshape(xp.arange(num_classes), tuple(classes))
    return xp.astype(rows, getattr(xp, dtype))


def _infer_one_hot(
    types: Sequence[TensorType], *, num_classes: int, axis: int, dtype: str
) -> tuple[TensorType, ...]:
    shape = list(types[0].shape)
    shape.insert(axis, num_classes)
    return (TensorType(tuple(shape), dtype),)


one_hot = define(
    "one_hot",
    family=INDEXING,
    batch=batch_rules.along_axis,
    summary="A row for each index: zeros with a one at that index.",
    forward=_one_hot,
    normalize=lambda types, *, axis, **_: {"axis": normalize_axis(axis, types[0].ndim + 1)},
    infer=_infer_one_hot,
    vjp=NoGradient("nondifferentiable", "to_integer", "an index is an integer"),
    kinds="integer",
    attributes=(
        Attribute("num_classes", SIZE, doc="the size of the new axis"),
        Attribute("axis", AXIS, -1, "where the new axis lies"),
        Attribute("dtype", DTYPE, dtypes.DEFAULT),
    ),
    cost=lambda types, outputs, **_: Cost(
        outputs[0].size, types[0].nbytes + outputs[0].nbytes, outputs[0].size
    ),
    samples=(
        Sample(([0, 2, 1],), {"num_classes": 3}),
        Sample(([[0, 2], [1, 1]],), {"num_classes": 4, "axis": 0, "dtype": "float32"}),
        Sample((1,), {"num_classes": 2, "dtype": "bool"}),
    ),
    conventions="An index below 0 or of `num_classes` and more is an error.",
)
