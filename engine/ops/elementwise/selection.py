"""Ops that choose between values: bounds, signs, extrema that skip NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir.attributes import NUMBER, Attribute
from engine.ir.families import elementwise
from engine.ir.no_gradient import nondifferentiable
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.elementwise.arithmetic import POLE


def _bounds(types: Sequence[TensorType], *, min: float | None, max: float | None) -> dict[str, Any]:
    dtype = types[0].dtype
    if not dtypes.is_integer(dtype):
        return {"min": min, "max": max}
    limits = np.iinfo(dtype)
    return {
        "min": None if min is None or min <= limits.min else _integer_bound("min", min, dtype),
        "max": None if max is None or max >= limits.max else _integer_bound("max", max, dtype),
    }


def _integer_bound(name: str, bound: float, dtype: str) -> int:
    if (
        not math.isfinite(bound)
        or bound != int(bound)
        or not np.can_cast(np.min_scalar_type(int(bound)), dtype)
    ):
        raise InvalidAttribute(
            f"{name} = {bound} is no {dtype}, which is the dtype of x",
            hint="convert x to a floating dtype first: astype(x, 'float64')",
        )
    return int(bound)


def _clip(m: Any, x: Any, *, min: float | None, max: float | None) -> Any:
    if min is None and max is None:
        return +x  # a copy: the record promises no view
    if min is not None:
        x = m.maximum(x, min)
    return x if max is None else m.minimum(x, max)


def within(g: Any, x: Any, low: float | None, high: float | None) -> Any:
    """`g` where x lies within the bounds, the bounds included, else 0; `g` where x is NaN."""
    if low is not None:
        g = F.where(x < low, 0, g)
    return g if high is None else F.where(x > high, 0, g)


def _on_bound(xp: Any, x: Any, *, min: float | None, max: float | None) -> Any:
    return (x == (math.nan if min is None else min)) | (x == (math.nan if max is None else max))


clip = elementwise(
    "clip",
    "clip_by_value",
    "clamp",
    summary="x, but at least `min` and at most `max`; either may be absent.",
    forward=_clip,
    kinds="real",
    normalize=_bounds,
    vjp=lambda g, y, x, min, max: within(g, x, min, max),
    attributes=(
        Attribute("min", NUMBER, None, "the lower bound; none when absent"),
        Attribute("max", NUMBER, None, "the upper bound; none when absent"),
    ),
    flops=2,
    samples=(
        Sample(([-1.5, 0.2, 0.9, 1.7],), {"min": -1.0, "max": 1.0}),
        Sample(((2, 3),), {"min": -5}),
        Sample(((2, 3),), {"max": 5}),
        Sample(((2, 3),)),
    ),
    conventions="At a bound the derivative is 1. Bounds are numbers; for tensors use minimum and maximum. "
    "Where min > max everything is max. At NaN, which stays NaN, the derivative is 1.",
    nonsmooth_at=_on_bound,
    zero_reason="unselected",
)


def _share(g: Any, wins: Any, loses: Any) -> Any:
    """All of g, or half where neither or both are chosen: of equal numbers, and of NaN twice."""
    return F.where(F.equal(wins, loses), 0.5 * g, F.where(wins, g, 0))


def _beyond(larger: Any, smaller: Any, skipped: Any) -> Any:
    return F.logical_or(larger > smaller, F.isnan(skipped))


fmax = elementwise(
    "fmax",
    summary="The larger of x1 and x2; NaN only if both are.",
    ufunc="fmax",
    kinds="real",
    vjp=(
        lambda g, y, x1, x2: _share(g, _beyond(x1, x2, x2), _beyond(x2, x1, x1)),
        lambda g, y, x1, x2: _share(g, _beyond(x2, x1, x1), _beyond(x1, x2, x2)),
    ),
    conventions="Where x1 = x2, and where both are NaN, each gets half of the gradient.",
    nonsmooth_at=lambda xp, x1, x2: x1 == x2,
    zero_reason="unselected",
)

fmin = elementwise(
    "fmin",
    summary="The smaller of x1 and x2; NaN only if both are.",
    ufunc="fmin",
    kinds="real",
    vjp=(
        lambda g, y, x1, x2: _share(g, _beyond(x2, x1, x2), _beyond(x1, x2, x1)),
        lambda g, y, x1, x2: _share(g, _beyond(x1, x2, x1), _beyond(x2, x1, x2)),
    ),
    conventions="Where x1 = x2, and where both are NaN, each gets half of the gradient.",
    nonsmooth_at=lambda xp, x1, x2: x1 == x2,
    zero_reason="unselected",
)

copysign = elementwise(
    "copysign",
    summary="|x1| with the sign of x2.",
    ufunc="copysign",
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * (F.sign(x1) * F.copysign(1.0, x2)),
        nondifferentiable("only the sign of x2 counts"),
    ),
    domain=POLE,
    conventions="At x1 = 0 the derivative is 0.",
    nonsmooth_at=lambda xp, x1, x2: x1 == 0,
)

heaviside = elementwise(
    "heaviside",
    summary="0 where x1 < 0, 1 where x1 > 0, x2 where x1 is 0.",
    ufunc="heaviside",
    kinds="real_floating",
    vjp=(
        nondifferentiable(
            "a step is piecewise constant", cure="A soft step has a gradient: sigmoid(k * x), steeper with k"
        ),
        lambda g, y, x1, x2: F.where(x1.equals(0), g, 0),
    ),
    domain=(POLE, POLE),
    zero_reason="unselected",
)
