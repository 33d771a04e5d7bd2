"""Norms; every norm has derivative 0 at the zero vector, at every order."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import NUMBER, ORDER, Attribute
from engine.ir.cost import Cost, per_element
from engine.ir.families import AXIS_OR_ALL, KEEPDIMS, composite, reduction
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes, reduced, spread
from engine.ir.table import F
from engine.ops.reductions.moments import squared
from engine.ops.reductions.scaling import scaled_root


def _power_norm(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, ord: float) -> Any:
    def total_of(values: Any) -> Any:
        powers = squared(xp, values) if ord == 2 else xp.abs(values) ** ord
        return xp.sum(powers, axis=axis, keepdims=keepdims)

    def root(total: Any) -> Any:
        return xp.sqrt(total) if ord == 2 else total ** (1 / ord)

    return scaled_root(xp, x, axis, keepdims, total_of, root)


def _power_norm_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, ord: float, **_: Any
) -> Cost:
    return per_element(3, workspace=1 if ord == 2 else 2)(types, outputs)


def _power_norm_rule(g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool, ord: float) -> Any:
    if ord == 2:  # the direction first, so that nothing overflows or underflows on the way
        g = F.where(y.equals(0), 0, g)  # an infinite one, too
        return spread(g, x, axis) * (x * spread(F.divide_no_nan(1, y), x, axis)).conj()
    unit = F.divide_no_nan(x, spread(y, x, axis))
    length = F.abs(unit)
    nothing = length.equals(0)
    weight = F.where(nothing, 0, F.where(nothing, 1, length) ** (ord - 2))  # a power of 0 would be infinite
    return spread(g, x, axis) * unit.conj() * weight


power_norm = reduction(
    "power_norm",
    summary="(Σ |x|^ord)^(1/ord).",
    forward=_power_norm,
    output="real",
    holomorphic=False,
    kinds="floating",
    attributes=(Attribute("ord", NUMBER, 2),),
    cost=_power_norm_cost,
    vjp=_power_norm_rule,
    nonsmooth_at=lambda xp, x, *, axis, keepdims, ord: (
        _power_norm(xp, x, axis=axis, keepdims=keepdims, ord=ord) == 0
    ),
    internal=True,
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3, 2),), {"axis": [0, -1], "keepdims": True}),
        Sample(((2, 3),), {"axis": 0, "ord": 3}),
        Sample(((2, 3),), {"axis": -1, "ord": 1.5, "keepdims": True}),
        Sample(((),)),
    ),
)


def _vector_norm(x: Any, *, axis: tuple[int, ...] | None, keepdims: bool, ord: float | str) -> Any:
    if isinstance(ord, str):
        raise InvalidAttribute(f"'{ord}' is a matrix norm", hint="use norm over two axes")
    x = x.astype(dtypes.as_floating(x.dtype))
    if ord == inf:
        return F.max(F.abs(x), axis=axis, keepdims=keepdims)
    if ord == -inf:
        return F.min(F.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return F.count_nonzero(x, axis=axis, keepdims=keepdims).astype(dtypes.real_of(x.dtype))
    if ord == 1:
        return F.sum(F.abs(x), axis=axis, keepdims=keepdims)
    return F.power_norm(x, axis=axis, keepdims=keepdims, ord=ord)


_ZERO = (
    "The derivative at the zero vector is 0. Zero entries of a vector contribute 0 to every derivative of an "
    "order other than 2, also where the second derivative of |x|^ord is infinite (1 < ord < 2)."
)

vector_norm = composite(
    "vector_norm",
    summary="The norm of a vector: (Σ |x|^ord)^(1/ord), the largest |x| for Infinity.",
    formula=_vector_norm,
    holomorphic=False,
    attributes=(
        AXIS_OR_ALL,
        KEEPDIMS,
        Attribute("ord", ORDER, 2, "the order; Infinity, -Infinity and 0 too"),
    ),
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3),), {"axis": 0, "ord": 1}),
        Sample(((2, 3),), {"axis": -1, "ord": inf, "keepdims": True}),
        Sample(((2, 3),), {"axis": 1, "ord": -inf}),
        Sample(((2, 3),), {"axis": 1, "ord": 3}),
        Sample(((2, 3),), {"ord": 0}),
    ),
    conventions=_ZERO,
)


def _norm(x: Any, *, ord: float | str | None, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    axes = normalize_axes(axis, x.ndim)
    if ord is None or (ord == "fro" and len(axes) == 2):
        return F.vector_norm(x, axis=axes, keepdims=keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        return F.vector_norm(x, axis=axes, keepdims=keepdims, ord=ord)
    if len(axes) != 2:
        raise ShapeMismatch(
            f"a norm of order {ord!r} over {len(axes)} axes: expected one axis (a vector) or two (a matrix)",
            hint="name the axis, leave out `ord`, or use vector_norm, which flattens",
        )
    rows, columns = (axes[0], axes[1]) if axis is None else (axis[0] % x.ndim, axis[1] % x.ndim)
    if ord in ("nuc", 2, -2):
        values = F.svdvals(F.moveaxis(x, source=(rows, columns), destination=(-2, -1)))
        if ord == "nuc":
            answer = F.sum(values, axis=-1)
        else:
            answer = F.getitem(values, index=(..., 0 if ord == 2 else -1))
        return answer.reshape(reduced(x.shape, axes, keepdims))
    if ord not in (1, -1, inf, -inf):
        raise InvalidAttribute(
            f"there is no matrix norm of order {ord!r}",
            hint="matrix norms are 'fro', 'nuc', 1, -1, 2, -2, Infinity and -Infinity",
        )
    summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = F.sum(F.abs(x.astype(dtypes.as_floating(x.dtype))), axis=summed, keepdims=True)
    answer = (F.max if ord in (1, inf) else F.min)(sums, axis=chosen, keepdims=True)
    return answer.reshape(reduced(x.shape, axes, keepdims))


norm = composite(
    "norm",
    summary="The norm of a vector or a matrix, as in NumPy: over all axes, one axis or two.",
    formula=_norm,
    holomorphic=False,
    attributes=(
        Attribute(
            "ord", ORDER, None, "2 over everything when absent; of a matrix 'fro', 'nuc', ±1, ±2, ±Infinity"
        ),
        AXIS_OR_ALL,
        KEEPDIMS,
    ),
    samples=(
        Sample(((2, 3),)),
        Sample(((3,),), {"ord": 1}),
        Sample(((2, 3),), {"ord": "fro", "keepdims": True}),
        Sample(((2, 3),), {"ord": 1}),
        Sample(((2, 3, 2),), {"ord": inf, "axis": [-1, 0]}),
        Sample(((2, 3, 2),), {"ord": -1, "axis": [0, 1], "keepdims": True}),
        Sample(((2, 3),), {"ord": 2, "axis": 1}),
        Sample(((2, 3),), {"ord": 2}),
        Sample(((2, 2, 3),), {"ord": "nuc", "axis": [2, 0]}),
        Sample(((2, 3),), {"ord": -2, "keepdims": True}),
    ),
    conventions=f"{_ZERO} An order given for a matrix means its operator norm, as in NumPy.",
)
