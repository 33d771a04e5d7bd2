"""Rows that meet a column by accident are warned of, whatever the values; intended ones are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import arrays_of, ask

COLUMN, ROWS = [[0.5], [1.0], [1.5]], [0.0, 1.0, 1.0]
INPUTS: dict[str, Any] = {"W": [0.5], "x": COLUMN, "y": ROWS}

ACCIDENTS = {
    "mean((W * x - y) ** 2)": "subtract_1",
    "mean((y - W * x) ** 2)": "subtract_1",
    "mean(squared_difference(y, W * x))": "squared_difference_1",
    "mean(abs(y - W * x))": "subtract_1",
    "mean(sigmoid_cross_entropy(y, W * x))": "sigmoid_cross_entropy_1",
    "-mean(y * log(sigmoid(W * x)))": "multiply_2",
    "mean((W * x / (y + 1) - 1) ** 2)": "divide_1",
    "mean((x @ W[:, None] - y) ** 2)": "subtract_1",
    "mean((squeeze(W * x) - x) ** 2)": "subtract_1",
    "mean((W * y[:, None] - y) ** 2)": "subtract_1",
    "mean(W * x - y * log(W * x))": "multiply_3",
    "-mean(y * log(W * x) + (1 - y) * log(1 - W * x / 4))": "multiply_2",
    "mean(softplus(W * x) - y * x * W)": "multiply_2",
    "mean(softplus(W * x) - y * (W * x))": "multiply_3",
    "mean(where(y > 0.5, W * x, 1 - W * x))": "where_1",
    "mean(maximum(W * x, y))": "maximum_1",
    "mean(logaddexp(W * x, y))": "logaddexp_1",
    "sum(W * x + y)": "add_1",
    "mean((W * x + y) ** 2)": "add_1",
    "norm(W * x * y)": "multiply_2",
    "-mean(xlogy(y, W * x))": "xlogy_1",
    "sum(sum(y * log_sigmoid(W * x), axis=1))": "multiply_2",
    "def loss(p, t):\n    return mean((p - t) ** 2)\nloss(W * x, y)": "subtract_1",
}
NO_ACCIDENTS = (
    "mean((W * x - y[:, None]) ** 2)",
    "mean((squeeze(W * x) - y) ** 2)",
    "t = W * y\nmean((t[:, None] - t) ** 2)",
    "t = W * y\nmean(exp(-(2 * expand_dims(t, 1) - t) ** 2))",
    "t = W * y\nmean((reshape(t, (-1, 1)) - t) ** 2)",
    "mean(W * x + y)",
    "sum((W * x * y) @ y)",
    "mean(W * x * y[:, None])",
    "t = W * y\nsum(t[:, None] * t)",
    "t = W * y\nsum(maximum(t[:, None], t))",
    "M = outer(y, y)\nsum(M * W * x * y)",
    "mean(where(y[:, None] > 0, W * x, 0))",
    "mean(W * x + y) * 2",
    "mean(mean_squared_error(y, W * x))",
    "mean(W * y) + sum(x - y)",
)


def codes(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What is told, but for inputs that a program leaves out: all programs are sent the same."""
    told = [w for w in answer.get("warnings", ()) if "nothing reads it" not in w["message"]]
    return [(warning["code"], warning["node"]) for warning in told]


@pytest.mark.parametrize("program", ACCIDENTS)
def test_an_accident_is_warned_of_unasked(program: str) -> None:
    answer = ask(program, INPUTS, kind="gradient", wrt=("W",))
    assert np.isfinite(answer["gradients"]["W"]).all()
    (code, node), *more = codes(answer)
    assert {code, *(one for one, _ in more)} == {"broadcast"}
    assert node.rpartition("/")[2] == ACCIDENTS[program]
    shapes = answer["warnings"][0]["message"]
    assert "(3,)" in shapes
    assert "(3, 1)" in shapes
    assert "(3, 3)" in shapes


@pytest.mark.parametrize("program", NO_ACCIDENTS)
def test_what_is_meant_is_not_warned_of(program: str) -> None:
    assert codes(ask(program, INPUTS, kind="gradient", wrt=("W",))) == []


@pytest.mark.parametrize("program", [*ACCIDENTS, *NO_ACCIDENTS])
def test_what_is_foreseen_is_what_the_numbers_show(program: str) -> None:
    """`full` looks at one run, `auto` at the recording alone."""
    full = ask(program, INPUTS, kind="gradient", wrt=("W",), diagnose="full")
    seen = [w["node"] for w in full["diagnosis"]["W"]["warnings"] if w["code"] == "broadcast"]
    assert seen == [node for _, node in codes(ask(program, INPUTS, kind="gradient", wrt=("W",)))]
    assert seen == [node for _, node in codes(full)]


def test_one_row_is_no_accident() -> None:
    answer = ask("mean((W * x - y) ** 2)", {"W": [0.5], "x": [[1]], "y": [2]}, kind="gradient", wrt=("W",))
    assert codes(answer) == []


def test_who_wants_no_diagnosis_hears_nothing() -> None:
    answer = ask("mean((W * x - y) ** 2)", INPUTS, kind="gradient", wrt=("W",), diagnose="off")
    assert "warnings" not in answer


def test_several_targets_are_told_apart() -> None:
    program = "a = mean((W * x - y) ** 2)\nb = mean((W * x) ** 2)"
    options: dict[str, Any] = {"targets": ("a", "b"), "target_list": True, "wrt": ("W",)}
    arrays = arrays_of(INPUTS)
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()}
    graph = parse_program(program, declared=dict.fromkeys(arrays))
    answer = Compiler().compile(Query(graph=graph, kind="gradient", inputs=types, **options)).run(arrays)
    assert [codes({"warnings": told}) for told in answer["warnings"].values()] == [
        [("broadcast", "subtract_1")]
    ]
    assert list(answer["warnings"]) == ["a"]


def test_rows_of_a_batch_are_looked_at_one_by_one() -> None:
    rows = {"W": [0.5], "x": [COLUMN, COLUMN], "y": [ROWS, ROWS]}
    answer = ask("mean((W * x - y) ** 2)", rows, kind="gradient", wrt=("W",), batch=("x", "y"))
    assert codes(answer) == [("broadcast", "subtract_1")]
    assert answer["gradients"]["W"].shape == (2, 1)
    whole = {"W": [0.5], "x": COLUMN, "y": ROWS}
    answer = ask("sum((W * x - y) ** 2)", whole, kind="gradient", wrt=("W",), batch=("x", "y"))
    assert codes(answer) == [], "a row has one number of each"
