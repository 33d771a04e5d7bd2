"""Inside loops and branches: the node and the iteration, and the same numbers as the loop itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from engine.derivatives import gradients
from engine.derivatives.query import Query
from engine.diagnosis import diagnose
from engine.diagnosis.evidence import unroll
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.frontend.record import record
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import ask, explain
from tests.engine.random_programs import Sketch, sketches
from tests.engine.test_random_graphs import bounded

SATURATED = (
    "def step(h, x, w):\n    h = tanh(w * h + x)\n    return h, h\nlast, all = scan(step, 0.5, x, w)\n"
)


def primary(program: str, inputs: dict[str, Any], name: str, **choices: Any) -> tuple[Any, ...]:
    told = explain(program, inputs, name, **choices)
    first = told["culprits"][0]
    return told["status"], told["reason"], first["node"], first["op"], first["evidence"].get("iteration")


@pytest.mark.parametrize(
    ("program", "inputs", "name", "expected"),
    [
        (
            SATURATED + "last",
            {"x": [60.0, 80.0], "w": 1.0}, "w", ("zero", "saturated", "scan_1/h_1", "tanh", 1),
        ),
        (
            (
                "def step(h, x):\n    h = h * sqrt(x)\n    return h, h\n"
                "last, all = scan(step, 1.0, x)\nsum(all)"
            ),
            {"x": [4.0, -1.0, 4.0]}, "x", ("nan", "domain", "scan_1/sqrt_1", "sqrt", 1),
        ),
        (
            ("def step(h, x):\n    h = h * sqrt(x)\n    return h, h\n"
            "last, all = scan(step, 1.0, x, reverse=True)\nsum(all)"),
            {"x": [4.0, -1.0, 4.0]}, "x", ("nan", "domain", "scan_1/sqrt_1", "sqrt", 1),
        ),
        (
            ("def go(h, w):\n    return h < 100\ndef f(h, w):\n    return relu(h * w) + 60 + h\n"
            "end = while_loop(go, f, 1.0, w, max_steps=9)\nend"),
            {"w": -1.0}, "w", ("zero", "unselected", "end/relu_1", "relu", 1),
        ),
        (
            (
                "def f(x, w):\n    return x * relu(w)\ndef g(x, w):\n    return x * w\n"
                "y = cond(f, g, x > 0, x, w)\ny"
            ),
            {"x": 1.0, "w": -2.0}, "w", ("zero", "unselected", "y/relu_1", "relu", None),
        ),
        (
            "def f(x, w):\n    return x * 2\ndef g(x, w):\n    return x * w\ny = cond(f, g, x > 0, x, w)\ny",
            {"x": 1.0, "w": -2.0}, "w", ("zero", "unselected", "y", "cond", None),
        ),
        (
            "def f(x, w):\n    return x * 2\ndef g(x, w):\n    return x * w\ny = cond(g, f, x > 0, x, w)\ny",
            {"x": -1.0, "w": -2.0}, "w", ("zero", "unselected", "y", "cond", None),
        ),
        (
            "def f(x):\n    return log(x)\ny = checkpoint(f, x)\nsum(y)",
            {"x": [0.0, 1.0]}, "x", ("inf", "domain", "y/log_1", "log", None),
        ),
        (
            ("def inner(h, x):\n    return exp(h * x), h\n"
            "def outer(h, xs):\n    a, b = scan(inner, h, xs)\n    return a, sum(b)\n"
            "last, all = scan(outer, 1.0, x)\nlast + 0 * sum(all)"),
            {"x": [[1.0, 2.0], [3.0, 4.0]]}, "x", ("inf", "overflow", "scan_1/scan_1/exp_1", "exp", [1, 1]),
        ),
    ],
)  # fmt: skip
def test_the_node_inside_and_its_iteration(
    program: str, inputs: dict[str, Any], name: str, expected: tuple[Any, ...]
) -> None:
    assert primary(program, inputs, name) == expected


def test_text_and_source_are_those_of_the_function() -> None:
    told = explain(SATURATED + "last", {"x": [60.0, 80.0], "w": 1.0}, "w")
    assert "tanh at 'scan_1/h_1' is saturated" in told["message"]
    assert "iteration 1" in told["message"]
    assert told["culprits"][0]["source"]["text"] == "tanh(w * h + x)"
    assert "Write tanh((w * h + x) / 100) for tanh(w * h + x)" in told["fix"]
    assert told["path"][0] == "w"
    assert told["path"][-1] == "result"
    assert len(told["path"]) == len(set(told["path"]))


def test_a_gradient_call_says_it_too() -> None:
    told = ask(SATURATED + "last", {"x": [60.0, 80.0], "w": 1.0}, kind="gradient", wrt=("w",))
    assert told["diagnosis"]["w"]["culprits"][0]["node"] == "scan_1/h_1"


def test_stable_forms_are_offered_inside() -> None:
    program = "def step(h, x):\n    return h + log(sigmoid(x)), h\nlast, all = scan(step, 0.0, x)\nlast"
    told = explain(program, {"x": [1.0, -1000.0]}, "x")
    assert "Write log_sigmoid(x) for log(sigmoid(x))" in told["fix"]


def test_a_loop_too_long_is_named_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnose, "MOST", 5)
    told = explain(SATURATED + "last", {"x": [60.0, 80.0], "w": 1.0}, "w")
    assert (told["status"], told["culprits"][0]["node"]) == ("zero", "scan_1")
    assert "functions of 'scan_1'" in told["fix"]


LOOPS = (
    (
        "def step(c, a):\n    c = 0.5 * c + tanh(a)\n    return c, c * a\nlast, every = scan(step, y[0], y)\n"
        "end = sum(every) + last"
    ),
    (
        "def step(c, a):\n    c = 0.5 * c + tanh(a)\n    return c, c * a\n"
        "last, every = scan(step, y[0], y, reverse=True)\nend = sum(every ** 2) + last"
    ),
    (
        "def go(c, k):\n    return c < 9\ndef f(c, k):\n    return c + 1 + sigmoid(k)\n"
        "w = while_loop(go, f, loss * 0 + 1.0, loss, max_steps=20)\nend = w * loss"
    ),
    (
        "def f(a):\n    return sum(a ** 2)\ndef g(a):\n    return sum(sin(a))\n"
        "end = cond(f, g, loss > 0, y) + loss"
    ),
    "def f(a):\n    return sum(tanh(a) * a)\nend = checkpoint(f, y) + loss",
)


@bounded(25)
@given(sketches())
def test_a_layout_has_the_numbers_of_the_loop(sketch: Sketch) -> None:
    """Values of the laid-out steps, and the adjoints of the sweep, against the plan's."""
    for loop in LOOPS:
        text = f"{sketch.text}\n{loop}"
        inputs = {name: np.asarray(value) for name, value in sketch.inputs.items()}
        types = {name: TensorType(value.shape) for name, value in inputs.items()}
        query = Query(graph=parse_program(text), kind="diagnose", inputs=types, targets=("end",))
        draft = gradients.diagnose(query)
        told = Compiler().compile(query).run(inputs)
        recording = record(query.graph, types, ("end",))
        laid = unroll.lay_out(recording.tape, recording.tape.instructions, inputs, limit=1 << 30)
        assert not unroll.has_functions(laid.steps)
        np.testing.assert_allclose(laid.values[recording.slot("end")], told["value"], rtol=1e-10)
        assert draft.look_bytes > 0
        for name, entry in told["variables"].items():
            if entry["status"] == "ok":
                gradient = ask_gradient(query, inputs, name)
                assert entry["stats"]["norm"] == pytest.approx(float(np.linalg.norm(gradient)), rel=1e-9)
                assert not [w for w in entry["warnings"] if w["code"] == "nonfinite_target"]


def ask_gradient(query: Query, inputs: dict[str, np.ndarray], name: str) -> np.ndarray:
    asked = replace(query, kind="gradient", wrt=(name,), diagnose="off")
    gradient: np.ndarray = Compiler().compile(asked).run(inputs)["gradients"][name]
    return gradient


def test_a_loop_that_could_be_long_is_diagnosed_all_the_same() -> None:
    """A while loop's bound says nothing of how long it runs: unasked, too, it is looked into."""
    program = (
        "def go(h, w):\n    return sum(h) < 1e9\ndef f(h, w):\n    return 1e6 * (1 + relu(h * w)) + h\n"
        "end = while_loop(go, f, x, w, max_steps=100000)\nsum(end)"
    )
    inputs = {"x": np.ones(1000), "w": -1.0}
    told = ask(program, inputs, kind="gradient", wrt=("w",))
    assert told["diagnosis"]["w"]["culprits"][0]["node"] == "end/relu_1"


BRANCH = "def a(h):\n    return h + 1\ndef b(h):\n    return h * 2\n"
COUNT = "def go(h, w):\n    return h < w\ndef f(h, w):\n    return h + 1\n"
UNREAD = [
    # program, values, variable, reason, culprits
    (
        (f"{BRANCH}def step(h, x):\n    h = cond(a, b, x > 0, h)\n    return h, h\n"
        "last, all = scan(step, 1.0, x)\nlast"),
        {"x": [1, -2]}, "x", "nondifferentiable", ["scan_1/greater_1"],
    ),
    (
        f"{BRANCH}def f(x, h):\n    return cond(a, b, x > 0, h)\ncheckpoint(f, x, h)",
        {"x": 1, "h": 2}, "x", "nondifferentiable", ["result/greater_1"],
    ),
    (f"{COUNT}while_loop(go, f, 0.0, w, max_steps=9)", {"w": 3}, "w", "nondifferentiable", ["result/less_1"]),
    (
        "def step(h, x, w):\n    return h + x, h\nlast, all = scan(step, 1.0, x, w)\nlast",
        {"x": [1, -2], "w": 2}, "w", "unused", [],
    ),
    (
        "def step(h, x, w):\n    return h + x, h * w\nlast, all = scan(step, 1.0, x, w)\nlast",
        {"x": [1, -2], "w": 2}, "w", "unused", [],
    ),
    (
        "def step(h, x, w):\n    return h * x, h\nlast, all = scan(step, w, x[0:0], w)\nlast",
        {"x": [1, -2], "w": 2}, "x", "unused", ["scan_1"],
    ),
    (
        ("def step(h, x, w):\n    h = h + x * size(w)\n    return h, h\n"
        "last, all = scan(step, 1.0, x, w)\nlast"),
        {"x": [1, -2], "w": [2, 1]}, "w", "shape_only", ["scan_1/size_1"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("program", "inputs", "name", "reason", "nodes"), UNREAD)
def test_what_a_loop_or_branch_does_not_read_has_a_reason(program, inputs, name, reason, nodes):
    told = explain(program, inputs, name)
    assert (told["status"], told["reason"]) == ("zero", reason), told["message"]
    assert [culprit["node"] for culprit in told["culprits"]] == nodes
    assert told["fix"]
    assert "stop_gradient" not in told["fix"]
    assert f"'{name}'" in told["message"]
