"""Circular functions, their inverses, and angles."""

from __future__ import annotations

import math
from typing import Any

from engine.ir.families import elementwise
from engine.ir.samples import Domain
from engine.ir.table import F
from engine.ops.elementwise.arithmetic import POLE

_INSIDE = Domain(-0.8, 0.8)

sin = elementwise("sin", summary="The sine.", ufunc="sin", vjp=lambda g, y, x: g * F.cos(x), flops=15)

cos = elementwise("cos", summary="The cosine.", ufunc="cos", vjp=lambda g, y, x: -g * F.sin(x), flops=15)

tan = elementwise(
    "tan",
    summary="The tangent.",
    ufunc="tan",
    vjp=lambda g, y, x: g * (1 + y * y),
    flops=20,
    domain=Domain(-1.2, 1.2),
)

asin = elementwise(
    "asin",
    "arcsin",
    summary="The inverse sine.",
    ufunc="asin",
    vjp=lambda g, y, x: g / F.sqrt((1 - x) * (1 + x)),
    flops=20,
    domain=_INSIDE,
    conventions="At -1 and 1 the derivative is infinite.",
)

acos = elementwise(
    "acos",
    "arccos",
    summary="The inverse cosine.",
    ufunc="acos",
    vjp=lambda g, y, x: -g / F.sqrt((1 - x) * (1 + x)),
    flops=20,
    domain=_INSIDE,
    conventions="At -1 and 1 the derivative is infinite.",
)

atan = elementwise(
    "atan",
    "arctan",
    summary="The inverse tangent.",
    ufunc="atan",
    vjp=lambda g, y, x: g / (1 + x * x),
    flops=20,
)


def _per_radius(a: Any, x1: Any, x2: Any) -> Any:
    """A / (x1² + x2²), 0 at the origin and at infinity, without squares that overflow or vanish."""
    radius = F.hypot(x1, x2)
    far = F.isinf(radius)
    lost = F.logical_or(F.isnan(x1), F.isnan(x2))
    a, radius = F.where(lost, math.nan, F.where(far, 0, a)), F.where(far, 1, radius)
    return F.divide_no_nan(F.divide_no_nan(a, radius), radius)


atan2 = elementwise(
    "atan2",
    "arctan2",
    summary="The angle of the point (x2, x1), from -pi to pi.",
    ufunc="atan2",
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * _per_radius(x2, x1, x2),
        lambda g, y, x1, x2: -g * _per_radius(x1, x1, x2),
    ),
    flops=25,
    domain=POLE,
    conventions="At the origin and at infinity the derivatives are 0.",
    nonsmooth_at=lambda xp, x1, x2: (x1 == 0) & (x2 == 0),
)


def _direction(x: Any, other: Any, y: Any) -> Any:
    """X / y, 0 at the origin; beside an infinity the limit, which two infinities do not have."""
    far = F.isinf(y)
    limit = F.where(F.isinf(x), F.where(F.isinf(other), math.nan, F.sign(x)), 0)
    return F.divide_no_nan(F.where(far, limit, x), F.where(far, 1, y))


hypot = elementwise(
    "hypot",
    summary="sqrt(x1² + x2²), without overflow.",
    ufunc="hypot",
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * _direction(x1, x2, y),
        lambda g, y, x1, x2: g * _direction(x2, x1, y),
    ),
    flops=8,
    domain=POLE,
    conventions="At the origin the derivatives are 0.",
    nonsmooth_at=lambda xp, x1, x2: (x1 == 0) & (x2 == 0),
)

deg2rad = elementwise(
    "deg2rad",
    "radians",
    summary="Degrees to radians.",
    forward=lambda m, x: x * (math.pi / 180),
    kinds="real_floating",
    vjp=lambda g, y, x: g * (math.pi / 180),
    linear_in=frozenset({0}),
)

rad2deg = elementwise(
    "rad2deg",
    "degrees",
    summary="Radians to degrees.",
    forward=lambda m, x: x * (180 / math.pi),
    kinds="real_floating",
    vjp=lambda g, y, x: g * (180 / math.pi),
    linear_in=frozenset({0}),
)
