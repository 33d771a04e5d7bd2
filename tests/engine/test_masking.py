"""`masked_backward`: elements that nothing selects get no gradient, and all other gradients are unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import ask, explain
from tests.engine.random_programs import Sketch, sketches
from tests.engine.test_random_graphs import ask as ask_sketch
from tests.engine.test_random_graphs import bounded

AT = {"x": [0.0, 4.0]}

# A program whose gradient is NaN at x = [0, 4], the gradient with masks, and the node where they act.
UNSELECTED: list[tuple[str, list[float], str]] = [
    ("sum(where(x > 0, sqrt(x), 0))", [0, 0.25], "sqrt_1"),
    ("sum(where(x > 0, 1 / x, x))", [1, -1 / 16], "divide_1"),
    ("sum(where(x == 0, x, log(x)))", [1, 0.25], "log_1"),
    ("sum(maximum(log(x), -5))", [0, 0.25], "log_1"),
    ("sum(minimum(1 / x, 9))", [0, -1 / 16], "divide_1"),
    ("sum(clip(1 / x, -3, 3))", [0, -1 / 16], "divide_1"),
    ("sum(relu(log(x)))", [0, 0.25], "log_1"),
    ("sum(fmax(log(x), x))", [1, 1], "log_1"),
    ("log(x)[1]", [0, 0.25], "log_1"),
    ("sum(take(log(x), [1, 1]))", [0, 0.5], "log_1"),
    ("max(log(x))", [0, 0.25], "log_1"),
    ("max(concatenate([log(x), 0 * x]))", [0, 0.25], "log_1"),
    ("sum(where(x > 0, 3 * sqrt(x) + 1, 0))", [0, 0.75], "sqrt_1"),
    ("sum(where(reshape(x > 0, (2, 1)), sqrt(reshape(x, (2, 1))) * [1, 2], 0))", [0, 0.75], "sqrt_1"),
    ("sum(where(x > 0, sqrt(x), 0)) + sum(where(x > 1, sqrt(x), 0))", [0, 0.5], "sqrt_1"),
    ("sum(where(stack([x, x]) > 0, stack([sqrt(x), log(x)]), 0))", [0, 0.5], "sqrt_1"),
    ("where(sum(x) > 9, sqrt(x) @ x, sum(x))", [1, 1], "sqrt_1"),
    ("where(sum(x) > 9, sum(sqrt(x)), sum(x))", [1, 1], "sqrt_1"),
    ("sum(where(sum(x) > 9, sqrt(x) * x, x))", [1, 1], "sqrt_1"),
    ("sum(where([False, True], norm(stack([1 / x, x]), axis=0), 0))", [], "divide_1"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "expected", "node"), UNSELECTED, ids=[p for p, *_ in UNSELECTED])
def test_what_nothing_selects_gets_nothing(program: str, expected: list[float], node: str) -> None:
    assert not np.isfinite(ask(program, AT, kind="gradient")["gradients"]["x"]).all()
    told = ask(program, AT, kind="gradient", masked_backward=True)
    if "norm" not in program:
        np.testing.assert_allclose(told["gradients"]["x"], expected, rtol=1e-12)
    assert np.isfinite(told["gradients"]["x"]).all()
    assert "diagnosis" not in told
    assert node in [warning["node"] for warning in told["warnings"]]
    assert {warning["code"] for warning in told["warnings"]} == {"masked"}


@pytest.mark.parametrize(
    "program",
    [
        "sum((x > 0) * sqrt(x))",  # a product is no selection
        "sum(sqrt(x) * 0)",
        "sum(where(x >= 0, sqrt(x), 0))",  # it is selected
        "sum(sqrt(x))",
        "sum(where(x > 0, 1.0, 0) * log(x))",
    ],
)
def test_a_product_with_zero_stays_what_it_is(program: str) -> None:
    plain = ask(program, AT, kind="gradient", diagnose="off")["gradients"]["x"]
    told = ask(program, AT, kind="gradient", diagnose="off", masked_backward=True)
    assert not np.isfinite(plain).all()
    np.testing.assert_array_equal(told["gradients"]["x"], plain)
    assert told["warnings"] == []


def test_the_warning_names_elements() -> None:
    told = ask("sum(where(x > 0, sqrt(x), 0))", {"x": [0.0, 1.0, 0.0]}, kind="gradient", masked_backward=True)
    (warning,) = told["warnings"]
    assert warning["node"] == "sqrt_1"
    assert "2 of 3 elements" in warning["message"]
    assert "[0], [2]" in warning["message"]


def test_no_warning_without_need() -> None:
    told = ask("sum(where(x > 0, sqrt(x), 0))", {"x": [2.0, 1.0]}, kind="gradient", masked_backward=True)
    assert told["warnings"] == []
    assert "warnings" not in ask("sum(x)", AT, kind="gradient")


def test_it_records_itself() -> None:
    """The masked gradient as a graph, differentiated again: the second derivative of the chosen branch."""
    x = {"x": np.array([0.0, 4.0])}
    query = Query(
        graph=parse_program("sum(where(x > 0, sqrt(x), 0))"),
        kind="gradient",
        inputs={"x": TensorType((2,))},
        masked_backward=True,
        return_graph=True,
    )
    document = Compiler().compile(query).run(x)["graph"]
    graph = decode_graph(document)
    again = {
        "graph": graph,
        "kind": "evaluate",
        "inputs": {"x": TensorType((2,))},
        "outputs": ("gradients/x",),
    }
    np.testing.assert_array_equal(
        Compiler().compile(Query(**again)).run(x)["outputs"]["gradients/x"], [0, 0.25]
    )
    jacobian = Compiler().compile(Query(**{**again, "kind": "jacobian", "method": "forward"})).run(x)
    np.testing.assert_allclose(jacobian["jacobian"]["gradients/x"]["x"], [[0, 0], [0, -1 / 32]])


def test_rows_of_a_batch() -> None:
    query = Query(
        graph=parse_program("sum(where(x > 0, sqrt(x), 0))"),
        kind="gradient",
        inputs={"x": TensorType((2, 2))},
        batch=("x",),
        masked_backward=True,
    )
    told = Compiler().compile(query).run({"x": np.array([[1.0, 4.0], [0.0, 1.0]])})
    np.testing.assert_array_equal(told["gradients"]["x"], [[0.5, 0.25], [0.0, 0.5]])
    assert "[1, 0]" in told["warnings"][0]["message"]


def test_several_targets() -> None:
    told = (
        Compiler()
        .compile(
            Query(
                graph=parse_program("a = sum(where(x > 0, sqrt(x), 0))\nb = sum(x)"),
                kind="gradient",
                inputs={"x": TensorType((2,))},
                targets=("a", "b"),
                target_list=True,
                masked_backward=True,
            )
        )
        .run({"x": np.array([0.0, 4.0])})
    )
    assert [len(told["warnings"][target]) for target in ("a", "b")] == [1, 0]


def test_the_diagnosis_tells_of_it_and_offers_it() -> None:
    program = "sum(where(x > 0, sqrt(x), 0))"
    plain = explain(program, AT, "x")
    assert plain["status"] == "nan"
    assert "`masked_backward`" in plain["fix"]
    assert "masked_backward" not in (explain("sum(sqrt(x))", AT, "x")["fix"] or "")
    masked = explain(program, AT, "x", masked_backward=True)
    assert masked["status"] == "ok"
    assert [w["node"] for w in masked["warnings"] if w["code"] == "masked"] == ["sqrt_1"]
    unselected = explain("sum(where(x > 9, sqrt(x), 0))", AT, "x", masked_backward=True)
    assert (unselected["status"], unselected["reason"]) == ("zero", "unselected")


@bounded(40)
@given(sketches())
def test_a_finite_gradient_stays_as_it_is(sketch: Sketch) -> None:
    plain = ask_sketch("gradient", sketch, sketch.inputs)
    told: dict[str, Any] = ask_sketch("gradient", sketch, sketch.inputs, masked_backward=True)
    for name, gradient in plain["gradients"].items():
        np.testing.assert_array_equal(told["gradients"][name], gradient)
    assert told["warnings"] == []


@bounded(40)
@given(sketches())
def test_as_where_inside(sketch: Sketch) -> None:
    """Any program behind a choice, with a branch that is undefined: as if its argument had been guarded."""
    lines = sketch.text.split("\n")
    assert lines[-1].startswith("loss"), lines
    x = {**sketch.inputs, "x": np.where(np.arange(np.size(sketch.inputs["x"])) % 2, sketch.inputs["x"], 0)}
    unsafe = "\n".join([*lines, "end = loss + sum(where(x != 0, log(x * x) + 1 / x, 0))"])
    safe = "\n".join(
        [*lines, "g = where(x != 0, x, 1)", "end = loss + sum(where(x != 0, log(g * g) + 1 / g, 0))"]
    )
    told = _gradient(unsafe, x, masked_backward=True)
    np.testing.assert_allclose(told, _gradient(safe, x), rtol=1e-12)


def _gradient(text: str, inputs: dict[str, np.ndarray], **choices: Any) -> np.ndarray:
    query = Query(
        graph=parse_program(text),
        kind="gradient",
        inputs={name: TensorType(np.shape(v)) for name, v in inputs.items()},
        targets=("end",),
        wrt=("x",),
        **choices,
    )
    gradient: np.ndarray = Compiler().compile(query).run(inputs)["gradients"]["x"]
    return gradient


def test_factors_of_a_recurrence_do_not_cancel_what_is_selected():
    program = (
        "def f(x, w):\n    return sum(cumprod(x) * w)\ng, h = gradient(f, x, log(v))\nd = g * 1\nsum(d[0:2])"
    )
    inputs = {"x": [-1.0, -1.0, -1.0, -1.0], "v": [1.5, 2.0, 3.0, 4.0]}
    plain, masked = (
        ask(program, inputs, kind="gradient", wrt=("v",), masked_backward=on)["gradients"]["v"]
        for on in (False, True)
    )
    assert plain.all()
    np.testing.assert_array_equal(masked, plain)
