"""Several tensors joined into one, and one split into several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.attributes import AXIS, SECTIONS, Attribute, choice
from engine.ir.families import SHAPING, composite, define
from engine.ir.indices import along
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.shaping.common import LINEAR, copied

AXIS_0 = Attribute("axis", AXIS, 0)


def _normalize_join(types: Sequence[TensorType], *, axis: int) -> dict[str, Any]:
    axis = normalize_axis(axis, types[0].ndim)
    for position, other in enumerate(types[1:], 1):
        fits = other.ndim == types[0].ndim and all(
            a == b for i, (a, b) in enumerate(zip(types[0].shape, other.shape, strict=True)) if i != axis
        )
        if not fits:
            raise ShapeMismatch(
                f"input {position} has shape {other.shape}, input 0 has {types[0].shape}: "
                f"they differ beside axis {axis}",
                hint="all sizes but the joined axis must be equal",
            )
    return {"axis": axis}


def _infer_concat(types: Sequence[TensorType], *, axis: int) -> tuple[TensorType, ...]:
    shape = list(types[0].shape)
    shape[axis] = sum(t.shape[axis] for t in types)
    return (TensorType(tuple(shape), types[0].dtype),)


def _concat_rule(i: int, g: Any, y: Any, *xs: Any, axis: int) -> Any:
    start = sum(x.shape[axis] for x in xs[:i])
    return F.getitem(g, index=along(axis, slice(start, start + xs[i].shape[axis])))


concat = define(
    "concat",
    "concatenate",
    family=SHAPING,
    batch=batch_rules.along_axis,
    summary="The tensors one after the other along an axis.",
    forward=lambda xp, *xs, axis: xp.concat(xs, axis=axis),
    prepare=lambda xp, *, axis: lambda *xs: xp.concat(xs, axis),
    lowering=lambda k, *xs, axis: k.join(xs, axis),
    normalize=_normalize_join,
    infer=_infer_concat,
    vjp=_concat_rule,
    kinds="any",
    variadic=True,
    joins=True,
    flattens=True,
    attributes=(
        Attribute("axis", AXIS, 0, "the axis to join along; null: the flattened tensors", nullable=True),
    ),
    cost=copied,
    linear_in=LINEAR,
    samples=(
        Sample(((2, 3), (1, 3))),
        Sample(((2, 3), (2, 1), (2, 2)), {"axis": -1}),
        Sample(((2, 0), (2, 2)), {"axis": 1}),
    ),
)


def _stack(*xs: Any, axis: int) -> Any:
    for position, other in enumerate(xs[1:], 1):
        if other.shape != xs[0].shape:
            raise ShapeMismatch(
                f"input {position} has shape {other.shape}, input 0 has {xs[0].shape}",
                hint="stack takes tensors of one shape; concat joins along an axis they have",
            )
    place = normalize_axis(axis, xs[0].ndim + 1)
    return F.concat(*(F.expand_dims(x, axis=place) for x in xs), axis=place)


stack = composite(
    "stack",
    summary="Tensors of one shape joined along a new axis.",
    formula=_stack,
    variadic=True,
    joins=True,
    attributes=(AXIS_0,),
    samples=(Sample(((2, 3), (2, 3))), Sample(((2,), (2,), (2,)), {"axis": -1}), Sample(((), ()))),
)


def _hstack(*xs: Any) -> Any:
    xs = tuple(F.atleast_1d(x) for x in xs)
    return F.concat(*xs, axis=0 if xs[0].ndim == 1 else 1)


hstack = composite(
    "hstack",
    summary="The tensors side by side: along axis 1, vectors along axis 0.",
    formula=_hstack,
    variadic=True,
    joins=True,
    samples=(Sample(((2, 3), (2, 1))), Sample(((2,), (3,))), Sample(((), (2,)))),
)

vstack = composite(
    "vstack",
    summary="The tensors one below the other along axis 0; a vector is a row.",
    formula=lambda *xs: F.concat(*(F.atleast_2d(x) for x in xs), axis=0),
    variadic=True,
    joins=True,
    samples=(Sample(((2, 3), (1, 3))), Sample(((3,), (3,)))),
)


_MOST_PARTS = 4096


def _not_too_many(parts: int) -> None:
    if parts > _MOST_PARTS:
        raise ShapeMismatch(
            f"{parts} parts of one tensor; {_MOST_PARTS} are the most",
            hint="each part is an output of its own; reshape or slice the tensor instead",
        )


def _split(x: Any, *, sections: int | tuple[int, ...], axis: int) -> tuple[Any, ...]:
    axis = normalize_axis(axis, x.ndim)
    size = x.shape[axis]
    if isinstance(sections, int):
        if size % sections:
            raise ShapeMismatch(
                f"{size} elements along axis {axis} do not divide into {sections} sections",
                hint="give the places where to cut, as in [2, 5]",
            )
        _not_too_many(sections)
        step = size // sections
        places = [step * i for i in range(sections + 1)]
    else:
        _not_too_many(len(sections))
        places = [0, *(min(max(p + size if p < 0 else p, 0), size) for p in sections), size]
    return tuple(
        F.getitem(x, index=along(axis, slice(start, max(start, stop)))) for start, stop in pairwise(places)
    )


split = composite(
    "split",
    summary="The parts of x along an axis: a number of equal ones, or cut at the given places.",
    formula=_split,
    outputs=None,
    attributes=(Attribute("sections", SECTIONS, doc="how many, or the places where to cut"), AXIS_0),
    samples=(
        Sample(((4, 3),), {"sections": 2}),
        Sample(((2, 5),), {"sections": [2, 3], "axis": -1}),
        Sample(((4,),), {"sections": [-1, 7]}),
    ),
    conventions="A list names places, as in NumPy, not sizes as in TensorFlow and PyTorch.",
)


def _unstack(x: Any, *, axis: int) -> tuple[Any, ...]:
    axis = normalize_axis(axis, x.ndim)
    _not_too_many(x.shape[axis])
    if x.shape[axis] == 0:
        raise IndexOutOfRange(f"axis {axis} of shape {x.shape} is empty: there is nothing to take apart")
    return tuple(F.getitem(x, index=along(axis, i)) for i in range(x.shape[axis]))


unstack = composite(
    "unstack",
    "unbind",
    summary="The slices of x along an axis, without that axis.",
    formula=_unstack,
    outputs=None,
    attributes=(AXIS_0,),
    samples=(Sample(((2, 3),)), Sample(((2, 3),), {"axis": -1})),
)


def _meshgrid(*xs: Any, indexing: str) -> tuple[Any, ...]:
    count = len(xs)
    for position, x in enumerate(xs):
        if x.ndim > 1:
            raise ShapeMismatch(f"expected vectors, got shape {x.shape} for input {position}")
    order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else list(range(count))
    shape = tuple(xs[i].size for i in order)
    return tuple(
        x.reshape(tuple(x.size if order[axis] == i else 1 for axis in range(count))).broadcast_to(shape)
        for i, x in enumerate(xs)
    )


meshgrid = composite(
    "meshgrid",
    summary="Coordinate matrices from coordinate vectors.",
    formula=_meshgrid,
    variadic=True,
    promote=False,
    outputs=None,
    attributes=(Attribute("indexing", choice("xy", "ij"), "xy", "Cartesian or matrix order of the axes"),),
    samples=(
        Sample(((2,), (3,))),
        Sample(((2,), (3,), (1,)), {"indexing": "ij"}),
        Sample(((2,), (3,), (2,))),
        Sample(((3,),)),
    ),
)
