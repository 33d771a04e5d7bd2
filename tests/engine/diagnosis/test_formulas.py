"""What is offered for whole formulas, pasted and compared with mpmath at 60 digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from tests.engine.diagnosis.asking import ask, explain
from tests.engine.diagnosis.case import Case
from tests.engine.diagnosis.formulas import FORMULAS
from tests.engine.diagnosis.pasting import pasted

Inputs = Mapping[str, Any]
BY_TITLE = {case.title: case for case in FORMULAS}


def _bce(given: Inputs, logit: Callable[[Inputs, Any], Any]) -> list[Any]:
    """The terms of a binary cross-entropy, from probabilities with many digits."""
    terms = []
    for x, y in zip(given["x"], given["y"], strict=True):
        p = 1 / (1 + mp.exp(-logit(given, x)))
        terms.append(-(y * mp.log(p) + (1 - y) * mp.log(1 - p)))
    return terms


def _wx(given: Inputs, x: Any) -> Any:
    return given["w"] * x


def _wxb(given: Inputs, x: Any) -> Any:
    return given["w"] * x + given["b"]


def _mean(terms: list[Any]) -> Any:
    return mp.fsum(terms) / len(terms)


def _oscillator(given: Inputs) -> Any:
    om = mp.sqrt(given["k"] / given["m"] - (given["c"] / (2 * given["m"])) ** 2)  # imaginary
    decay = given["c"] / (2 * given["m"])
    pairs = zip(given["t"], given["y"], strict=True)
    return _mean([(mp.exp(-decay * t) * mp.re(mp.cos(om * t)) - y) ** 2 for t, y in pairs])


def _planck(given: Inputs) -> Any:
    h, c, k = (mp.mpf(text) for text in ("6.626e-34", "2.998e8", "1.381e-23"))
    return mp.fsum(mp.log(2 * h * nu**3 / c**2 / mp.expm1(h * nu / (k * given["T"]))) for nu in given["nu"])


def _density(x: Any, m: Any) -> Any:
    return mp.exp(-((x - m) ** 2) / 2) / mp.sqrt(2 * mp.pi)


EXACT: Mapping[str, Callable[[Inputs], Any]] = {
    "a cross-entropy by hand on an unscaled feature": lambda given: _mean(_bce(given, _wxb)),
    "the same cross-entropy asked of its bias": lambda given: _mean(_bce(given, _wxb)),
    "a cross-entropy by hand with its signs inside": lambda given: mp.fsum(_bce(given, _wx)),
    "a cross-entropy by hand in two means": lambda given: _mean(_bce(given, _wx)),
    "a cross-entropy by hand that chooses by the label": lambda given: mp.fsum(_bce(given, _wx)),
    "a likelihood of a logistic function by hand": lambda given: _mean(
        [mp.log(1 + mp.exp(-given["w"] * x)) for x in given["x"]]
    ),
    "a squashed Gaussian with a large action": lambda given: mp.fsum(
        -(u**2) / 2 - mp.log(1 - mp.tanh(u) ** 2) for u in given["u"]
    ),
    "the logarithm of Planck's law": _planck,
    "Planck's law beyond the overflow of its exponential": lambda given: mp.fsum(
        nu**3 / mp.expm1(nu / given["T"]) for nu in given["nu"]
    ),
    "a mixture of two Gaussians far from both": lambda given: mp.log(
        mp.mpf("0.3") * mp.exp(-((given["x"] - given["a"]) ** 2) / 2)
        + mp.mpf("0.7") * mp.exp(-((given["x"] - given["b"]) ** 2) / 2)
    ),
    "a Poisson likelihood of large counts": lambda given: (
        given["k"] * mp.log(given["lam"]) - given["lam"] - mp.loggamma(given["k"] + 1)
    ),
    "a likelihood as a product of densities": lambda given: mp.log(
        mp.fprod(_density(x, given["m"]) for x in given["x"])
    ),
    "the logit of a sigmoid": lambda given: given["x"],
    "a damped oscillator beyond critical damping": _oscillator,
}


def exactly(case: Case) -> tuple[float, np.ndarray]:
    """Value and gradient by central differences of many digits."""
    with mp.workdps(900):  # 1 - tanh(25) ** 2 and 1 - p of a logit of 1050 keep their digits
        given = {name: _numbers(value) for name, value in case.inputs.items()}
        function, name, h = EXACT[case.title], case.name, mp.mpf(10) ** -200
        x = given[name]
        elements = list(enumerate(x)) if isinstance(x, list) else [(None, x)]
        slopes = []
        for place, element in elements:
            ends = []
            for sign in (1, -1):
                moved = element + sign * h
                whole = moved if place is None else [*x[:place], moved, *x[place + 1 :]]
                ends.append(function({**given, name: whole}))
            slopes.append(float((ends[0] - ends[1]) / (2 * h)))
        value = float(function(given))
    return value, np.array(slopes if isinstance(x, list) else slopes[0])


def _numbers(value: Any) -> Any:
    return [mp.mpf(x) for x in value] if isinstance(value, list) else mp.mpf(value)


@pytest.mark.parametrize("title", EXACT)
def test_a_pasted_fix_computes_the_formula(title: str) -> None:
    case = BY_TITLE[title]
    fix = explain(case.program, case.inputs, case.name)["fix"]
    program = pasted(case.program, fix)
    assert program is not None
    answer = ask(program, case.inputs, kind="gradient", wrt=(case.name,), diagnose="off")
    value, slope = exactly(case)
    np.testing.assert_allclose(answer["value"], value, rtol=1e-12)
    np.testing.assert_allclose(answer["gradients"][case.name], slope, rtol=1e-10, atol=1e-300)


SHARED = (
    ("om = sqrt(k - (c / 2) ** 2)\nsum(cos(om * t))", {"k": 1.0, "c": 3.0, "t": [0.5, 1.0]}, ("k", "c")),
    ("sqrt(b ** 2 - 4 * a * c)", {"a": 1.0, "b": 1.0, "c": 3.0}, ("a", "b", "c")),
    ("mean((a * x + b) ** 1.5)", {"a": 1.0, "b": 0.1, "x": [1.0, -2.0]}, ("a", "b")),
    ("sum(log(a * x + b))", {"a": 1.0, "b": 0.1, "x": [1.0, -2.0]}, ("a", "b")),
    ("asin(a / b)", {"a": 2.0, "b": 1.0}, ("a", "b")),
    ("sum(a * x) / sum(b * x)", {"a": 2.0, "b": 0.0, "x": [1.0, 2.0]}, ("a", "b")),
)


@pytest.mark.parametrize(("program", "inputs", "names"), SHARED, ids=lambda value: str(value)[:30])
def test_all_variables_of_a_place_get_one_fix(program: str, inputs: Inputs, names: tuple[str, ...]) -> None:
    told = ask(program, inputs, wrt=names)["variables"]
    fixes = {told[name]["fix"] for name in names}
    assert len(fixes) == 1, fixes
    changed = pasted(program, fixes.pop())
    if changed is not None:
        gradients = ask(changed, inputs, kind="gradient", wrt=names, diagnose="off")["gradients"]
        assert all(np.isfinite(gradients[name]).all() and np.any(gradients[name]) for name in names), changed


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("sum(relu(x))", {"x": [-1.0, -2.0]}),
        ("sum(clip(x, 0, 1))", {"x": [-3.0, 2.0]}),
        ("sum(minimum(x, 0))", {"x": [3.0, 2.0]}),
    ],
)
def test_a_fix_that_changes_finite_values_says_so(program: str, inputs: Inputs) -> None:
    assert "It is another function: " in explain(program, inputs, "x")["fix"]


@pytest.mark.parametrize("program", ["sum(x) / sum(y - mean(y))", "log(x[0] * 0)", "1 / x[0] ** 0.5"])
def test_no_fix_has_a_huge_gradient(program: str) -> None:
    """Close to a pole a small number in the divisor gives 1e12, which is no gradient to step along."""
    inputs = {"x": [0.0, 1.0], "y": [2.0, 2.0]}
    changed = pasted(program, explain(program, inputs, "x")["fix"])
    if changed is not None:
        gradient = ask(changed, inputs, kind="gradient", wrt=("x",), diagnose="off")["gradients"]["x"]
        assert np.abs(gradient).max() < 1e8


def test_a_cut_by_logic_that_is_counted_is_a_partial_path() -> None:
    """The mask has a part in the target beside a way that carries a gradient; a choice has none."""
    counted = explain("sum(x * (x > 0.5)) / sum((x > 0.5) | (x < -3))", {"x": [1.0, 2.0, -1.0]}, "x")
    assert "partial_path" in {warning["code"] for warning in counted["warnings"]}
    chosen = explain("sum(where((x > 0.5) & (x < 3), x, 0))", {"x": [1.0, 2.0, -1.0]}, "x")
    assert "partial_path" not in {warning["code"] for warning in chosen["warnings"]}
