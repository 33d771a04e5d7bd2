"""Reductions of truth: any, all, and counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.cost import Cost, per_element
from engine.ir.families import reduction
from engine.ir.no_gradient import nondifferentiable

_STEP = nondifferentiable("the answer jumps and is constant in between")
_TRUTH = "Numbers count as true where they are not 0; NaN is true."


def _count(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    nonzero = x if x.dtype == xp.bool else x != 0
    return xp.sum(nonzero, axis=axis, keepdims=keepdims, dtype=xp.int64)


def _count_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    """A mask beside what is given, unless that is one."""
    x = types[0]
    return replace(per_element(1)(types, outputs), workspace=0 if x.dtype == dtypes.BOOL else x.size)


def _truth(k: Any, x: Any) -> Any:
    return k.map(lambda m, v: m.astype(v, m.bool), x, dtype="bool")


any = reduction(
    "any",
    "reduce_any",
    output="bool",
    summary="Whether some element is true.",
    forward=lambda xp, x, *, axis, keepdims: xp.any(x, axis=axis, keepdims=keepdims),
    lowering=lambda k, x, *, axis, keepdims: k.reduce("or", _truth(k, x), axis, keepdims),
    kinds="any",
    vjp=_STEP,
    conventions=f"Of no elements: false. {_TRUTH}",
)

all = reduction(
    "all",
    "reduce_all",
    output="bool",
    summary="Whether every element is true.",
    forward=lambda xp, x, *, axis, keepdims: xp.all(x, axis=axis, keepdims=keepdims),
    lowering=lambda k, x, *, axis, keepdims: k.reduce("and", _truth(k, x), axis, keepdims),
    kinds="any",
    vjp=_STEP,
    conventions=f"Of no elements: true. {_TRUTH}",
)

count_nonzero = reduction(
    "count_nonzero",
    output="int64",
    summary="How many elements are not zero.",
    forward=_count,
    kinds="any",
    vjp=_STEP,
    cost=_count_cost,
    conventions=_TRUTH,
)
