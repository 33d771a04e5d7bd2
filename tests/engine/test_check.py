"""The checker: right rules pass, one that is wrong by a thousandth does not."""

from dataclasses import replace

import numpy as np
import pytest

from engine.errors import DtypeMismatch, InvalidTarget, UnknownWrt
from engine.frontend.decode import decode_graph
from engine.frontend.program import parse_program
from engine.ir.table import TABLE
from engine.queries.check import check
from engine.queries.compiler import Compiler

COMPILER = Compiler()


def asked(program, dtype="float64", *, seed=0, compiler=None, **choices):
    drawn = np.random.default_rng(seed).normal(size=(2, 3))
    inputs = {"x": np.array([1.0, 2.0], dtype), "W": drawn.astype(dtype)}
    graph = parse_program(program)
    given = {name: inputs[name] for name in graph.inputs}
    return check(graph, given, compiler=compiler or Compiler(), seed=seed, **choices)


def test_the_example_of_the_wire_format():
    answer = asked("sum(x ** 3)")
    assert answer["passed"]
    assert answer["taylor_order"] == {"x": pytest.approx(2, abs=0.02)}
    assert answer["dot_product_error"] < 1e-15


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "program",
    [
        "sum(tanh(x @ W) ** 2)",
        "mean(softmax(x @ W) * exp(x[0]))",
        "sum(x[1:] * x[0]) + max(W)",
        "sum(x) * 3",
        "logsumexp(x @ W) + sum(sqrt(1 + W ** 2))",
        "sum(sigmoid(W) * x[0])",
        "sum(tanh(astype(x, 'float32') @ W) ** 2)",
    ],
)
def test_right_rules_pass(program, dtype):
    """Wherever one asks: float32 leaves few digits to tell a remainder by."""
    answers = [asked(program, dtype, seed=seed, compiler=COMPILER) for seed in range(60)]
    assert not [answer for answer in answers if not answer["passed"]]


def test_an_input_may_say_that_it_is_float32():
    node = {"name": "y", "op": "tanh", "inputs": ["x"]}
    total = {"name": "total", "op": "sum", "inputs": ["y"]}
    inputs = {"x": {"dtype": "float32", "shape": [None]}}
    graph = decode_graph({"version": 1, "inputs": inputs, "nodes": [node, total], "outputs": ["total"]})
    answer = check(graph, {"x": np.array([1, 2], "float32")})
    assert answer["passed"]
    assert answer["taylor_order"]["x"] == pytest.approx(2, abs=0.02)


def test_a_linear_target_has_no_remainder():
    assert asked("sum(x) * 3")["taylor_order"] == {"x": None}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "position"), [("exp", 0), ("multiply", 1), ("matmul", 0), ("sum", 0)])
def test_a_rule_that_is_wrong_by_a_thousandth_is_found(monkeypatch, name, position, dtype):
    op = TABLE[name]
    rule = op.inputs[position].vjp
    wrong = replace(op.inputs[position], vjp=lambda *args, **attributes: rule(*args, **attributes) * 1.001)
    inputs = (*op.inputs[:position], wrong, *op.inputs[position + 1 :])
    monkeypatch.setitem(TABLE._ops, name, replace(op, inputs=inputs))
    monkeypatch.setitem(TABLE._names, name, TABLE._ops[name])
    answer = asked("sum(exp(matmul(x, W)) * multiply(2.0, x[0])) + sum(multiply(x, x))", dtype)
    assert not answer["passed"], answer


def test_only_what_is_asked_for_is_checked():
    assert asked("sum(x @ W)", wrt=("W",))["taylor_order"].keys() == {"W"}
    with pytest.raises(UnknownWrt):
        asked("sum(x @ W)", wrt=("V",))
    with pytest.raises(InvalidTarget):
        asked("x @ W")


@pytest.mark.parametrize(
    ("program", "x"),
    [("sum(log(x))", [-1.0, 2.0]), ("sum(sqrt(x))", [0.0, 1.0]), ("sum(x ** 2)", [1e200, 1.0])],
)
def test_what_is_not_finite_does_not_pass(program, x):
    answer = check(parse_program(program), {"x": np.array(x)})
    assert not answer["passed"]
    assert np.isnan(answer["taylor_order"]["x"])


def test_an_empty_variable_passes():
    assert check(parse_program("sum(x ** 2)"), {"x": np.zeros((0, 3))})["passed"]


def test_the_dtype_is_the_one_computed_in():
    graph, x = parse_program("sum(exp(x))"), {"x": np.array([200.0, 1.0])}
    assert check(graph, x)["passed"]
    assert not check(graph, x, dtype="float32")["passed"]  # exp(200) is over its range


def test_what_cannot_be_moved_is_refused():
    graph = parse_program("y = x * n\nl = sum(y)")
    inputs = {"x": np.ones(2), "n": np.array([1, 2])}
    with pytest.raises(DtypeMismatch, match="'n' is int64"):
        check(graph, inputs, target="l", wrt=("n",))
    with pytest.raises(UnknownWrt, match="'y' is none"):
        check(graph, inputs, target="l", wrt=("x", "y"))


def test_a_check_of_nothing_does_not_pass():
    with pytest.raises(UnknownWrt, match="nothing to check"):
        asked("sum(x ** 2)", wrt=[])
    graph = parse_program("sum(n) * 0.5")
    with pytest.raises(UnknownWrt, match="nothing to check"):
        check(graph, {"n": np.array([1, 2])}, compiler=Compiler())
