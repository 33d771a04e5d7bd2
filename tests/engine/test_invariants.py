"""What is the same at each step of a loop is computed once, and every bit stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, plan_of

RNG = np.random.default_rng(3)

WHILE = """
def going(x, a, W):
    return max(abs(x - sum(exp(W) * 0.01, axis=0))) > 1e-6 * max(sin(a) + 2)
def step(x, a, W):
    return 0.5 * x + 0.5 * (tanh(W) @ ones([4])) * 0.01 + 0 * a + 0.5 * sum(exp(W) * 0.01, axis=0) - 0.5 * (
        tanh(W) @ ones([4])) * 0.01
loss = sum(while_loop(going, step, ones([4]), a, W, max_steps=60))
"""
SCAN = """
def step(h, x, a, W):
    k = tanh(W) @ softmax(W)
    h = tanh(h @ k + x * exp(a))
    return h, h
h, hs = scan(step, zeros([4]), xs, a, W, carry=1, scanned=1)
loss = sum(hs ** 2)
"""
NESTED = """
def inner(y, a, W):
    return y * 0.5 + 0.1 * sum(exp(W) * sin(a))
def going(y, a, W):
    return max(abs(y)) > 1
def step(h, x, a, W):
    return while_loop(going, inner, h + 3, a, W, max_steps=20) * 0.1 + x
h = scan(step, zeros([4]), xs, a, W, carry=1, scanned=1)
loss = sum(h)
"""


def values(odd: float | None = None) -> dict[str, Any]:
    found = {"a": RNG.normal(size=4), "W": RNG.normal(size=(4, 4)) / 2, "xs": RNG.normal(size=(3, 4))}
    if odd is not None:
        found["W"][1, 2] = odd
    return found


def query(program: str, inputs: dict[str, Any], **choices: Any) -> Query:
    graph = parse_program(program)
    types = {n: TensorType(v.shape, v.dtype.name) for n, v in inputs.items() if n in graph.inputs}
    return Query(
        graph=graph,
        inputs=types,
        kind="gradient",
        targets=("loss",),
        wrt=("a", "W"),
        diagnose="off",
        **choices,
    )


def count(tape: Any, name: str, *, inside: bool) -> int:
    own = sum(step.op.name == name for step in tape.instructions)
    functions = [v for step in tape.instructions for v in step.attributes.values() if hasattr(v, "types")]
    return sum(count(function, name, inside=False) for function in functions) if inside else own


@pytest.mark.parametrize(
    ("program", "odd"),
    [(program, odd) for program in (WHILE, SCAN, NESTED) for odd in (None, np.nan, np.inf, -np.inf)][:-2],
)  # at an infinite weight the inner loop of NESTED does not end
def test_the_numbers_stay(program: str, odd: float | None) -> None:
    inputs = values(odd)
    answers = [
        Compiler().compile(query(program, inputs, optimize=optimize)).run(inputs)
        for optimize in (True, False)
    ]
    for name in ("a", "W"):
        ours, expected = (answer["gradients"][name] for answer in answers)
        np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(expected))
        sound = np.isfinite(expected)
        np.testing.assert_allclose(ours[sound], expected[sound], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("program", [WHILE, SCAN])
def test_loops_have_no_invariants_left(program: str) -> None:
    inputs = values()
    plain = plan_of(query(program, inputs, optimize=False))[1].tape
    moved = plan_of(query(program, inputs))[1].tape
    assert count(plain, "exp", inside=True) > 0
    assert count(moved, "exp", inside=True) == 0
    assert count(moved, "exp", inside=False) > 0


def test_a_loop_without_steps_is_no_error() -> None:
    program = """
def going(x, a, W):
    return sum(x) > 1e9
def step(x, a, W):
    return x + log(a) @ W
loss = sum(while_loop(going, step, ones([4]), a, W))
"""
    inputs = values()
    answer = Compiler().compile(query(program, inputs)).run(inputs)
    np.testing.assert_array_equal(answer["gradients"]["W"], 0)
