"""Rows gathered into segments by an index for each, and writing one element for each index along an axis."""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.errors import ShapeMismatch
from engine.ir.attributes import AXIS, NUMBER, SIZE, Attribute, InputIndex
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast, normalize_axis
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.indexing.basic import POSITION

_ROWS = (InputIndex(1),)


def _rows(x: Any, ids: Any, num_segments: int) -> Any:
    """The checked indices of the rows."""
    if ids.ndim != 1 or not x.ndim or ids.size != x.shape[0]:
        raise ShapeMismatch(
            f"segments of shape {ids.shape} for a tensor of shape {x.shape}",
            hint="there is one index for each slice of x along axis 0",
        )
    return F.checked_places(ids, size=num_segments)


def _blank(x: Any, num_segments: int, value: float, dtype: str | None = None) -> Any:
    shape = (num_segments, *x.shape[1:])
    return made(x, "full", shape=shape, fill_value=value, dtype=dtype or x.dtype)


def _segment_sum(x: Any, segment_ids: Any, *, num_segments: int) -> Any:
    rows = _rows(x, segment_ids, num_segments)
    return F.index_add(_blank(x, num_segments, 0), x, rows, index=_ROWS)


def _counts(x: Any, rows: Any, num_segments: int) -> Any:
    """How many rows each segment has, so that it broadcasts against the segments; 1 if it has none."""
    ones = made(x, "ones", shape=rows.shape, dtype="int64")
    number = F.index_add(made(x, "zeros", shape=(num_segments,), dtype="int64"), ones, rows, index=_ROWS)
    return number.reshape((num_segments, *(1,) * (x.ndim - 1)))


def _segment_mean(x: Any, segment_ids: Any, *, num_segments: int) -> Any:
    rows = _rows(x, segment_ids, num_segments)
    total = F.index_add(_blank(x, num_segments, 0), x, rows, index=_ROWS)
    number = _counts(x, rows, num_segments)
    return total / F.maximum(number, 1).astype(dtypes.real_of(x.dtype))


def _segment_extremum(largest: bool) -> Any:
    """The winners are found by order: of several values written to one place the last one counts."""

    def formula(x: Any, segment_ids: Any, *, num_segments: int, fill_value: float) -> Any:
        rows = _rows(x, segment_ids, num_segments)
        if not x.size:
            return _blank(x, num_segments, fill_value)
        values = F.stop_gradient(x)
        order = F.argsort(values if largest else -values, axis=0)  # NaN comes last either way
        ordered = F.take_along_axis(values, order, axis=0)
        owners = F.take(rows, order, axis=0)
        best = F.put_along_axis(_blank(x, num_segments, fill_value), owners, ordered, axis=0)
        chosen = F.logical_or(F.equal(values, F.take(best, rows, axis=0)), F.isnan(values))
        ties = F.index_add(_blank(x, num_segments, 0, "int64"), chosen.astype("int64"), rows, index=_ROWS)
        # 0 for the value, and the derivative that elements which tie share evenly
        moves = F.where(F.logical_and(chosen, F.logical_not(F.isinf(values))), x - values, 0)
        moves = F.index_add(_blank(x, num_segments, 0), moves, rows, index=_ROWS)
        return best + moves / F.maximum(ties, 1).astype(x.dtype)

    return formula


_FILL = Attribute("fill_value", NUMBER, 0.0, "what a segment without slices is")


def _segment(
    name: str, summary: str, formula: Any, kinds: str, conventions: str, *attributes: Attribute
) -> Op:
    fill = {"fill_value": -5} if attributes else {}
    return composite(
        name,
        summary=summary,
        formula=formula,
        vjp=(JOINT, POSITION),
        kinds=(kinds, "integer"),
        promote=False,
        attributes=(Attribute("num_segments", SIZE, doc="the number of segments"), *attributes),
        samples=(
            Sample(((4, 2), [0, 2, 0, 1]), {"num_segments": 3, **fill}),
            Sample(((3,), [1, 1, 0]), {"num_segments": 2}),
        ),
        conventions=f"{conventions} An index below 0 or of `num_segments` and more is an error.",
    )


segment_sum = _segment(
    "segment_sum",
    "The sum of the slices of x along axis 0 that have the same index.",
    _segment_sum,
    "numeric",
    "A segment without slices is 0.",
)
segment_mean = _segment(
    "segment_mean",
    "The mean of the slices of x along axis 0 that have the same index.",
    _segment_mean,
    "floating",
    "A segment without slices is 0.",
)
segment_max = _segment(
    "segment_max",
    "The largest element of the slices of x along axis 0 that have the same index.",
    _segment_extremum(True),
    "real_floating",
    "Elements that tie share the gradient evenly.",
    _FILL,
)
segment_min = _segment(
    "segment_min",
    "The smallest element of the slices of x along axis 0 that have the same index.",
    _segment_extremum(False),
    "real_floating",
    "Elements that tie share the gradient evenly.",
    _FILL,
)


def _put_along_axis(x: Any, indices: Any, values: Any, *, axis: int) -> Any:
    place = normalize_axis(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeMismatch(
            f"indices of shape {indices.shape} into shape {x.shape}: expected as many axes",
            hint="index_set writes whole slices; expand_dims can add an axis to the indices",
        )
    around = tuple(1 if a == place else s for a, s in enumerate(x.shape))
    shape = broadcast(around, indices.shape)
    if any(s != w for a, (s, w) in enumerate(zip(x.shape, shape, strict=True)) if a != place):
        raise ShapeMismatch(f"indices of shape {indices.shape} do not broadcast to shape {x.shape}")
    grid = []
    for a, size in enumerate(shape):
        along = tuple(size if b == a else 1 for b in range(x.ndim))
        own = made(x, "arange", start=size, dtype="int64").reshape(along)
        grid.append((indices if a == place else own).broadcast_to(shape))
    values = values.broadcast_to(shape)
    return F.index_set(x, values, *grid, index=tuple(InputIndex(a + 1) for a in range(x.ndim)))


put_along_axis = composite(
    "put_along_axis",
    summary="x with `values` at an index along an axis for each of them.",
    formula=_put_along_axis,
    vjp=(JOINT, POSITION, JOINT),
    kinds=("any", "integer", "any"),
    promote=(True, False, True),
    attributes=(Attribute("axis", AXIS, -1),),
    samples=(
        Sample(((2, 3), [[0, -1], [2, 1]], (2, 2))),
        Sample(((3, 2), [[0, 2]], (1, 2)), {"axis": 0}),
        Sample(((2, 3), [[1], [1]], ())),
    ),
    conventions="NumPy's, as a new tensor. Of several values for one element the last one counts.",
)
