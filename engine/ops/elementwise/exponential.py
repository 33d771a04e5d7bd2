"""Exponentials, logarithms and roots."""

from __future__ import annotations

import math
from typing import Any

from engine.ir.families import elementwise
from engine.ir.samples import Domain
from engine.ir.table import F
from engine.ops.elementwise.arithmetic import POLE, POSITIVE

_LN2 = math.log(2)
_LN10 = math.log(10)

exp = elementwise(
    "exp",
    summary="e to the power x.",
    ufunc="exp",
    vjp=lambda g, y, x: g * y,
    flops=10,
)

exp2 = elementwise(
    "exp2",
    summary="2 to the power x.",
    ufunc="exp2",
    kinds="real_floating",
    vjp=lambda g, y, x: g * (y * _LN2),
    flops=10,
)

expm1 = elementwise(
    "expm1",
    summary="exp(x) - 1, exact for small x.",
    ufunc="expm1",
    vjp=lambda g, y, x: g * F.exp(x),  # y + 1 would lose the left tail
    flops=12,
)

log = elementwise(
    "log",
    "ln",
    summary="The natural logarithm.",
    ufunc="log",
    vjp=lambda g, y, x: g / x,
    flops=10,
    domain=POSITIVE,
)

log2 = elementwise(
    "log2",
    summary="The logarithm to base 2.",
    ufunc="log2",
    vjp=lambda g, y, x: g / (x * _LN2),
    flops=10,
    domain=POSITIVE,
)

log10 = elementwise(
    "log10",
    summary="The logarithm to base 10.",
    ufunc="log10",
    vjp=lambda g, y, x: g / (x * _LN10),
    flops=10,
    domain=POSITIVE,
)

log1p = elementwise(
    "log1p",
    summary="log(1 + x), exact for small x.",
    ufunc="log1p",
    vjp=lambda g, y, x: g / (1 + x),
    flops=12,
    domain=Domain(-0.6, 2.0),
)

sqrt = elementwise(
    "sqrt",
    summary="The square root.",
    ufunc="sqrt",
    vjp=lambda g, y, x: g / (2 * y),
    flops=4,
    domain=POSITIVE,
    conventions="At 0 the derivative is infinite.",
)

rsqrt = elementwise(
    "rsqrt",
    summary="1 / sqrt(x).",
    forward=lambda m, x: 1 / m.sqrt(x),
    vjp=lambda g, y, x: g * (-0.5 * (y / x)),
    flops=5,
    domain=POSITIVE,
)

cbrt = elementwise(
    "cbrt",
    summary="The real cube root.",
    ufunc="cbrt",
    kinds="real_floating",
    vjp=lambda g, y, x: g / (3 * (y * y)),
    flops=20,
    domain=POLE,
    conventions="At 0 the derivative is infinite.",
)

logaddexp = elementwise(
    "logaddexp",
    summary="log(exp(x1) + exp(x2)), without overflow.",
    ufunc="logaddexp",
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * F.sigmoid(x1 - x2),
        lambda g, y, x1, x2: g * F.sigmoid(x2 - x1),
    ),
    flops=20,
    conventions="Where both are the same infinity the derivatives are NaN.",
)

_LIMIT = (
    "At the corner the derivatives, too, are 0, at every order; elsewhere an infinite derivative is infinite."
)


def _beyond_corner(x1: Any, x2: Any, edge: float, stand_in: float) -> Any:
    """x2, but a harmless number in the corner x1 = 0, x2 <= edge: no bad operation to mask afterwards."""
    return F.where(F.logical_and(x1.equals(0), x2 <= edge), stand_in, x2)


xlogy = elementwise(
    "xlogy",
    summary="x1 * log(x2), and 0 where x1 is 0.",
    forward=lambda m, x1, x2: m.where((x1 == 0) & ~m.isnan(x2), 0, x1 * m.log(x2)),
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * F.log(_beyond_corner(x1, x2, 0, 1.0)),
        lambda g, y, x1, x2: g * (x1 / _beyond_corner(x1, x2, 0, math.inf)),
    ),
    flops=12,
    domain=(Domain(), POSITIVE),
    linear_in=frozenset({0}),
    conventions="The corner is x1 = 0 with x2 <= 0. " + _LIMIT,
    zero_reason="zero_operand",
)

xlog1py = elementwise(
    "xlog1py",
    summary="x1 * log1p(x2), and 0 where x1 is 0.",
    forward=lambda m, x1, x2: m.where((x1 == 0) & ~m.isnan(x2), 0, x1 * m.log1p(x2)),
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: g * F.log1p(_beyond_corner(x1, x2, -1, 0.0)),
        lambda g, y, x1, x2: g * (x1 / (1 + _beyond_corner(x1, x2, -1, math.inf))),
    ),
    flops=14,
    domain=(Domain(), Domain(-0.6, 2.0)),
    linear_in=frozenset({0}),
    conventions="The corner is x1 = 0 with x2 <= -1. " + _LIMIT,
    zero_reason="zero_operand",
)

squared_difference = elementwise(
    "squared_difference",
    "square_difference",
    summary="(x1 - x2) squared.",
    forward=lambda m, x1, x2: m.square(x1 - x2),
    kinds="numeric",
    vjp=(
        lambda g, y, x1, x2: g * (2 * (x1 - x2)),
        lambda g, y, x1, x2: g * (2 * (x2 - x1)),
    ),
    flops=2,
)
