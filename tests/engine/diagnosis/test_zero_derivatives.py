"""Hessians, Jacobians and products that are zero for want of a path or of curvature say so; others do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import arrays_of

GIVEN: dict[str, Any] = {"X": [[1, 0], [1, 1], [1, 2]], "w": [0.1, 0.4], "y": [0, 1, 3]}
WORDS = {"jvp": "tangents", "hvp": "vectors", "gnvp": "vectors", "vjp": "cotangents"}


def answer_of(program: str, kind: str, **choices: Any) -> dict[str, Any]:
    """The answer, along the first axis of `w`, or of all three rows for a vjp."""
    arrays = arrays_of(GIVEN)
    graph = parse_program(program, declared=dict.fromkeys(arrays))
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()}
    along = {"result": np.ones(3)} if kind == "vjp" else {"w": np.array([1.0, 0.0])}
    directions = along if kind in WORDS else {}
    if directions:
        choices[WORDS[kind]] = {n: TensorType(v.shape, v.dtype.name) for n, v in directions.items()}
    if kind not in ("jvp", "hvp", "gnvp"):
        choices["wrt"] = ("w",)
    return Compiler().compile(Query(graph=graph, kind=kind, inputs=types, **choices)).run(arrays, directions)


def told(program: str, kind: str, **choices: Any) -> list[tuple[str, str]]:
    warnings = answer_of(program, kind, **choices).get("warnings", ())
    return [(warning["code"], warning["message"]) for warning in warnings]


@pytest.mark.parametrize("kind", ["hessian", "hvp"])
@pytest.mark.parametrize(
    ("program", "by"),
    [
        ("sum(abs(X @ w - y))", "abs at 'abs_1'"),
        ("sum(relu(X @ w))", "relu at 'relu_1'"),
        ("sum(maximum(X @ w, y))", "maximum at 'maximum_1'"),
        ("mean_absolute_error(y, X @ w)", "mean_absolute_error at 'result'"),
        ("max(X @ w - y) + 3 * sum(w)", "max at 'max_1'"),
        ("sum(where(X @ w > y, 0.9, 0.1) * (X @ w - y))", ""),
        ("r = y - X @ w\nsum(maximum(0.9 * r, -0.1 * r))", "maximum at 'maximum_1'"),
    ],
)
def test_a_piecewise_linear_function_has_no_curvature(program: str, by: str, kind: str) -> None:
    warnings = told(program, kind)
    if not by:  # the slope is that of the second factor, whatever the first chooses
        assert all(code in ("likely_mistake", "dead_path") for code, _ in warnings)
        return
    [(code, message)] = warnings
    assert code == "likely_mistake"
    assert "zero everywhere" in message
    assert by in message


@pytest.mark.parametrize("kind", ["hessian", "hvp"])
@pytest.mark.parametrize(
    "program",
    ["sum((X @ w - y) ** 2)", "sum(X @ w - y)", "sum(relu(X @ w) ** 2)", "huber(y, X @ w)", "sum(w * y[:2])"],
)
def test_curved_and_linear_functions_are_left_alone(program: str, kind: str) -> None:
    assert told(program, kind) == []


@pytest.mark.parametrize("kind", ["jacobian", "jvp", "vjp", "gnvp"])
@pytest.mark.parametrize(
    ("program", "by"),
    [
        ("floor(X @ w)", "floor at 'result'"),
        ("round(X @ w) * y", "round at 'round_1'"),
        ("sign(X @ w - y)", "sign at 'result'"),
        ("where(X @ w > y, 1.0, 2.0)", "greater at 'greater_1'"),
    ],
)
def test_a_path_that_is_cut_is_named(program: str, by: str, kind: str) -> None:
    [(code, message)] = told(program, kind)
    assert code == "dead_path"
    assert by in message


def test_a_cut_is_named_for_a_hessian_too() -> None:
    [(code, message)] = told("sum(floor(X @ w) ** 2)", "hessian")
    assert code == "dead_path"
    assert "floor at 'floor_1'" in message


def test_a_flat_side_is_named_for_a_jacobian() -> None:
    [(code, message)] = told("relu(X @ w - 9)", "jacobian")
    assert code == "dead_path"
    assert "relu at 'result' has a flat side" in message


@pytest.mark.parametrize("kind", ["jacobian", "jvp", "vjp", "gnvp"])
@pytest.mark.parametrize("program", ["X @ w", "stop_gradient(X @ w) + 0 * y", "y * 2 + sum(X)"])
def test_what_is_meant_is_left_alone(program: str, kind: str) -> None:
    assert told(program, kind) == []


def test_who_wants_no_diagnosis_hears_nothing() -> None:
    assert told("sum(abs(X @ w - y))", "hessian", diagnose="off") == []
