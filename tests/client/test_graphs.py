"""Published graphs, and functions as programs, documents and Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import DeviceUnavailable, GraphNotFound, TraceError, UnknownInput, UnknownOp

PROGRAM = "loss = mean((W * x + b - y) ** 2)"
INPUTS: dict[str, Any] = {"W": [0.5], "b": [0], "x": [[1], [2], [3]], "y": [[2], [4], [6]]}
DOCUMENT: dict[str, Any] = {
    "inputs": {"x": {}},
    "nodes": [{"name": "y", "op": "square", "inputs": ["x"]}],
    "outputs": ["y"],
}


def mse(W: Any, b: Any, x: Any, y: Any) -> Any:  # the article's name
    return gw.mean((W * x + b - y) ** 2)


@pytest.mark.parametrize("function", [PROGRAM, mse])
def test_one_function_three_ways(client: gw.Client, function: Any) -> None:
    value, gradients = client.gradient(function, INPUTS, wrt=["W", "b"])
    assert value == 10.5
    np.testing.assert_array_equal(gradients["W"], [-14.0])
    assert client.gradient(function, INPUTS, wrt="b")["b"] == [-6.0]
    assert list(client.evaluate(function, INPUTS).values()) == [10.5]


def test_documents_and_keywords(client: gw.Client) -> None:
    x = np.array([1.0, 3.0], np.float32)
    by_position, by_name = (
        client.evaluate(DOCUMENT, {"x": x}),
        client.evaluate(graph=DOCUMENT, inputs={"x": x}),
    )
    np.testing.assert_array_equal(by_position["y"], [1.0, 9.0])
    assert by_name["y"].dtype == np.float32
    assert client.evaluate(program="x + 1", inputs={"x": 2})["result"] == 3.0
    with pytest.raises(TypeError, match="exactly one function"):
        client.evaluate("x", {}, program="x")
    with pytest.raises(TypeError, match="exactly one function"):
        client.evaluate(inputs={})


def test_vjp(client: gw.Client) -> None:
    answer = client.vjp("y = x ** 2", {"x": [1.0, 2.0]}, {"y": [1.0, 10.0]})
    np.testing.assert_array_equal(answer.outputs["y"], [1.0, 4.0])
    np.testing.assert_array_equal(answer["x"], [2.0, 40.0])
    traced = client.vjp(lambda x: {"y": x**2}, {"x": np.array([1.0, 2.0])}, {"y": np.array([1.0, 10.0])})
    np.testing.assert_array_equal(traced["x"], [2.0, 40.0])
    assert list(traced.outputs) == ["y"]


def test_diagnose(client: gw.Client) -> None:
    program = "loss = mean((round(w * x) - y) ** 2)"
    report = client.diagnose(program, {"w": 1.3, "x": [1, 2], "y": [1, 2]}, target="loss", wrt=["w"])
    assert (report["w"].status, report["w"].reason) == ("blocked", "nondifferentiable")
    assert report["w"].culprits[0]["node"] == "round_1"
    assert "line 1: round(w * x)" in str(report)


def test_a_python_function_may_have_several_outputs(client: gw.Client) -> None:
    found = client.evaluate(lambda x: (x + 1, x * 2), {"x": 2.0})
    assert found == {"result_0": 3.0, "result_1": 4.0}
    assert client.evaluate(lambda x: {"a": x, "b": x * 2}, {"x": 2.0}, outputs="b") == {"b": 4.0}
    assert client.gradient(lambda x: {"a": x, "b": x * 5}, {"x": 2.0}, target="b")["x"] == 5.0
    assert client.gradient(lambda x: {"x": x * 5, "y": x}, {"x": 2.0}, target="x")["x"] == 5.0
    several = client.gradient(lambda x: {"a": x * 2, "b": x * 5}, {"x": 2.0}, target=["a", "b"])
    assert several.value == {"a": 4.0, "b": 10.0}
    assert several.gradients == {"a": {"x": 2.0}, "b": {"x": 5.0}}


def test_names_that_the_wire_does_not_know(client: gw.Client) -> None:
    def function(λ: Any, x: Any) -> Any:  # noqa: PLC2401  # that is the point
        return {"größe": gw.sum(λ * x)}

    inputs = {"λ": 2.0, "x": [1.0, 2.0]}
    assert client.evaluate(function, inputs) == {"größe": 6.0}
    assert client.gradient(function, inputs, wrt="λ", target="größe")["λ"] == 3.0
    assert client.diagnose(function, inputs, wrt=["λ"])["λ"].status == "ok"


def test_a_python_function_may_use_values_from_outside(client: gw.Client) -> None:
    scale = np.array([2.0, 3.0])
    np.testing.assert_array_equal(client.evaluate(lambda x: x * scale, {"x": 2.0})["result"], [4.0, 6.0])
    gradients = client.gradient(lambda x: gw.sum(x * scale), {"x": 2.0}).gradients
    assert gradients == {"x": 5.0}
    with pytest.raises(TraceError, match="make every array a parameter"):
        client.publish(lambda x: x * scale)


@pytest.mark.parametrize("function", [PROGRAM, mse])
def test_publish_call_forget(client: gw.Client, function: Any) -> None:
    graph = client.publish(function)
    assert graph.id.startswith("sha256:")
    assert set(graph.inputs) == {"W", "b", "x", "y"}
    assert client.publish(function).id == graph.id
    assert graph.gradient(INPUTS, wrt=["W"])["W"] == [-14.0]
    assert graph(**INPUTS) == 10.5
    assert graph.vjp(INPUTS, {graph.outputs[0]: 1.0})["b"] == [-6.0]
    assert graph.diagnose(INPUTS, wrt="b")["b"].status == "ok"
    client.graphs.delete(graph.id)
    with pytest.raises(GraphNotFound):
        client.graphs.get(graph.id)
    assert list(graph.evaluate(INPUTS).values()) == [10.5]  # told again
    assert client.graphs.get(graph.id).gradient(INPUTS, wrt=["W"])["W"] == [-14.0]
    with pytest.raises(UnknownInput):
        graph.evaluate({**INPUTS, "z": 1.0})
    with pytest.raises(TypeError, match="given twice"):
        graph(1.0, **{graph.inputs[0]: 1.0})


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("evaluate", {"outputs": ["y"]}),
    ("gradient", {"target": "l", "return_graph": True, "receipt": True}),
    ("vjp", {"cotangents": {"y": [1.0, 10.0]}}),
    ("jvp", {"tangents": {"x": [1.0, 0.0]}}),
    ("jacobian", {"outputs": "y", "sparse": True}),
    ("hessian", {"target": "l", "sparse": True}),
    ("hvp", {"vectors": {"x": [1.0, 1.0]}, "target": "l"}),
    ("gnvp", {"vectors": {"x": [1.0, 1.0]}, "outputs": "y"}),
    ("diagnose", {"target": "l"}),
    ("check", {"target": "l", "seed": 3}),
    ("estimate", {"sparse": True}),
]


@pytest.mark.parametrize(("kind", "given"), CALLS, ids=[kind for kind, _ in CALLS])
def test_a_published_graph_has_every_call_of_the_client(
    client: gw.Client, kind: str, given: dict[str, Any]
) -> None:
    program, x = "y = x ** 3\nl = sum(y)", {"x": np.array([1.0, 2.0])}
    graph = client.publish(program)
    asked, told = getattr(graph, kind)(x, **given), getattr(client, kind)(program, x, **given)
    assert repr(asked) == repr(told)


def test_a_published_graph_takes_the_options_of_the_client(client: gw.Client) -> None:
    graph = client.publish(lambda x: {"y": gw.sum(x**2)})
    rows = {"x": np.array([[1.0, 2.0], [3.0, 4.0]])}
    np.testing.assert_array_equal(graph.evaluate(rows, batch="x")["y"], [5.0, 25.0])
    np.testing.assert_array_equal(graph.hvp(rows, {"x": rows["x"]}, batch=["x"])["x"], 2 * rows["x"])
    assert graph.jvp({"x": rows["x"][0]}, {"x": [1.0, 0.0]}, dtype="float32")["y"].dtype == np.float32
    with pytest.raises(DeviceUnavailable):
        graph.gnvp({"x": 1.0}, {"x": 1.0}, device="cuda:99")


def test_a_gradient_brings_its_graph_and_its_receipt(client: gw.Client) -> None:
    answer = client.gradient("sum(x ** 3)", {"x": [1.0, 2.0]}, return_graph=True, receipt=True)
    assert answer.graph is not None
    assert answer.receipt is not None
    assert answer.receipt["tests"]["passed"]
    again = client.evaluate(graph=answer.graph, inputs={"x": [2.0, 3.0]})
    np.testing.assert_array_equal(again["gradients/x"], [12.0, 27.0])
    plain = client.gradient("sum(x ** 3)", {"x": [1.0, 2.0]})
    assert (plain.graph, plain.receipt) == (None, None)


def test_every_published_graph_is_listed(client: gw.Client) -> None:
    ids = {client.publish(f"x + {k}").id for k in range(3)}
    assert ids <= {entry["id"] for entry in client.graphs.list()}


def test_a_decorated_function(client: gw.Client) -> None:
    @gw.function
    def loss(w: Any, x: Any, power: int = 2) -> Any:
        """A weighed power."""
        return gw.sum(w * x**power)

    x = np.array([1.0, 2.0])
    assert loss(3.0, x) == 15.0
    assert loss.__doc__ == "A weighed power."
    assert loss.gradient({"w": 3.0, "x": x}, wrt="w")["w"] == 5.0
    assert loss.evaluate({"w": 1.0, "x": x})["result"] == 5.0
    w = gw.Variable(3.0)
    with gw.GradientTape() as tape:
        y = loss(w, x)
    assert float(tape.gradient(y, w)) == 5.0
    assert loss.graph.id == client.publish(lambda w, x: gw.sum(w * x**2)).id


def test_functions_that_cannot_be_traced(client: gw.Client) -> None:
    with pytest.raises(TypeError, match=r"\*args"):
        client.evaluate(lambda *args: args[0], {})
    with pytest.raises(TypeError, match="keyword-only"):
        client.publish(lambda x, *, y: x + y)


def test_the_catalogue(client: gw.Client) -> None:
    names = {op["name"] for op in client.ops()}
    assert {"multiply", "matmul", "relu"} <= names
    assert client.op("mul")["name"] == "multiply"
    with pytest.raises(UnknownOp, match="did you mean"):
        client.op("multipli")
    assert client.health()


def test_bulk_travels_both_ways(client: gw.Client) -> None:
    x = np.random.default_rng(0).normal(size=(200, 300))
    answer = client.gradient("sum(x * x)", {"x": x})
    np.testing.assert_allclose(answer["x"], 2 * x)
    np.testing.assert_array_equal(client.evaluate("x * z", {"x": x, "z": 1 + 1j})["result"], x * (1 + 1j))


def test_values_that_json_lacks_travel(client: gw.Client) -> None:
    found = client.evaluate("x * 1", {"x": np.array([np.nan, np.inf, -np.inf])})["result"]
    np.testing.assert_array_equal(found, [np.nan, np.inf, -np.inf])
    assert client.evaluate("x", {"x": np.array([True, False])})["result"].dtype == np.bool_
