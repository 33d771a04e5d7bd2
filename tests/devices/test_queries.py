"""Queries on a device, on the stand-in: every kind, loops and branches, errors, memory."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, IndexOutOfRange, InternalError, OverLimit
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

RNG = np.random.default_rng(5)
W, X, V = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))
NETWORK = "h = tanh(x @ w)\nloss = mean(h ** 2) + 0.1 * sum(abs(w))"
LOOPS = {
    "scan": """
def f(c, x, w):
    n = tanh(c * w + x)
    return n, n * x
s, ys = scan(f, c0, xs, w)
sum(s) + sum(ys)
""",
    "while_loop": """
def going(x, a):
    return max(abs(x * x - a)) > 1e-12
def newton(x, a):
    return x - (x * x - a) / (2 * x)
sum(while_loop(going, newton, x0, a))
""",
    "cond": """
def f(x):
    return x * x
def g(x):
    return exp(x)
sum(cond(f, g, x > 0, x))
""",
}


def compiled(graph: Graph, kind: Any, inputs: dict[str, Any], device: str, **asked: Any) -> Any:
    types = {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in inputs.items()}
    query = Query(graph=graph, kind=kind, inputs=types, device=device, **asked)
    return Compiler().compile(query)


def both(
    program: str, kind: Any, inputs: dict[str, Any], directions: Any = None, **asked: Any
) -> tuple[Any, Any]:
    graph = parse_program(program, declared=inputs)
    answers = []
    for device in ("cuda:0", "cpu"):
        made = compiled(graph, kind, inputs, device, **asked)
        assert made.device == device
        answers.append(made.run({n: np.asarray(v) for n, v in inputs.items()}, directions))
    return answers[0], answers[1]


def assert_same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert got.keys() == wanted.keys()
        for key in wanted:
            assert_same(got[key], wanted[key])
    elif isinstance(wanted, np.ndarray):
        assert isinstance(got, np.ndarray)
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)
    else:
        assert got == wanted


GIVEN = {"x": X, "w": W}
TYPE = {"w": TensorType(W.shape, "float64")}


@pytest.mark.parametrize(
    ("kind", "directions", "asked"),
    [
        ("evaluate", None, {"outputs": ("h", "loss")}),
        ("gradient", None, {"targets": ("loss",)}),
        ("gradient", None, {"targets": ("loss",), "batch": ("x",), "program": "loss = sum(tanh(x @ w))"}),
        ("vjp", {"loss": np.asarray(1.5)}, {"cotangents": {"loss": TensorType((), "float64")}}),
        ("jvp", {"w": V}, {"outputs": ("loss",), "tangents": TYPE}),
        ("jacobian", None, {"outputs": ("h",), "method": "reverse"}),
        ("jacobian", None, {"outputs": ("h",), "method": "forward"}),
        ("hessian", None, {"targets": ("loss",), "wrt": ("w",)}),
        ("hvp", {"w": V}, {"targets": ("loss",), "vectors": TYPE}),
        ("gnvp", {"w": V}, {"outputs": ("h",), "vectors": TYPE}),
    ],
)
def test_every_kind(kind: Any, directions: Any, asked: dict[str, Any], device: dict[str, int]) -> None:
    program = asked.pop("program", NETWORK)
    got, wanted = both(program, kind, GIVEN, directions, **asked)
    assert_same(got, wanted)


LOOPED = {
    "scan": {"w": np.asarray(0.7), "c0": np.linspace(0, 1, 3), "xs": RNG.normal(size=(6, 3))},
    "while_loop": {"a": np.array([2.0, 3.0]), "x0": np.array([1.0, 1.5])},
    "cond": {"x": np.asarray(-0.4)},
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_branches_run_on_the_device(name: str, device: dict[str, int]) -> None:
    got, wanted = both(LOOPS[name], "gradient", LOOPED[name])
    assert_same(got, wanted)


def test_a_scan_waits_for_nothing_in_its_steps(device: dict[str, int]) -> None:
    graph, inputs = parse_program(LOOPS["scan"], declared=LOOPED["scan"]), LOOPED["scan"]
    program = compiled(graph, "gradient", inputs, "cuda:0")
    program.run(inputs)
    device.update(uploads=0, downloads=0)
    program.run(inputs)
    assert device == {"uploads": 3, "downloads": 4}


def test_a_while_loop_waits_once_for_each_condition(device: dict[str, int]) -> None:
    graph, inputs = parse_program(LOOPS["while_loop"], declared=LOOPED["while_loop"]), LOOPED["while_loop"]
    program = compiled(graph, "evaluate", inputs, "cuda:0")
    program.run(inputs)
    device.update(uploads=0, downloads=0)
    program.run(inputs)
    assert device == {
        "uploads": 2,
        "downloads": 1 + 6,
    }  # five steps of Newton, and the condition that ends them


def test_sparse_matrices_are_products_on_the_device(device: dict[str, int]) -> None:
    inputs = {"x": np.linspace(0.1, 1.0, 6)}
    got, wanted = both("y = x[1:] * x[:-1]", "jacobian", inputs, sparse=True)
    assert_same(got["jacobian"], wanted["jacobian"])


def test_masked_and_stable_forms_run_there_too(device: dict[str, int]) -> None:
    got, wanted = both(
        "sum(where(x > 0, sqrt(x), 0))", "gradient", {"x": np.array([-1.0, 4.0])}, masked_backward=True
    )
    assert_same(got["gradients"], wanted["gradients"])
    got, wanted = both("log(sum(exp(x)))", "gradient", {"x": np.array([1000.0, 4.0])}, stabilize=True)
    assert_same(got["gradients"], wanted["gradients"])


def test_implicit_functions_and_linear_algebra(device: dict[str, int]) -> None:
    program = "def f(x, a):\n    return x * x - a\ny = root(f, x0, a)\nsum(y)"
    got, wanted = both(program, "gradient", {"x0": np.array([1.0, 2.0]), "a": np.array([2.0, 5.0])})
    assert_same(got, wanted)
    a = np.stack([np.eye(3) * 2, np.zeros((3, 3))])  # the second is singular
    inputs = {"a": a, "b": np.ones((2, 3, 1))}
    for call in ("solve(a, b)", "inv(a)", "cholesky(a)", "det(a)"):
        got, wanted = both(call, "evaluate", inputs if "b" in call else {"a": a})
        assert_same(got, wanted)


def test_a_wrong_index_is_the_users_fault_at_its_node(device: dict[str, int]) -> None:
    graph = parse_program("y = x[i]\nsum(y * y)", declared=("x", "i"))
    inputs = {"x": np.arange(4.0), "i": np.array([0, 7])}
    program = compiled(graph, "gradient", inputs, "cuda:0")
    with pytest.raises(IndexOutOfRange, match="index 7 is out of range for size 4") as caught:
        program.run(inputs)
    assert caught.value.op == "getitem"
    assert caught.value.source is not None
    assert program.run({**inputs, "i": np.array([0, -4])})["value"] == 0.0


def test_a_wrong_index_within_a_loop_names_its_own_node(device: dict[str, int]) -> None:
    document = {
        "version": 1,
        "inputs": {"x": {}, "places": {"dtype": "int64"}},
        "nodes": [
            {
                "name": "s",
                "op": "scan",
                "inputs": [0.0, "places", "x"],
                "attributes": {"body": "f", "carry": 1, "scanned": 1},
            }
        ],
        "functions": {
            "f": {
                "inputs": ["c", "i", "x"],
                "nodes": [
                    {
                        "name": "picked",
                        "op": "getitem",
                        "inputs": ["x", "i"],
                        "attributes": {"index": [{"input": 1}]},
                    },
                    {"name": "sum", "op": "add", "inputs": ["c", "picked"]},
                ],
                "outputs": ["sum", "picked"],
            }
        },
        "outputs": ["s"],
    }
    inputs = {"x": np.arange(4.0), "places": np.array([0, 3, 9])}
    made = compiled(decode_graph(document), "evaluate", inputs, "cuda:0")
    with pytest.raises(IndexOutOfRange, match="index 9") as caught:
        made.run(inputs)
    assert caught.value.node == "picked"


def test_an_integer_to_a_negative_power_is_refused(device: dict[str, int]) -> None:
    graph = parse_program("x ** n", declared=("x", "n"))
    inputs = {"x": np.array([2, 3]), "n": np.array([1, -1])}
    with pytest.raises(DtypeMismatch, match="negative power"):
        compiled(graph, "evaluate", inputs, "cuda:0").run(inputs)


def test_of_several_writes_to_one_place_the_last_counts(device: dict[str, int]) -> None:
    """The stand-in writes them in the other order: the answer does not depend on it."""
    graph = decode_graph(
        {
            "version": 1,
            "inputs": {"x": {}, "v": {}, "i": {"dtype": "int64"}},
            "nodes": [
                {
                    "name": "y",
                    "op": "index_set",
                    "inputs": ["x", "v", "i"],
                    "attributes": {"index": [{"input": 1}]},
                },
                {"name": "z", "op": "square", "inputs": ["y"]},
                {"name": "loss", "op": "sum", "inputs": ["z"]},
            ],
            "outputs": ["loss"],
        }
    )
    inputs = {"x": np.ones(4), "v": np.array([1.0, 2.0, 3.0, 4.0]), "i": np.array([1, 1, 2, 1])}
    answers = [compiled(graph, "gradient", inputs, where).run(inputs) for where in ("cuda:0", "cpu")]
    assert_same(answers[0], answers[1])
    assert answers[0]["gradients"]["v"].tolist() == [0.0, 0.0, 6.0, 8.0]


def test_beyond_the_share_of_the_device_is_over_the_limit(device: dict[str, int]) -> None:
    graph = parse_program("sum(exp(x) * x)", declared=("x",))
    inputs = {"x": np.ones(100_000)}
    query = Query(
        graph=graph, kind="gradient", inputs={"x": TensorType((100_000,), "float64")}, device="cuda:0"
    )
    with pytest.raises(OverLimit, match="cuda:0 may give this process") as caught:
        Compiler(device_memory=1_000_000).compile(query)
    assert caught.value.estimate is not None
    program = Compiler(device_memory=64 << 20).compile(query)
    program._bound._limit = 1_000_000  # the estimate was wrong: the pool itself says no
    with pytest.raises(OverLimit, match=r"the device has not|share of cuda:0"):
        program.run(inputs)
    program._bound._limit = 64 << 20
    assert program.run(inputs)["value"] == pytest.approx(np.e * 100_000)


def test_what_other_programs_keep_makes_room(device: dict[str, int]) -> None:
    """Programs keep buffers and constants on the device; one that needs the room gets it."""
    compiler = Compiler(device_memory=4 << 20)

    def program(text: str, size: int) -> Any:
        graph, types = parse_program(text, declared=("x",)), {"x": TensorType((size,), "float64")}
        return compiler.compile(Query(graph=graph, kind="gradient", inputs=types, device="cuda:1"))

    first, second = program("sum(exp(x) * x)", 100_000), program("sum(sin(x) * x + x)", 110_000)
    for _ in range(2):
        assert first.run({"x": np.ones(100_000)})["value"] == pytest.approx(np.e * 100_000)
        assert first._bound._bound is not None
        assert second.run({"x": np.zeros(110_000)})["value"] == 0.0
    with pytest.raises(OverLimit, match="may give this process"):
        program("sum(exp(x) * x)", 1_000_000)


def test_a_device_that_fails_is_our_fault_and_named(
    fake_cupy: Any, monkeypatch: Any, device: dict[str, int]
) -> None:
    graph = parse_program("sum(exp(x))", declared=("x",))
    inputs = {"x": np.ones(3)}
    program = compiled(graph, "gradient", inputs, "cuda:1")

    def lost(*_: Any, **__: Any) -> None:
        raise fake_cupy.cuda.runtime.CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access")

    monkeypatch.setattr(fake_cupy.ndarray, "get", lost)
    with pytest.raises(InternalError, match="cuda:1 failed: cudaErrorIllegalAddress"):
        program.run(inputs)


def test_a_diagnosis_is_made_on_the_cpu(device: dict[str, int]) -> None:
    got, wanted = both("sum(sqrt(x) * 0)", "gradient", {"x": np.array([0.0, 1.0])})
    assert got["diagnosis"]["x"]["status"] == wanted["diagnosis"]["x"]["status"]
    got, wanted = both("sum(round(x))", "diagnose", {"x": np.array([0.5, 1.0])})
    assert got["variables"]["x"]["status"] == wanted["variables"]["x"]["status"] == "blocked"


def test_threads_take_turns(device: dict[str, int]) -> None:
    graph = parse_program("sum(tanh(x @ w) ** 2)", declared=("x", "w"))
    program = compiled(graph, "gradient", GIVEN, "cuda:0")
    wanted = compiled(graph, "gradient", GIVEN, "cpu").run(GIVEN)
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(program.run(GIVEN))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        assert_same(answer, wanted)
    assert len(answers) == 8
