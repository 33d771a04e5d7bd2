"""A batch of 1,000 rows compared with a loop over them, and the ops that ran row by row.

Gradients where the program has one, values else: linear algebra, indexing, sorting, random draws, control
flow, equations. The loop calls one compiled program a row, so that it pays no compilation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks._contest import take_turns
from benchmarks._report import Report
from engine import Compiler, Query, TensorType, parse_program
from engine.queries.compiler import Program, plan_of

Arrays = dict[str, np.ndarray[Any, Any]]

LOOP = """
def f(c, x):
    c = tanh(c + x)
    return c, c
last, y = scan(f, c, xs)
"""
NEWTON = """
def going(x, a):
    return abs(x ** 3 - a) > 1e-9
def step(x, a):
    return x - (x ** 3 - a) / (3 * x ** 2)
y = while_loop(going, step, 1.0, a, max_steps=60)
"""
BRANCH = """
def f(x):
    return sin(x)
def g(x):
    return x * x
y = cond(f, g, sum(x) > 0, x)
"""
SYSTEM = """
def f(x, A, b):
    return A @ x + tanh(x) - b
y = root(f, b, A, b{method})
"""


def main(report: Report, *, small: bool = False) -> None:
    """The batch and the loop for each program."""
    report.contest_table("ms", "row by row")
    for name, (program, rows) in cases(20 if small else 1000).items():
        query = question(program, rows, batch=tuple(rows))
        together, one = Compiler().compile(query), Compiler().compile(question(program, first(rows)))
        each = [{n: v[k] for n, v in rows.items()} for k in range(len(next(iter(rows.values()))))]
        contestants = {"a batch": partial(together.run, rows), "a loop": partial(run_each, one, each)}
        timings = take_turns(contestants, rounds=1 if small else 5)
        steps = plan_of(query)[1].tape.instructions
        mapped = [step.attributes["op"].name for step in steps if step.op.name == "rowwise"]
        report.contest(name, timings, "ms", {"a batch": (", ".join(mapped) or "none",)})


def run_each(program: Program, rows: list[Arrays]) -> None:
    """One program, a row at a time."""
    for row in rows:
        program.run(row)


def question(program: str, values: Arrays, **choices: Any) -> Query:
    """The gradient of the sum of `y`, or `y` where nothing is continuous."""
    types = {n: TensorType(v.shape, v.dtype.name) for n, v in values.items()}
    text = program + "\nloss = sum(y)"
    if not any(t.dtype == "float64" for t in types.values()):
        return Query(graph=parse_program(program), kind="evaluate", inputs=types, outputs=("y",), **choices)
    settings: dict[str, Any] = {"targets": ("loss",), "unconnected": "zero", "diagnose": "off"}
    return Query(graph=parse_program(text), kind="gradient", inputs=types, **settings, **choices)


def first(rows: Arrays) -> Arrays:
    """The first row."""
    return {n: v[0] for n, v in rows.items()}


def cases(n: int) -> dict[str, tuple[str, Arrays]]:
    """Programs, and the rows of their inputs."""
    rng = np.random.default_rng(0)
    square = rng.normal(size=(n, 5, 5)) + 5 * np.eye(5)
    keys, vectors, vector = np.arange(n), rng.normal(size=(n, 50)), rng.normal(size=(n, 5))
    places = rng.integers(0, 50, (n, 20))
    return {
        "solve": ("y = solve(A, b)", {"A": square, "b": vector}),
        "cholesky": ("y = cholesky(A @ A.T)", {"A": square}),
        "take": ("y = take(x, i)", {"x": vectors, "i": places}),
        "index": ("y = x[i]", {"x": rng.normal(size=(n, 50, 3)), "i": places}),
        "sort": ("y = sort(x)", {"x": vectors}),
        "normal": ("y = random_normal(k, m, 1, shape=[20])", {"k": keys, "m": vector[:, 0]}),
        "gamma": ("y = random_gamma(k, a)", {"k": keys, "a": 2 + np.abs(vector)}),
        "permutation": ("y = random_permutation(k, 20)", {"k": keys}),
        "scan": (LOOP, {"c": vector[:, 0], "xs": vectors}),
        "while_loop": (NEWTON, {"a": 1 + np.abs(vector[:, 0])}),
        "cond": (BRANCH, {"x": vector}),
        "root": (SYSTEM.format(method=""), {"A": square, "b": vector}),
        "root, krylov": (SYSTEM.format(method=", method='krylov'"), {"A": square, "b": vector}),
    }
