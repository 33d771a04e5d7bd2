"""Programs: what they mean as graphs, and how what is not in the language is refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Source, UserError
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program


def nodes(graph: Graph) -> list[tuple[Any, ...]]:
    """(name, op, *inputs) of each node."""
    return [(node.name, node.op.name, *node.inputs) for node in graph.nodes]


def index_of(text: str) -> list[Any]:
    return list(parse_program(text).document()["nodes"][-1]["attributes"]["index"])


def test_the_first_example() -> None:
    graph = parse_program("mean((W * x + b - y) ** 2)")
    assert list(graph.inputs) == ["W", "b", "x", "y"]
    assert graph.outputs == ("result",)
    assert nodes(graph) == [
        ("multiply_1", "multiply", "W", "x"),
        ("add_1", "add", "multiply_1", "b"),
        ("subtract_1", "subtract", "add_1", "y"),
        ("pow_1", "pow", "subtract_1", 2),
        ("result", "mean", "pow_1"),
    ]


def test_every_node_knows_its_place() -> None:
    graph = parse_program("loss = mean((round(w * x) - y) ** 2)")
    sources = {node.name: node.source for node in graph.nodes}
    assert sources["round_1"] == Source(1, 13, "round(w * x)")
    assert sources["multiply_1"] == Source(1, 19, "w * x")
    assert sources["loss"] == Source(1, 7, "mean((round(w * x) - y) ** 2)")
    later = parse_program("a = w * x  # größer\r\nsin(a)")
    assert {node.name: node.source for node in later.nodes}["result"] == Source(2, 0, "sin(a)")


def test_a_program_and_its_graph_are_one() -> None:
    program = "pred = W * x + b\nloss = mean((pred - y) ** 2.0)"
    document = {
        "inputs": {"y": {}, "W": {}, "b": {}, "x": {}},
        "nodes": [
            {"name": "loss", "op": "reduce_mean", "inputs": ["pow_1"]},
            {"name": "pow_1", "op": "power", "inputs": ["subtract_1", 2.0]},
            {"name": "subtract_1", "op": "sub", "inputs": ["pred", "y"]},
            {"name": "pred", "op": "add", "inputs": ["multiply_1", "b"]},
            {"name": "multiply_1", "op": "mul", "inputs": ["W", "x"]},
        ],
        "outputs": ["loss"],
    }
    assert parse_program(program).id == decode_graph(document).id


CASES = [
    ("x.T @ x", [("permute_dims_1", "permute_dims", "x"), ("result", "matmul", "permute_dims_1", "x")]),
    ("x.sum(0)", [("result", "sum", "x")]),
    ("a // b % c", [
        ("floor_divide_1", "floor_divide", "a", "b"), ("result", "remainder", "floor_divide_1", "c"),
    ]),
    ("(a > 0) & ~m | n", [
        ("bitwise_invert_1", "bitwise_invert", "m"), ("greater_1", "greater", "a", 0),
        ("bitwise_and_1", "bitwise_and", "greater_1", "bitwise_invert_1"),
        ("result", "bitwise_or", "bitwise_and_1", "n"),
    ]),
    ("a < b < c", [
        ("less_1", "less", "a", "b"), ("less_2", "less", "b", "c"),
        ("result", "logical_and", "less_1", "less_2"),
    ]),
    ("-x ** 2", [("pow_1", "pow", "x", 2), ("result", "negative", "pow_1")]),
    ("x ** -2", [("result", "pow", "x", -2)]),
    ("1 - 2", [("result", "subtract", 1, 2)]),
    ("concat(a, b)", [("result", "concat", "a", "b")]),
    ("concat([a, b], 0)", [("result", "concat", "a", "b")]),
    ("[sin(x), 1.0]", [("sin_1", "sin", "x"), ("result", "stack", "sin_1", 1.0)]),
    ("y = x", [("y", "identity", "x")]),
    ("y = 2 * x; y", [("y", "multiply", 2, "x"), ("result", "identity", "y")]),
    ("a, b = split(x, 2)\na * b", [
        ("split_1", "split", "x"), ("a", "identity", "split_1"), ("b", "identity", "split_1:1"),
        ("result", "multiply", "a", "b"),
    ]),
    ("p = split(x, [1, 4])\np[1] * p[-1]", [("p", "split", "x"), ("result", "multiply", "p:1", "p:2")]),
    ("values, places = top_k(x, 3)\nvalues", [
        ("top_k_1", "top_k", "x"), ("places", "identity", "top_k_1:1"), ("values", "identity", "top_k_1"),
        ("result", "identity", "values"),
    ]),
    ("a, b = y, x", [("a", "identity", "y"), ("b", "identity", "x")]),
    ("n = 3\nx ** n", [("result", "pow", "x", 3)]),
    ("c = 0.5\nc * x", [("result", "multiply", "c", "x")]),
    ("2 * pi * r", [("multiply_1", "multiply", 2, np.pi), ("result", "multiply", "multiply_1", "r")]),
    ("multiply_1 * (a * b)", [
        ("multiply_2", "multiply", "a", "b"), ("result", "multiply", "multiply_1", "multiply_2"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("program", "expected"), CASES)
def test_what_programs_mean(program: str, expected: list[tuple[Any, ...]]) -> None:
    assert nodes(parse_program(program)) == expected


@pytest.mark.parametrize(
    ("program", "attributes"),
    [
        ("sum(x, 0, keepdims=True)", {"axis": [0], "keepdims": True}),
        ("sum(x, axis=(0, -1))", {"axis": [0, -1]}),
        ("reshape(x, (2, -1))", {"shape": [2, -1]}),
        ("x.reshape(2, 3)", {"shape": [2, 3]}),
        ("shape = (2, 3)\nx.reshape(shape)", {"shape": [2, 3]}),
        ("astype(x, float32)", {"dtype": "float32"}),
        ("x.astype('int8')", {"dtype": "int8"}),
        ("x.astype(int)", {"dtype": "int64"}),
        ("clip(x, 0, inf)", {"min": 0, "max": "Infinity"}),
        ("clip(x, max=-1e-3)", {"max": -0.001}),
        ("einsum('ij,jk->ik', a, b)", {"equation": "ij,jk->ik"}),
        ("norm(x, 'nuc')", {"ord": "nuc"}),
        ("concat([a, b], axis=-1)", {"axis": -1}),
        ("pad(x, [[1, 1], [0, 0]])", {"pad_width": [[1, 1], [0, 0]]}),
    ],
)
def test_attributes_as_in_numpy(program: str, attributes: dict[str, Any]) -> None:
    assert parse_program(program).document()["nodes"][-1]["attributes"] == attributes


@pytest.mark.parametrize(
    ("program", "index"),
    [
        ("x[0]", [0]),
        ("x[-1, ..., None]", [-1, "...", None]),
        (
            "x[1:, ::-2]",
            [{"start": 1, "stop": None, "step": None}, {"start": None, "stop": None, "step": -2}],
        ),
        ("x[[0, 2], [[1], [0]]]", [[0, 2], [[1], [0]]]),
        ("x[[True, False]]", [[True, False]]),
        ("k = 1\nx[k:]", [{"start": 1, "stop": None, "step": None}]),
        ("x[i, 0, j]", [{"input": 1}, 0, {"input": 2}]),
        ("x[[i, j]]", [{"input": 1}]),
        ("x[argsort(x)]", [{"input": 1}]),
    ],
)
def test_indices(program: str, index: list[Any]) -> None:
    assert index_of(program) == index


def test_literals_as_tensors() -> None:
    graph = parse_program("c = [[1, 2], [3, 4]]\nm = [True, False]\nz = take(c * inf, [0, 2]) + 2j")
    constants = {
        name: (value.array.dtype.name, value.array.shape, value.weak)
        for name, value in graph.constants.items()
    }
    assert constants == {
        "c": ("float64", (2, 2), False),
        "m": ("bool", (2,), False),
        "constant_1": ("float64", (), True),
        "constant_2": ("int64", (2,), False),
        "constant_3": ("complex128", (), False),
    }


def test_no_arithmetic_happens_on_literals() -> None:
    graph = parse_program("9 ** 9 ** 9 ** 9")
    assert nodes(graph) == [
        ("pow_1", "pow", 9.0, 9.0),
        ("pow_2", "pow", 9, "pow_1"),
        ("result", "pow", 9, "pow_2"),
    ]
    assert nodes(parse_program("2147483648 * 2"))[0][2:] == (2147483648.0, 2.0)


def test_inputs_shadow_constants_and_may_be_unused() -> None:
    graph = parse_program("y = e * x + pi", declared={"e": 2.0, "unused": [1]})
    assert list(graph.inputs) == ["e", "unused", "x"]
    assert nodes(graph)[0] == ("multiply_1", "multiply", "e", "x")


def test_a_later_assignment_takes_the_name() -> None:
    graph = parse_program("h = w * x\nh = h + 1\nh = h * h\nh_1 = h\nloss = sum(h_1)")
    assert nodes(graph) == [
        ("h_2", "multiply", "w", "x"),
        ("h_3", "add", "h_2", 1),
        ("h", "multiply", "h_3", "h_3"),
        ("h_1", "identity", "h"),
        ("loss", "sum", "h_1"),
    ]
    assert graph.rebound == {"h_2": "h_3", "h_3": "h"}


def test_an_input_keeps_its_name() -> None:
    graph = parse_program("x = x * 2\nsum(x)")
    assert nodes(graph) == [("x_1", "multiply", "x", 2), ("result", "sum", "x_1")]
    assert graph.rebound == {"x": "x_1"}
    unused = parse_program("w = 3.0\nw * x", declared=["w", "x"])
    assert unused.rebound == {"w": "w_1"}
    assert nodes(unused) == [("result", "multiply", "w_1", "x")]


def test_functions() -> None:
    program = """
def affine(x, w, b):
    h = w * x      # a comment
    return h + b
def twice(x): return 2 * affine(x, 1.0, 0.0), x
a, b = twice(z)
c = call(affine, a, b, 1.0)
"""
    graph = parse_program(program)
    assert graph.outputs == ("c",)
    assert nodes(graph) == [
        ("call_1", "call", "z"),
        ("a", "identity", "call_1"),
        ("b", "identity", "call_1:1"),
        ("c", "call", "a", "b", 1.0),
    ]
    assert list(graph.functions) == ["affine", "twice"]
    assert list(graph.functions["affine"].inputs) == ["x", "w", "b"]
    assert graph.functions["twice"].outputs == ("multiply_1", "x")
    assert decode_graph(graph.document()).id == graph.id


def test_functions_of_ops_come_first() -> None:
    program = "def f(x): return x ** 2\ndef g(x, y, dy): return 3 * x * dy\nz = custom_gradient(f, g, x)"
    assert parse_program(program).document()["nodes"] == [
        {
            "name": "z",
            "op": "custom_gradient",
            "inputs": ["x"],
            "attributes": {"forward": "f", "backward": "g"},
        }
    ]
    by_name = program.replace("(f, g, x)", "(x, backward=g, forward=f)")
    assert parse_program(by_name).id == parse_program(program).id


BAD = [
    # code
    ("__import__('os')", "syntax_error", 1, 0, "a formula, not Python"),
    ("x.__class__", "syntax_error", 1, 0, "a formula, not Python"),
    ("x.__len__()", "syntax_error", 1, 0, "a formula, not Python"),
    ("__builtins__", "syntax_error", 1, 0, "letters"),
    ("lambda x: x", "syntax_error", 1, 0, "def f(x)"),
    ("[i for i in x]", "syntax_error", 1, 0, "whole tensor"),
    ("import os", "syntax_error", 1, 0, "sin(x)"),
    ("if x: y", "syntax_error", 1, 0, "where"),
    ("for i in x:\n  y = i", "syntax_error", 1, 0, "scan"),
    ("while x: y = 1", "syntax_error", 1, 0, "while_loop"),
    ("x if y else z", "syntax_error", 1, 0, "where"),
    ("x and y", "syntax_error", 1, 0, "&"),
    ("not x", "syntax_error", 1, 0, "~"),
    ("x is y", "syntax_error", 1, 0, "=="),
    ("x in y", "syntax_error", 1, 0, "any"),
    ("y = (z := x)", "syntax_error", 1, 5, "statement of its own"),
    ("f'{x}'", "syntax_error", 1, 0, "plain"),
    ("{'a': x}", "syntax_error", 1, 0, "name = expression"),
    ("x += 1", "syntax_error", 1, 0, "x = x + 1"),
    ("x: int = 1", "syntax_error", 1, 0, "inputs"),
    ("x[0] = 1", "syntax_error", 1, 0, "where"),
    ("a = b = c", "syntax_error", 1, 4, "one line for each"),
    ("sum(*x)", "syntax_error", 1, 4, "write the arguments out"),
    ("sum(**x)", "syntax_error", 1, 4, "write the arguments out"),
    ("np.sum(x)", "syntax_error", 1, 0, "`sum(x)`"),
    ("np.linalg.norm(x)", "syntax_error", 1, 0, "`norm(x)`"),
    ("x ^ 2", "syntax_error", 1, 2, "**"),
    ("x << 2", "syntax_error", 1, 2, "bitwise_left_shift"),
    ("(lambda: 1)()", "syntax_error", 1, 0, "op(x)"),
    # text
    ("", "syntax_error", 1, 0, "end with"),
    ("# nothing", "syntax_error", 1, 0, "end with"),
    ("y = ", "syntax_error", 1, 4, "name = expression"),
    ("a = 1\ny = (w * x", "syntax_error", 2, 4, "`y = (w * x)`"),
    ("sin(x)\ncos(x)", "syntax_error", 1, 0, "y = …"),
    ("θ * 2", "syntax_error", 1, 0, "ASCII"),
    ("x\0", "syntax_error", 1, 1, "NUL"),
    ("x + \ud800", "syntax_error", 1, 4, "ASCII"),
    ("# \ud800\nx", "syntax_error", 1, 0, "plain text"),
    ("x \\\n + 1", "syntax_error", 1, 2, "brackets"),
    ("0x10", "syntax_error", 1, 0, "decimal"),
    ("1if x else 2", "syntax_error", 1, 0, "decimal"),
    ("1e999 * x", "syntax_error", 1, 0, "inf"),
    ("x * " + "9" * 400, "syntax_error", 1, 4, "inf"),
    ("x * " + "9" * 5000, "syntax_error", 1, 4, "1e100"),
    ("'text'", "syntax_error", 1, 0, "numbers"),
    ("x == None", "syntax_error", 1, 5, "numbers"),
    ("[1, [2, 3]] * x", "syntax_error", 1, 0, "rectangular"),
    ("[1, True] * x", "syntax_error", 1, 0, "rectangular"),
    # names and arguments
    ("sinn(x)", "unknown_op", 1, 0, "'sin'"),
    ("eval(x)", "unknown_op", 1, 0, None),
    ("x.foo", "syntax_error", 1, 0, "x.sum()"),
    ("sum_to(x, (2,))", "unknown_op", 1, 0, "/v1/ops"),
    ("y = 2 * x\ny(3)", "unknown_op", 2, 0, "y * (…)"),
    ("sin()", "wrong_arity", 1, 0, "sin(x)"),
    ("sin(x, y)", "wrong_arity", 1, 0, "sin(x)"),
    ("sum(x, axs=0)", "invalid_attribute", 1, 0, "'axis'"),
    ("sum(x, 0, axis=0)", "invalid_attribute", 1, 0, "sum(x"),
    ("sum(x, 1.5)", "invalid_attribute", 1, 0, None),
    ("reshape(x, n)", "invalid_attribute", 1, 11, "literal"),
    ("reshape(x, 2 * 3)", "invalid_attribute", 1, 11, "`reshape(x, 6)`"),
    ("x[a:b]", "syntax_error", 1, 2, "the number"),
    ("x[1.0]", "syntax_error", 1, 2, "an integer"),
    ("x['a']", "syntax_error", 1, 2, "an integer"),
    ("x[True]", "invalid_attribute", 1, 0, None),
    # several tensors
    ("a, b = x", "syntax_error", 1, 7, "x[0]"),
    ("a, b, c = split(x, 2)", "syntax_error", 1, 10, "a name for each"),
    ("a, b = x, y, z", "syntax_error", 1, 7, "a name for each"),
    ("() = split(x, 2)", "syntax_error", 1, 0, "name"),
    ("split(x, 2) * 2", "syntax_error", 1, 0, "unpack"),
    ("split(x, 2)", "syntax_error", 1, 0, "unpack"),
    ("split(x, 2)[2]", "syntax_error", 1, 12, "from 0"),
    ("split(x, 2)[i]", "syntax_error", 1, 12, "[0]"),
    # functions
    ("def f(x): return x", "syntax_error", 1, 0, "end with"),
    ("def f(x): y = x\nf(z)", "syntax_error", 1, 10, "return"),
    ("def f(x):\n  return x\n  y = x\nf(z)", "syntax_error", 2, 2, "delete"),
    ("def f(x, y=1): return x\nf(z)", "syntax_error", 1, 11, "def f(x, y)"),
    ("def f(*x): return x\nf(z)", "syntax_error", 1, 7, "def f(x, y)"),
    ("def f(x: int): return x\nf(z)", "syntax_error", 1, 9, "def f(x, y)"),
    ("def f(x):\n  def g(y): return y\n  return g(x)\nf(z)", "syntax_error", 2, 2, "side by side"),
    ("def f(x): return w * x\nf(z)", "unknown_name", 1, 17, "add 'w'"),
    ("def f(x): return f(x)\nf(z)", "cycle", 1, 0, "scan"),
    ("def f(x): return x\ndef f(x): return x\nf(z)", "duplicate_name", 2, 0, "of its own"),
    ("def f(x): return x\nf = 3 * y", "duplicate_name", 2, 0, "another name"),
    ("def f(x): return x\nf(y, z)", "wrong_arity", 2, 0, "position"),
    ("def f(x): return x\nf(x=y)", "syntax_error", 2, 0, "position"),
    ("def f(x): return x\nf + 1", "syntax_error", 2, 0, "call(f, x)"),
    ("call(g, x)", "syntax_error", 1, 5, "def g(x)"),
    ("return x", "syntax_error", 1, 0, "last"),
]


@pytest.mark.parametrize(("program", "code", "line", "column", "cure"), BAD)
def test_what_is_refused(program: str, code: str, line: int, column: int, cure: str | None) -> None:
    with pytest.raises(UserError) as caught:
        parse_program(program)
    error = caught.value
    assert isinstance(error.source, Source)
    assert (error.code, error.source.line, error.source.column) == (code, line, column), error.fields()
    assert error.path == "$.program"
    assert cure is None or cure in str(error.hint), error.hint
    assert len(error.detail) < 400


def test_a_syntax_error_shows_its_line() -> None:
    with pytest.raises(UserError) as caught:
        parse_program("a = w * x\nb = a +\nc = b")
    assert caught.value.source == Source(2, 7, "b = a +")


@pytest.mark.parametrize(
    "program",
    [
        "(" * 50_000 + "x" + ")" * 50_000,
        "[" * 199_999,
        "-" * 100_000 + "x",
        "not " * 40_000 + "x",
        "**".join(["x"] * 40_000),
        "+".join(["x"] * 40_000),
        "x" + ".T" * 40_000,
        "x" + "[0]" * 30_000,
        "x if y else " * 15_000 + "z",
        "lambda: " * 20_000 + "x",
        "x" * 200_001,
        "1" * 199_999 + "x",
        "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(50)) + "\ndef f50(x): return x\nf0(y)",
        "".join(" " * i + "if x:\n" for i in range(150)),
    ],
)
def test_what_is_too_deep_or_too_long_is_refused(program: str) -> None:
    with pytest.raises(UserError):
        parse_program(program)


def test_a_thousand_terms_in_a_row_are_fine() -> None:
    assert len(parse_program("+".join(["x"] * 1000)).nodes) == 999


ALPHABET = "xyz01.9eE+-*/%@&|~<>=!()[]{},:;\"'\\#_ \n\tθ\0sinsumTrealdefreturniflambda"


@given(st.text(st.sampled_from(ALPHABET), max_size=60))
@settings(deadline=None, max_examples=500)
def test_random_text_raises_nothing_but_user_errors(text: str) -> None:
    with suppress(UserError):
        parse_program(text)


WORDS = [
    "x", "y", "1", "2.5", "+", "*", "**", "(", ")", "[", "]", ",", "=", "\n", "sum", "split", "f", "call",
    "def f(x): return ", "reshape", ".T", ".sum()", ":", "...", "None", "'f'", "-", "<", "True", "axis=",
    "&", "a, b = ",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=20))
@settings(deadline=None, max_examples=500)
def test_random_words_raise_nothing_but_user_errors(words: list[str]) -> None:
    text = " ".join(words).replace("\n ", "\n")
    try:
        graph = parse_program(text)
    except UserError:
        return
    assert decode_graph(graph.document()).id == graph.id
