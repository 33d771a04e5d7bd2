"""Order statistics: quantiles and the median, by sorting."""

from __future__ import annotations

from math import floor
from typing import Any

from engine import dtypes
from engine.errors import InvalidAttribute
from engine.ir.attributes import NUMBER, Attribute
from engine.ir.families import AXIS_OR_ALL, KEEPDIMS, composite
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axes, reduced
from engine.ir.table import F
from engine.ops.reductions.extrema import some_elements
from engine.ops.reductions.totals import gathered

_CONVENTIONS = (
    "Between two elements the value is interpolated linearly: between a number and an infinity it is that "
    "infinity. NaN wherever an element is NaN."
)


def _between(below: Any, above: Any, share: float) -> Any:
    """Linear interpolation; beside an infinity, and where the distance overflows, of the parts."""
    distance = above - below
    parts = below * (1 - share) + above * share
    return F.where(F.isfinite(distance), below + distance * share, parts)


def _quantile(x: Any, *, q: float, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    if not 0 <= q <= 1:
        raise InvalidAttribute(f"expected a quantile between 0 and 1 for 'q', got {q}")
    axes = normalize_axes(axis, x.ndim)
    some_elements(x, axes)
    ordered = F.sort(gathered(x.astype(dtypes.as_floating(x.dtype)), axes), axis=-1)
    place = q * (ordered.shape[-1] - 1)
    low = floor(place)
    answer = F.getitem(ordered, index=(..., low))
    if place != low:
        answer = _between(answer, F.getitem(ordered, index=(..., low + 1)), place - low)
    last = F.getitem(ordered, index=(..., -1))  # NaN sorts to the end
    return F.where(F.isnan(last), last, answer).reshape(reduced(x.shape, axes, keepdims))


quantile = composite(
    "quantile",
    summary="The value below which a share q of the elements lies.",
    formula=_quantile,
    attributes=(Attribute("q", NUMBER, doc="between 0 and 1"), AXIS_OR_ALL, KEEPDIMS),
    samples=(
        Sample(((5,),), {"q": 0.3}),
        Sample(((4, 3),), {"q": 0.5, "axis": 0, "keepdims": True}),
        Sample(((2, 3, 2),), {"q": 1, "axis": [0, -1]}),
    ),
    conventions=_CONVENTIONS,
)

median = composite(
    "median",
    summary="The middle element; the mean of the two middle ones for an even count.",
    formula=lambda x, *, axis, keepdims: F.quantile(x, q=0.5, axis=axis, keepdims=keepdims),
    attributes=(AXIS_OR_ALL, KEEPDIMS),
    samples=(Sample(((5,),)), Sample(((4, 3),), {"axis": 0}), Sample(((2, 3),), {"keepdims": True})),
    conventions=_CONVENTIONS,
)
