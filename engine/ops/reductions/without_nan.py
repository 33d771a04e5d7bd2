"""Reductions that leave out NaN, under NumPy's names: what is left out has derivative 0."""

from __future__ import annotations

from math import inf
from typing import Any

from engine import dtypes
from engine.errors import InvalidAttribute
from engine.ir.attributes import AXIS, NUMBER, Attribute
from engine.ir.families import AXIS_OR_ALL, KEEPDIMS, composite
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes, reduced
from engine.ir.table import F
from engine.ops.reductions.extrema import some_elements
from engine.ops.reductions.totals import gathered

# NaN itself is for tests of their own: the samples of the table are taken in integers too.
_SAMPLES = (
    Sample(((2, 3),)),
    Sample(((2, 3),), {"axis": 0}),
    Sample(((2, 3, 2),), {"axis": [0, -1], "keepdims": True}),
)
_NOTHING = "Of NaN alone it is NaN."


def _filled(x: Any, value: float) -> Any:
    """X with a number in the place of NaN."""
    return F.where(F.isnan(x), value, x) if dtypes.is_inexact(x.dtype) else x


def _number(x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """How many elements are no NaN."""
    return F.sum(F.logical_not(F.isnan(x)), axis=axis, keepdims=keepdims)


def _simple(name: str, of: str, summary: str, value: float, **fields: Any) -> Op:
    def formula(x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
        return getattr(F, of)(_filled(x, value), axis=axis, keepdims=keepdims)

    return composite(
        name,
        summary=summary,
        formula=formula,
        attributes=(AXIS_OR_ALL, KEEPDIMS),
        samples=_SAMPLES,
        **fields,
    )


nansum = _simple("nansum", "sum", "The sum of the elements that are no NaN.", 0, kinds="any")
nanprod = _simple("nanprod", "prod", "The product of the elements that are no NaN.", 1, kinds="any")


def _extremum(name: str, of: str, summary: str, value: float) -> Op:
    def formula(x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
        answer = getattr(F, of)(_filled(x, value), axis=axis, keepdims=keepdims)
        if not dtypes.is_inexact(x.dtype):
            return answer
        axes = normalize_axes(axis, x.ndim)
        return F.where(_number(x, axes, keepdims).equals(0), float("nan"), answer)

    return composite(
        name,
        summary=summary,
        formula=formula,
        kinds="real",
        attributes=(AXIS_OR_ALL, KEEPDIMS),
        samples=_SAMPLES,
        conventions=f"Elements that tie share the gradient evenly. {_NOTHING}",
    )


nanmax = _extremum("nanmax", "max", "The largest element that is no NaN.", -inf)
nanmin = _extremum("nanmin", "min", "The smallest element that is no NaN.", inf)


def _nanmean(x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    axes = normalize_axes(axis, x.ndim)
    return F.nansum(x, axis=axes, keepdims=keepdims) / _number(x, axes, keepdims).astype(
        dtypes.real_of(x.dtype)
    )


nanmean = composite(
    "nanmean",
    summary="The mean of the elements that are no NaN.",
    formula=_nanmean,
    kinds="floating",
    attributes=(AXIS_OR_ALL, KEEPDIMS),
    samples=_SAMPLES,
    conventions=_NOTHING,
)


def _deviations(x: Any, axes: tuple[int, ...]) -> Any:
    """The distances from the mean; 0 in the place of NaN."""
    return F.where(F.isnan(x), 0, x - F.nanmean(x, axis=axes, keepdims=True))


def _freedom(x: Any, axes: tuple[int, ...], keepdims: bool, correction: float) -> Any:
    """The divisor; NaN where no degree of freedom is left."""
    free = _number(x, axes, keepdims).astype(dtypes.real_of(x.dtype)) - correction
    return F.where(free > 0, free, float("nan"))


def _nanvar(
    x: Any, *, axis: tuple[int, ...] | None, keepdims: bool, correction: float, ddof: float | None
) -> Any:
    axes = normalize_axes(axis, x.ndim)
    away = _deviations(x, axes)
    total = F.sum((away * away.conj()).real(), axis=axes, keepdims=keepdims)
    return total / _freedom(x, axes, keepdims, correction if ddof is None else ddof)


def _nanstd(
    x: Any, *, axis: tuple[int, ...] | None, keepdims: bool, correction: float, ddof: float | None
) -> Any:
    axes = normalize_axes(axis, x.ndim)
    length = F.vector_norm(_deviations(x, axes), axis=axes, keepdims=keepdims)
    return length / F.sqrt(_freedom(x, axes, keepdims, correction if ddof is None else ddof))


_CORRECTION = (
    AXIS_OR_ALL,
    KEEPDIMS,
    Attribute("correction", NUMBER, 0, "what is subtracted from the count in the divisor"),
    Attribute("ddof", NUMBER, None, "NumPy's name for `correction`"),
)
_SPREAD_SAMPLES = (
    *_SAMPLES,
    Sample(((2, 3),), {"correction": 1}),
    Sample(((2, 3),), {"axis": 1, "keepdims": True, "ddof": 0.5}),
)

nanvar = composite(
    "nanvar",
    summary="The variance of the elements that are no NaN.",
    formula=_nanvar,
    holomorphic=False,
    kinds="floating",
    attributes=_CORRECTION,
    samples=_SPREAD_SAMPLES,
    conventions="NaN where the divisor is not positive.",
)

nanstd = composite(
    "nanstd",
    summary="The standard deviation of the elements that are no NaN.",
    formula=_nanstd,
    holomorphic=False,
    kinds="floating",
    attributes=_CORRECTION,
    samples=_SPREAD_SAMPLES,
    conventions="The derivative at a constant is 0. NaN where the divisor is not positive.",
)


def _nanquantile(x: Any, *, q: float, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    """Between the two elements that the number of those that are no NaN decides on."""
    if not 0 <= q <= 1:
        raise InvalidAttribute(f"expected a quantile between 0 and 1 for 'q', got {q}")
    axes = normalize_axes(axis, x.ndim)
    some_elements(x, axes)
    ordered = F.sort(gathered(x.astype(dtypes.as_floating(x.dtype)), axes), axis=-1)  # NaN comes last
    place = (F.maximum(_number(ordered, (ordered.ndim - 1,), True), 1) - 1).astype("float64") * q
    low, high = (F.take_along_axis(ordered, end(place).astype("int64"), axis=-1) for end in (F.floor, F.ceil))
    distance, share = high - low, (place - F.floor(place)).astype(low.dtype)
    parts = low * (1 - share) + high * share
    between = F.where(F.isfinite(distance), low + distance * share, parts)
    answer = F.where(share.equals(0), low, between)
    return answer.reshape(reduced(x.shape, axes, keepdims))


nanquantile = composite(
    "nanquantile",
    summary="The value below which a share q of the elements that are no NaN lies.",
    formula=_nanquantile,
    kinds="real",
    attributes=(Attribute("q", NUMBER, doc="between 0 and 1"), AXIS_OR_ALL, KEEPDIMS),
    samples=(
        Sample(((2, 3),), {"q": 0.3}),
        Sample(((3, 2),), {"q": 0.6, "axis": 0, "keepdims": True}),
        Sample(((2, 3, 2),), {"q": 1, "axis": [0, -1]}),
    ),
    conventions=f"Between two elements the value is interpolated linearly. {_NOTHING}",
)

nanmedian = composite(
    "nanmedian",
    summary="The middle element of those that are no NaN; the mean of the two middle ones of an even count.",
    formula=lambda x, *, axis, keepdims: F.nanquantile(x, q=0.5, axis=axis, keepdims=keepdims),
    kinds="real",
    attributes=(AXIS_OR_ALL, KEEPDIMS),
    samples=_SAMPLES,
    conventions=_NOTHING,
)


def _running(name: str, of: str, summary: str, value: float) -> Op:
    return composite(
        name,
        summary=summary,
        formula=lambda x, *, axis: getattr(F, of)(_filled(x, value), axis=axis),
        kinds="any",
        attributes=(
            Attribute("axis", AXIS, None, "the axis to run along; the flattened tensor when absent"),
        ),
        samples=(Sample(((2, 3),)), Sample(((3, 2),), {"axis": 0}), Sample(((2, 3),), {"axis": -1})),
    )


nancumsum = _running("nancumsum", "cumulative_sum", "The running sum, NaN taken as 0.", 0)
nancumprod = _running("nancumprod", "cumulative_prod", "The running product, NaN taken as 1.", 1)


_LARGEST = {"float16": 65504.0, "float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}


def _nan_to_num(x: Any, *, nan: float, posinf: float | None, neginf: float | None) -> Any:
    if not dtypes.is_inexact(x.dtype):
        return F.positive(x)
    most = _LARGEST[x.dtype]
    above, below = most if posinf is None else posinf, -most if neginf is None else neginf
    finite = F.where(x.equals(inf), above, F.where(x.equals(-inf), below, x))
    return F.where(F.isnan(x), nan, finite)


nan_to_num = composite(
    "nan_to_num",
    summary="x with numbers in the place of NaN and of the infinities.",
    formula=_nan_to_num,
    kinds="real",
    attributes=(
        Attribute("nan", NUMBER, 0.0, "what stands for NaN"),
        Attribute("posinf", NUMBER, None, "what stands for Infinity; the largest number when absent"),
        Attribute("neginf", NUMBER, None, "what stands for -Infinity; the smallest number when absent"),
    ),
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3),), {"nan": 2.0, "posinf": 1.0}),
        Sample(((3,),), {"neginf": -3.0}),
    ),
    conventions="Where a number stands in, the derivative is 0.",
)
