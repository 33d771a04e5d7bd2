"""Variance and standard deviation; the deviation of a constant has derivative 0."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

from engine.ir.attributes import NUMBER, Attribute
from engine.ir.cost import per_element
from engine.ir.families import axes_of_input, reduction
from engine.ir.samples import Sample
from engine.ir.shapes import spread
from engine.ir.table import F
from engine.ops.reductions.scaling import scaled_root
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


def _freedom(x: Any, axis: tuple[int, ...], correction: float) -> float:
    """The divisor, count − correction; NaN where no degree of freedom is left."""
    free = count(x, axis) - correction
    return free if free > 0 else nan


def squared(xp: Any, x: Any) -> Any:
    """|x|², of complex numbers without a root."""
    if not xp.isdtype(x.dtype, "complex floating"):
        return x * x
    real, imag = xp.real(x), xp.imag(x)
    return real * real + imag * imag


def _deviation(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    return x - xp.sum(x, axis=axis, keepdims=True) / count(x, axis)


def _var(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float, ddof: None) -> Any:
    if count(x, axis) == 0:
        return xp.sum(squared(xp, x), axis=axis, keepdims=keepdims) * nan
    d = _deviation(xp, x, axis)
    return xp.sum(squared(xp, d), axis=axis, keepdims=keepdims) / _freedom(x, axis, correction)


def _std(xp: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float, ddof: None) -> Any:
    if count(x, axis):
        # from the first element on, so that a constant has deviation 0 exactly and not one of rounding
        x = x - x[tuple(slice(0, 1) if i in axis else slice(None) for i in range(x.ndim))]

    def total_of(values: Any) -> Any:
        return _var(xp, values, axis=axis, keepdims=keepdims, correction=correction, ddof=ddof)

    return scaled_root(xp, x, axis, keepdims, total_of, xp.sqrt)


def _centred(x: Any, axis: tuple[int, ...]) -> Any:
    return x - F.mean(x, axis=axis, keepdims=True)


var = reduction(
    "var",
    "variance",
    "reduce_variance",
    summary="The variance: the mean squared distance from the mean; real, of complex numbers too.",
    forward=_var,
    normalize=_normalize,
    output="real",
    holomorphic=False,
    kinds="floating",
    attributes=_CORRECTION,
    cost=per_element(4, workspace=2),
    vjp=lambda g, y, x, axis, keepdims, correction, ddof: (
        spread(g * (2 / _freedom(x, axis, correction)), x, axis) * _centred(x, axis).conj()
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
    output="real",
    holomorphic=False,
    kinds="floating",
    attributes=_CORRECTION,
    cost=per_element(5, workspace=3),
    vjp=lambda g, y, x, axis, keepdims, correction, ddof: (
        spread(F.where(y.equals(0), 0, g / _freedom(x, axis, correction)), x, axis)
        * (_centred(x, axis) * spread(F.divide_no_nan(1, y), x, axis)).conj()
    ),
    nonsmooth_at=lambda xp, x, *, axis, keepdims, correction, ddof: (
        _std(xp, x, axis=axis, keepdims=keepdims, correction=correction, ddof=ddof) == 0
    ),
    samples=_SAMPLES,
    conventions="The derivative at a constant is 0. NaN where the divisor is not positive.",
)
