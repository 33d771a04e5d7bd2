"""Differences of neighbours along an axis, and integrals, which are their inverse."""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.errors import InvalidAttribute, ShapeMismatch, WrongArity
from engine.ir.attributes import AXIS, INT, NUMBER, SIZE, Attribute
from engine.ir.families import composite
from engine.ir.indices import along
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.creation import made

_AXIS = Attribute("axis", AXIS, -1)


def part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """The elements of x from `start` to `stop` along an axis."""
    return F.getitem(x, index=along(axis, slice(start, stop)))


def _diff(x: Any, *, n: int, axis: int) -> Any:
    place = normalize_axis(axis, x.ndim)
    if n == 0:
        return F.positive(x)
    for _ in range(min(n, max(x.shape[place], 1))):  # nothing is left after as many steps as elements
        x = part(x, place, 1, None) - part(x, place, None, -1)
    return x


diff = composite(
    "diff",
    summary="Each element less the one before it along an axis, n times over.",
    formula=_diff,
    kinds="numeric",
    attributes=(Attribute("n", SIZE, 1, "how many times differences are taken"), _AXIS),
    samples=(
        Sample(((4,),)),
        Sample(((2, 4),), {"n": 2}),
        Sample(((3, 2),), {"axis": 0}),
        Sample(((3,),), {"n": 0}),
    ),
)


def _steps(y: Any, x: tuple[Any, ...], dx: float, place: int) -> Any:
    """The widths between neighbours, so that they broadcast against the pairs of y."""
    if not x:
        return dx
    if len(x) > 1:
        raise WrongArity(f"expected y and at most one x, got {len(x) + 1} inputs")
    (points,) = x
    if points.ndim == 1:
        shape = tuple(max(y.shape[place] - 1, 0) if i == place else 1 for i in range(y.ndim))
        if points.size != y.shape[place]:
            raise ShapeMismatch(
                f"{points.size} points for {y.shape[place]} values along axis {place}: expected as many"
            )
        return F.diff(points).reshape(shape)
    if points.ndim != y.ndim:
        raise ShapeMismatch(
            f"points of shape {points.shape} for values of shape {y.shape}",
            hint="points are a vector along the axis, or have as many axes as the values",
        )
    return F.diff(points, axis=place)


def _areas(y: Any, x: tuple[Any, ...], dx: float, place: int) -> Any:
    """The areas between neighbours under a straight line."""
    return _steps(y, x, dx, place) * (part(y, place, 1, None) + part(y, place, None, -1)) * 0.5


def _trapezoid(y: Any, *x: Any, dx: float, axis: int) -> Any:
    place = normalize_axis(axis, y.ndim)
    return F.sum(_areas(y, x, dx, place), axis=place)


_DX = Attribute("dx", NUMBER, 1.0, "the distance of neighbours if there is no x")
_AREAS = "x, if it is there, are the points at which y was taken: a vector along the axis, or as many as y."

trapezoid = composite(
    "trapezoid",
    "trapz",
    summary="The integral of values along an axis by the trapezoidal rule.",
    formula=_trapezoid,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(_DX, _AXIS),
    samples=(
        Sample(((4,),)),
        Sample(((2, 3), [0.5, 1.0, 2.5]), {"axis": 1}),
        Sample(((3, 2), (3, 2)), {"axis": 0}),
        Sample(((2, 3),), {"dx": 0.5, "axis": 0}),
    ),
    conventions=_AREAS,
)


def _cumulative_trapezoid(y: Any, *x: Any, dx: float, axis: int, initial: float | None) -> Any:
    place = normalize_axis(axis, y.ndim)
    total = F.cumulative_sum(_areas(y, x, dx, place), axis=place)
    if initial is None:
        return total
    if initial != 0:
        raise InvalidAttribute(
            f"expected 0 or nothing for 'initial', got {initial}", hint="add a constant to the result"
        )
    width = tuple((1, 0) if i == place else (0, 0) for i in range(total.ndim))
    return F.pad(total, pad_width=width)


cumulative_trapezoid = composite(
    "cumulative_trapezoid",
    "cumtrapz",
    summary="The running integral of values along an axis by the trapezoidal rule.",
    formula=_cumulative_trapezoid,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(_DX, _AXIS, Attribute("initial", NUMBER, None, "0 puts a zero in front")),
    samples=(
        Sample(((4,),)),
        Sample(((2, 3), [0.5, 1.0, 2.5]), {"axis": 1, "initial": 0}),
        Sample(((3, 2), (3, 2)), {"axis": 0}),
        Sample(((2, 3),), {"dx": 0.5, "axis": 0}),
    ),
    conventions=f"SciPy's. {_AREAS}",
)


def _central(y: Any, *x: Any, spacing: float, axis: int, edge_order: int) -> Any:
    place = normalize_axis(axis, y.ndim)
    size = y.shape[place]
    if edge_order not in (1, 2):
        raise InvalidAttribute(f"expected 1 or 2 for 'edge_order', got {edge_order}")
    if size < edge_order + 1:
        raise ShapeMismatch(
            f"axis {place} has {size} values: expected at least {edge_order + 1}",
            hint="a difference takes a neighbour on each side",
        )
    steps = _steps(y, x, spacing, place)
    if not x:
        steps = made(y, "full", shape=(1,) * y.ndim, fill_value=spacing, dtype=dtypes.real_of(y.dtype))
        steps = F.repeat(steps, repeats=size - 1, axis=place)
    before, behind = part(steps, place, None, -1), part(steps, place, 1, None)
    slopes = F.diff(y, axis=place) / steps
    first, last = part(slopes, place, None, 1), part(slopes, place, -1, None)
    if size == 2:
        return F.concat(first, last, axis=place)
    low, high = part(slopes, place, None, -1), part(slopes, place, 1, None)
    middle = (low * behind + high * before) / (before + behind)
    if edge_order == 2:  # the parabola through three values
        bend = (high - low) / (before + behind)
        first = first - part(before * bend, place, None, 1)
        last = last + part(behind * bend, place, -1, None)
    return F.concat(first, middle, last, axis=place)


central_differences = composite(
    "central_differences",
    summary="The slope of values along an axis, from both neighbours of each; NumPy's gradient.",
    formula=_central,
    kinds="floating",
    variadic=True,
    minimum=0,
    attributes=(
        Attribute("spacing", NUMBER, 1.0, "the distance of neighbours if there is no x"),
        _AXIS,
        Attribute(
            "edge_order", INT, 1, "1: a line through the outermost two values; 2: a parabola, of three"
        ),
    ),
    samples=(
        Sample(((4,),)),
        Sample(((2, 3), [0.5, 1.0, 2.5]), {"axis": 1, "edge_order": 2}),
        Sample(((2, 3),), {"spacing": 0.5, "axis": 0}),
        Sample(((4, 2),), {"edge_order": 2, "axis": 0}),
    ),
    conventions=f"NumPy's `gradient` along one axis; here `gradient` is a derivative. {_AREAS}",
)
