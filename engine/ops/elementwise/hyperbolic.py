"""Hyperbolic functions and their inverses."""

from __future__ import annotations

from engine import dtypes
from engine.ir.families import elementwise
from engine.ir.samples import Domain
from engine.ir.table import F

sinh = elementwise(
    "sinh", summary="The hyperbolic sine.", ufunc="sinh", vjp=lambda g, y, x: g * F.cosh(x), flops=15
)

cosh = elementwise(
    "cosh", summary="The hyperbolic cosine.", ufunc="cosh", vjp=lambda g, y, x: g * F.sinh(x), flops=15
)

tanh = elementwise(
    "tanh",
    summary="The hyperbolic tangent.",
    ufunc="tanh",
    vjp=lambda g, y, x: g * (1 - y * y),
    flops=15,
    zero_reason="saturated",
)

asinh = elementwise(
    "asinh",
    "arcsinh",
    summary="The inverse hyperbolic sine.",
    ufunc="asinh",
    vjp=lambda g, y, x: g / (F.sqrt(1 + x * x) if dtypes.is_complex(x.dtype) else F.hypot(x, 1.0)),
    flops=20,
)

acosh = elementwise(
    "acosh",
    "arccosh",
    summary="The inverse hyperbolic cosine.",
    ufunc="acosh",
    vjp=lambda g, y, x: g / (F.sqrt(x - 1) * F.sqrt(x + 1)),
    flops=20,
    domain=Domain(1.3, 3.0),
    conventions="At 1 the derivative is infinite.",
)

atanh = elementwise(
    "atanh",
    "arctanh",
    summary="The inverse hyperbolic tangent.",
    ufunc="atanh",
    vjp=lambda g, y, x: g / ((1 - x) * (1 + x)),
    flops=20,
    domain=Domain(-0.8, 0.8),
    conventions="At -1 and 1 the derivative is infinite.",
)
