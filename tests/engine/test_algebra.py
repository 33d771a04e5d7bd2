"""Signs, repetitions and additions to zeros: not a bit of a result changes, the odd numbers included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.ir.tape import Tape
from engine.passes import algebra, cse, dead, fold, lower, simplify
from engine.queries.compiler import plan_of
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.plan import make_plan

ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, 5e-324)
TERMS = (
    "-(-a)", "-(2.5 * a)", "-(a * 0.3)", "a - (-b)", "a + (-b)", "(-a) + b", "3 * (-a)", "(-a) * 0.7",
    "broadcast_to(c, [6]) * a", "a / broadcast_to(c, [6])", "ones([6]) * c + a", "-(a - b)", "-a - b",
    "concat([a[1:], b[:1]])", "-(-(-b))", "a * b - (-(a * 2))",
)  # fmt: skip
REPEATED = "loss = sum(3 * a[:-1]) + sum(a[1:] * b[1:] + a[1:] ** 2)"


def gradient_tape(program: str, dtype: str) -> Tape:
    graph = parse_program(program)
    inputs = {name: TensorType(() if name == "c" else (6,), dtype) for name in graph.inputs}
    query = Query(graph=graph, kind="gradient", inputs=inputs, targets=("loss",), diagnose="off")
    tape: Tape = plan_of(Query(**{**vars_of(query), "optimize": False}))[1].tape
    return cse(simplify(fold(lower(tape))))


def vars_of(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in ("graph", "kind", "inputs", "targets", "diagnose")}


def run(tape: Tape, values: dict[str, Any]) -> list[Any]:
    return BoundPlan(make_plan(tape)).run({name: values[name] for name in tape.inputs})


def values(seed: int, dtype: str) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    found = {"a": draw.normal(size=6), "b": draw.normal(size=6), "c": np.asarray(draw.normal())}
    if seed % 2:
        found["a"][draw.integers(0, 6, 2)] = draw.choice(ODD, 2)
    with np.errstate(over="ignore"):
        return {name: value.astype(dtype) for name, value in found.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(24))
def test_not_a_bit_changes(seed: int, dtype: str) -> None:
    draw = np.random.default_rng(seed)
    terms = [str(draw.choice(TERMS)) for _ in range(4)]
    lines = [f"a{k} = {term}" for k, term in enumerate(terms)]
    lines.append(f"loss = sum(({' - '.join(f'a{k}' for k in range(4))}) * tanh(a)) + sum(a0 * a1)")
    program = "\n".join(lines) if seed else REPEATED
    tape = gradient_tape(program, dtype)
    inputs = values(seed, dtype)
    for ours, expected in zip(run(dead(algebra(tape)), inputs), run(tape, inputs), strict=True):
        np.testing.assert_array_equal(ours, expected)
        sound = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(ours)[sound], np.signbit(expected)[sound])


def test_signs_and_repeated_additions_are_gone() -> None:
    tape = gradient_tape(REPEATED, "float64")
    names = [step.op.name for step in tape.instructions]
    fewer = [step.op.name for step in dead(algebra(tape)).instructions]
    assert fewer.count("index_add") < names.count("index_add")


def test_a_sign_goes_into_the_constant_beside_it() -> None:
    tape = gradient_tape("loss = sum(-(2.5 * a) + (-b))", "float64")
    assert "negative" in [step.op.name for step in tape.instructions]
    assert "negative" not in [step.op.name for step in dead(algebra(tape)).instructions]
