"""Every rewrite of the table, at its extremes, against mpmath; and none changes what was right already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.passes.stable import GUARD, REWRITES
from tests.engine.diagnosis.asking import ask

DIGITS = 1000  # enough for 1 - exp(-745)
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Case:
    """An expression of one or two numbers that a rewrite matches, the same in mpmath, and points to try.

    `slopes` are the expected gradients where mpmath has none or a convention decides.
    """

    program: str
    function: Callable[..., Any]
    points: Sequence[tuple[float, ...]]
    slopes: Mapping[tuple[float, ...], tuple[float, ...]] = field(default_factory=dict)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def log_sigmoid(x: Any) -> Any:
    return -mp.log1p(mp.exp(-x))


WIDE = [(x,) for x in (-1e4, -745.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 745.0, 1e4)]
PAIRS = [(1000.0, 999.0), (-1000.0, -1001.0), (3.0, 1.0), (800.0, -800.0), (1e-9, -1e-9)]
BELOW = [(x,) for x in (-1e4, -745.0, -40.0, -1.0, -0.7, -0.6, -1e-9, -1e-300)]
ABOVE = [(-x,) for (x,) in BELOW]
SMALL = [(x,) for x in (-1e-300, -1e-17, -1e-9, 1e-17, 1e-9, 0.5, 0.0)]
TAILS = [(x,) for x in (-30.0, -5.0, -1e-9, 0.0, 1e-9, 1.0, 5.0, 10.0, 30.0)]
ORIGIN = {(0.0, 0.0): (0.0, 0.0)}

CASES: Mapping[str, Case] = {
    "log_softmax": Case(
        "log(softmax([x, y]))[0]", lambda x, y: log_sigmoid(x - y), [*PAIRS, (-1e3, 0.0), (0.0, 1e3)]
    ),
    "log_sigmoid": Case("log(sigmoid(x))", log_sigmoid, WIDE),
    "log_sigmoid_of_complement": Case("log1p(-sigmoid(x))", lambda x: log_sigmoid(-x), WIDE),
    "logit_of_sigmoid": Case("log(sigmoid(x) / (1 - sigmoid(x)))", lambda x: x, WIDE),
    "log_of_squared_sech": Case("log(1 - tanh(x) ** 2)", lambda x: -2 * mp.log(mp.cosh(x)), WIDE),
    "log_of_tanh_below_one": Case(
        "log(1 - tanh(x))", lambda x: mp.log(2) + log_sigmoid(-2 * x), [(-30.0,), (0.5,), (30.0,), (1e3,)]
    ),
    "log_of_tanh_above_minus_one": Case(
        "log(1 + tanh(x))", lambda x: mp.log(2) + log_sigmoid(2 * x), [(30.0,), (-0.5,), (-30.0,), (-1e3,)]
    ),
    "logsumexp": Case("log(sum(exp([x, y])))", lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), PAIRS),
    "logmeanexp": Case("log(mean(exp([x, y])))", lambda x, y: mp.log((mp.exp(x) + mp.exp(y)) / 2), PAIRS),
    "softplus": Case("log(1 + exp(x))", lambda x: -log_sigmoid(-x), WIDE),
    "logaddexp": Case("log(exp(x) + exp(y))", lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), PAIRS),
    "logsubexp": Case("log(exp(x) - exp(y))", lambda x, y: mp.log(mp.exp(x) - mp.exp(y)), PAIRS),
    "log1mexp": Case("log(1 - exp(x))", lambda x: mp.log(-mp.expm1(x)), BELOW),
    "log_expm1": Case("log(exp(x) - 1)", lambda x: mp.log(mp.expm1(x)), ABOVE),
    "log_of_exp": Case("log(exp(x))", lambda x: x, WIDE),
    "log_cosh": Case("log(cosh(x))", lambda x: mp.log(mp.cosh(x)), WIDE),
    "log_sinh": Case("log(sinh(x))", lambda x: mp.log(mp.sinh(x)), ABOVE),
    "log_ndtr": Case("log(ndtr(x))", lambda x: mp.log(mp.ncdf(x)), TAILS),
    "log_ndtr_of_complement": Case("log1p(-ndtr(x))", lambda x: mp.log(mp.ncdf(-x)), TAILS),
    "log_erfc": Case("log(1 - erf(x))", lambda x: mp.log(mp.erfc(x)), TAILS),
    "log1p": Case("log(1 + x)", mp.log1p, SMALL),
    "log1p_of_complement": Case("log(1 - x)", lambda x: mp.log1p(-x), SMALL),
    "xlogy": Case(
        "x * log(y)",
        lambda x, y: x * mp.log(y) if x else mp.mpf(0),
        [(0.0, 0.0), (0.0, 2.0), (3.0, 1e-300)],
        {(0.0, 0.0): (0.0, 0.0)},
    ),
    "negative_xlogy": Case(
        "x * -log(y)",
        lambda x, y: -x * mp.log(y) if x else mp.mpf(0),
        [(0.0, 0.0), (0.0, 2.0)],
        {(0.0, 0.0): (0.0, 0.0)},
    ),
    "xlog1py": Case(
        "x * log(1 + y)",
        lambda x, y: x * mp.log1p(y) if x else mp.mpf(0),
        [(0.0, -1.0), (2.0, 1e-20)],
        {(0.0, -1.0): (0.0, 0.0)},
    ),
    "negative_xlog1py": Case(
        "x * -log1p(y)",
        lambda x, y: -x * mp.log1p(y) if x else mp.mpf(0),
        [(0.0, -1.0), (2.0, 1e-20)],
        {(0.0, -1.0): (0.0, 0.0)},
    ),
    "softmax": Case("(exp([x, y]) / sum(exp([x, y])))[0]", lambda x, y: sigmoid(x - y), PAIRS),
    "sigmoid": Case("exp(x) / (1 + exp(x))", sigmoid, WIDE),
    "sigmoid_of_difference": Case("exp(x) / (exp(x) + exp(y))", lambda x, y: sigmoid(x - y), PAIRS),
    "sigmoid_of_negative": Case("1 / (1 + exp(x))", lambda x: sigmoid(-x), WIDE),
    "tanh": Case("(exp(x) - exp(-x)) / (exp(x) + exp(-x))", mp.tanh, WIDE),
    "tanh_of_half": Case("(exp(x) - 1) / (exp(x) + 1)", lambda x: mp.tanh(x / 2), WIDE),
    "tanh_of_negative_half": Case("(1 - exp(x)) / (1 + exp(x))", lambda x: -mp.tanh(x / 2), WIDE),
    "exp_of_difference": Case("exp(x) / exp(y)", lambda x, y: mp.exp(x - y), [*PAIRS[:3], (-800.0, -790.0)]),
    "exp_of_sum": Case(
        "exp(x) * exp(y)", lambda x, y: mp.exp(x + y), [(800.0, -799.0), (-800.0, 790.0), (1.0, 2.0)]
    ),
    "erfcx": Case(
        "exp(x ** 2) * erfc(x)", lambda x: mp.exp(x * x) * mp.erfc(x), [(0.1,), (5.0,), (27.5,), (1e4,)]
    ),
    "expm1": Case("exp(x) - 1", mp.expm1, SMALL),
    "negative_expm1": Case("1 - exp(x)", lambda x: -mp.expm1(x), SMALL),
    "sigmoid_of_complement": Case("1 - sigmoid(x)", lambda x: sigmoid(-x), WIDE),
    "ndtr_of_complement": Case("1 - ndtr(x)", lambda x: mp.ncdf(-x), TAILS),
    "erfc": Case("1 - erf(x)", mp.erfc, TAILS[:-1]),
    "versine": Case("1 - cos(x)", lambda x: 2 * mp.sin(x / 2) ** 2, SMALL),
    "variance": Case(
        "mean([x, y] ** 2) - mean([x, y]) ** 2",
        lambda x, y: (x - y) ** 2 / 4,
        [(1e8, 1e8 + 1), (3.0, 3.0), (1.0, 2.0)],
    ),
    "norm": Case("sqrt(sum([x, y] ** 2))", mp.hypot, [(0.0, 0.0), (3.0, 4.0), (0.0, 2.0)], ORIGIN),
    "norm_of_difference": Case(
        "sqrt(sum(squared_difference([x, y], [y, x])))",
        lambda x, y: mp.sqrt(2) * abs(x - y),
        [(1.0, 1.0), (3.0, 1.0)],
        {(1.0, 1.0): (0.0, 0.0)},
    ),
    "root_mean_square": Case(
        "sqrt(mean([x, y] ** 2))", lambda x, y: mp.hypot(x, y) / mp.sqrt(2), [(0.0, 0.0), (3.0, 4.0)], ORIGIN
    ),
    "root_mean_square_difference": Case(
        "sqrt(mean(squared_difference([x, y], [y, x])))",
        lambda x, y: abs(x - y),
        [(1.0, 1.0), (3.0, 1.0)],
        {(1.0, 1.0): (0.0, 0.0)},
    ),
    "std": Case(
        "sqrt(var([x, y]))", lambda x, y: abs(x - y) / 2, [(2.0, 2.0), (3.0, 1.0)], {(2.0, 2.0): (0.0, 0.0)}
    ),
    "hypot": Case("sqrt(x ** 2 + y ** 2)", mp.hypot, [(0.0, 0.0), (3e200, 4e200), (3e-200, 4e-200)], ORIGIN),
    "abs": Case("sqrt(x * x)", abs, [(0.0,), (1e200,), (-1e-200,), (-2.0,)], {(0.0,): (0.0,)}),
    "safe_where": Case(
        "where(x > y, sqrt(x - y), 0)",
        lambda x, y: mp.sqrt(x - y) if x > y else mp.mpf(0),
        [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0)],
        {(1.0, 1.0): (0.0, 0.0)},
    ),
}


def answered(program: str, point: tuple[float, ...], **choices: Any) -> tuple[float, list[float], list[str]]:
    """Value, gradient and the rewrites made."""
    inputs = dict(zip("xy", point, strict=False))
    told = ask(program, inputs, kind="gradient", stabilize=True, diagnose="off", **choices)
    gradient = [float(told["gradients"][name]) for name in inputs]
    return float(told["value"]), gradient, [one["rewrite"] for one in told["rewrites"]]


def exactly(case: Case, point: tuple[float, ...], digits: int = DIGITS) -> tuple[float, list[float]]:
    with mp.workdps(digits):
        numbers = [mp.mpf(x) for x in point]
        value = float(case.function(*numbers))
        if point in case.slopes:
            return value, list(case.slopes[point])
        orders = [tuple(int(k == i) for k in range(len(point))) for i in range(len(point))]
        step = mp.mpf(10) ** (-digits // 3)
        if len(point) == 1:
            return value, [float(mp.diff(case.function, numbers[0], h=step))]
        return value, [float(mp.diff(case.function, tuple(numbers), order, h=step)) for order in orders]


def tolerance(point: tuple[float, ...]) -> float:
    """A few roundings, of the result and of the point."""
    return 16 * EPS * (1 + max(map(abs, point)) if max(map(abs, point)) < 1e4 else 1)


def test_every_rewrite_has_a_case() -> None:
    assert set(CASES) == {rewrite.name for rewrite in (*REWRITES, GUARD)}


@pytest.mark.parametrize("name", CASES)
def test_at_the_extremes(name: str) -> None:
    case = CASES[name]
    for point in case.points:
        value, gradient, made = answered(case.program, point)
        assert name in made
        wanted, slopes = exactly(case, point)
        np.testing.assert_allclose(value, wanted, rtol=tolerance(point), atol=4 * EPS, err_msg=str(point))
        np.testing.assert_allclose(
            gradient, slopes, rtol=4 * tolerance(point), atol=8 * EPS, err_msg=str(point)
        )


def plain(program: str, point: tuple[float, ...]) -> tuple[float, list[float]]:
    """Value and gradient as written."""
    inputs = dict(zip("xy", point, strict=False))
    told = ask(program, inputs, kind="gradient", diagnose="off")
    return float(told["value"]), [float(told["gradients"][name]) for name in inputs]


SOME = st.floats(-40, 40).map(lambda x: round(x, 3)) | st.floats(-3, 3)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25, deadline=None)
@given(point=st.tuples(SOME, SOME))
def test_what_was_right_stays_right(name: str, point: tuple[float, float]) -> None:
    """Where the plain form is right to rounding, the stable one is, too; errors are against mpmath."""
    case = CASES[name]
    point = point[: len(case.points[0])]  # type: ignore[assignment]
    before, slopes_before = plain(case.program, point)
    after, slopes_after, _ = answered(case.program, point)
    if not np.isfinite([before, *slopes_before]).all() or point in case.slopes:
        return
    try:
        value, slopes = exactly(case, point, 120)
    except (TypeError, ValueError, ZeroDivisionError):  # a complex number: not in the domain
        return
    pairs = zip([before, *slopes_before], [after, *slopes_after], [value, *slopes], strict=True)
    for was, now, right in pairs:
        allowed = 4 * tolerance(point) * max(abs(right), EPS) + 32 * EPS
        assert abs(now - right) <= max(2 * abs(was - right), allowed), (was, now, right)
