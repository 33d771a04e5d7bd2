"""Sums and means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import nan, prod
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import DTYPE, Attribute
from engine.ir.families import axes_of_input, reduction
from engine.ir.shapes import cast_back, check_cast, reduced, spread
from engine.ir.table import F

_WIDE = {
    "bool": "int64",
    "int8": "int64",
    "int16": "int64",
    "int32": "int64",
    "uint8": "uint64",
    "uint16": "uint64",
    "uint32": "uint64",
}

ACCUMULATOR = Attribute("dtype", DTYPE, None, "the dtype to accumulate in and to return")
WIDENS = "Booleans and small integers are accumulated in 64 bits, floats in their own dtype."


def accumulator(dtype: str, wanted: str | None) -> str:
    """The dtype of a sum: `wanted`, else 64 bits for small integers and booleans, their own for floats.

    Raises DtypeMismatch where that would drop imaginary parts.
    """
    check_cast(dtype, wanted or dtype)
    return wanted or _WIDE.get(dtype, dtype)


def axes_and_accumulator(types: Sequence[Any], *, axis: Any, dtype: str | None, **_: Any) -> dict[str, Any]:
    """Normalise `axis`, and make the dtype of the answer explicit."""
    return {**axes_of_input(types, axis=axis), "dtype": accumulator(types[0].dtype, dtype)}


def infer_total(
    types: Sequence[TensorType], *, axis: tuple[int, ...], keepdims: bool, dtype: str
) -> tuple[TensorType, ...]:
    """The shape without `axis`, in the accumulator's dtype."""
    return (TensorType(reduced(types[0].shape, axis, keepdims), dtype),)


def count(x: Any, axis: tuple[int, ...]) -> int:
    """How many elements are reduced into one."""
    return prod(x.shape[a] for a in axis)


def gathered(x: Any, axis: tuple[int, ...]) -> Any:
    """The reduced axes moved to the end and flattened into one."""
    rest = tuple(i for i in range(x.ndim) if i not in axis)
    shape = (*(x.shape[i] for i in rest), count(x, axis))
    return F.permute_dims(x, axes=(*rest, *axis)).reshape(shape)


def scattered(flat: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """The inverse of `gathered`: what lies in one last axis, back in the places of x."""
    order = (*(i for i in range(x.ndim) if i not in axis), *axis)
    apart = flat.reshape(tuple(x.shape[i] for i in order))
    return F.permute_dims(apart, axes=tuple(order.index(i) for i in range(x.ndim)))


def _sum(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, dtype: str) -> Any:
    return xp.sum(x, axis=axis, keepdims=keepdims, dtype=getattr(xp, dtype))


def _lower_sum(k: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, dtype: str) -> Any:
    wide = x if k.dtype(x) == dtype else k.map(lambda m, v: m.astype(v, dtype), x, dtype=dtype)
    return k.reduce("add", wide, axis, keepdims)


sum = reduction(
    "sum",
    "reduce_sum",
    summary="The sum.",
    forward=_sum,
    lowering=_lower_sum,
    prepare=lambda xp, *, axis, keepdims, dtype: partial(
        xp.sum, axis=axis, keepdims=keepdims, dtype=getattr(xp, dtype)
    ),
    normalize=axes_and_accumulator,
    infer=infer_total,
    attributes=(ACCUMULATOR,),
    kinds="any",
    vjp=lambda g, y, x, axis, keepdims, dtype: spread(cast_back(g, x), x, axis),
    linear_in=frozenset({0}),
    conventions=f"The sum of no elements is 0. {WIDENS}",
)


def _mean(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    if count(x, axis) == 0:
        return xp.full(reduced(x.shape, axis, keepdims), float("nan"), dtype=x.dtype)
    return xp.mean(x, axis=axis, keepdims=keepdims)


def _lower_mean(k: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    divisor = prod(k.shape(x)[a] for a in axis)
    return k.reduce("add", x, axis, keepdims, divisor=divisor)


mean = reduction(
    "mean",
    "reduce_mean",
    summary="The arithmetic mean.",
    forward=_mean,
    lowering=_lower_mean,
    kinds="floating",
    vjp=lambda g, y, x, axis, keepdims: spread(g * (1 / (count(x, axis) or nan)), x, axis),
    linear_in=frozenset({0}),
    conventions="The mean of no elements is NaN; integers are averaged in float64.",
)
