"""Ops that move elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from engine.attributes import AXES, AXIS, DTYPE, NEW_SHAPE, SHAPE, Attribute
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.families import SHAPING, broadcast, define, free, moved, normalize_axes, normalize_axis
from engine.op import Cost, F, Sample

LINEAR = frozenset({0})


def _copy_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(0, moved(types, outputs))


def _infer_astype(types: Sequence[TensorType], *, dtype: str) -> tuple[TensorType, ...]:
    return (TensorType(types[0].shape, dtype),)


astype = define(
    "astype",
    "cast",
    family=SHAPING,
    summary="The same values in another dtype; floats lose their fraction on the way to integers.",
    forward=lambda xp, x, *, dtype: xp.astype(x, getattr(xp, dtype)),
    infer=_infer_astype,
    vjp=lambda g, y, x, dtype: g.astype(x.dtype),
    kinds="any",
    attributes=(Attribute("dtype", DTYPE),),
    cost=_copy_cost,
    linear_in=LINEAR,
    samples=(Sample(((2, 3),), {"dtype": "float64"}),),
    conventions="To integers or bool no gradient passes (to_integer).",
)


def _normalize_reshape(types: Sequence[TensorType], *, shape: tuple[int, ...]) -> dict[str, Any]:
    x = types[0]
    known = prod(size for size in shape if size != -1)
    if -1 in shape and known and x.size % known == 0:
        shape = tuple(x.size // known if size == -1 else size for size in shape)
    if -1 in shape or prod(shape) != x.size:
        raise ShapeMismatch(
            f"{x.size} elements of shape {x.shape} do not fill the shape {shape}",
            hint="the product of the sizes must stay the same; one size may be -1",
        )
    return {"shape": shape}


def _infer_new_shape(types: Sequence[TensorType], *, shape: tuple[int, ...]) -> tuple[TensorType, ...]:
    return (TensorType(shape, types[0].dtype),)


reshape = define(
    "reshape",
    family=SHAPING,
    summary="The same elements, in C order, in another shape.",
    forward=lambda xp, x, *, shape: xp.reshape(x, shape),
    normalize=_normalize_reshape,
    infer=_infer_new_shape,
    vjp=lambda g, y, x, shape: g.reshape(x.shape),
    kinds="any",
    attributes=(Attribute("shape", NEW_SHAPE),),
    cost=free,
    view=True,
    linear_in=LINEAR,
    samples=(
        Sample(((2, 3),), {"shape": [3, 2]}),
        Sample(((2, 3),), {"shape": [-1]}),
        Sample(((1,),), {"shape": []}),
    ),
)


def _normalize_broadcast(types: Sequence[TensorType], *, shape: tuple[int, ...]) -> dict[str, Any]:
    if broadcast(types[0].shape, shape) != shape:
        raise ShapeMismatch(
            f"shape {types[0].shape} does not broadcast to {shape}",
            hint="only axes of size 1 and missing leading axes are repeated",
        )
    return {}


broadcast_to = define(
    "broadcast_to",
    family=SHAPING,
    summary="x repeated along axes of size 1 and new leading axes, up to `shape`.",
    forward=lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    normalize=_normalize_broadcast,
    infer=_infer_new_shape,
    vjp=lambda g, y, x, shape: F.sum_to(g, shape=x.shape),
    kinds="any",
    attributes=(Attribute("shape", SHAPE),),
    cost=free,
    view=True,
    linear_in=LINEAR,
    samples=(Sample(((3,),), {"shape": [2, 3]}), Sample(((2, 1),), {"shape": [4, 2, 3]})),
)


def _sum_to(xp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    extra = x.ndim - len(shape)
    repeated = tuple(i for i, size in enumerate(shape, extra) if size == 1 and x.shape[i] != 1)
    total = xp.sum(x, axis=(*range(extra), *repeated), keepdims=True, dtype=x.dtype)
    return xp.reshape(total, shape)


def _sum_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(types[0].size, moved(types, outputs))


sum_to = define(
    "sum_to",
    family=SHAPING,
    summary="The adjoint of broadcast_to: x summed down to `shape`.",
    forward=_sum_to,
    infer=_infer_new_shape,
    vjp=lambda g, y, x, shape: g.broadcast_to(x.shape),
    attributes=(Attribute("shape", SHAPE),),
    cost=_sum_cost,
    linear_in=LINEAR,
    internal=True,
    samples=(Sample(((2, 3),), {"shape": [3]}), Sample(((4, 2, 3),), {"shape": [2, 1]})),
)


def _normalize_permutation(types: Sequence[TensorType], *, axes: tuple[int, ...] | None) -> dict[str, Any]:
    ndim = types[0].ndim
    if axes is None:
        return {"axes": tuple(reversed(range(ndim)))}
    order = tuple(normalize_axis(axis, ndim) for axis in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeMismatch(
            f"axes {axes} are no permutation of the {ndim} axes", hint="name every axis exactly once"
        )
    return {"axes": order}


def _infer_permutation(types: Sequence[TensorType], *, axes: tuple[int, ...]) -> tuple[TensorType, ...]:
    return (TensorType(tuple(types[0].shape[axis] for axis in axes), types[0].dtype),)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(i) for i in range(len(axes)))


permute_dims = define(
    "permute_dims",
    "transpose",
    "permute",
    family=SHAPING,
    summary="The axes in another order, reversed when `axes` is absent.",
    forward=lambda xp, x, *, axes: xp.permute_dims(x, axes),
    normalize=_normalize_permutation,
    infer=_infer_permutation,
    vjp=lambda g, y, x, axes: F.permute_dims(g, axes=inverse(axes)),
    kinds="any",
    attributes=(Attribute("axes", AXES, None, "a permutation of the axes"),),
    cost=free,
    view=True,
    linear_in=LINEAR,
    samples=(Sample(((2, 3),)), Sample(((2, 3, 4),), {"axes": [1, 2, 0]})),
)


def _normalize_expand(types: Sequence[TensorType], *, axis: tuple[int, ...]) -> dict[str, Any]:
    return {"axis": normalize_axes(axis, types[0].ndim + len(axis))}


def _infer_expand(types: Sequence[TensorType], *, axis: tuple[int, ...]) -> tuple[TensorType, ...]:
    shape = list(types[0].shape)
    for place in axis:
        shape.insert(place, 1)
    return (TensorType(tuple(shape), types[0].dtype),)


expand_dims = define(
    "expand_dims",
    "unsqueeze",
    family=SHAPING,
    summary="New axes of size 1 at the places `axis` of the answer.",
    forward=lambda xp, x, *, axis: xp.reshape(x, _infer_expand([x], axis=axis)[0].shape),
    normalize=_normalize_expand,
    infer=_infer_expand,
    vjp=lambda g, y, x, axis: g.reshape(x.shape),
    kinds="any",
    attributes=(Attribute("axis", AXES),),
    cost=free,
    view=True,
    linear_in=LINEAR,
    samples=(Sample(((2, 3),), {"axis": 0}), Sample(((2, 3),), {"axis": [0, -1]})),
)


def _normalize_squeeze(types: Sequence[TensorType], *, axis: tuple[int, ...] | None) -> dict[str, Any]:
    shape = types[0].shape
    if axis is None:
        return {"axis": tuple(i for i, size in enumerate(shape) if size == 1)}
    axes = normalize_axes(axis, len(shape))
    wide = [i for i in axes if shape[i] != 1]
    if wide:
        raise ShapeMismatch(
            f"axis {wide[0]} of shape {shape} has size {shape[wide[0]]}",
            hint="only axes of size 1 can be dropped",
        )
    return {"axis": axes}


def _infer_squeeze(types: Sequence[TensorType], *, axis: tuple[int, ...]) -> tuple[TensorType, ...]:
    return (TensorType(tuple(s for i, s in enumerate(types[0].shape) if i not in axis), types[0].dtype),)


squeeze = define(
    "squeeze",
    family=SHAPING,
    summary="Without axes of size 1: those named, or all.",
    forward=lambda xp, x, *, axis: xp.squeeze(x, axis=axis),
    normalize=_normalize_squeeze,
    infer=_infer_squeeze,
    vjp=lambda g, y, x, axis: g.reshape(x.shape),
    kinds="any",
    attributes=(Attribute("axis", AXES, None),),
    cost=free,
    view=True,
    linear_in=LINEAR,
    samples=(Sample(((1, 3, 1),)), Sample(((2, 1),), {"axis": 1})),
)


def _normalize_join(types: Sequence[TensorType], *, axis: int) -> dict[str, Any]:
    axis = normalize_axis(axis, types[0].ndim)
    for position, other in enumerate(types[1:], 1):
        fits = other.ndim == types[0].ndim and all(
            a == b for i, (a, b) in enumerate(zip(types[0].shape, other.shape, strict=True)) if i != axis
        )
        if not fits:
            raise ShapeMismatch(
                f"input {position} has shape {other.shape}, input 0 has {types[0].shape}: they differ beside axis {axis}",
                hint="all sizes but the joined axis must be equal",
            )
    return {"axis": axis}


def _infer_concat(types: Sequence[TensorType], *, axis: int) -> tuple[TensorType, ...]:
    shape = list(types[0].shape)
    shape[axis] = sum(t.shape[axis] for t in types)
    return (TensorType(tuple(shape), types[0].dtype),)


def _concat_rule(i: int, g: Any, y: Any, *xs: Any, axis: int) -> Any:
    start = sum(x.shape[axis] for x in xs[:i])
    window = slice(start, start + xs[i].shape[axis])
    return F.getitem(g, index=(slice(None),) * axis + (window,))


concat = define(
    "concat",
    "concatenate",
    family=SHAPING,
    summary="The tensors one after the other along an axis.",
    forward=lambda xp, *xs, axis: xp.concat(xs, axis=axis),
    normalize=_normalize_join,
    infer=_infer_concat,
    vjp=_concat_rule,
    kinds="any",
    variadic=True,
    attributes=(Attribute("axis", AXIS, 0),),
    cost=_copy_cost,
    linear_in=LINEAR,
    samples=(Sample(((2, 3), (1, 3))), Sample(((2, 3), (2, 1), (2, 2)), {"axis": -1})),
)
