"""Places in tables that ascend, and what is computed from them: interpolation, counts in bins."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute, InvalidTensor, ShapeMismatch, WrongArity
from engine.ir import batch_rules
from engine.ir.attributes import BOOLEAN, NUMBER, SIZE, Attribute, InputIndex, choice
from engine.ir.cost import Cost, moved
from engine.ir.derivative import JOINT
from engine.ir.families import INDEXING, composite, define
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.indexing.basic import POSITION

_PLACE = NoGradient("nondifferentiable", "to_integer", "a place in a table is an integer")
_TABLE = [-1.5, -0.25, 0.5, 1.75]
_ROWS = (InputIndex(1),)
_ASCENDS = "The table has to ascend, which is checked: NumPy gives nonsense for one that does not."


def _unsorted(_: Any) -> InvalidTensor:
    return InvalidTensor(
        "the table does not ascend, or has a number behind NaN", hint="sort it first: sort(table)"
    )


def _check_table(xp: Any, a: Any) -> Any:
    if a.shape[-1] > 1:
        rises = a[..., 1:] >= a[..., :-1]  # a difference of infinities would be NaN
        if xp.isdtype(a.dtype, "real floating"):
            rises = rises | xp.isnan(a[..., 1:])
        xp.within(xp.astype(rises, xp.int8), 1, 2, _unsorted)
    return a


checked_table = define(
    "checked_table",
    family=INDEXING,
    batch=batch_rules.trailing,
    summary="The tables themselves, which have to ascend along the last axis.",
    forward=_check_table,
    infer=lambda types: (types[0],),
    vjp=_PLACE,
    kinds="real",
    cost=lambda types, outputs, **_: Cost(types[0].size, types[0].nbytes, 2 * types[0].size),
    view=True,
    refuses=True,
    internal=True,
    samples=(Sample((_TABLE,)), Sample(([[0.0, 1.0], [-1.0, -1.0]],))),
)


def _searchsorted(xp: Any, a: Any, v: Any, *, side: str) -> Any:
    return xp.searchsorted(_check_table(xp, a), v, side=side)


def _infer_search(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    if types[0].ndim != 1:
        raise ShapeMismatch(
            f"expected a vector for the table, got shape {types[0].shape}", hint="map searches several tables"
        )
    return (TensorType(types[1].shape, "int64"),)


def _search_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    a, v = types
    return Cost(v.size * max(1, a.size.bit_length()), moved(types, outputs), 2 * a.size)


def _batched_search(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, side: str) -> Any:
    """One table for all rows is searched at once; in a table for each row the elements before are counted.

    What is not behind counts, so that NaN is behind everything.
    """
    a, v = xs
    if not batched[0]:
        return a.tape.apply(op, xs, {"side": side})
    table = F.checked_table(a)
    v = batch_rules.stacked(v, batched[1], n)
    table = table.reshape((n, *(1,) * (v.ndim - 1), table.shape[-1]))
    behind = (F.greater_equal if side == "left" else F.greater)(table, F.expand_dims(v, axis=-1))
    return F.sum(F.logical_not(behind), axis=-1)


searchsorted = define(
    "searchsorted",
    family=INDEXING,
    batch=_batched_search,
    dependence=None,
    summary="Where in the ascending vector a each element of v would be inserted to keep the order.",
    forward=_searchsorted,
    infer=_infer_search,
    vjp=_PLACE,
    kinds="real",
    attributes=(
        Attribute("side", choice("left", "right"), "left", "the place before equal elements, or behind them"),
    ),
    cost=_search_cost,
    samples=(
        Sample((_TABLE, (2, 3))),
        Sample((_TABLE, [0.5, -2.0, 3.0]), {"side": "right"}),
        Sample(([0.0, 1.0, 1.0], ())),
    ),
    conventions=_ASCENDS,
)

digitize = composite(
    "digitize",
    summary="The bin of each element of x: 0 below the first edge, the number of edges above the last.",
    formula=lambda x, bins, *, right: F.searchsorted(bins, x, side="left" if right else "right"),
    vjp=_PLACE,
    kinds="real",
    attributes=(Attribute("right", BOOLEAN, False, "whether an edge belongs to the bin below it"),),
    samples=(Sample(((2, 3), _TABLE)), Sample(([0.5, -2.0, 3.0], _TABLE), {"right": True})),
    conventions=_ASCENDS,
)


def _interp(x: Any, xp: Any, fp: Any, *, left: float | None, right: float | None) -> Any:
    points = xp  # NumPy's name, which is that of a namespace elsewhere
    if points.ndim != 1 or fp.shape != points.shape or not points.size:
        raise ShapeMismatch(
            f"a table of shapes {points.shape} and {fp.shape}: expected two vectors of one size",
            hint="map interpolates in several tables",
        )
    first, last = (F.getitem(fp, index=(end,)) for end in (0, -1))
    low, high = (F.getitem(points, index=(end,)) for end in (0, -1))
    if points.size == 1:
        answer = first + 0 * x  # NaN stays
    else:
        place = F.clip(F.searchsorted(points, x, side="right") - 1, min=0, max=points.size - 2)
        x0, x1, y0, y1 = (F.take(v, p, axis=0) for v in (points, fp) for p in (place, place + 1))
        width = x1 - x0
        share = F.where(width.equals(0), 0, (x - x0) / F.where(width.equals(0), 1, width))
        answer = y0 + (y1 - y0) * share
    answer = F.where(F.any(F.isnan(points)), nan, answer)
    below = first if left is None else left
    above = last if right is None else right
    return F.where(x < low, below, F.where(x > high, above, F.where(x.equals(high), last, answer)))


interp = composite(
    "interp",
    summary="The value at x of the polygon through the points (xp, fp), whose xp ascend.",
    formula=_interp,
    kinds="real_floating",
    attributes=(
        Attribute("left", NUMBER, None, "the value below the first point; that of the point when absent"),
        Attribute("right", NUMBER, None, "the value above the last point; that of the point when absent"),
    ),
    samples=(
        Sample(((2, 3), _TABLE, (4,))),
        Sample(([-2.0, 0.1, 1.9], _TABLE, (4,)), {"left": 0.5, "right": -1.0}),
        Sample(([0.3], [1.0], (1,))),
    ),
    conventions="NaN in xp gives NaN. At a corner the derivative is that of the piece on the right. "
    f"{_ASCENDS}",
)


# -- counts ------------------------------------------------------------------------------------------


def _check_places(xp: Any, indices: Any, *, size: int) -> Any:
    xp.check_indices(indices, size, negative=False)
    return indices


checked_places = define(
    "checked_places",
    family=INDEXING,
    batch=batch_rules.elementwise,
    summary="The indices themselves, which have to lie from 0 to size - 1.",
    forward=_check_places,
    infer=lambda types, **_: (types[0],),
    vjp=POSITION,
    kinds="integer",
    attributes=(Attribute("size", SIZE),),
    cost=lambda types, outputs, **_: Cost(types[0].size, types[0].nbytes),
    view=True,
    refuses=True,
    internal=True,
    samples=(Sample(([0, 2, 1],), {"size": 3}), Sample(([[0], [1]],), {"size": 2})),
)


def _bincount(x: Any, *weights: Any, length: int) -> Any:
    if len(weights) > 1:
        raise WrongArity(f"expected x and at most one tensor of weights, got {len(weights) + 1} inputs")
    if x.ndim != 1 or any(w.shape != x.shape for w in weights):
        raise ShapeMismatch(
            f"expected a vector of bins, and as many weights, got {[v.shape for v in (x, *weights)]}",
            hint="flatten counts a tensor of any shape",
        )
    number = weights[0].dtype if weights else "int64"
    blank = made(x, "zeros", shape=(length,), dtype=number)
    ones = weights[0] if weights else made(x, "ones", shape=x.shape, dtype=number)
    return F.index_add(blank, ones, F.checked_places(x, size=length), index=_ROWS)


bincount = composite(
    "bincount",
    summary="How often each integer from 0 to length - 1 is in x, or the sum of its weights.",
    formula=_bincount,
    vjp=(POSITION, JOINT),
    kinds=("integer", "real_floating"),
    promote=False,
    variadic=True,
    minimum=0,
    attributes=(Attribute("length", SIZE, doc="the number of bins, which NumPy takes from the data"),),
    samples=(Sample(([0, 2, 2, 1],), {"length": 4}), Sample(([1, 1, 0], (3,)), {"length": 2})),
    conventions="An integer below 0 or of `length` and more is an error.",
)


def _histogram(
    x: Any, *weights: Any, bins: int, low: float | None, high: float | None, density: bool
) -> tuple[Any, Any]:
    if len(weights) > 1:
        raise WrongArity(f"expected x and at most one tensor of weights, got {len(weights) + 1} inputs")
    if any(w.shape != x.shape for w in weights):
        raise ShapeMismatch(f"weights of shape {weights[0].shape} for elements of shape {x.shape}")
    if bins < 1:
        raise InvalidAttribute(f"expected 1 or more for 'bins', got {bins}")
    if (low is None) != (high is None):
        raise InvalidAttribute("expected both 'low' and 'high', or none of them")
    x = x.reshape((x.size,))
    if low is not None and high is not None:
        if not isfinite(low) or not isfinite(high) or low > high:
            raise InvalidAttribute(f"expected finite numbers, low first, got {low} and {high}")
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges = made(x, "linspace", start=low, stop=high, num=bins + 1, dtype=x.dtype)
    else:
        if not x.size:
            raise ShapeMismatch("no elements to take the range from", hint="set low and high")
        least, most = F.min(x), F.max(x)
        same = least.equals(most)
        least, most = F.where(same, least - 0.5, least), F.where(same, most + 0.5, most)
        inner = made(x, "linspace", start=0, stop=1, num=bins + 1, dtype=x.dtype)
        edges = F.where(inner.equals(1), most, least + (most - least) * inner)
    place = F.searchsorted(edges, x, side="right") - 1
    last = F.getitem(edges, index=(-1,))
    counts = F.logical_and(place >= 0, x <= last)
    place = F.clip(place, min=0, max=bins - 1)
    weight = weights[0].reshape((x.size,)) if weights else made(x, "ones", shape=x.shape, dtype="int64")
    blank = made(x, "zeros", shape=(bins,), dtype=weight.dtype)
    number = F.index_add(blank, F.where(counts, weight, 0), place, index=_ROWS)
    if density:
        number = number.astype(dtypes.as_floating(number.dtype))
        number = number / F.diff(edges).astype(number.dtype) / F.sum(number)
    return number, edges


histogram = composite(
    "histogram",
    summary="How many elements of x are in each of some bins of equal width, and the edges of the bins.",
    formula=_histogram,
    vjp=JOINT,
    kinds="real_floating",
    promote=False,
    variadic=True,
    minimum=0,
    outputs=("counts", "edges"),
    attributes=(
        Attribute("bins", SIZE, 10, "the number of bins"),
        Attribute("low", NUMBER, None, "the first edge; the smallest element when absent"),
        Attribute("high", NUMBER, None, "the last edge, which belongs to the last bin; the largest element"),
        Attribute("density", BOOLEAN, False, "divide by the total and by the bins' widths"),
    ),
    samples=(
        Sample(([0.3, -1.2, 0.7, 1.9],), {"bins": 3}),
        Sample(([0.3, -1.2, 0.7, 1.9], (4,)), {"bins": 3, "low": -2, "high": 2}),
        Sample(([0.3, -1.2, 0.7, 1.9],), {"bins": 4, "low": -1, "high": 1, "density": True}),
    ),
    conventions="NumPy's `range` is `low` and `high`. Elements beyond them, and NaN, do not count; without "
    "them NaN makes the edges NaN. Counts pass no gradient to x; the edges and the weights do.",
)
