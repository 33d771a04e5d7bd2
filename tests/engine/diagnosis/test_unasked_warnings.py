"""Mistakes that a gradient tells of unasked, each as several fields write it, and what is pasted for them.

The healthy programs beside them are told nothing. Numbers are compared with SciPy and with other formulas.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from tests.engine.diagnosis.asking import ask, explain

TIMES: dict[str, Any] = {
    "x": [1700000001, 1700000002, 1700000003],
    "y": [1700000001.0, 1700000002.5, 1700000003],
}
FIT: dict[str, Any] = {"a": 1.0, "b": 0.5, "x": [1, 2, 4], "y": [-2, 0, 2]}
NET: dict[str, Any] = {"w1": 0.7, "w2": 1.2, "x": [0.1, 0.5, 1.0], "y": [0.2, 0.5, 0.8]}
TAIL: dict[str, Any] = {"t": [12.0, 24.5], "mu": 10.0, "s": 2.0}
LOGITS: dict[str, Any] = {"z": [0.6, 1.1, -0.4], "k": [0.2, 0.3, 0.5]}

#: A program, its inputs, what is learned, what the warning says, and the program with its fix pasted.
MISTAKES: dict[str, tuple[dict[str, Any], str, str, str | None]] = {
    # a first loss that nothing reads
    "p = w2 * tanh(w1 * x)\nloss = mean((p - y) ** 2)\nloss = 0.1 * w1 ** 2 + w2": (
        NET, "w1", "assigned anew after line 2",
        "p = w2 * tanh(w1 * x)\nloss = mean((p - y) ** 2)\nloss = loss + 0.1 * w1 ** 2 + w2",
    ),
    "mse = mean((w2 * x - y) ** 2)\npenalty = w1 ** 2\nloss = penalty": (
        NET, "w1", "Nothing reads 'mse'", None),
    "h = w1 * x\nh = w2 * y\nsum(h ** 2)": (NET, "w2", "does not depend on 'w1', 'x'", None),
    "data = sum(w1 * x * y)\nw1 ** 2 + w2": (NET, "w1", "Nothing reads 'data'", None),
    # squares of means
    "pred = a + b * x\nmean(pred - y) ** 2": (
        FIT, "b", "opposite sign cancel", "pred = a + b * x\nmean((pred - y) ** 2)"),
    "square(mean(y - b * x))": (FIT, "b", "opposite sign cancel", "mean((y - b * x) ** 2)"),
    "abs(sum(a + b * x - y))": (FIT, "b", "opposite sign cancel", "sum(abs(a + b * x - y))"),
    "0.5 * mean(b * x - y) ** 2 + 0.1 * b ** 2": (
        FIT, "b", "opposite sign cancel", "0.5 * mean((b * x - y) ** 2) + 0.1 * b ** 2"),
    # differences that lose their digits
    "m = mean(x)\nsqrt(mean(x ** 2) - m ** 2)": (TIMES, "x", "nearly the same", "m = mean(x)\nsqrt(var(x))"),
    "mean(x * x) - mean(x) ** 2": (TIMES, "x", "nearly the same", "var(x)"),
    "(sum(x ** 2) - sum(x) ** 2 / 3) / 2": (
        TIMES, "x", "nearly the same", "(sum((x - mean(x, keepdims=True)) ** 2)) / 2"),
    "mean(x * y) - mean(x) * mean(y)": (
        TIMES, "x", "nearly the same", "mean((x - mean(x, keepdims=True)) * (y - mean(y, keepdims=True)))"),
    "sum(log(1 - ndtr((t - mu) / s)))": (TAIL, "mu", "nearly the same", "sum(log(ndtr(-((t - mu) / s))))"),
    "S = 1 - 0.5 * (1 + erf((t - mu) / (s * 1.4142135623730951)))\n-sum(log(S))": (
        TAIL, "mu", "nearly the same",
        "S = 0.5 * erfc((t - mu) / (s * 1.4142135623730951))\n-sum(log(S))"),
    "sum(x / (1 - cos(1e-7 * a)))": (FIT, "a", "nearly the same", "sum(x / (2 * sin(1e-7 * a / 2) ** 2))"),
    "log(exp(1e-13 * a) - 1)": (FIT, "a", "nearly the same", "log(expm1(1e-13 * a))"),
    # one too many
    "sum(log1p(1 + x / a))": (FIT, "a", "adds 1 itself", "sum(log1p(x / a))"),
    "sum(log1p(x * b + 1) ** 2)": (FIT, "b", "adds 1 itself", "sum(log1p(x * b) ** 2)"),
    "sum(expm1(b * x) - 1)": (FIT, "b", "subtracts 1 itself", "sum(expm1(b * x))"),
    "-sum(k * log(log_softmax(z)))": (LOGITS, "z", "a logarithm already", "-sum(k * log_softmax(z))"),
    "sqrt(std(b * x))": (FIT, "b", "a root already", "std(b * x)"),
    "categorical_crossentropy(k, log_softmax(z))": (
        LOGITS, "z", "result of log_softmax",
        "categorical_crossentropy(k, log_softmax(z), from_logits=True)"),
    # what is always the same
    "v = z / norm(z)\n(sum(v ** 2) - 1) ** 2 + z[0]": (LOGITS, "z", "has the norm 1", None),
    "sum(softmax(z)) + z[0]": (LOGITS, "z", "add up to 1", None),
    "sum(z - mean(z)) + z[0] ** 2": (
        LOGITS, "z", "add up to 0", "mean((z - mean(z)) ** 2) + z[0] ** 2"),
}  # fmt: skip

HEALTHY: dict[str, tuple[dict[str, Any], str]] = {
    "h = w1 * x\nh = tanh(h)\nsum(w2 * h * y)": (NET, "w1"),
    "p = w1 * w2 * x\nacc = mean(p > y)\nmean((p - y) ** 2)": (NET, "w1"),
    "u, v = split(w1 * w2 * [1, 2], 2)\nsum(u) + sum(x * y)": (NET, "w1"),
    "r = b * x + a - y\nmean(r ** 2) + 0.1 * mean(r) ** 2": (FIT, "b"),
    "mean((a + b * x) ** 2) - mean(a + b * x - y) ** 2": (FIT, "b"),
    "(mean(a + b * x) - mean(y)) ** 2": (FIT, "b"),
    "mean(x ** 2) - mean(x) ** 2 + b + a + sum(y)": (FIT, "x"),
    "sum(y * (1 - sigmoid(40 * b * x)) + a)": (FIT, "b"),
    "sum(1 - tanh(40 * b * x) ** 2) + a + sum(y)": (FIT, "b"),
    "sum(log(1 - ndtr((t - mu) / (10 * s))))": (TAIL, "mu"),
    "sum(log1p(b * x + a) + log(1 + x) * y)": (FIT, "b"),
    "sum(expm1(b * x) + 1 + a + y)": (FIT, "b"),
    "sum(k * softmax(z))": (LOGITS, "z"),
    "sum((z - mean(z)) ** 2 * k)": (LOGITS, "z"),
}


def told(program: str, inputs: dict[str, Any], name: str) -> list[str]:
    answer = ask(program, inputs, kind="gradient", wrt=(name,))
    return [w["message"] for w in answer.get("warnings", ()) if "is given, and nothing" not in w["message"]]


def pasted(program: str, message: str) -> str:
    new, old = re.search(r"Write (.*?) for (.*?): ", message).groups()  # type: ignore[union-attr]  # it is there
    assert old in program
    return program[::-1].replace(old[::-1], new[::-1], 1)[::-1]


@pytest.mark.parametrize("program", MISTAKES)
def test_a_mistake_is_told_with_its_fix(program: str) -> None:
    inputs, name, says, mended = MISTAKES[program]
    messages = told(program, inputs, name)
    assert messages
    assert says in messages[0]
    if mended is not None:
        assert pasted(program, messages[0]) == mended
        assert told(mended, inputs, name) == []
    fix = explain(program, inputs, name)["fix"]
    if "Nothing reads" not in messages[0] and "assigned anew" not in messages[0]:
        assert fix


@pytest.mark.parametrize("program", HEALTHY)
def test_what_is_meant_is_not_told(program: str) -> None:
    inputs, name = HEALTHY[program]
    assert told(program, inputs, name) == []


@pytest.mark.parametrize("kind", ["gradient", "diagnose"])
def test_a_dead_loss_is_told_by_both_calls_and_not_of_chosen_targets(kind: str) -> None:
    program = "a = sum(w1 * x)\nb = sum(w2 * y)"
    [message] = [w["message"] for w in ask(program, NET, kind=kind, wrt=("w2",))["warnings"]]
    assert "Nothing reads 'a'" in message
    assert "warnings" not in ask(program, NET, kind=kind, wrt=("w2",), target="b")


def _slope(program: str, inputs: dict[str, Any], name: str) -> Any:
    return ask(program, inputs, kind="gradient", wrt=(name,))["gradients"][name]


FAR = {**TAIL, "t": [12.0, 31.0]}
ZS = np.array([1.0, 10.5])
HAZARDS = np.exp(stats.norm.logpdf(ZS) - stats.norm.logsf(ZS))
Z = "z = (t - mu) / s\n"


@pytest.mark.parametrize(
    "program",
    [
        Z + "S = 1 - 0.5 * (1 + erf(z / sqrt(2)))\n-sum(log(S))",
        Z + "-sum(log(1 - ndtr(z)))",
        Z + "-sum(log((1 - erf(z / sqrt(2))) / 2))",
        Z + "-sum(log(0.5 - 0.5 * erf(z / sqrt(2))))",
        Z + "cdf = (1 + erf(z / sqrt(2))) / 2\n-sum(log(1 - cdf))",
    ],
)
def test_the_fix_of_a_tail_keeps_its_gradient(program: str) -> None:
    fix = explain(program, FAR, "s")["fix"]
    new, old = re.search(r"Write (.*?) for (.*?): ", fix).groups()  # type: ignore[union-attr]  # it is there
    assert old in program
    mended = program.replace(old, new)
    np.testing.assert_allclose(_slope(mended, FAR, "s"), -np.sum(HAZARDS * ZS) / 2, rtol=1e-9)


ARRHENIUS = {"A": 1e7, "Ea": 5e4, "R": 8.314, "T": [300, 320, 340], "k": [0.02, 0.07, 0.21]}


@pytest.mark.parametrize("name", ["A", "Ea"])
@pytest.mark.parametrize(
    "program",
    [
        "mean((A * exp(-Ea / R * T) - k) ** 2)",
        "f = exp(-Ea / R * T)\nmean((A * f - k) ** 2)",
        "mean((A * exp(-(Ea / R * T)) - k) ** 2)",
    ],
)
def test_a_quotient_without_brackets_is_named(program: str, name: str) -> None:
    fix = explain(program, ARRHENIUS, name)["fix"]
    new, old = re.search(r"Write (.*?) for (.*?): ", fix).groups()  # type: ignore[union-attr]  # it is there
    assert new == "exp(-Ea / (R * T))"
    meant = program.replace(old, new)
    wanted = _slope("mean((A * exp(-(Ea / R) / T) - k) ** 2)", ARRHENIUS, name)
    np.testing.assert_allclose(_slope(meant, ARRHENIUS, name), wanted)


def test_an_exponent_that_is_far_for_another_reason_is_told_otherwise() -> None:
    fix = explain("sum(exp(-a * x))", {"a": 2e6, "x": [1, 2]}, "a")["fix"]
    assert "Scale the data" in fix


MISSING = {"a": 0.5, "b": 0.1, "t": [1, 2, 3], "y": [0.6, float("nan"), 1.7]}


@pytest.mark.parametrize(
    ("program", "by_hand"),
    [
        ("mean((a * t + b - y) ** 2)", "mean((a * [1, 3] + b - [0.6, 1.7]) ** 2)"),
        ("r = a * t + b - y\nmean(r ** 2)", "mean((a * [1, 3] + b - [0.6, 1.7]) ** 2)"),
        ("sum(abs(y - a * t))", "sum(abs([0.6, 1.7] - a * [1, 3]))"),
        ("sqrt(mean((a * t - y) ** 2))", "sqrt(mean((a * [1, 3] - [0.6, 1.7]) ** 2))"),
    ],
)
def test_a_missing_measurement_does_not_count(program: str, by_hand: str) -> None:
    told_of = explain(program, MISSING, "a")
    mended = program
    for new, old in re.findall(r"[Ww]rite (.*?) for (.*?)(?=; write|: what)", told_of["fix"]):
        assert old in mended
        mended = mended.replace(old, new, 1)
    slope = _slope(mended, MISSING, "a")
    np.testing.assert_allclose(slope, _slope(by_hand, {"a": 0.5, "b": 0.1}, "a"), err_msg=mended)


def test_missing_features_are_not_made_zeros_without_a_word() -> None:
    inputs = {"X": [[1, float("nan")], [1, 2]], "w": [0.1, 0.2], "y": [1, 2]}
    fix = explain("mean((X @ w - y) ** 2)", inputs, "w")["fix"]
    assert "the rows of every tensor that it meets" in fix
    assert "counts it as the value 0" in fix


@pytest.mark.parametrize("beyond", [700.0, 200.0])
def test_an_interpolation_beyond_its_table_is_told(beyond: float) -> None:
    formula = (
        "h = F[0] + sum((F[1:] - F[:-1]) / (P[1:] - P[:-1]) * minimum(maximum(T[..., None] - P[:-1], 0), "
        "P[1:] - P[:-1]), axis=-1)\n(h - 3500) ** 2"
    )
    table = {"P": [300, 400, 500], "F": [3073, 3278, 3489]}
    found = explain(formula, {**table, "T": beyond}, "T")
    assert "T lies beyond the ends of P" in found["message"]
    assert "Extend P" in found["fix"]
    assert explain(formula, {**table, "T": 450.0}, "T")["status"] == "ok"


WHOLE = {"d": 0.3, "s": [0.1, 0.2, 0.5, 0.9, 1.0, 0.4, 0.1]}


@pytest.mark.parametrize(
    ("program", "named", "new"),
    [
        ("lag = argmax(d * s)\n(lag - 4) ** 2", "argmax(d * s)", "softmax(10 * (d * s)) @ arange(7.0)"),
        ("sum(s > d)", "s > d", "sigmoid(10 * (s - d))"),
        ("count_nonzero(s > d)", "s > d", "sum(sigmoid(10 * (s - d)))"),
        ("any(s > d)", "s > d", "max(sigmoid(10 * (s - d)))"),
        ("n = argmin((s - d) ** 2)\nn * 2", "argmin((s - d) ** 2)", "softmax("),
    ],
)
def test_a_whole_number_as_target_names_the_op_that_made_it(program: str, named: str, new: str) -> None:
    found = explain(program, WHOLE, "d")
    assert found["status"] == "invalid_target"
    assert f"hat {named} gives are whole numbers" in found["fix"]
    assert new in found["fix"]
    written, old = re.search(r"write `(.*?)` instead of `(.*?)`", found["fix"]).groups()  # type: ignore[union-attr]  # it is there
    assert np.isfinite(_slope(program.replace(old, written), WHOLE, "d"))


def test_a_cancellation_at_these_values_is_not_said_to_be_one_always() -> None:
    fix = explain("sum(b * x) ** 2 + 0 * sum(y)", {"b": 0.5, "x": [-1, 1], "y": [1, 2]}, "b")["fix"]
    assert "whatever" not in fix


@pytest.mark.parametrize("sign", [1, -1])
def test_gamma_functions_in_logarithms_are_what_scipy_computes(sign: int) -> None:
    value = ask("gammaln(x + 5) - gammaln(x)", {"x": [150.0]}, kind="evaluate")["outputs"]["result"]
    np.testing.assert_allclose(value, special.gammaln(155.0) - special.gammaln(150.0) * abs(sign))
