"""Ops that are piecewise constant, so that they cut the gradient."""

from __future__ import annotations

from typing import Any

from engine.ir.attributes import INT, Attribute
from engine.ir.families import elementwise
from engine.ir.no_gradient import nondifferentiable
from engine.ir.samples import Domain, Sample
from engine.ir.table import F

_STAIRCASE = "is piecewise constant"
_STEPS = Domain(0.1, 0.4)

floor = elementwise(
    "floor",
    summary="The largest integer that is not above x.",
    ufunc="floor",
    kinds="real",
    vjp=nondifferentiable(f"floor {_STAIRCASE}"),
    domain=_STEPS,
)

ceil = elementwise(
    "ceil",
    summary="The smallest integer that is not below x.",
    ufunc="ceil",
    kinds="real",
    vjp=nondifferentiable(f"ceil {_STAIRCASE}"),
    domain=_STEPS,
)

trunc = elementwise(
    "trunc",
    "fix",
    summary="x without its fractional part.",
    ufunc="trunc",
    kinds="real",
    vjp=nondifferentiable(f"trunc {_STAIRCASE}"),
    domain=_STEPS,
)


def _round_integers(m: Any, x: Any, zeros: int) -> Any:
    """To a multiple of 10^zeros, halves to the even multiple, without a float in between."""
    limits = m.iinfo(x.dtype)
    if 10**zeros > limits.max:
        return x * 0
    scale = 10**zeros
    multiple = x // scale
    rest = x - multiple * scale
    up = (rest > scale - rest) | ((rest == scale - rest) & (multiple % 2 == 1))
    return (multiple + m.astype(up, x.dtype)) * scale


def _round(m: Any, x: Any, *, decimals: int) -> Any:
    if decimals == 0:
        return m.round(x)
    if m.isdtype(x.dtype, "integral"):
        return +x if decimals > 0 else _round_integers(m, x, -decimals)
    scale = 10.0 ** min(abs(decimals), 308)
    if decimals > 0:  # a number that is too large to be scaled has no such decimals
        scaled = x * scale
        return m.where(m.isfinite(scaled), m.round(scaled) / scale, x)
    return m.round(x / scale) * scale if scale <= float(m.finfo(x.dtype).max) else x * 0


round = elementwise(
    "round",
    "rint",
    "around",
    summary="x rounded to the nearest integer, or to a number of decimals; halves to the even one.",
    forward=_round,
    kinds="real",
    vjp=nondifferentiable(f"round {_STAIRCASE}"),
    attributes=(Attribute("decimals", INT, 0, "places after the point; negative: before it"),),
    samples=(
        Sample(((2, 3),)),
        Sample(((2, 3),), {"decimals": 2}),
        Sample(([1234.0, -5678.0],), {"decimals": -2}),
    ),
    domain=_STEPS,
    flops=3,
)

fmod = elementwise(
    "fmod",
    summary="x1 - trunc(x1 / x2) * x2: the sign of x1, as in C.",
    ufunc="fmod",
    kinds="real",
    vjp=(lambda g, y, x1, x2: g, lambda g, y, x1, x2: -g * F.trunc(x1 / x2)),
    flops=4,
    domain=(Domain(0.2, 0.9), Domain(1.1, 2.0)),
    conventions="At the jumps the derivative on the side of 0 is used.",
)
