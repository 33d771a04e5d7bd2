"""Variance and standard deviation; the deviation of a constant has derivative 0."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

from engine import dtypes
from engine.attributes import NUMBER, Attribute
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch
from engine.families import axes_of_input, infer_reduction, per_element, reduced, reduction, spread
from engine.op import F, Sample
from engine.ops.reductions.totals import count

_CORRECTION = (
    Attribute("correction", NUMBER, 0, "what is subtracted from the count in the divisor"),
    Attribute("ddof", NUMBER, None, "NumPy's name for `correction`"),
)
_SAMPLES = (
    Sample(((2, 3),)),
    Sample(((4, 3),), {"axis": 0, "correction": 1}),
    Sample(((2, 3, 2),), {"axis": [0, -1], "keepdims": True, "ddof": 1}),
    Sample(((4,),), {"correction": 0.5}),
)


def _normalize(
    types: Sequence[Any], *, axis: Any, correction: float, ddof: float | None, **_: Any
) -> dict[str, Any]:
    return {
        **axes_of_input(types, axis=axis),
        "correction": correction if ddof is None else ddof,
        "ddof": None,
    }


def infer_real(types: Sequence[TensorType], **attributes: Any) -> tuple[TensorType, ...]:
    """The shape of a reduction that is defined for real numbers; raises DtypeMismatch."""
    if dtypes.is_complex(types[0].dtype):
        raise DtypeMismatch(
            f"expected a real dtype, got {types[0].dtype}",
            hint="reduce abs(x), or its real and imaginary parts",
        )
    return infer_reduction()(types, **attributes)


def _freedom(x: Any, axis: tuple[int, ...], correction: float) -> float:
    """The divisor, count − correction; NaN where no degree of freedom is left."""
    free = count(x, axis) - correction
    return free if free > 0 else nan


def _deviation(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return x - xp.sum(x, axis=axis, keepdims=True) / count(x, axis)


def _var(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float, ddof: None) -> Any:
    if count(x, axis) == 0:
        return xp.full(reduced(x.shape, axis, keepdims), nan, dtype=x.dtype)
    d = _deviation(xp, x, axis)
    return xp.sum(d * d, axis=axis, keepdims=keepdims) / _freedom(x, axis, correction)


def _std(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float, ddof: None) -> Any:
    if count(x, axis):
        # from the first element on, so that a constant has deviation 0 exactly and not one of rounding
        x = x - x[tuple(slice(0, 1) if i in axis else slice(None) for i in range(x.ndim))]
    return xp.sqrt(_var(xp, x, axis=axis, keepdims=keepdims, correction=correction, ddof=ddof))


def _centred(x: Any, axis: tuple[int, ...]) -> Any:
    return x - F.mean(x, axis=axis, keepdims=True)


var = reduction(
    "var",
    "variance",
    "reduce_variance",
    summary="The variance: the mean squared distance from the mean.",
    forward=_var,
    normalize=_normalize,
    infer=infer_real,
    kinds="floating",
    attributes=_CORRECTION,
    cost=per_element(4, workspace=2),
    vjp=lambda g, y, x, axis, keepdims, correction, ddof: (
        spread(g * (2 / _freedom(x, axis, correction)), x, axis) * _centred(x, axis)
    ),
    samples=_SAMPLES,
    conventions="NumPy's `ddof` is the array API's `correction`. NaN where the divisor is not positive.",
)

std = reduction(
    "std",
    "reduce_std",
    summary="The standard deviation: the square root of the variance.",
    forward=_std,
    normalize=_normalize,
    infer=infer_real,
    kinds="floating",
    attributes=_CORRECTION,
    cost=per_element(5, workspace=3),
    vjp=lambda g, y, x, axis, keepdims, correction, ddof: (
        spread(F.divide_no_nan(g, y * _freedom(x, axis, correction)), x, axis) * _centred(x, axis)
    ),
    kink=lambda xp, x, *, axis, keepdims, correction, ddof: (
        _std(xp, x, axis=axis, keepdims=keepdims, correction=correction, ddof=ddof) == 0
    ),
    samples=_SAMPLES,
    conventions="The derivative at a constant is 0. NaN where the divisor is not positive.",
)
