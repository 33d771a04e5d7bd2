"""Exp, expm1, log, log1p and tanh.

Sources: the polynomials of Cephes (Moshier, `exp.c`, `log.c`, `tanh.c` and their single precision forms),
with the reduction by ln 2 in two parts of Cody and Waite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

from engine.runtime.executors.compiled.ir import splat, vector


@dataclass(frozen=True, slots=True)
class _Format:
    """A floating format: bits of its integers, of its fraction, and where exp leaves its range."""

    integer: str
    fraction: int
    bias: int
    ln2_high: float
    ln2_low: float
    overflow: float
    underflow: float
    least_normal: float
    root_half: int


_FORMATS = {
    "float32": _Format(
        "i32",
        23,
        127,
        0.693359375,
        -2.12194440e-4,
        88.72283935546875,
        -104.0,
        1.1754943508222875e-38,
        0x3F3504F3,
    ),
    "float64": _Format(
        "i64",
        52,
        1023,
        6.93145751953125e-1,
        1.42860682030941723212e-6,
        709.782712893384,
        -745.2,
        2.2250738585072014e-308,
        0x3FE6A09E667F3BCD,
    ),
}
_EXPM1_SINGLE = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_EXPM1_TOP = (1.26177193074810590878e-4, 3.02994407707441961300e-2, 1.0)
_EXPM1_BOTTOM = (3.00198505138664455042e-6, 2.52448340349684104192e-3, 2.27265548208155028766e-1, 2.0)
_EXPM1_REST = (
    -0.00000300198505138664455042,
    -0.002272129017347219860164,
    -0.1666666666666666365060,
)  # 2 top / r - bottom, over z
_LOG_SINGLE = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
_LOG_TOP = (
    1.01875663804580931796e-4,
    4.97494994976747001425e-1,
    4.70579119878881725854,
    1.44989225341610930846e1,
    1.79368678507819816313e1,
    7.70838733755885391666,
)
_LOG_BOTTOM = (
    1.0,
    1.12873587189167450590e1,
    4.52279145837532221105e1,
    8.29875266912776603211e1,
    7.11544750618563894466e1,
    2.31251620126765340583e1,
)
_TANH_SINGLE = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)
_TANH_TOP = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_BOTTOM = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


def polynomial(m: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """The value of a polynomial, the coefficient of the highest power first."""
    value = m.lift(coefficients[0], x.kind)
    for coefficient in coefficients[1:]:
        value = m.fma(value, x, coefficient)
    return value


def within(m: Any, x: Any, low: float, high: float) -> Any:
    """X between bounds; NaN becomes a bound, so that its conversion to an integer is defined."""
    x = m.where(x < high, x, high)
    return m.where(x > low, x, low)


def _integers(m: Any, kind: str) -> tuple[str, str]:
    integer = _FORMATS[kind].integer
    return integer, vector(integer, m.width)


def _power_of_two(m: Any, exponents: str, kind: str) -> Any:
    """2 to integers within the normal range."""
    form = _FORMATS[kind]
    integer, integers = _integers(m, kind)
    biased = m.b.let(f"add {integers} {exponents}, {splat(str(form.bias), integer, m.width)}")
    shifted = m.b.let(f"shl {integers} {biased}, {splat(str(form.fraction), integer, m.width)}")
    return m.lane(f"bitcast {integers} {shifted} to {m.type(kind)}", kind)


def _expm1_near_zero(m: Any, r: Any) -> Any:
    """Exp(r) - 1 for |r| up to 0.5."""
    if r.kind == "float32":
        return m.fma(polynomial(m, r, _EXPM1_SINGLE), r * r, r)
    z = r * r
    top = r * polynomial(m, z, _EXPM1_TOP)
    # 2 top / (bottom - top) as r and what is left: then only that is rounded more than once.
    rest = r * m.fma(z, polynomial(m, z, _EXPM1_REST), top)
    return r + rest / (polynomial(m, z, _EXPM1_BOTTOM) - top)


def _reduced(m: Any, x: Any) -> tuple[Any, Any]:
    """N and r with x = n ln 2 + r."""
    form = _FORMATS[x.kind]
    n = m.round(x * 1.4426950408889634)
    return n, m.fma(n, -form.ln2_low, m.fma(n, -form.ln2_high, x))


def _as_integers(m: Any, n: Any) -> str:
    _, integers = _integers(m, n.kind)
    return str(m.b.let(f"fptosi {m.type(n.kind)} {n.x} to {integers}"))


def _scaled(m: Any, y: Any, n: Any) -> Any:
    """Y times 2**n in two steps, so that neither factor leaves the normal range."""
    integer, integers = _integers(m, y.kind)
    whole = _as_integers(m, n)
    half = m.b.let(f"ashr {integers} {whole}, {splat('1', integer, m.width)}")
    rest = m.b.let(f"sub {integers} {whole}, {half}")
    return y * _power_of_two(m, rest, y.kind) * _power_of_two(m, half, y.kind)


def exp(m: Any, x: Any) -> Any:
    """E to the x."""
    form = _FORMATS[x.kind]
    n, r = _reduced(m, within(m, x, form.underflow, form.overflow))
    y = _scaled(m, _expm1_near_zero(m, r) + 1.0, n)
    y = m.where(x > form.overflow, inf, y)
    y = m.where(x < form.underflow, 0.0, y)
    return m.where(m.isnan(x), x, y)


def expm1(m: Any, x: Any) -> Any:
    """Exp(x) - 1, exact near 0."""
    if x.kind == "float32":
        return m.cast(m.helper("expm1", m.cast(x, "float64")), "float32")
    n, r = _reduced(m, within(m, x, -60.0, 60.0))
    power = _power_of_two(m, _as_integers(m, n), x.kind)
    y = m.fma(power, _expm1_near_zero(m, r), power - 1.0)
    y = m.where(m.abs(x) < 0.5, _expm1_near_zero(m, within(m, x, -0.5, 0.5)), y)
    y = m.where(x > 40.0, m.helper("exp", x), y)
    return m.where(m.isnan(x) | (x == 0), x, y)


def log(m: Any, x: Any) -> Any:
    """The natural logarithm; NaN of negative numbers."""
    kind, form, b = x.kind, _FORMATS[x.kind], m.b
    integer, integers = _integers(m, kind)
    shift = splat(str(form.fraction), integer, m.width)
    tiny = x < form.least_normal
    bits_of = m.where(tiny, x * 2.0 ** (form.fraction + 2), x)
    bits = b.let(f"bitcast {m.type(kind)} {bits_of.x} to {integers}")
    above = b.let(f"sub {integers} {bits}, {splat(str(form.root_half), integer, m.width)}")
    exponent = b.let(f"ashr {integers} {above}, {shift}")
    back = b.let(f"shl {integers} {exponent}, {shift}")
    fraction = b.let(f"sub {integers} {bits}, {back}")
    n = m.lane(f"sitofp {integers} {exponent} to {m.type(kind)}", kind)
    n = m.where(tiny, n - (form.fraction + 2.0), n)
    r = m.lane(f"bitcast {integers} {fraction} to {m.type(kind)}", kind) - 1.0
    z = r * r
    if kind == "float32":
        tail = polynomial(m, r, _LOG_SINGLE) * r * z
    else:
        tail = r * (z * (polynomial(m, r, _LOG_TOP) / polynomial(m, r, _LOG_BOTTOM)))
    low = -2.12194440e-4 if kind == "float32" else -2.121944400546905827679e-4
    tail = m.fma(z, -0.5, m.fma(n, low, tail))
    y = m.fma(n, 0.693359375, r + tail)
    y = m.where(x == 0, -inf, y)
    y = m.where(x < 0, nan, y)
    return m.where(m.isnan(x) | (x == inf), x, y)


def log1p(m: Any, x: Any) -> Any:
    """Log(1 + x), exact near 0: the logarithm of the rounded sum, and what the rounding left out."""
    if x.kind == "float32":
        return m.cast(m.helper("log1p", m.cast(x, "float64")), "float32")
    whole = x + 1.0
    y = m.helper("log", whole) + (x - (whole - 1.0)) / whole
    return m.where((x == 0) | (x == inf), x, m.where(whole == 0, -inf, y))


def tanh(m: Any, x: Any) -> Any:
    """The hyperbolic tangent."""
    z, s = m.abs(x), x * x
    if x.kind == "float32":
        near = m.fma(polynomial(m, s, _TANH_SINGLE) * s, x, x)
    else:
        near = m.fma(x * s, polynomial(m, s, _TANH_TOP) / polynomial(m, s, _TANH_BOTTOM), x)
    n, r = _reduced(m, within(m, z, 0.0, 22.0) * 2.0)
    power = _power_of_two(m, _as_integers(m, n), x.kind)
    e = (_expm1_near_zero(m, r) + 1.0) * power
    far = m.copysign(1.0 - 2.0 / (e + 1.0), x)
    return m.where(m.isnan(x), x, m.where(z < 0.625, near, far))
