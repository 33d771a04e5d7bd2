"""Fixes of a diagnosis, pasted into the program: the gradient then exists and is finite."""

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import ask, explain
from tests.engine.diagnosis.test_catalogue import REASONS

INF = float("inf")
SINGULAR = [[1.0, 2.0], [2.0, 4.0]]
SCORES = {"q": [[1.0, 0.0], [0.0, 1.0]], "v": [[1.0, 2.0], [3.0, 5.0]]}

# Program, inputs, variable, reason, what the fix says, and the program with that pasted in.
PASTED = [
    (
        "sum((round(w * x) - 1) ** 2)",
        {"x": [1.5, 2.6], "w": 1},
        "w",
        "nondifferentiable",
        "w * x + stop_gradient(round(w * x) - w * x)",
        "sum(({} - 1) ** 2)",
    ),
    (
        "sum(ceil(w))",
        {"w": [0.5, 1.5]},
        "w",
        "nondifferentiable",
        "w + stop_gradient(ceil(w) - w)",
        "sum({})",
    ),
    ("sum(sqrt(x))", {"x": [-1, 2]}, "x", "domain", "sqrt(maximum(x, 1e-12))", "sum({})"),
    ("sum(rsqrt(x))", {"x": [0, 2]}, "x", "domain", "rsqrt(maximum(x, 1e-12))", "sum({})"),
    ("sum(sqrt(x))", {"x": [0, 2]}, "x", "infinite_derivative", "sqrt(x + 1e-12)", "sum({})"),
    ("sum(x ** -1)", {"x": [0, -2]}, "x", "domain", "divide_no_nan(1, x)", "sum({})"),
    ("sum((x - 1) ** -2)", {"x": [1, -2]}, "x", "domain", "divide_no_nan(1, (x - 1) ** 2)", "sum({})"),
    ("sum(x ** (y + 1))", {"x": [-1, 2], "y": 0.5}, "x", "domain", "maximum(x, 1e-12) ** (y + 1)", "sum({})"),
    ("sum(x ** (2 * p))", {"x": [-1, 2], "p": 1}, "p", "domain", "maximum(x, 1e-12) ** (2 * p)", "sum({})"),
    ("sum(p * log(p / q))", {"p": [0, 1], "q": 0.5}, "p", "domain", "xlogy(p, p / q)", "sum({})"),
    ("sum(inv(a))", {"a": SINGULAR}, "a", "domain", "inv(a + 1e-6 * eye(2))", "sum({})"),
    (
        "sum(solve(a, b))",
        {"a": SINGULAR, "b": [1, 3]},
        "b",
        "domain",
        "solve(a + 1e-6 * eye(2), b)",
        "sum({})",
    ),
    ("s, l = slogdet(a)\nl", {"a": SINGULAR}, "a", "domain", "slogdet(a + 1e-6 * eye(2))", "s, l = {}\nl"),
    (
        "sum(cholesky(a @ a.T - 2 * eye(2)))",
        {"a": [[1, 0.5], [0.5, 1]]},
        "a",
        "domain",
        "as b @ b.T has",
        "sum(cholesky(a @ a.T))",
    ),
    (
        "def f(x):\n    return sqrt(x)\ndef g(y):\n    return f(2 * y)\nsum(g(x))",
        {"x": [0, 1]},
        "x",
        "infinite_derivative",
        "sqrt(x + 1e-12)",
        "def f(x):\n    return {}\ndef g(y):\n    return f(2 * y)\nsum(g(x))",
    ),
    (
        "def f(x, w):\n    return sqrt(x - w)\nsum(map(f, x, w))",
        {"x": [1, 2, 3], "w": 2},
        "w",
        "domain",
        "sqrt(maximum(x - w, 1e-12))",
        "def f(x, w):\n    return {}\nsum(map(f, x, w))",
    ),
    (
        "def layer(x, w):\n    return relu(x * w)\nsum(layer(layer(x, 2), a))",
        {"x": [1, 2], "a": -1},
        "a",
        "unselected",
        "leaky_relu(x * w)",
        "def layer(x, w):\n    return {}\nsum(layer(layer(x, 2), a))",
    ),
    (
        "def f(x):\n    return x ** 1.5\ngradient(f, x)",
        {"x": 0},
        "x",
        "infinite_derivative",
        "(x + 1e-12) ** 1.5",
        "def f(x):\n    return {}\ngradient(f, x) + x",
    ),
    (
        "a = softmax(where(m, q, -inf))\nsum(a @ v)",
        {**SCORES, "m": {"bool": [[True, False], [False, False]]}},
        "v",
        "nonfinite_input",
        "-1e9",
        "a = softmax(where(m, q, {}))\nsum(a @ v)",
    ),
]


@pytest.mark.parametrize(("program", "inputs", "name", "reason", "fix", "pasted"), PASTED)
def test_a_fix_pasted_into_the_program_gives_a_gradient(program, inputs, name, reason, fix, pasted):
    told = explain(program, inputs, name)
    assert told["reason"] == reason, told["message"]
    assert reason in REASONS
    assert fix in told["fix"]
    answer = ask(pasted.format(fix), inputs, kind="gradient", wrt=(name,))
    gradient = answer["gradients"][name]
    assert np.isfinite(gradient).all()
    assert gradient.any()


def test_infinities_in_a_mask_are_not_to_be_replaced_by_what_attends():
    inputs = {**SCORES, "mask": [[0.0, -INF], [-INF, -INF]]}
    told = explain("sum(softmax(q + mask) @ v)", inputs, "q")
    assert told["culprits"][0]["node"] == "mask"
    assert told["culprits"][0]["elements"] == [[1, 0], [1, 1]]
    assert "isfinite" not in told["fix"]
    assert "-1e9" in told["fix"]


@pytest.mark.parametrize(
    ("program", "inputs", "name", "words"),
    [
        (
            "sum(x ** p)",
            {"x": [-2, 2], "p": [2, 2]},
            "p",
            "the derivative of pow at 'pow_1' is not defined at x = -2, p = 2",
        ),
        (
            "sum(1e300 * sqrt(x))",
            {"x": [1e-40]},
            "x",
            "what passes sqrt at 'sqrt_1' is too large for its dtype",
        ),
        ("sum(inv(a))", {"a": SINGULAR}, "a", "inv at 'inv_1' was given a singular matrix"),
        ("sum(cholesky(a))", {"a": [[1, 2], [2, 1]]}, "a", "a matrix that is not positive definite"),
        ("sum(x * [1, inf])", {"x": [1, 2]}, "x", "the constant 'constant_1' is not finite"),
        ("w = w + 1\nw = 2.0\nsum(x * w)", {"x": [1, 2], "w": 1}, "w", "the later value, node 'w_2'"),
    ],
)
def test_a_message_says_what_is_so(program, inputs, name, words):
    assert words in explain(program, inputs, name)["message"]


def test_a_loop_too_long_to_be_laid_out_is_not_told_to_be_undefined_itself():
    program = (
        "def f(h, x, w):\n    h = h + sqrt(w * x)\n    return h, h\nlast, all = scan(f, 0.0, x, w)\nlast"
    )
    told = explain(program, {"x": [1.0] * 9000 + [-1.0] * 3000, "w": 1}, "w")
    assert (told["status"], told["culprits"][0]["node"]) == ("nan", "scan_1")
    assert "something inside scan at 'scan_1' is not defined" in told["message"]
    assert "functions of 'scan_1'" in told["fix"]


def test_a_constant_is_found_on_its_line():
    told = explain("y = x * 2\nsum(where(y > 9, y, inf) * x)", {"x": [1, 2]}, "x")
    assert told["culprits"][0]["op"] == "constant"
    assert told["culprits"][0]["source"]["line"] == 2
    assert "isfinite" not in told["fix"]


def test_a_node_of_a_graph_is_written_as_what_it_computes():
    nodes = [
        {"name": "subtract_1", "op": "subtract", "inputs": ["w", 1.0]},
        {"name": "log_1", "op": "log", "inputs": ["subtract_1"]},
        {"name": "multiply_1", "op": "multiply", "inputs": ["log_1", "v"]},
    ]
    graph = decode_graph(
        {"version": 1, "inputs": {"w": {}, "v": {}}, "nodes": nodes, "outputs": ["multiply_1"]}
    )
    types = dict.fromkeys("wv", TensorType((), "float64"))
    told = (
        Compiler()
        .compile(Query(graph=graph, kind="diagnose", inputs=types))
        .run({"w": np.array(1.0), "v": np.array(0.0)})
    )
    assert "Write xlogy(v, w - 1) for v * log(w - 1)" in told["variables"]["w"]["fix"]


def test_what_underflowed_is_not_kept_away_from_zero():
    told = explain("log(prod(p))", {"p": [1e-200, 1e-200]}, "p")
    assert (told["status"], told["reason"]) == ("inf", "domain")
    assert "1e-12" not in told["fix"]
    assert "logarithms" in told["fix"]


TWICE = "def f(x):\n    return x * 2\ndef g(x, y, dy):\n    return {}\nsum(custom_gradient(f, g, x))"


@pytest.mark.parametrize(("backward", "status"), [("0 * dy", "zero"), ("dy / (x - x)", "inf")])
def test_of_a_custom_gradient_the_backward_function_is_to_blame(backward, status):
    told = explain(TWICE.format(backward), {"x": [1, 2]}, "x")
    assert told["status"] == status
    assert "backward function of 'custom_gradient_1'" in told["fix"]


def test_the_derivative_of_a_kink_is_not_told_to_compare_softly():
    program = "def f(x):\n    return sum(relu(x) * 2)\nsum(gradient(f, x))"
    told = explain(program, {"x": [1, 2]}, "x")
    assert "sigmoid" not in told["fix"]
    assert "relu(x)" in told["fix"]


def test_places_are_not_to_be_kept_floating():
    program = "v, i = top_k(x, 2)\nsum(i * 1.0)"
    told = explain(program, {"x": [3, 1, 2]}, "x")
    assert (told["status"], told["reason"]) == ("blocked", "to_integer")
    assert "use the values that stand there" in told["fix"]
    assert "floating dtype" not in told["fix"]
