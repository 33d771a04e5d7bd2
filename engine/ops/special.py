"""Special functions: the error function and the normal distribution, gamma and its relatives, sinc."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import InvalidAttribute
from engine.ir.attributes import SIZE, Attribute
from engine.ir.families import elementwise
from engine.ir.op import Op
from engine.ir.samples import Domain, Sample
from engine.ir.table import F

_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
_SQRT_TAU = math.sqrt(2 * math.pi)
_PROBABILITY = Domain(0.1, 0.9)


def _kernel(name: str) -> Callable[..., Any]:
    """The library's function, its answer in the dtype of x: it computes float16 in float32."""
    return lambda xp, x: xp.astype(getattr(xp, name)(x), x.dtype, copy=False)


def _special(name: str, *aliases: str, **fields: Any) -> Op:
    return elementwise(
        name, *aliases, forward=_kernel(name), ufunc=name, kinds="real_floating", flops=30, **fields
    )


erf = _special(
    "erf",
    summary="The error function, 2/sqrt(pi) times the integral of exp(-t²) from 0 to x.",
    vjp=lambda g, y, x: g * (_TWO_OVER_SQRT_PI * F.exp(-(x * x))),
    zero_reason="saturated",
)

erfc = _special(
    "erfc",
    summary="1 - erf(x), exact in the right tail.",
    vjp=lambda g, y, x: -g * (_TWO_OVER_SQRT_PI * F.exp(-(x * x))),
    zero_reason="saturated",
)

erfcx = _special(
    "erfcx",
    summary="exp(x²) erfc(x): the scaled complement, which does not vanish in the right tail.",
    vjp=lambda g, y, x: g * (2 * x * y - _TWO_OVER_SQRT_PI),
)

erfinv = _special(
    "erfinv",
    summary="The inverse of erf on [-1, 1].",
    vjp=lambda g, y, x: g * (F.exp(y * y) / _TWO_OVER_SQRT_PI),
    domain=Domain(-0.8, 0.8),
    conventions="At -1 and 1 value and derivative are infinite.",
)

ndtr = _special(
    "ndtr",
    "norm_cdf",
    summary="The normal distribution function: the probability below x.",
    vjp=lambda g, y, x: g * (F.exp(-0.5 * (x * x)) / _SQRT_TAU),
    zero_reason="saturated",
)

log_ndtr = _special(
    "log_ndtr",
    summary="The logarithm of ndtr, exact in both tails.",
    vjp=lambda g, y, x: g * F.inverse_mills(x),
    zero_reason="saturated",
)


def _inverse_mills(xp: Any, x: Any) -> Any:
    """exp(-x²/2) / sqrt(2 pi) / ndtr(x): both vanish in the left tail, their scaled ratio does not."""
    return xp.astype((2 / _SQRT_TAU) / xp.erfcx(x * -math.sqrt(0.5)), x.dtype, copy=False)


inverse_mills = elementwise(
    "inverse_mills",
    summary="The derivative of log_ndtr: the normal density over the normal distribution function.",
    forward=_inverse_mills,
    kinds="real_floating",
    vjp=lambda g, y, x: -g * (y * (x + y)),
    flops=35,
    internal=True,
    zero_reason="saturated",
)

ndtri = _special(
    "ndtri",
    "probit",
    summary="The inverse of ndtr on [0, 1]: the quantile of the normal distribution.",
    vjp=lambda g, y, x: g * (_SQRT_TAU * F.exp(0.5 * (y * y))),
    domain=_PROBABILITY,
    conventions="At 0 and 1 value and derivative are infinite.",
)

logit = elementwise(
    "logit",
    summary="log(x / (1 - x)), the inverse of sigmoid.",
    forward=_kernel("logit"),
    ufunc="logit",
    kinds="real_floating",
    vjp=lambda g, y, x: g / (x * (1 - x)),
    flops=15,
    domain=_PROBABILITY,
    conventions="At 0 and 1 value and derivative are infinite.",
)

gammaln = _special(
    "gammaln",
    "lgamma",
    summary="log |Gamma(x)|.",
    vjp=lambda g, y, x: g * F.digamma(x),
    domain=Domain(0.5, 4.0),
    conventions="At 0 and the negative integers it is infinite.",
)

digamma = _special(
    "digamma",
    "psi",
    summary="The derivative of log Gamma.",
    vjp=lambda g, y, x: g * F.polygamma(x, order=1),
    domain=Domain(0.5, 4.0),
    conventions="At 0 and the negative integers it has poles.",
)


def _cotangent_derivative(order: int) -> list[int]:
    """P with dⁿ cot(z) / dzⁿ = P(cot z): coefficients, lowest first; P_0 = c, P_n+1 = -(1 + c²) P_n'."""
    coefficients = [0, 1]
    for _ in range(order):
        slope = [k * c for k, c in enumerate(coefficients)][1:]
        coefficients = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return coefficients


def _polygamma(xp: Any, x: Any, *, order: int) -> Any:
    """A Hurwitz zeta function; the left half by reflection, with cot(pi x) freed of its whole turns."""
    if order == 0:
        return xp.astype(xp.digamma(x), x.dtype, copy=False)
    nonpositive = x <= 0
    scale = (-1.0) ** (order + 1) * math.factorial(order)
    answer = scale * xp.zeta(float(order + 1), xp.where(nonpositive, 1 - x, x))
    if xp.anywhere(nonpositive):
        cotangent = 1 / xp.tan(math.pi * (x - xp.round(x)))
        *lower, derivative = map(float, _cotangent_derivative(order))
        for coefficient in reversed(lower):
            derivative = derivative * cotangent + coefficient
        turned = (-1) ** order * answer - math.pi ** (order + 1) * derivative
        answer = xp.where(nonpositive, turned, answer)
    return xp.astype(answer, x.dtype, copy=False)


def _check_order(types: Sequence[TensorType], *, order: int) -> dict[str, Any]:
    if order > 100:
        raise InvalidAttribute(f"expected an order of at most 100, got {order}")
    return {}


polygamma = elementwise(
    "polygamma",
    summary="The derivative of digamma, `order` times.",
    forward=_polygamma,
    kinds="real_floating",
    normalize=_check_order,
    vjp=lambda g, y, x, order: g * F.polygamma(x, order=order + 1),
    attributes=(Attribute("order", SIZE, 1, "0 is digamma, 1 trigamma"),),
    flops=60,
    scratch=1,
    domain=Domain(0.5, 4.0),
    samples=(Sample(((2, 3),)), Sample(((3,),), {"order": 2}), Sample(([-1.3, -0.4],), {"order": 3})),
    conventions="Unlike in SciPy and TensorFlow the order is an attribute and comes second.",
)

sinc = elementwise(
    "sinc",
    summary="sin(pi x) / (pi x), and 1 at 0.",
    forward=lambda m, x: m.where(x == 0, 1, m.sin(math.pi * x) / (math.pi * x)),
    kinds="real_floating",
    vjp=lambda g, y, x: g * (-math.pi * F.spherical_jn(math.pi * x, order=1)),
    flops=20,
    scratch=1,
    conventions="Its derivatives are exact at and near 0, at every order.",
)


def _spherical_jn_rule(g: Any, y: Any, x: Any, order: int) -> Any:
    """j_n' = (n j_n-1 - (n+1) j_n+1) / (2n+1), which needs no division by x."""
    if order == 0:
        return -g * F.spherical_jn(x, order=1)
    below, above = F.spherical_jn(x, order=order - 1), F.spherical_jn(x, order=order + 1)
    return g * ((order * below - (order + 1) * above) * (1 / (2 * order + 1)))


spherical_jn = elementwise(
    "spherical_jn",
    summary="The spherical Bessel function of the first kind.",
    forward=lambda xp, x, *, order: xp.astype(xp.spherical_jn(order, x), x.dtype, copy=False),
    kinds="real_floating",
    vjp=_spherical_jn_rule,
    attributes=(Attribute("order", SIZE, 0),),
    flops=40,
    scratch=2,
    samples=(Sample(((2, 3),)), Sample(([0.0, 1e-3, 1.5],), {"order": 2})),
)
