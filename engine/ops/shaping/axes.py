"""Permuted, added and removed axes: all of them views."""

from __future__ import annotations

from collections.abc import Sequence
from operator import methodcaller
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.attributes import AXES, AXIS, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes, normalize_axis
from engine.ir.table import F
from engine.ops.shaping.common import mover


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


permute_dims = mover(
    "permute_dims",
    "transpose",
    "permute",
    batch=batch_rules.permuted,
    summary="The axes in another order, reversed when `axes` is absent.",
    forward=lambda xp, x, *, axes: xp.permute_dims(x, axes),
    prepare=lambda xp, *, axes: methodcaller("transpose", axes),
    normalize=_normalize_permutation,
    infer=_infer_permutation,
    vjp=lambda g, y, x, axes: F.permute_dims(g, axes=inverse(axes)),
    attributes=(Attribute("axes", AXES, None, "a permutation of the axes"),),
    view=True,
    samples=(Sample(((2, 3),)), Sample(((2, 3, 4),), {"axes": [1, 2, 0]}), Sample(((),))),
)


def permuted(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` with its axes in another order; itself where they already are."""
    return x if axes == tuple(range(x.ndim)) else F.permute_dims(x, axes=axes)


def _matrix_transpose(x: Any) -> Any:
    if x.ndim < 2:
        raise ShapeMismatch(
            f"expected a matrix or a stack of matrices, got shape {x.shape}",
            hint="a vector has no second axis: make it a column with expand_dims(x, -1)",
        )
    return F.swapaxes(x, axis1=-1, axis2=-2)


matrix_transpose = composite(
    "matrix_transpose",
    "mT",
    summary="The last two axes swapped.",
    formula=_matrix_transpose,
    samples=(Sample(((2, 3),)), Sample(((2, 3, 4),))),
)


def _swapaxes(x: Any, *, axis1: int, axis2: int) -> Any:
    order = list(range(x.ndim))
    one, other = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    order[one], order[other] = other, one
    return permuted(x, tuple(order))


swapaxes = composite(
    "swapaxes",
    summary="Two axes swapped.",
    formula=_swapaxes,
    attributes=(Attribute("axis1", AXIS), Attribute("axis2", AXIS)),
    samples=(Sample(((2, 3, 4),), {"axis1": 0, "axis2": -1}), Sample(((2, 3),), {"axis1": 1, "axis2": 1})),
)


def _moveaxis(x: Any, *, source: tuple[int, ...], destination: tuple[int, ...]) -> Any:
    if len(source) != len(destination):
        raise InvalidAttribute(
            f"expected as many destinations as sources, got {len(source)} and {len(destination)}"
        )
    sources = [normalize_axis(axis, x.ndim) for axis in source]
    placed = [normalize_axis(axis, x.ndim) for axis in destination]
    for axes in (source, destination):
        normalize_axes(axes, x.ndim)  # no axis is named twice
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for place, axis in sorted(zip(placed, sources, strict=True)):
        order.insert(place, axis)
    return permuted(x, tuple(order))


moveaxis = composite(
    "moveaxis",
    summary="Some axes moved to other places, the rest in their order.",
    formula=_moveaxis,
    attributes=(Attribute("source", AXES), Attribute("destination", AXES)),
    samples=(
        Sample(((2, 3, 4),), {"source": 0, "destination": -1}),
        Sample(((2, 3, 4),), {"source": [0, 1], "destination": [-1, -2]}),
    ),
)


def _normalize_expand(types: Sequence[TensorType], *, axis: tuple[int, ...]) -> dict[str, Any]:
    return {"axis": normalize_axes(axis, types[0].ndim + len(axis))}


def _expanded(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    sizes = list(shape)
    for place in axis:
        sizes.insert(place, 1)
    return tuple(sizes)


expand_dims = mover(
    "expand_dims",
    "unsqueeze",
    batch=batch_rules.along_axis,
    summary="New axes of size 1 at the places `axis` of the answer.",
    forward=lambda xp, x, *, axis: xp.reshape(x, _expanded(x.shape, axis)),
    normalize=_normalize_expand,
    infer=lambda types, axis: (TensorType(_expanded(types[0].shape, axis), types[0].dtype),),
    vjp=lambda g, y, x, axis: g.reshape(x.shape),
    attributes=(Attribute("axis", AXES),),
    view=True,
    samples=(
        Sample(((2, 3),), {"axis": 0}),
        Sample(((2, 3),), {"axis": [0, -1]}),
        Sample(((),), {"axis": -1}),
    ),
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


squeeze = mover(
    "squeeze",
    batch=batch_rules.along_axis,
    summary="Without axes of size 1: those named, or all.",
    forward=lambda xp, x, *, axis: xp.squeeze(x, axis=axis),
    normalize=_normalize_squeeze,
    infer=_infer_squeeze,
    vjp=lambda g, y, x, axis: g.reshape(x.shape),
    attributes=(Attribute("axis", AXES, None),),
    view=True,
    samples=(Sample(((1, 3, 1),)), Sample(((2, 1),), {"axis": 1}), Sample(((1, 0),), {"axis": 0})),
)


def _at_least(ndim: int) -> Any:
    def formula(x: Any) -> Any:
        return x.reshape((*(1,) * (ndim - x.ndim), *x.shape))

    return formula


for _ndim in (1, 2):
    composite(
        f"atleast_{_ndim}d",
        summary=f"x with leading axes of size 1 until it has {_ndim} axes or more.",
        formula=_at_least(_ndim),
        samples=(Sample(((),)), Sample(((3,),)), Sample(((2, 3, 1),))),
    )
