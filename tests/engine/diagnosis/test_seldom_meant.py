"""Programs that are valid and seldom meant are warned of unasked; their healthy neighbours are not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.engine.diagnosis.asking import ask, explain

SQUARE = [[1.0, 0.5, 0.2], [0.3, 1.0, 0.1], [0.4, 0.2, 2.0]]
MATRICES: dict[str, Any] = {
    "A": SQUARE,
    "B": np.transpose(SQUARE) + 1,
    "k": [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
}
NORMAL: dict[str, Any] = {"x": [1.0, 2.0, 4.0], "m": 2.5, "s": 2.0, "t": 3.0}
TINY: dict[str, Any] = {"x": [0.3, 0.7, 1.1], "w": 2.0}
DEGREES: dict[str, Any] = {"angle_deg": 45.0, "angle": 0.7, "v": 3.0}
GRAM = {"X": [[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [1, 0, 1]], "y": [1, 3, 4, 6, 8], "r": 0.1}
FLAGS: dict[str, Any] = {"X": [[2, 1], [1, 3], [0.5, -1], [-1, 2]], "y": [0, 1, 0, 1], "w": [0.5, -0.2]}
DENSITY = "-mean(log(exp({}) / (s * sqrt(2 * pi))))"
SECOND = "def u(x, w): return sin(w * x)\nh = {}\nmean((u(x + h, w) - 2 * u(x, w) + u(x - h, w)) / h ** 2)"

MISTAKES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "sum((A / sum(A, axis=1)) @ B)": (
        MATRICES,
        "A",
        "columns of a square",
        "sum((A / sum(A, axis=1, keepdims=True)) @ B)",
    ),
    "sum((A - max(A, axis=-1)) ** 2)": (
        MATRICES,
        "A",
        "columns of a square",
        "sum((A - max(A, axis=-1, keepdims=True)) ** 2)",
    ),
    "sum((A - B / sqrt(sum(B ** 2, axis=1))) ** 2)": (
        MATRICES,
        "B",
        "columns of a square",
        "sum((A - B / sqrt(sum(B ** 2, axis=1, keepdims=True))) ** 2)",
    ),
    "sum(einsum('ij,kj->ij', A, B) ** 2)": (
        MATRICES,
        "A",
        "over k alone",
        "sum(einsum('ij,kj->ik', A, B) ** 2)",
    ),
    "-mean(log(sum(softmax(A, axis=0) * k, axis=1)))": (
        MATRICES,
        "A",
        "runs along axis 0",
        "-mean(log(sum(softmax(A, axis=-1) * k, axis=1)))",
    ),
    "-mean(sum(k * log_softmax(A, axis=0), axis=1))": (
        MATRICES,
        "A",
        "runs along axis 0",
        "-mean(sum(k * log_softmax(A, axis=-1), axis=1))",
    ),
    DENSITY.format("-(x - m) ** 2 / 2 * s ** 2"): (
        NORMAL,
        "s",
        "normal density",
        DENSITY.format("-(x - m) ** 2 / (2 * s ** 2)"),
    ),
    "sqrt(mean(x - m) ** 2)": (NORMAL, "m", "opposite sign cancel", "sqrt(mean((x - m) ** 2))"),
    "v ** 2 * sin(2 * angle_deg)": (
        DEGREES,
        "v",
        "holds degrees",
        "v ** 2 * sin((2 * angle_deg) * pi / 180)",
    ),
    SECOND.format("1e-8"): (TINY, "w", "few of its digits", SECOND.format("1e-04")),
    "X2 = X.T @ X\nsum((y - X @ (inv(X2) @ (X.T @ y))) ** 2)": (
        GRAM,
        "y",
        "singular up to rounding",
        "X2 = X.T @ X\nsum((y - X @ (inv(X2 + 1e-6 * eye(3)) @ (X.T @ y))) ** 2)",
    ),
    "mean(maximum(0, 1 - y * (X @ w)))": (
        FLAGS,
        "w",
        "labels -1 and 1",
        "mean(maximum(0, 1 - (2 * y - 1) * (X @ w)))",
    ),
    "mean(relu(1 - (X @ w) * y))": (FLAGS, "w", "labels -1 and 1", "mean(relu(1 - (X @ w) * (2 * y - 1)))"),
}
HEALTHY: dict[str, tuple[dict[str, Any], str]] = {
    "sum((A / sum(A, axis=0)) @ B)": (MATRICES, "A"),
    "sum((A.T / sum(A, axis=1)).T @ B)": (MATRICES, "A"),
    "d = sqrt(sum(A, axis=1))\nsum((A / d / d[:, None]) @ B)": (MATRICES, "A"),
    "sum((A - mean(A, axis=1)[:, None]) ** 2)": (MATRICES, "A"),
    "sum((A - sum(B, axis=1)) ** 2)": (MATRICES, "A"),
    "sum(einsum('ij,kj->ik', A, B))": (MATRICES, "A"),
    "sum(einsum('ij,jk->ik', A, B))": (MATRICES, "A"),
    "sum(einsum('ij,ij->ij', A, B))": (MATRICES, "A"),
    "sum(einsum('ij,ij->i', A, B) ** 2)": (MATRICES, "A"),
    "-mean(log(sum(softmax(A, axis=0) * k, axis=0)))": (MATRICES, "A"),
    "-mean(log(sum(softmax(A, axis=1) * k, axis=1)))": (MATRICES, "A"),
    "-mean(log(sum(softmax(A, axis=0) * k[0], axis=1)))": (MATRICES, "A"),
    DENSITY.format("-(x - m) ** 2 / (2 * s ** 2)"): (NORMAL, "s"),
    DENSITY.format("-(x - m) ** 2 / 2 / s ** 2"): (NORMAL, "s"),
    "mean(exp(-t ** 2 / 2 * s ** 2))": (NORMAL, "s"),
    "mean(exp(-(x - m) ** 2 / 2 * t ** 2) * t)": (NORMAL, "t"),
    "sqrt(mean((x - m) ** 2))": (NORMAL, "m"),
    "sqrt(mean(x * m) ** 2 + 1)": (NORMAL, "m"),
    "v * sin(angle_deg * pi / 180)": (DEGREES, "v"),
    "v * sin(2 * angle_deg * 0.017453292519943295)": (DEGREES, "v"),
    "v * sin(deg2rad(angle_deg))": (DEGREES, "v"),
    "v * sin(2 * angle)": (DEGREES, "v"),
    SECOND.format("1e-4"): (TINY, "w"),
    "mean((sin(w * (x + 1e-8)) - sin(w * x)) / 1e-8)": (TINY, "w"),
    "mean((w * x - 0.2) / 1e-21)": (TINY, "w"),
    "sum((y - X @ (inv(X.T @ X + r * eye(3)) @ (X.T @ y))) ** 2)": (GRAM, "y"),
    "sum(solve(1e-15 * eye(3) + X.T @ X * 0, X.T @ y))": (GRAM, "y"),
    "mean(maximum(0, 1 - (2 * y - 1) * (X @ w)))": (FLAGS, "w"),
    "mean(maximum(0, y * (X @ w)))": (FLAGS, "w"),
}


def likely(program: str, inputs: dict[str, Any], name: str, **choices: Any) -> list[dict[str, Any]]:
    """The likely mistakes that a gradient comes with."""
    given = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    answer = ask(program, given, kind="gradient", wrt=(name,), **choices)
    return [warning for warning in answer.get("warnings", ()) if warning["code"] == "likely_mistake"]


@pytest.mark.parametrize("program", MISTAKES)
def test_a_mistake_is_told_unasked_and_its_text_to_paste_is_right(program: str) -> None:
    inputs, name, says, cured = MISTAKES[program]
    [warning] = likely(program, inputs, name)
    assert says in warning["message"]
    pasted = re.search(r"Write (.*?) for (.*?): ", warning["message"])
    if pasted is not None:
        assert program.replace(pasted[2], pasted[1]) == cured
    assert likely(cured, inputs, name) == []
    assert likely(program, inputs, name, diagnose="off") == []


@pytest.mark.parametrize("program", MISTAKES)
def test_a_diagnosis_tells_it_as_well(program: str) -> None:
    inputs, name, says, _ = MISTAKES[program]
    given = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    told = explain(program, given, name)
    messages = [warning["message"] for warning in told["warnings"] if warning["code"] == "likely_mistake"]
    assert any(says in message for message in messages)


@pytest.mark.parametrize("program", HEALTHY)
def test_healthy_neighbours_are_not_warned_of(program: str) -> None:
    assert likely(program, *HEALTHY[program]) == []


@pytest.mark.parametrize(
    ("program", "inputs", "name"),
    [
        ("sum((y - X @ (inv(X.T @ X) @ (X.T @ y))) ** 2)", GRAM, "y"),
        (SECOND.format("1e-8").replace("mean(", "mean(3 + "), TINY, "w"),
    ],
)
def test_rounding_is_not_called_zero(program: str, inputs: dict[str, Any], name: str) -> None:
    given = {key: value for key, value in inputs.items() if re.search(rf"\b{key}\b", program)}
    told = explain(program, given, name)
    assert told["stats"]["norm"] > 1
    assert told["status"] == "ok"
    assert "zero" not in told["message"]
    assert "saddle" not in f"{told['message']} {told['fix']}"
    assert "cancellation" in {warning["code"] for warning in told["warnings"]}


def test_each_row_of_a_batch_is_looked_at() -> None:
    regular = {"A": np.stack([np.eye(2), [[1.0, 2.0], [2.0, 4.0 + 1e-15]]]), "b": [1.0, 2.0]}
    answer = ask("sum(solve(A, b))", regular, kind="gradient", wrt=("b",), batch=("A",))
    assert "singular up to rounding" in answer["warnings"][0]["message"]


def test_an_input_that_nothing_reads_is_told() -> None:
    orbit = "r = a * (1 - e ** 2) / (1 + e * cos(nu))\nr"
    inputs = {"a": 1.0, "nu": 0.5, "ecc": 0.3}
    [told] = ask(orbit, inputs, kind="gradient", wrt=("nu",))["warnings"]
    assert (told["code"], told["node"]) == ("likely_mistake", "ecc")
    assert "'e', which is read, is Euler's number" in told["message"]
    [told] = ask("a * nu", inputs, kind="gradient", wrt=("nu",))["warnings"]
    assert told["message"] == "The input 'ecc' is given, and nothing reads it."
    assert "warnings" not in ask(orbit.replace("e ", "ecc "), inputs, kind="gradient", wrt=("nu",))
    assert "warnings" not in ask("a * nu", inputs, kind="gradient", wrt=("nu", "ecc")), "the entry says it"


LAYERS = "h = tanh(x @ W)\nh = tanh({} @ V)\nmean(h ** 2)"
WEIGHTS = {"x": [[1.0, 0.5]], "W": [[0.1, -0.2], [0.3, 0.4]], "V": [[0.5, -0.5], [0.2, 0.1]]}


def test_a_name_that_is_overwritten_unread_is_told() -> None:
    told = explain(LAYERS.format("x"), WEIGHTS, "W")
    assert (told["status"], told["reason"]) == ("disconnected", "rebound")
    assert "feeds 'h_1' of line 1 alone" in told["message"]
    assert told["fix"].startswith("Let 'h' read what 'h_1' holds")
    assert explain(LAYERS.format("h"), WEIGHTS, "W")["status"] == "ok"
    beside = explain(LAYERS.format("x").replace("mean", "k = sum(W)\nmean"), WEIGHTS, "W")
    assert beside["reason"] != "rebound", "it feeds another node, too"


def test_a_complex_square_is_told_from_that_of_a_magnitude() -> None:
    program = "z = x + 1j * y\n(sum({}) - 1) ** 2"
    inputs = {"x": [0.6, 0.2], "y": [0.3, 0.5]}
    for square in ("z * z", "z ** 2"):
        fix = explain(program.format(square), inputs, "x")["fix"]
        assert fix.startswith(f"Write `abs(z) ** 2` instead of `{square}` in line 2")
    assert explain(program.format("abs(z) ** 2"), inputs, "x")["status"] == "ok"
    assert "abs(result)" in explain("result = sum(x + 1j * y)\nresult", inputs, "x")["fix"]


RATES = "k = A * exp(-E / (R * T))\nmean((log(k) - log(y)) ** 2)"
REACTION = {"A": 1e10, "E": 5e4, "R": 8.314, "T": [0.0, 298.0, 323.0], "y": [1.2, 30.0, 400.0]}
COUNTS = {"X": [[1, 0.5], [1, -1.2], [1, 2.0]], "y": [1, 0, 3], "b": [0.1, 0.4]}
LEVELS = {"E": [0.0, 2.5, 4.0], "T": 298.15, "k": 1.380649e-23}
BOXES = {"a": [0.0, 0.0, 1.0, 1.0], "b": [2.0, 2.0, 3.0, 3.0]}
OVERLAP = (
    "ix = maximum(minimum(a[2], b[2]) - maximum(a[0], b[0]), 0)\n"
    "iy = maximum(minimum(a[3], b[3]) - maximum(a[1], b[1]), 0)\n"
    "1 - ix * iy / (1 + (a[2] - a[0]) * (a[3] - a[1]) - ix * iy)"
)


@pytest.mark.parametrize(
    ("program", "inputs", "name", "says"),
    [
        (RATES, REACTION, "E", "'T' is 0 at element [0], and -E / (R * T) divides by it"),
        ("r = X @ b\nmean(r - y * log(r))", COUNTS, "b", "r is -0.38 at element [1], and has to be positive"),
        ("-k * T * log(sum(exp(-E / (k * T))))", LEVELS, "T", "check the units"),
        (OVERLAP, BOXES, "a", "the bound 0 is taken everywhere"),
    ],
)
def test_no_cure_hides_what_is_impossible(program: str, inputs: dict[str, Any], name: str, says: str) -> None:
    fix = explain(program, inputs, name)["fix"]
    assert says in fix
    assert not fix.startswith("Write")
    assert "Nothing" not in fix


@pytest.mark.parametrize(
    ("program", "inputs", "name", "pasted"),
    [
        (RATES, {**REACTION, "A": 0.0, "T": 298.0}, "E", "A + 1e-12"),
        (
            "r = X @ b\nmean(r - y * log(r))",
            {**COUNTS, "y": [0, 0, 0], "X": [[0, 0], [1, 1], [1, 2]]},
            "b",
            "xlogy",
        ),
    ],
)
def test_what_is_in_order_beside_them_keeps_its_cure(
    program: str, inputs: dict[str, Any], name: str, pasted: str
) -> None:
    assert pasted in explain(program, inputs, name)["fix"]


def test_overlapping_boxes_have_a_slope() -> None:
    assert explain(OVERLAP, {**BOXES, "b": [0.5, 0.5, 2.0, 2.0]}, "a")["status"] == "ok"
