"""The structural diagnosis. Each case states the status, reason and culprits; where a gradient is said to
be missing, finite differences confirm that the target does not move, or moves only through the named cut."""

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import InvalidTarget, Unconnected
from engine.frontend.decode import decode_graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler


def ask(program, values, *, kind="diagnose", **choices):
    arrays = {name: np.asarray(value) for name, value in values.items()}
    arrays = {n: a.astype(float) if a.dtype.kind == "i" and n[0] != "i" else a for n, a in arrays.items()}
    types = {name: TensorType(a.shape, a.dtype.name) for name, a in arrays.items()}
    graph = parse_program(program, declared={name: {} for name in values})
    targets = choices.pop("target", None)
    query = Query(
        graph=graph,
        kind=kind,
        inputs=types,
        targets=None if targets is None else (targets,),
        **choices,
    )
    return Compiler().compile(query).run(arrays)


def variables(program, values, **choices):
    return ask(program, values, **choices)["variables"]


CASES = [
    # program, values, variable, status, reason, culprit nodes
    ("sum(x * 2)", {"x": [1, 2], "w": 1}, "w", "disconnected", "unused", []),
    ("other = w * x\nloss = sum(x)", {"x": [1, 2], "w": 1}, "w", "disconnected", "unused", []),
    ("sum(zeros_like(w) + x)", {"x": [1, 2], "w": [1, 2]}, "w", "disconnected", "shape_only",
     ["zeros_like_1"]),
    ("mean((round(w * x) - y) ** 2)", {"w": 1.3, "x": [1, 2], "y": [1, 2]}, "w", "blocked",
     "nondifferentiable", ["round_1"]),
    ("sum(where(w > 0, x, y))", {"w": [1, 2], "x": [1, 2], "y": [3, 4]}, "w", "blocked", "nondifferentiable",
     ["greater_1"]),
    ("sum(astype(w, 'int64') * x)", {"w": [1.5, 2], "x": [1, 2]}, "w", "blocked", "to_integer", ["astype_1"]),
    ("sum(stop_gradient(w) * x)", {"w": [1.5, 2], "x": [1, 2]}, "w", "stopped", "stop_gradient",
     ["stop_gradient_1"]),
    ("a = stop_gradient(w)\nb = floor(w)\nsum(a + b)", {"w": [1.5]}, "w", "blocked", "nondifferentiable",
     ["b", "a"]),
    ("sum(floor(stop_gradient(w)))", {"w": [1.5]}, "w", "blocked", "nondifferentiable",
     ["floor_1", "stop_gradient_1"]),
    ("sum(sign(w) + floor(w))", {"w": [1.5]}, "w", "blocked", "nondifferentiable", ["floor_1", "sign_1"]),
    ("sum(x[i])", {"x": [1, 2, 3], "i": [0, 2]}, "i", "integer", "to_integer", []),
    ("sum(x ** 2)", {"x": [1, 2]}, "x", "ok", None, []),
]  # fmt: skip


@pytest.mark.parametrize(("program", "values", "name", "status", "reason", "nodes"), CASES)
def test_status_reason_and_every_cut(program, values, name, status, reason, nodes):
    target = "loss" if "loss" in program else None
    wrt = (name,)
    told = variables(program, values, target=target, wrt=wrt)[name]
    assert (told["status"], told["reason"]) == (status, reason)
    assert sorted(c["node"] for c in told["culprits"]) == sorted(nodes)
    assert told["message"].endswith(".")
    if status != "ok":
        assert told["fix"]
        assert told["stats"]["norm"] is None


def test_the_example_of_the_wire_format():
    answer = ask(
        "loss = mean((round(w * x) - y) ** 2)",
        {"w": 1.3, "x": [1, 2], "y": [1, 2]},
        target="loss",
        wrt=("w",),
    )
    told = answer["variables"]["w"]
    assert answer["value"] == 0.5
    assert told["path"] == ["w", "multiply_1", "round_1", "subtract_1", "pow_1", "loss"]
    (culprit,) = told["culprits"]
    assert culprit["elements"] == [[0], [1]]
    assert culprit["count"] == 2
    assert culprit["input"] == 0
    assert culprit["source"] == {"line": 1, "column": 13, "text": "round(w * x)"}
    assert "round" in told["message"]
    assert "stop_gradient" in told["fix"]


def test_another_head_is_named():
    graph = decode_graph(
        {
            "version": 1,
            "inputs": {"w": {}, "x": {}},
            "nodes": [
                {"name": "other", "op": "multiply", "inputs": ["w", 2.0]},
                {"name": "loss", "op": "sum", "inputs": ["x"]},
            ],
            "outputs": ["loss", "other"],
        }
    )
    types = {"w": TensorType(()), "x": TensorType((2,))}
    query = Query(graph=graph, kind="diagnose", inputs=types, targets=("loss",), wrt=("w",))
    told = Compiler().compile(query).run({"w": np.array(1.0), "x": np.ones(2)})["variables"]["w"]
    assert (told["status"], told["reason"]) == ("disconnected", "other_head")
    assert "'other'" in told["message"]


def test_a_cut_beside_a_gradient_is_a_warning():
    told = variables("sum(x * floor(x))", {"x": [1.5, 2.5]})["x"]
    assert told["status"] == "ok"
    (warning,) = told["warnings"]
    assert (warning["code"], warning["node"]) == ("partial_path", "floor_1")


def test_a_selection_is_no_loss():
    told = variables("sum(where(x > 0, x, 0))", {"x": [1.5, -2.5]})["x"]
    assert told["status"] == "ok"
    assert "partial_path" not in [warning["code"] for warning in told["warnings"]]


def test_culprits_of_two_variables_are_their_own():
    told = variables("sum(floor(a) + round(b))", {"a": [1.5], "b": [2.5]})
    assert [c["node"] for c in told["a"]["culprits"]] == ["floor_1"]
    assert [c["node"] for c in told["b"]["culprits"]] == ["round_1"]


def test_an_invalid_target_is_a_status_with_its_tensor():
    answer = ask("x * 2", {"x": [1, 2]})
    np.testing.assert_array_equal(answer["value"], [2, 4])
    assert answer["variables"]["x"]["status"] == "invalid_target"
    assert "shape (2,)" in answer["variables"]["x"]["message"]
    with pytest.raises(InvalidTarget):
        ask("x * 2", {"x": [1, 2]}, kind="gradient")


def test_gradient_answers_carry_the_reason_of_what_is_missing():
    answer = ask("sum(floor(w) + x)", {"w": [1.5], "x": [1]}, kind="gradient")
    assert answer["gradients"]["w"] is None
    assert list(answer["diagnosis"]) == ["w"]
    off = ask("sum(floor(w) + x)", {"w": [1.5], "x": [1]}, kind="gradient", diagnose="off")
    assert "diagnosis" not in off
    full = ask("sum(floor(w) + x)", {"w": [1.5], "x": [1]}, kind="gradient", diagnose="full")
    assert list(full["diagnosis"]) == ["w", "x"]


def test_unconnected_as_zero_or_as_an_error():
    answer = ask("sum(floor(w) + x)", {"w": [1.5, 2], "x": [1, 2]}, kind="gradient", unconnected="zero")
    np.testing.assert_array_equal(answer["gradients"]["w"], [0, 0])
    with pytest.raises(Unconnected, match="floor") as caught:
        ask("sum(floor(w) + x)", {"w": [1.5, 2], "x": [1, 2]}, kind="gradient", unconnected="error")
    assert caught.value.node == "floor_1"
    assert caught.value.hint


def test_an_op_of_several_steps_is_no_dead_path_where_one_of_them_passes_something():
    told = variables("median(x)", {"x": [1.0, 2.0, 3.0]})["x"]
    assert [warning["code"] for warning in told["warnings"]] == ["partial_zero"]
    told = variables("sum(relu(x)) + sum(tanh(x))", {"x": [-1.0, -2.0]})["x"]
    assert "dead_path" in [warning["code"] for warning in told["warnings"]]
