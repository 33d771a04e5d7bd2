"""Split loops: what leaves the steps, equal results, and memory as estimated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange
from engine.frontend.program import parse_program
from engine.ir.tape import Instruction
from engine.queries.compiler import Compiler, plan_of

LSTM = """
def step(h, c, x, W, U, b):
    z = x @ W + h @ U + b
    i, f, o, g = split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, c, h
h, c, hs = scan(step, h0, c0, xs, W, U, b, carry=2, scanned=1, reverse={reverse})
loss = mean(hs ** 2) + sum(c)
"""


def values(steps: int, rows: int = 2, hidden: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {
        "h0": (rows, hidden), "c0": (rows, hidden), "xs": (steps, rows, hidden), "W": (hidden, 4 * hidden),
        "U": (hidden, 4 * hidden), "b": (4 * hidden,),
    }  # fmt: skip
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def query(program: str, given: dict[str, Any], **choices: Any) -> Query:
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in given.items()}
    choices = {"kind": "gradient", "targets": ("loss",), **choices}
    return Query(graph=parse_program(program), inputs=types, **choices)


def loops(program: str, given: dict[str, Any], **choices: Any) -> list[Instruction]:
    plan = plan_of(query(program, given, **choices))[1]
    return [step for step in plan.tape.instructions if step.op.name in ("scan_loop", "chunked_loop")]


def names(step: Instruction, part: str) -> list[str]:
    return [own.op.name for own in step.attributes[part].instructions]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 8, 9, 31])
def test_answers_are_those_of_the_plain_loop(steps: int, reverse: bool) -> None:
    given, program = values(steps), LSTM.format(reverse=reverse)
    split, plain = (
        Compiler().compile(query(program, given, optimize=optimize)).run(given) for optimize in (True, False)
    )
    assert split["value"] == pytest.approx(plain["value"], rel=1e-14)
    for name, expected in plain["gradients"].items():
        np.testing.assert_allclose(split["gradients"][name], expected, rtol=1e-12, atol=1e-14)


def test_only_what_is_carried_stays_in_the_steps() -> None:
    ahead, back = loops(LSTM.format(reverse=False), values(100), wrt=("W", "U", "b"))
    assert names(ahead, "core").count("matmul") == names(ahead, "before").count("matmul") == 1
    assert names(back, "core").count("matmul") == 1
    assert names(back, "after").count("matmul") == 2  # the weights' gradients, each one stacked product
    assert "index_add" not in names(back, "core")  # the pieces of the split are joined
    assert "tanh" not in names(back, "core")
    assert len(back.attributes["sums"]) == 3
    short = loops(LSTM.format(reverse=False), values(7))
    assert {step.op.name for step in short} == {"scan_loop"}


def test_memory_is_as_estimated() -> None:
    given = values(200, 16, 32)
    program = Compiler().compile(query(LSTM.format(reverse=False), given))
    program.run(given)
    tracemalloc.start()
    program.run(given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = sum(v.nbytes for v in given.values())
    assert peak + held <= 1.2 * program.estimate.peak_bytes


def test_the_rest_of_a_count_runs_as_it_was() -> None:
    """A loop of a count that only the run knows is left as it is."""
    program = """
def go(x, k, a):
    return k < 9.5
def step(x, k, a):
    return tanh(x + a), k + 1
x, k = while_loop(go, step, a, 0.0, a, carry=2, max_steps=40)
loss = sum(x)
"""
    given = {"a": np.array([0.3, -0.2])}
    assert {step.op.name for step in loops(program, given)} == {"scan_loop"}


def test_what_fails_ahead_of_the_steps_is_told_at_its_node() -> None:
    program = "def f(c, i, x):\n    y = take(x, i)\n    return c + y, y\nloss, all = scan(f, 0.0, rows, x)"
    given = {"rows": np.array([0, 1, 2, 0, 1, 2, 0, 7, 1]), "x": np.arange(3.0)}
    with pytest.raises(IndexOutOfRange, match="index 7") as refused:
        Compiler().compile(query(program, given)).run(given)
    assert refused.value.node is not None


def test_loops_answer_arrays_of_their_own() -> None:
    """What is carried unchanged looks at an input; the caller may write into what it gets."""
    program = "def f(c, x):\n    return c, x\nlast, all = scan(f, start, xs)\nloss = sum(last)"
    given = {"start": np.ones(3), "xs": np.ones((0, 2))}
    for xs in (np.ones((0, 2)), np.ones((9, 2))):
        given["xs"] = xs
        asked = query(program, given, kind="evaluate", targets=(), outputs=("last",))
        last = Compiler().compile(asked).run(given)["outputs"]["last"]
        last += 1
        np.testing.assert_array_equal(given["start"], np.ones(3))


def test_a_sum_of_products_is_one_product() -> None:
    program = "def f(s, x, y):\n    return s + x @ y\nloss = sum(scan(f, start, X, Y, scanned=2) ** 2)"
    rng = np.random.default_rng(1)
    given = {
        "start": rng.normal(size=(2, 2)), "X": rng.normal(size=(9, 2, 3)), "Y": rng.normal(size=(9, 3, 2)),
    }  # fmt: skip
    (loop,) = loops(program, given, kind="evaluate", targets=(), outputs=("loss",))
    assert names(loop, "core") == []
    assert names(loop, "after").count("matmul") == 1
    answer = Compiler().compile(query(program, given)).run(given)
    total = given["start"] + np.einsum("tik,tkj->ij", given["X"], given["Y"])
    assert answer["value"] == pytest.approx((total**2).sum(), rel=1e-13)
    wanted = 2 * np.einsum("ij,tkj->tik", total, given["Y"])
    np.testing.assert_allclose(answer["gradients"]["X"], wanted, rtol=1e-12)
