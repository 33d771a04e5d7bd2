"""Ops that reduce axes: `axis` (all of them when absent) and `keepdims`, as in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.families import infer_reduction, reduction, spread

_wide = {
    "int8": "int64",
    "int16": "int64",
    "int32": "int64",
    "uint8": "uint64",
    "uint16": "uint64",
    "uint32": "uint64",
}


def accumulator(dtype: str) -> str:
    """The dtype of a sum: small integers and booleans are summed in 64 bits, floats in their own."""
    return "int64" if dtype == dtypes.BOOL else _wide.get(dtype, dtype)


def _infer_sum(types: Sequence[TensorType], **attributes: Any) -> tuple[TensorType, ...]:
    return infer_reduction(accumulator(types[0].dtype))(types, **attributes)


def _sum(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.sum(x, axis=axis, keepdims=keepdims, dtype=getattr(xp, accumulator(x.dtype.name)))


sum = reduction(
    "sum",
    "reduce_sum",
    summary="The sum.",
    forward=_sum,
    infer=_infer_sum,
    kinds="any",
    vjp=lambda g, y, x, axis, keepdims: spread(g, x, axis),
    linear_in=frozenset({0}),
    conventions="Booleans and small integers are summed in 64 bits.",
)


def count(x: Any, axis: tuple[int, ...]) -> int:
    """How many elements are reduced into one."""
    total = 1
    for a in axis:
        total *= x.shape[a]
    return total


mean = reduction(
    "mean",
    "average",
    "reduce_mean",
    summary="The arithmetic mean.",
    forward=lambda xp, x, *, axis, keepdims: xp.mean(x, axis=axis, keepdims=keepdims),
    kinds="floating",
    vjp=lambda g, y, x, axis, keepdims: spread(g * (1 / count(x, axis)), x, axis),
    linear_in=frozenset({0}),
    conventions="The mean of no elements is NaN.",
)
