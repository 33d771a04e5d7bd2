"""Warnings that hold whatever the values, in the bodies of loops and in custom gradients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.diagnosis.asking import ask, explain

COLUMNS = {"x": [[[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]]], "y": [1.0, 2.0, 3.0]}
STEP = "def step(s, v, y): return s + mean(({} - y) ** 2), s\nlast, all = scan(step, 0.0, {}, y)\nlast"


def codes(program: str, inputs: object, name: str) -> set[str]:
    answer = ask(program, inputs, kind="gradient", wrt=(name,))  # type: ignore[arg-type]  # a mapping
    return {warning["code"] for warning in answer.get("warnings", ())}


def test_rows_meet_a_column_in_the_body_of_a_scan() -> None:
    program = STEP.format("v", "x")
    assert codes(program, COLUMNS, "x") == {"broadcast"}
    assert "broadcast" in {warning["code"] for warning in explain(program, COLUMNS, "x")["warnings"]}
    assert codes(STEP.format("v[:, 0]", "x"), COLUMNS, "x") == set()


def test_a_column_that_was_made_on_purpose_outside_of_the_loop() -> None:
    """All pairs of points: the column is an index of the rows, and comes in as a constant of the loop."""
    program = "def step(s, c, r): return s * 0.5 + sum((c - r) ** 2)\ndef more(s, c, r): return s > 1\n{}"
    meant = program.format("while_loop(more, step, 9.0, x[:, None], x)")
    assert codes(meant, {"x": [0.1, 0.2, 0.3]}, "x") == set()
    accident = program.format("while_loop(more, step, 9.0, c, x)")
    assert codes(accident, {"x": [0.1, 0.2, 0.3], "c": [[0.1], [0.2], [0.3]]}, "x") == {"broadcast"}


FORGETS = "def f(x): return exp(x)\ndef g(x, y, dy): return {}\nz = custom_gradient(f, g, x)\nsum(3 * z)"
X = {"x": [0.0, 1.0]}


@pytest.mark.parametrize(
    ("backward", "warns"),
    [
        ("exp(x)", True),
        ("y", True),
        ("exp(x) * dy", False),
        ("y * dy", False),
        ("0 * x", False),
        ("dy", False),
    ],
)
def test_a_backward_function_that_ignores_its_cotangent(backward: str, warns: bool) -> None:
    answer = ask(FORGETS.format(backward), X, kind="gradient", wrt=("x",))
    found = [warning for warning in answer.get("warnings", ()) if warning["code"] == "likely_mistake"]
    assert bool(found) == warns
    told = explain(FORGETS.format(backward), X, "x")
    assert any(warning["code"] == "likely_mistake" for warning in told["warnings"]) == warns
    assert not (warns and any(warning["code"] == "dead_path" for warning in told["warnings"]))
    if warns:
        assert "does not use its cotangent" in found[0]["message"]


def test_with_the_cotangent_the_numbers_are_right() -> None:
    wrong = ask(FORGETS.format("exp(x)"), X, kind="gradient", wrt=("x",))["gradients"]["x"]
    right = ask(FORGETS.format("exp(x) * dy"), X, kind="gradient", wrt=("x",))["gradients"]["x"]
    np.testing.assert_allclose(right, 3 * np.exp([0.0, 1.0]))
    np.testing.assert_allclose(wrong, np.exp([0.0, 1.0]))


def test_one_of_several_outputs_may_forget_it() -> None:
    functions = "def f(x, k): return k * x\ndef g(x, k, y, dy): return k, sum(x * dy)\n"
    program = f"{functions}sum(custom_gradient(f, g, x, k))"
    answer = ask(program, {"x": [1.0, 2.0], "k": 3.0}, kind="gradient", wrt=("x", "k"))
    assert "output 0 is the same" in answer["warnings"][0]["message"]
    assert "use 'dy'" in answer["warnings"][0]["message"]
