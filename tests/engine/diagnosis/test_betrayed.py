"""Products, labels, starts and casts that the shapes or the values betray, and their healthy neighbours."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import special

from tests.engine.diagnosis.asking import ask, explain

SQUARE: dict[str, Any] = {
    "X": [[1, 2, 4], [2, 1, 7], [3, 5, 3]],
    "w": [0.5, -0.2, 0.1],
    "v": [1.0, 2.0, 0.5],
    "y": [1.0, 2.0, 3.0],
    "S": [[1, 1.5, 0.4], [1.5, 4, 1], [0.4, 1, 0.3]],
    "c": 0.3,
    "labels": [0, 2, 1],
    "wide": [[0], [2], [1]],
    "k": {"int64": [0, 2, 1]},
    "hot": [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
    "mask": [[1], [0], [1]],
    "cost": [1, 2, 1],
}
UNITS: dict[str, Any] = {
    "x": [[0.5, 1.0], [1.5, -0.3], [-0.7, 0.8]],
    "W": [[0.5, 0.5], [0.2, 0.2]],
    "R": [[0.5, 0.1], [0.2, 0.3]],
    "Q": [[0.5, 0.2], [0.5, 0.2]],
    "b": [0.1, 0.1],
    "V": [[0.4], [0.4]],
    "u": [0.4, 0.4],
    "y": [[1.0], [0.0], [0.5]],
}
TIMES: dict[str, Any] = {
    "rate": 0.05,
    "t": [1.7e9, 1.7e9 + 10, 1.7e9 + 20],
    "z": [0.1, 0.25, 0.5],
    "y": [0.1, 1.2, 2.1],
}
SMALL: dict[str, Any] = {"q": [1e-9, 0.5], "r": 1e-14, "t": [1.0, 2.0]}
UNITS_OF: dict[str, Any] = {
    "lat1": 52.5,
    "lat2": 48.1,
    "lon1": 0.9,
    "theta": 52.5,
    "rate": 5.0,
    "share": 0.05,
    "t": [1.0, 2.0],
    "H": 1e-7,
    "P": 2.0,
    "half_life": 10.0,
    "tau": 10.0,
    "v": 1.0,
    "c": 3e8,
}
DELTA = "astype(t, float32)\ndt = t32 - 1700000000\nmean((rate * dt - y) ** 2)"

MISTAKES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # a product that is not summed
    "pred = X * w\nmean((pred - y) ** 2)": (
        SQUARE,
        "w",
        "along the columns of X * w",
        "pred = X @ w\nmean((pred - y) ** 2)",
    ),
    "sum((y - (w * X + c)) ** 2)": (SQUARE, "w", "and no sum", "sum((y - (X @ w + c)) ** 2)"),
    "r = y - X * w\nmean(abs(r))": (SQUARE, "w", "and no sum", "r = y - X @ w\nmean(abs(r))"),
    "pred = sum(X * w, axis=0)\nmean((pred - y) ** 2)": (
        SQUARE,
        "w",
        "adds up each column",
        "pred = X @ w\nmean((pred - y) ** 2)",
    ),
    # the transpose of a vector
    "cov = v * v.T\nsum((cov - S) ** 2)": (
        SQUARE,
        "v",
        "has one axis",
        "cov = outer(v, v)\nsum((cov - S) ** 2)",
    ),
    "d = v - v.T\nsum(exp(-d ** 2) * S)": (
        SQUARE,
        "v",
        "has one axis",
        "d = v[:, None] - v\nsum(exp(-d ** 2) * S)",
    ),
    "d = transpose(v) - v\nsum(exp(-d ** 2) * S)": (
        SQUARE,
        "v",
        "has one axis",
        "d = v - v[:, None]\nsum(exp(-d ** 2) * S)",
    ),
    "sum((v.T * S) ** 2)": (SQUARE, "v", "has one axis", "sum((v @ S) ** 2)"),
    # class indices
    "lp = log_softmax(X)\n-sum(labels * lp)": (
        SQUARE,
        "X",
        "class indices",
        "lp = log_softmax(X)\n-sum(one_hot(astype(labels, int64), 3) * lp)",
    ),
    "p = softmax(X, axis=1)\n-mean(labels * log(p))": (
        SQUARE,
        "X",
        "class indices",
        "p = softmax(X, axis=1)\n-mean(sum(one_hot(astype(labels, int64), 3) * log(p), axis=1))",
    ),
    "mean(sum((softmax(X) - k) ** 2, axis=1))": (
        SQUARE,
        "X",
        "class indices",
        "mean(sum((softmax(X) - one_hot(k, 3)) ** 2, axis=1))",
    ),
    "-sum(wide * log_softmax(X))": (
        SQUARE,
        "X",
        "every column",
        "-sum(one_hot(astype(wide[:, 0], int64), 3) * log_softmax(X))",
    ),
    "lp = log_softmax(X)\n-mean(lp[k])": (
        SQUARE,
        "X",
        "takes whole rows",
        "lp = log_softmax(X)\n-mean(lp[arange(3), k])",
    ),
    # residuals with their signs
    "mean(y - X @ w)": (SQUARE, "w", "no minimum", "mean((y - X @ w) ** 2)"),
    "sum(exp(-c * v) - y)": (SQUARE, "c", "no minimum", "sum((exp(-c * v) - y) ** 2)"),
    "mean(X @ w - y) + 0.1 * sum(w ** 2)": (
        SQUARE,
        "w",
        "no minimum",
        "mean((X @ w - y) ** 2) + 0.1 * sum(w ** 2)",
    ),
    # names and sizes that tell the units
    "sum(100 / (1 + rate) ** t)": (UNITS_OF, "rate", "is a percentage", "sum(100 / (1 + rate / 100) ** t)"),
    "pH = -log(H)\n(pH - 7) ** 2": (UNITS_OF, "H", "natural logarithm", "pH = -log10(H)\n(pH - 7) ** 2"),
    "db = 10 * log(P / 3)\n(db - 3) ** 2": (
        UNITS_OF,
        "P",
        "natural logarithm",
        "db = 10 * log10(P / 3)\n(db - 3) ** 2",
    ),
    "sum((8 * exp(-t / half_life) - 4) ** 2)": (
        UNITS_OF,
        "half_life",
        "37 percent",
        "sum((8 * exp(log(2) * (-t / half_life)) - 4) ** 2)",
    ),
    "c ** 2 * (1 / sqrt(1 - v ** 2 / c ** 2) - 1)": (
        UNITS_OF,
        "v",
        "nearly the same",
        "c ** 2 * (v ** 2 / c ** 2 / (sqrt(1 - v ** 2 / c ** 2) * (1 + sqrt(1 - v ** 2 / c ** 2))))",
    ),
    # digits that a cast or a difference loses
    f"t32 = {DELTA}": (TIMES, "rate", "to steps of 128", f"t32 = {DELTA}".replace("astype(t, float32)", "t")),
    "sum((1 - cos(q)) / q ** 2)": (SMALL, "q", "nearly the same", "sum((2 * sin(q / 2) ** 2) / q ** 2)"),
    "sum((exp(q * 1e-6) - 1) / q)": (SMALL, "q", "nearly the same", "sum((expm1(q * 1e-6)) / q)"),
    "sum((exp(r * t) - 1) / r)": (SMALL, "r", "nearly the same", "sum((expm1(r * t)) / r)"),
    "sum(log(1 + q * 1e-6) / q)": (SMALL, "q", "nearly the same", "sum(log1p(q * 1e-6) / q)"),
    "sum((cosh(q) - 1) / q ** 2)": (SMALL, "q", "nearly the same", "sum((2 * sinh(q / 2) ** 2) / q ** 2)"),
}
HEALTHY: dict[str, tuple[dict[str, Any], str]] = {
    "mean((X @ w - y) ** 2)": (SQUARE, "w"),
    "sum((X * w) ** 2)": (SQUARE, "w"),
    "sum(((X - y) * w - v) ** 2)": (SQUARE, "w"),
    "sum((X * w - S) ** 2)": (SQUARE, "w"),
    "sum((sum(X * w, axis=1) - y) ** 2)": (SQUARE, "w"),
    "sum(X * w) - sum(y)": (SQUARE, "w"),
    "sum(v.T * y)": (SQUARE, "v"),
    "v.T @ S @ v": (SQUARE, "v"),
    "S @ v.T @ v": (SQUARE, "v"),
    "sum(outer(v, v.T) * S)": (SQUARE, "v"),
    "sum(X.T * X)": (SQUARE, "X"),
    "-sum(hot * log_softmax(X))": (SQUARE, "X"),
    "-sum(mask * log_softmax(X))": (SQUARE, "X"),
    "-sum(cost * hot * log_softmax(X))": (SQUARE, "X"),
    "-sum(cost * log_softmax(X))": (SQUARE, "X"),
    "-mean(log_softmax(X)[arange(3), k])": (SQUARE, "X"),
    "-mean(log_softmax(X)[k] * hot)": (SQUARE, "X"),
    "-sum(labels * log(X))": (SQUARE, "X"),
    "mean((y - X @ w) ** 2)": (SQUARE, "w"),
    "mean(abs(y - X @ w))": (SQUARE, "w"),
    "mean(X @ w) - mean(y)": (SQUARE, "w"),
    "mean(w - y)": (SQUARE, "w"),
    "sum(100 / (1 + share) ** t)": (UNITS_OF, "share"),
    "sum(100 / (1 + rate / 100) ** t)": (UNITS_OF, "rate"),
    "sin(lat1 * pi / 180) ** 2": (UNITS_OF, "lat1"),
    "sin(deg2rad(lat1)) ** 2": (UNITS_OF, "lat1"),
    "sin(lon1) * cos(theta)": (UNITS_OF, "theta"),
    "pH = -log10(H)\n(pH - 7) ** 2": (UNITS_OF, "H"),
    "entropy = -log(H)\n(entropy - 7) ** 2": (UNITS_OF, "H"),
    "pH = -log(H) / log(10)\n(pH - 7) ** 2": (UNITS_OF, "H"),
    "sum(exp(-t / tau))": (UNITS_OF, "tau"),
    "sum(exp(-log(2) * t / half_life))": (UNITS_OF, "half_life"),
    "sum(0.5 ** (t / half_life))": (UNITS_OF, "half_life"),
    "sum(y - floor(y / c) * c)": (SQUARE, "c"),
    "sum(y - c * y)": (SQUARE, "c"),
    "mean(X @ w - v * c)": (SQUARE, "c"),
    "mean((tanh(x @ R) @ V - y) ** 2)": (UNITS, "R"),
    "mean((tanh(x @ W) @ R - y) ** 2)": (UNITS, "W"),
    "mean((tanh(x @ R + b) @ V - y) ** 2)": (UNITS, "b"),
    "sum(x @ W)": (UNITS, "W"),
    "mean((rate * (t - 1700000000) - y) ** 2)": (TIMES, "rate"),
    "mean((rate * astype(t - 1700000000, float32) - y) ** 2)": (TIMES, "rate"),
    "mean((rate * astype(z, float32) - y) ** 2)": (TIMES, "rate"),
    "sum((1 - cos(q + 1)) / q ** 2)": (SMALL, "q"),
    "sum((1 - cos(q)) * t)": (SMALL, "q"),
    "sum(exp(q) - 1)": (SMALL, "q"),
}


def likely(program: str, inputs: dict[str, Any], name: str, **choices: Any) -> list[dict[str, Any]]:
    """The likely mistakes that a gradient comes with."""
    sent = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    answer = ask(program, sent, kind="gradient", wrt=(name,), **choices)
    return [warning for warning in answer.get("warnings", ()) if warning["code"] == "likely_mistake"]


@pytest.mark.parametrize("program", MISTAKES)
def test_a_mistake_is_told_unasked_and_its_text_to_paste_is_right(program: str) -> None:
    inputs, name, says, cured = MISTAKES[program]
    [warning] = likely(program, inputs, name)
    assert says in warning["message"]
    pasted = re.search(r"Write (.*?) for (.*?): ", warning["message"])
    assert pasted is not None
    text = program.replace(pasted[2], pasted[1])
    assert text == cured
    assert likely(cured, inputs, name) == []
    assert likely(program, inputs, name, diagnose="off") == []


@pytest.mark.parametrize("program", HEALTHY)
def test_healthy_neighbours_are_not_warned_of(program: str) -> None:
    assert likely(program, *HEALTHY[program]) == []


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("mean((tanh(x @ W) @ V - y) ** 2)", "W"),
        ("mean((relu(x @ W + b) @ V - y) ** 2)", "W"),
        ("mean((sigmoid(x @ W) @ u) ** 2)", "W"),
        ("mean((u @ tanh(Q.T @ x.T)) ** 2)", "Q"),
        ("h = x @ W\nmean((h @ V - y) ** 2)", "W"),
    ],
)
def test_units_that_start_equal_are_told(program: str, name: str) -> None:
    program = program.replace("Q.T @ x.T", "Q @ x.T")
    inputs = {**UNITS, "Q": [[0.5, 0.2], [0.5, 0.2]]}
    [warning] = likely(program, inputs, name)
    assert "one and the same" in warning["message"]
    assert f"Start '{name}' from small random numbers" in warning["message"]
    sent = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    gradient = ask(program, sent, kind="gradient", wrt=(name,))["gradients"][name]
    units = gradient if name == "Q" else gradient.T
    np.testing.assert_allclose(units[0], units[1])


COX = "eta = b0 + beta * age\nrisk = log(R @ exp(eta))\n-sum(event * (eta - risk))"
HAZARD: dict[str, Any] = {
    "b0": 0.1,
    "beta": 0.05,
    "age": [60, 45, 70, 52],
    "event": [1, 0, 1, 1],
    "R": np.triu(np.ones((4, 4))),
}


def test_what_cancels_whatever_the_values_is_told_though_rounding_leaves_something() -> None:
    answer = ask(COX, HAZARD, kind="gradient", wrt=("b0", "beta"))
    assert list(answer["diagnosis"]) == ["b0"]
    entry = answer["diagnosis"]["b0"]
    assert entry["status"] == "zero"
    assert entry["fix"].startswith("Leave 'b0' out, or give it a fixed value: whatever the values are")
    data = explain("sum(b * x) + 1", {"b": 0.5, "x": [-1, 1]}, "b")
    assert data["fix"].startswith("Start from other values"), "with other data it counts"


@pytest.mark.parametrize("scale", [1e-14, 1e-20])
def test_a_gradient_that_is_only_small_is_not_looked_at_twice(scale: float) -> None:
    answer = ask("sum(a * x) * s", {"a": [1, 2], "x": [3, 4], "s": scale}, kind="gradient", wrt=("a",))
    np.testing.assert_allclose(answer["gradients"]["a"], [3 * scale, 4 * scale])
    assert "diagnosis" not in answer


def test_a_layer_that_nothing_reads_is_named_though_the_target_is_chosen() -> None:
    program = "h1 = tanh(x @ W)\nh2 = tanh(x @ R)\nloss = mean(h2 ** 2)"
    inputs = {key: UNITS[key] for key in "xWR"}
    answer = ask(program, inputs, kind="gradient", target="loss", wrt=("W", "R"))
    [warning] = answer["warnings"]
    assert "Nothing reads 'h1' of line 1, and 'loss' does not depend on 'W'" in warning["message"]
    assert "Write h1 @ R for x @ R" in warning["message"]
    assert "warnings" not in ask(program, inputs, kind="gradient", target="loss", wrt=("R",))
    right = program.replace("x @ R", "h1 @ R")
    assert "warnings" not in ask(right, inputs, kind="gradient", target="loss", wrt=("W", "R"))


Z = np.array([-20.0, 1.0])
CDF: dict[str, Any] = {"b": 2.0, "x": Z}


@pytest.mark.parametrize(
    ("program", "new"),
    [
        ("p = 0.5 * (1 + erf(b * x / sqrt(2)))\n-sum(log(p))", "log_ndtr(b * x)"),
        ("-sum(log((1 + erf(b * x / sqrt(2))) / 2))", "log_ndtr(b * x)"),
        ("-sum(log(0.5 + 0.5 * erf(b * x / sqrt(2))))", "log_ndtr(b * x)"),
        ("z = b * x / 1.4142135623730951\n-sum(log(0.5 * erfc(-z)))", "log_ndtr(1.41421 * z)"),
        ("-sum(log(ndtr(b * x)))", "log_ndtr(b * x)"),
    ],
)
def test_the_logarithm_of_a_distribution_function_is_exact(program: str, new: str) -> None:
    fix = explain(program, CDF, "b")["fix"]
    written, old = re.search(r"Write (.*?) for (.*?): ", fix).groups()  # type: ignore[union-attr]  # it is there
    mended = program.replace(old, written)
    slope = ask(mended, CDF, kind="gradient", wrt=("b",))["gradients"]["b"]
    mills = np.exp(-((2 * Z) ** 2) / 2 - np.log(np.sqrt(2 * np.pi)) - special.log_ndtr(2 * Z))
    np.testing.assert_allclose(slope, -np.sum(Z * mills), rtol=1e-6, err_msg=f"{mended} {new}")


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("-sum(log(1 + tanh(b * x)))", lambda u: 2 / (1 + np.exp(2 * u))),
        ("-sum(log((1 + tanh(b * x)) / 2))", lambda u: 2 / (1 + np.exp(2 * u))),
        ("-sum(log(1 - tanh(b * x) ** 2))", lambda u: -2 * np.tanh(u)),
    ],
)
def test_the_logarithm_of_a_saturated_tangent_is_exact(program: str, right: Any) -> None:
    fix = explain(program, CDF, "b")["fix"]
    written, old = re.search(r"Write (.*?) for (.*?): ", fix).groups()  # type: ignore[union-attr]  # it is there
    slope = ask(program.replace(old, written), CDF, kind="gradient", wrt=("b",))["gradients"]["b"]
    np.testing.assert_allclose(slope, -np.sum(Z * right(2 * Z)), rtol=1e-9)


@pytest.mark.parametrize("program", ["mean((A * exp(-E / (8.314 * T)) - k) ** 2)", "sum(A * exp(-E / T))"])
def test_no_bound_makes_a_rate_at_zero_the_fastest(program: str) -> None:
    inputs = {"A": 2, "E": 50, "T": [0, 25, 50, 75], "k": [0.1, 1.5, 1.7, 1.8]}
    sent = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    fix = explain(program, sent, "E")["fix"]
    assert "'T' is 0 at element [0]" in fix
    assert "T + 273.15" in fix
    assert "divide_no_nan" not in fix


@pytest.mark.parametrize("program", ["sin((lat2 - lat1) / 2) ** 2", "cos(lat1) * cos(lat2)"])
def test_latitudes_beyond_a_turn_hold_degrees(program: str) -> None:
    told = likely(program, UNITS_OF, "lat1")
    assert {"'lat1' holds degrees, as 52.5 tells" in one["message"] for one in told} == {True, False}
    assert "Begin with lat1 = lat1 * pi / 180" in "".join(one["message"] for one in told)
    pasted = f"lat1 = lat1 * pi / 180\nlat2 = lat2 * pi / 180\n{program}"
    assert likely(pasted, UNITS_OF, "lat1") == []


@pytest.mark.parametrize("program", ["9 / (1 + exp(-a * (t - 9)))", "9 / (exp(-a * (t - 9)) + 1)"])
def test_a_logistic_function_with_a_height_cannot_overflow(program: str) -> None:
    inputs = {"a": 1000.0, "t": [0.0, 9.001]}
    fix = explain(f"sum({program})", inputs, "a")["fix"]
    written, old = re.search(r"Write (.*?) for (.*?): ", fix).groups()  # type: ignore[union-attr]  # it is there
    slope = ask(f"sum({program})".replace(old, written), inputs, kind="gradient", wrt=("a",))
    u = special.expit(1.0)
    np.testing.assert_allclose(slope["gradients"]["a"], 9 * u * (1 - u) * 0.001, rtol=1e-9)


@pytest.mark.parametrize("kind", ["gradient", "hessian"])
def test_residuals_are_squared_before_they_are_added_up(kind: str) -> None:
    with pytest.raises(Exception, match="one number") as refused:
        ask("r = a * exp(-t) - y\nr", {"a": 1, "t": [0, 1], "y": [1, 2]}, kind=kind, wrt=("a",))
    assert "sum(result ** 2)" in refused.value.hint  # type: ignore[attr-defined]  # a user error has one
