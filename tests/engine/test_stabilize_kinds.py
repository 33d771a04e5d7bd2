"""`stabilize` in every kind of question, inside functions, and what it must leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.program import parse_program
from engine.passes.stable import GUARD, REWRITES
from engine.queries.compiler import Compiler
from engine.queries.estimate import estimate
from tests.engine.diagnosis.asking import ask, explain
from tests.engine.random_programs import Sketch, sketches
from tests.engine.test_random_graphs import ask as ask_sketch
from tests.engine.test_random_graphs import bounded

FAR = {"x": [-1000.0, 0.0]}
LOSS = "-sum(log(softmax(x)) * [1, 0])"


def names(told: dict[str, Any]) -> list[str]:
    return [one["rewrite"] for one in told["rewrites"]]


def test_every_kind_is_finite_where_it_was_not() -> None:
    assert not np.isfinite(ask(LOSS, FAR, kind="gradient")["gradients"]["x"]).all()
    told = ask(LOSS, FAR, kind="gradient", stabilize=True)
    assert names(told) == ["log_softmax"]
    np.testing.assert_array_equal(told["gradients"]["x"], [-1.0, 1.0])
    assert ask(LOSS, FAR, kind="evaluate", stabilize=True)["outputs"]["result"] == 1000.0
    near = {"x": [-3.0, 0.0]}
    p = np.exp(-3.0) / (1 + np.exp(-3.0))
    curve = p * (1 - p) * np.array([[1, -1], [-1, 1]])
    hessian = ask(LOSS, near, kind="hessian", stabilize=True)
    np.testing.assert_allclose(hessian["hessian"]["x"]["x"], curve, rtol=1e-12)
    np.testing.assert_array_equal(
        ask(LOSS, FAR, kind="hessian", stabilize=True)["hessian"]["x"]["x"], np.zeros((2, 2))
    )
    jacobian = ask("log(softmax(x))", FAR, kind="jacobian", stabilize=True, method="forward")
    np.testing.assert_array_equal(jacobian["jacobian"]["result"]["x"], [[1, -1], [0, 0]])
    assert names(jacobian) == ["log_softmax"]


@pytest.mark.parametrize(
    ("kind", "field", "answer"), [("jvp", "tangents", 1.0), ("hvp", "vectors", [0.0, 0.0])]
)
def test_directions(kind: str, field: str, answer: Any) -> None:
    program = "sum(log(sigmoid(x)))"
    query = Query(
        graph=parse_program(program),
        kind=kind,
        inputs={"x": TensorType((2,))},
        stabilize=True,
        **{field: {"x": TensorType((2,))}},
    )
    program_of = Compiler().compile(query)
    told = program_of.run({"x": np.array([-1000.0, 1000.0])}, {"x": np.ones(2)})
    np.testing.assert_array_equal(next(iter(told[kind].values())), answer)


def test_rows() -> None:
    rows = np.array([[-1000.0, 0.0], [0.0, 0.0]])
    query = Query(
        graph=parse_program(LOSS),
        kind="gradient",
        inputs={"x": TensorType((2, 2))},
        batch=("x",),
        stabilize=True,
    )
    told = Compiler().compile(query).run({"x": rows})
    np.testing.assert_array_equal(told["gradients"]["x"], [[-1.0, 1.0], [-0.5, 0.5]])
    assert "diagnosis" not in told


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    return log(sigmoid(x))\ncall(f, x)",
        "def f(x):\n    return log(sigmoid(x))\ncheckpoint(f, x)",
        "def f(h, x):\n    return h + log(sigmoid(x)), h\nh, hs = scan(f, 0.0, reshape(x, (1,)))\nh",
        "def f(x):\n    return log(sigmoid(x))\ndef g(x):\n    return x\ncond(f, g, x < 0, x)",
        "def f(x):\n    return log(sigmoid(x))\nsum(map(f, reshape(x, (1,))))",
    ],
)
def test_inside_functions(program: str) -> None:
    told = ask(program, {"x": -1000.0}, kind="gradient", stabilize=True)
    assert (float(told["value"]), float(told["gradients"]["x"])) == (-1000.0, 1.0)
    (made,) = told["rewrites"]
    assert made["rewrite"] == "log_sigmoid"
    assert made["source"]["text"] == "log(sigmoid(x))"


def test_a_gradient_as_a_node_is_that_of_the_stable_form() -> None:
    program = "def f(x):\n    return log(sigmoid(x))\ngradient(f, x)"
    told = ask(program, {"x": -1000.0}, kind="evaluate", stabilize=True)
    assert told["outputs"]["result"] == 1.0


def test_what_is_differentiated_by_stays_on_its_path() -> None:
    told = ask(
        "p = softmax(x)\nloss = -log(p)[0]", {"x": [1.0, 2.0]}, kind="gradient", target="loss", wrt=("p", "x")
    )
    same = ask(
        "p = softmax(x)\nloss = -log(p)[0]",
        {"x": [1.0, 2.0]},
        kind="gradient",
        target="loss",
        wrt=("p", "x"),
        stabilize=True,
    )
    assert names(same) == []
    np.testing.assert_array_equal(same["gradients"]["p"], told["gradients"]["p"])
    assert same["gradients"]["p"][0] != 0


def test_nothing_is_rewritten_unasked() -> None:
    told = ask("log(sigmoid(x))", {"x": -1000.0}, kind="gradient")
    assert "rewrites" not in told
    assert told["value"] == -np.inf


def test_a_graph_document_too() -> None:
    document = {
        "version": 1,
        "inputs": {"x": {}},
        "nodes": [
            {"name": "e", "op": "exp", "inputs": ["x"]},
            {"name": "s", "op": "sum", "inputs": ["e"], "attributes": {"axis": [-1], "keepdims": True}},
            {"name": "p", "op": "divide", "inputs": ["e", "s"]},
            {"name": "l", "op": "log", "inputs": ["p"]},
        ],
        "outputs": ["l", "p"],
    }
    x = np.array([[1000.0, 0.0], [0.0, 0.0]])
    query = Query(
        graph=decode_graph(document), kind="evaluate", inputs={"x": TensorType((2, 2))}, stabilize=True
    )
    told = Compiler().compile(query).run({"x": x})
    np.testing.assert_allclose(told["outputs"]["p"], [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(told["outputs"]["l"], [[0, -1000], [-np.log(2), -np.log(2)]])
    assert [(one["rewrite"], one["node"]) for one in told["rewrites"]] == [
        ("softmax", "p"),
        ("log_softmax", "l"),
    ]


@pytest.mark.parametrize(
    ("program", "made"),
    [
        ("exp(x) / sum(exp(x), axis=1, keepdims=True)", ["softmax"]),
        ("exp(x) / sum(exp(x), axis=1)[:, None]", ["softmax"]),
        ("exp(x) / sum(exp(x), axis=0)", ["softmax"]),
        ("exp(x) / sum(exp(x), axis=1)", []),  # divides each column by the sum of a row
        ("exp(x) / expand_dims(sum(exp(x), axis=1), 0)", []),
        ("exp(x - max(x)) / sum(exp(x - max(x)))", ["softmax"]),
        ("log(1 / (1 + exp(-x)))", ["sigmoid", "log_sigmoid"]),
        ("2 * log(x)", []),
        ("log(x + 2)", []),
        ("log(sum(exp(x), axis=0) + 1e-9)", []),
    ],
)
def test_what_matches(program: str, made: list[str]) -> None:
    x = np.array([[1.0, 2.0], [0.5, -1.0]]) if "log(x" not in program else np.array([[1.0, 2.0], [0.5, 1.0]])
    told = ask(program, {"x": x}, kind="evaluate", stabilize=True)
    assert names(told) == made
    plain = ask(program, {"x": x}, kind="evaluate")
    np.testing.assert_allclose(told["outputs"]["result"], plain["outputs"]["result"], rtol=1e-14)


@pytest.mark.parametrize(
    "branch", ["sqrt(x)", "1 / x", "log(x)", "x ** 0.5", "exp(x) / x", "acos(1 + x * x)"]
)
def test_the_branch_that_is_not_taken(branch: str) -> None:
    """At 0, where every branch is undefined or infinitely steep, and beyond, where none is taken either."""
    inputs = {"x": [0.0, -800.0]}
    for program in (f"sum(where(x > 0, {branch}, 2 * x))", f"sum(where(x <= 0, 2 * x, {branch}))"):
        told = ask(program, inputs, kind="gradient", stabilize=True)
        np.testing.assert_array_equal(told["gradients"]["x"], [2.0, 2.0])
        assert names(told)[-1] == "safe_where"


def test_a_scalar_condition_guards_what_is_summed() -> None:
    program = "where(sum(x) > 0, sum(sqrt(x)), 0 * sum(x))"
    told = ask(program, {"x": [0.0, 0.0]}, kind="gradient", stabilize=True)
    np.testing.assert_array_equal(told["gradients"]["x"], [0.0, 0.0])


def test_float32_stays_float32() -> None:
    told = ask("sum(log(1 + exp(x)))", {"x": [200.0]}, kind="gradient", dtype="float32", stabilize=True)
    assert (told["value"].dtype, told["gradients"]["x"].dtype) == (np.float32, np.float32)
    assert told["value"] == 200


def test_the_diagnosis_offers_it() -> None:
    told = explain("sum(log(1 - sigmoid(x)))", {"x": [1000.0]}, "x")
    assert told["status"] == "nan"
    assert "Write log_sigmoid(-x) for log(1 - sigmoid(x))" in told["fix"]
    assert "stabilize" in told["fix"]
    told = explain("log(sum(exp(x), axis=1)[0])", {"x": [[1000.0, 1.0]]}, "x")
    assert "Write logsumexp(x)[0] for log(sum(exp(x), axis=1)[0])" in told["fix"]
    told = explain("sum(log(1 - sigmoid(x)))", {"x": [1000.0]}, "x", stabilize=True)
    assert told["status"] == "ok"


def test_an_estimate_is_of_the_stable_form() -> None:
    query = Query(graph=parse_program(LOSS), kind="evaluate", inputs={"x": TensorType((2,))}, stabilize=True)
    stable, plain = (
        estimate(query)["forward"],
        estimate(Query(graph=query.graph, kind="evaluate", inputs=query.inputs)),
    )
    assert stable != plain["forward"]


@bounded(25)
@given(sketches())
def test_random_programs_keep_their_answers(sketch: Sketch) -> None:
    for kind in ("gradient", "hessian"):
        plain = ask_sketch(kind, sketch, sketch.inputs)
        told = ask_sketch(kind, sketch, sketch.inputs, stabilize=True)
        for name, gradient in plain["gradients"].items():
            np.testing.assert_allclose(told["gradients"][name], gradient, rtol=1e-9, atol=1e-10)
        for row, blocks in plain.get("hessian", {}).items():
            for name, block in blocks.items():
                np.testing.assert_allclose(told["hessian"][row][name], block, rtol=1e-7, atol=1e-8)


def test_the_page_lists_every_rewrite() -> None:
    page = (Path(__file__).parents[2] / "docs" / "stable.md").read_text()
    for rewrite in (*REWRITES, GUARD):
        for text in (*rewrite.before, rewrite.advice):
            assert f"`{text}`" in page, rewrite.name
