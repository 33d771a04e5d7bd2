"""Infix programs compute what NumPy computes from the same text."""

from __future__ import annotations

import ast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    """Infix expressions over x, y and numbers."""
    kind = draw(st.sampled_from(["leaf", "binary", "unary", "call"])) if depth else "leaf"
    if kind == "leaf":
        return draw(st.sampled_from(["x", "y", "2", "0.5", "3.0", "pi"]))
    inner = expressions(depth=depth - 1)
    if kind == "unary":
        return f"-{draw(inner)}"
    if kind == "call":
        op = draw(st.sampled_from(["sin", "tanh", "abs", "square"]))
        return f"{op}({draw(inner)})"
    operator = draw(st.sampled_from([" + ", " - ", " * ", "*"]))
    left, right = draw(inner), draw(inner)
    return draw(st.sampled_from([f"({left}{operator}{right})", f"{left}{operator}{right}"]))


@given(expressions())
@settings(deadline=None, max_examples=100)
def test_values_are_those_of_numpy(program: str) -> None:
    x, y = np.array([0.5, -1.25, 2.0]), np.array([[1.5], [-0.75]])
    given = {"x": x, "y": y}
    graph = parse_program(program, declared=given)
    types = {name: TensorType(array.shape) for name, array in given.items()}
    answer = Compiler().compile(Query(graph=graph, kind="evaluate", inputs=types)).run(given)
    scope = {"sin": np.sin, "tanh": np.tanh, "abs": np.abs, "square": np.square, "pi": np.pi, **given}
    expected = eval(compile(ast.parse(program, mode="eval"), "program", "eval"), scope)
    np.testing.assert_allclose(answer["outputs"]["result"], expected, rtol=1e-12)
