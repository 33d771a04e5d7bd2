"""The same elements with another dtype or shape, repeated by broadcasting, or summed back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from operator import methodcaller
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import BOOLEAN, DTYPE, NEW_SHAPE, SHAPE, Attribute
from engine.ir.cost import Cost, free, moved
from engine.ir.families import SHAPING, composite, define
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast, cast_back, check_cast
from engine.ir.table import F
from engine.ops.shaping.common import LINEAR, copied, infer_given_shape, mover
from engine.ops.shaping.layout import in_c_order, squeezed


def _infer_astype(types: Sequence[TensorType], *, dtype: str) -> tuple[TensorType, ...]:
    check_cast(types[0].dtype, dtype)
    return (TensorType(types[0].shape, dtype),)


astype = mover(
    "astype",
    "cast",
    batch=batch_rules.trailing,
    dependence=dependence_rules.elementwise,
    summary="The same values in another dtype; floats lose their fraction on the way to integers.",
    forward=lambda xp, x, *, dtype: xp.astype(x, getattr(xp, dtype)),
    lowering=lambda k, x, *, dtype: k.map(lambda m, v: m.astype(v, dtype), x, dtype=dtype),
    infer=_infer_astype,
    vjp=lambda g, y, x, dtype: cast_back(g, x),
    attributes=(Attribute("dtype", DTYPE),),
    samples=(Sample(((2, 3),), {"dtype": "float64"}), Sample(((2, 3),), {"dtype": "complex128"})),
    conventions="To integers or bool no gradient passes (to_integer).",
)


def _normalize_reshape(types: Sequence[Any], *, shape: tuple[int, ...], copy: bool | None) -> dict[str, Any]:
    x = types[0]
    elements = prod(size for size in shape if size != -1)
    if -1 in shape and elements and x.size % elements == 0:
        shape = tuple(x.size // elements if size == -1 else size for size in shape)
    if -1 in shape or prod(shape) != x.size:
        raise ShapeMismatch(
            f"{x.size} elements of shape {x.shape} do not fill the shape {shape}",
            hint="the product of the sizes must stay the same; one size may be -1",
        )
    needed = squeezed(shape) != squeezed(x.shape) and not in_c_order(x)
    return {"shape": shape, "copy": bool(copy) or needed}


def _reshape(xp: Any, x: Any, *, shape: tuple[int, ...], copy: bool) -> Any:
    return xp.reshape(x, shape, copy=True) if copy else xp.reshape(x, shape)


def _reshape_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, copy: bool, **_: Any
) -> Cost:
    return copied(types, outputs) if copy else free(types, outputs)


reshape = mover(
    "reshape",
    batch=batch_rules.to_shape,
    summary="The same elements, in C order, in another shape.",
    forward=_reshape,
    prepare=lambda xp, *, shape, copy: None if copy else methodcaller("reshape", shape),
    normalize=_normalize_reshape,
    infer=infer_given_shape,
    vjp=lambda g, y, x, shape, copy: g.reshape(x.shape),
    attributes=(
        Attribute("shape", NEW_SHAPE),
        Attribute("copy", BOOLEAN, None, "whether to copy where the elements could stay; null: where needed"),
    ),
    view=lambda *, shape, copy: not copy,
    cost=_reshape_cost,
    samples=(
        Sample(((2, 3),), {"shape": [3, 2]}),
        Sample(((2, 3),), {"shape": [-1]}),
        Sample(((1,),), {"shape": []}),
        Sample(((0, 3),), {"shape": [3, 0, 2]}),
    ),
)

flatten = composite(
    "flatten",
    "ravel",
    summary="All elements, in C order, along one axis.",
    formula=lambda x: x.reshape((x.size,)),
    samples=(Sample(((2, 3),)), Sample(((),))),
)


def _normalize_broadcast(types: Sequence[TensorType], *, shape: tuple[int, ...]) -> dict[str, Any]:
    if broadcast(types[0].shape, shape) != shape:
        raise ShapeMismatch(
            f"shape {types[0].shape} does not broadcast to {shape}",
            hint="only axes of size 1 and missing leading axes are repeated",
        )
    return {}


broadcast_to = mover(
    "broadcast_to",
    batch=batch_rules.to_shape,
    summary="x repeated along axes of size 1 and new leading axes, up to `shape`.",
    forward=lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    normalize=_normalize_broadcast,
    infer=infer_given_shape,
    vjp=lambda g, y, x, shape: F.sum_to(g, shape=x.shape),
    attributes=(Attribute("shape", SHAPE),),
    view=True,
    samples=(
        Sample(((3,),), {"shape": [2, 3]}),
        Sample(((2, 1),), {"shape": [4, 2, 3]}),
        Sample(((2, 1),), {"shape": [2, 0]}),
    ),
)


def _broadcast_arrays(*xs: Any) -> tuple[Any, ...]:
    shape = broadcast(*(x.shape for x in xs))
    return tuple(x.broadcast_to(shape) for x in xs)


broadcast_arrays = composite(
    "broadcast_arrays",
    summary="Each tensor repeated up to the shape that all of them have in common.",
    formula=_broadcast_arrays,
    variadic=True,
    promote=False,
    outputs=None,
    samples=(Sample(((2, 1), (3,))), Sample(((), (2,), (1, 1)))),
)


@lru_cache(maxsize=1024)
def _summed_axes(came: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The axes of `came` to sum over for `shape`, and whether a summed axis is kept, with size 1."""
    extra = len(came) - len(shape)
    repeated = tuple(i for i, size in enumerate(shape, extra) if size == 1 and came[i] != 1)
    return (*range(extra), *repeated), bool(repeated)


def _sum_to(xp: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    axes, keepdims = _summed_axes(x.shape, shape)
    total = xp.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
    return xp.reshape(total, shape) if keepdims else total


def _lower_sum_to(k: Any, x: Any, *, shape: tuple[int, ...]) -> Any:
    axes, _ = _summed_axes(k.shape(x), shape)
    return k.reshape(k.reduce("add", x, axes, True), shape)


def _sum_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(types[0].size, moved(types, outputs))


sum_to = define(
    "sum_to",
    family=SHAPING,
    batch=batch_rules.to_shape,
    dependence=dependence_rules.folded,
    summary="The adjoint of broadcast_to: x summed down to `shape`.",
    forward=_sum_to,
    lowering=_lower_sum_to,
    infer=infer_given_shape,
    vjp=lambda g, y, x, shape: g.broadcast_to(x.shape),
    attributes=(Attribute("shape", SHAPE),),
    cost=_sum_cost,
    linear_in=LINEAR,
    internal=True,
    samples=(
        Sample(((2, 3),), {"shape": [3]}),
        Sample(((4, 2, 3),), {"shape": [2, 1]}),
        Sample(((2, 0),), {"shape": [2, 1]}),
    ),
)

# -- what is known of a shape ------------------------------------------------------------------------

SHAPE_ONLY = NoGradient("nondifferentiable", "shape_only", "only the shape is read, never a value")


def _integers(shape: tuple[int, ...]) -> Any:
    return lambda types, **_: (TensorType(shape, "int64"),)


shape = define(
    "shape",
    family=SHAPING,
    batch=batch_rules.static,
    summary="The sizes of the axes, as an int64 vector.",
    forward=lambda xp, x: xp.constant(x.shape, xp.int64),
    infer=lambda types: (TensorType((types[0].ndim,), "int64"),),
    vjp=SHAPE_ONLY,
    kinds="any",
    cost=lambda types, outputs: Cost(0, outputs[0].nbytes),
    samples=(Sample(((2, 3),)), Sample(((),))),
)

size = define(
    "size",
    family=SHAPING,
    batch=batch_rules.static,
    summary="The number of elements, as an int64 scalar.",
    forward=lambda xp, x: xp.constant(prod(x.shape), xp.int64),
    infer=_integers(()),
    vjp=SHAPE_ONLY,
    kinds="any",
    cost=lambda types, outputs: Cost(0, outputs[0].nbytes),
    samples=(Sample(((2, 3),)), Sample(((0, 2),))),
)

ndim = define(
    "ndim",
    "rank",
    family=SHAPING,
    batch=batch_rules.static,
    summary="The number of axes, as an int64 scalar.",
    forward=lambda xp, x: xp.constant(x.ndim, xp.int64),
    infer=_integers(()),
    vjp=SHAPE_ONLY,
    kinds="any",
    cost=lambda types, outputs: Cost(0, outputs[0].nbytes),
    samples=(Sample(((2, 3),)), Sample(((),))),
)
