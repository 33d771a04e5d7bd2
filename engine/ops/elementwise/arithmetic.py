"""Arithmetic on each element."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from engine import dtypes
from engine.errors import DtypeMismatch
from engine.ir.families import elementwise
from engine.ir.no_gradient import nondifferentiable
from engine.ir.samples import Domain
from engine.ir.table import F

POLE = Domain(-2.0, 2.0, away_from_zero=0.4)
POSITIVE = Domain(0.3, 2.5)


def known(x: Any) -> float | int | None:
    """The value of a constant scalar on the tape, None for anything else."""
    value = x.tape.constants.get(x.slot)
    return None if value is None or value.ndim else value.item()


add = elementwise(
    "add",
    summary="x1 + x2.",
    ufunc="add",
    kinds="numeric",
    vjp=(lambda g, y, x1, x2: g, lambda g, y, x1, x2: g),
    linear_in=frozenset({0, 1}),
)

subtract = elementwise(
    "subtract",
    "sub",
    summary="x1 - x2.",
    ufunc="subtract",
    kinds="numeric",
    vjp=(lambda g, y, x1, x2: g, lambda g, y, x1, x2: -g),
    linear_in=frozenset({0, 1}),
)

multiply = elementwise(
    "multiply",
    "mul",
    summary="x1 * x2, element by element.",
    ufunc="multiply",
    kinds="numeric",
    vjp=(lambda g, y, x1, x2: g * x2, lambda g, y, x1, x2: g * x1),
    linear_in=frozenset({0}),
    bilinear=True,
    zero_reason="zero_operand",
)

divide = elementwise(
    "divide",
    "div",
    "true_divide",
    "truediv",
    summary="x1 / x2; integers are divided in float64.",
    ufunc="divide",
    vjp=(lambda g, y, x1, x2: g / x2, lambda g, y, x1, x2: -g * (y / x2)),
    linear_in=frozenset({0}),
    domain=(Domain(), POLE),
)

divide_no_nan = elementwise(
    "divide_no_nan",
    "div_no_nan",
    summary="x1 / x2, and 0 where x2 is 0.",
    forward=lambda m, x1, x2: m.where(x2 == 0, 0 * x2, x1 / m.where(x2 == 0, x2 + 1, x2)),
    vjp=(
        lambda g, y, x1, x2: F.divide_no_nan(g, x2),
        lambda g, y, x1, x2: -g * F.divide_no_nan(y, x2),
    ),
    linear_in=frozenset({0}),
    flops=2,
    domain=(Domain(), POLE),
    conventions="The derivative where x2 is 0 is 0, at every order.",
)

negative = elementwise(
    "negative",
    "neg",
    summary="-x.",
    ufunc="negative",
    kinds="numeric",
    vjp=lambda g, y, x: -g,
    linear_in=frozenset({0}),
)

positive = elementwise(
    "positive",
    summary="+x: the same values.",
    forward=lambda m, x: +x,
    kinds="numeric",
    vjp=lambda g, y, x: g,
    linear_in=frozenset({0}),
    flops=0,
)

reciprocal = elementwise(
    "reciprocal",
    summary="1 / x.",
    forward=lambda m, x: 1 / x,
    vjp=lambda g, y, x: -g * (y * y),
    flops=1,
    domain=POLE,
)

square = elementwise(
    "square",
    summary="x squared.",
    ufunc="square",
    kinds="numeric",
    vjp=lambda g, y, x: g * (2 * x),
)


def _pow(m: Any, x1: Any, x2: Any) -> Any:
    if m.isdtype(x1.dtype, "integral"):
        m.within(x2, 0, inf, _negative_power)
    return m.pow(x1, x2)


def _negative_power(_: Any) -> DtypeMismatch:
    return DtypeMismatch(
        "an integer to a negative power is no integer",
        hint="convert the base to a floating dtype first: astype(x, 'float64')",
    )


def _pow_by_base(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    """x2 x1^(x2-1); exactly 0 where x2 is 0, at x1 = 0 too."""
    p = known(x2)
    if p is None:
        origin = F.logical_and(x1.equals(0), x2.equals(0))
        return g * (x2 * x1 ** F.where(origin, 0, x2 - 1))
    if p == 0:
        return F.zeros_like(g)
    if p == 1:
        return g
    return g * (2 * x1) if p == 2 else g * (p * x1 ** (p - 1))


def _pow_by_exponent(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    """Y log x1; of complex numbers 0 where x1 is 0."""
    if not dtypes.is_complex(x1.dtype):
        return g * F.xlogy(y, x1)
    origin = x1.equals(0)
    return F.where(origin, 0, g * (y * F.log(F.where(origin, 1, x1))))


pow = elementwise(
    "pow",
    "power",
    summary="x1 to the power x2.",
    forward=_pow,
    ufunc="pow",
    ufunc_excludes_integers=True,
    scalar=lambda m, x1, x2: m.pow(x1, x2),
    kinds="numeric",
    vjp=(_pow_by_base, _pow_by_exponent),
    flops=20,
    domain=(POSITIVE, Domain()),
    conventions="x^0 has derivative 0 with respect to x, at 0 too; 0^p with p > 0 has derivative 0 "
    "with respect to p, of complex numbers 0^p with any p.",
)

remainder = elementwise(
    "remainder",
    "mod",
    "floormod",
    summary="x1 - floor(x1 / x2) * x2: the sign of x2, as Python's %.",
    ufunc="remainder",
    kinds="real",
    vjp=(lambda g, y, x1, x2: g, lambda g, y, x1, x2: -g * F.floor(x1 / x2)),
    flops=4,
    domain=(Domain(0.2, 0.9), Domain(1.1, 2.0)),
    conventions="At the jumps the derivative from the right is used.",
)

floor_divide = elementwise(
    "floor_divide",
    "floordiv",
    summary="The floor of x1 / x2.",
    ufunc="floor_divide",
    kinds="real",
    vjp=(
        nondifferentiable("floor is piecewise constant", cure="Divide with / where the gradient is wanted"),
        nondifferentiable("floor is piecewise constant", cure="Divide with / where the gradient is wanted"),
    ),
    flops=4,
    domain=(Domain(0.2, 0.9), Domain(1.1, 2.0)),
)

abs = elementwise(
    "abs",
    "absolute",
    "fabs",
    summary="The absolute value.",
    ufunc="abs",
    output="real",
    kinds="numeric",
    vjp=lambda g, y, x: g * F.sign(x).conj(),
    holomorphic=False,
    domain=POLE,
    conventions="abs'(0) = 0.",
    nonsmooth_at=lambda xp, x: x == 0,
)

sign = elementwise(
    "sign",
    summary="-1, 0 or 1; of a complex number x / |x|.",
    ufunc="sign",
    kinds="numeric",
    vjp=nondifferentiable(
        "sign is piecewise constant", cure="A soft sign has a gradient: tanh(k * x), steeper with a larger k"
    ),
    complex_rule="direction",
    domain=POLE,
    conventions="Of complex numbers it has a derivative, which is 0 where x is 0.",
)

_EXTREMA = "Where x1 = x2 each gets half of the gradient; where either is NaN both get NaN."


def _select(g: Any, this: Any, other: Any) -> Any:
    """All of g where `this` lies beyond `other`, half at a tie; NaN where they do not compare."""
    rest = F.where(this < other, 0, F.where(this.equals(other), 0.5 * g, nan))
    return F.where(this > other, g, rest)


maximum = elementwise(
    "maximum",
    summary="The larger of x1 and x2; NaN if either is.",
    ufunc="maximum",
    kinds="real",
    vjp=(
        lambda g, y, x1, x2: _select(g, x1, x2),
        lambda g, y, x1, x2: _select(g, x2, x1),
    ),
    conventions=_EXTREMA,
    nonsmooth_at=lambda xp, x1, x2: x1 == x2,
    zero_reason="unselected",
)

minimum = elementwise(
    "minimum",
    summary="The smaller of x1 and x2; NaN if either is.",
    ufunc="minimum",
    kinds="real",
    vjp=(
        lambda g, y, x1, x2: _select(g, x2, x1),
        lambda g, y, x1, x2: _select(g, x1, x2),
    ),
    conventions=_EXTREMA,
    nonsmooth_at=lambda xp, x1, x2: x1 == x2,
    zero_reason="unselected",
)

_CONDITION = nondifferentiable(
    "a condition only selects", cure="Weigh instead of choosing: w * x1 + (1 - w) * x2 with a smooth w"
)

where = elementwise(
    "where",
    "select",
    summary="x1 where the condition holds, else x2.",
    forward=lambda m, condition, x1, x2: m.where(condition, x1, x2),
    kinds=("boolean", "any", "any"),
    promote=(False, True, True),
    vjp=(
        _CONDITION,
        lambda g, y, condition, x1, x2: F.where(condition, g, 0),
        lambda g, y, condition, x1, x2: F.where(condition, 0, g),
    ),
    linear_in=frozenset({1, 2}),
    conventions="The gradient is selected, not multiplied: a NaN of the other branch's value stays out, "
    "but a derivative that is infinite in the other branch still meets its zero there and makes NaN.",
    zero_reason="unselected",
)
