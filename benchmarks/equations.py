"""Equations of many unknowns and their derivatives: milliseconds of processor time, and peak memory.

Bratu's boundary-value problem on a line, which its band solves; a nonlinear Poisson equation on a square, by
GMRES alone and preconditioned by its band; a fixed point of a wide tanh layer, plainly and with past steps
mixed in. `used` is what the first run holds at most, inputs and answer included, beside what was `estimated`.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np

from benchmarks._memory import estimated_and_used
from benchmarks._report import Report
from engine import Query, TensorType, parse_program
from engine.queries.compiler import make_program

Arrays = dict[str, np.ndarray[Any, Any]]

BRATU = """
def f(u, lam):
    left = concatenate([zeros([1]), u[:-1]], axis=0)
    right = concatenate([u[1:], zeros([1])], axis=0)
    return (left - 2 * u + right) * {scale} + lam * exp(u)
loss = mean(root(f, zeros([{n}]), lam, bandwidth=1))
"""
POISSON = """
def f(u, s, k):
    row = zeros([1, {m}])
    up = concatenate([row, u[:-1]], axis=0)
    down = concatenate([u[1:], row], axis=0)
    left = concatenate([row.T, u[:, :-1]], axis=1)
    right = concatenate([u[:, 1:], row.T], axis=1)
    return (4 * u - up - down - left - right) * {scale} + k * u ** 3 - s
loss = mean(root(f, zeros([{m}, {m}]), s, k{more}) ** 2)
"""
LAYER = """
def f(x, W, b):
    return tanh(W @ x) + b
loss = sum(fixed_point(f, b, W, b{more}) ** 2)
"""


def main(report: Report, *, small: bool = False) -> None:
    """A row for each equation and kind of derivative."""
    report.table("equation", "kind", "CPU, ms", "used, MB", "estimated, MB", "estimated ÷ used")
    for name, (program, values) in cases(small).items():
        for kind in ("gradient", "hvp"):
            query, vectors = question(kind, program, values)
            compile = partial(make_program, query)
            compiled = compile()
            compiled.run(values, vectors)
            start = time.process_time()
            compiled.run(values, vectors)
            took = (time.process_time() - start) * 1e3
            estimated, used = estimated_and_used(compile, values, vectors)
            report.row(name, kind, took, used / 1e6, estimated / 1e6, estimated / used)


def question(kind: Any, program: str, values: Arrays) -> tuple[Query, Arrays | None]:
    """The question for a kind of derivative, and the vectors that it takes."""
    types = {n: TensorType(v.shape, v.dtype.name) for n, v in values.items()}
    vectors = {n: np.ones_like(v) for n, v in values.items()} if kind == "hvp" else None
    own = None if vectors is None else types
    graph = parse_program(program)
    return Query(graph=graph, kind=kind, inputs=types, targets=("loss",), vectors=own), vectors


def cases(small: bool) -> dict[str, tuple[str, Arrays]]:
    """Programs, and the values of their inputs."""
    rng = np.random.default_rng(0)
    n, m, width = (500, 20, 300) if small else (10_000, 100, 2_000)
    source = {"s": rng.normal(size=(m, m)), "k": np.array(1.0)}
    layer = {"W": rng.normal(size=(width, width)) * 0.6 / width**0.5, "b": rng.normal(size=width)}
    plane = {"m": m, "scale": float((m + 1) ** 2)}
    return {
        f"line of {n}": (BRATU.format(n=n, scale=float((n + 1) ** 2)), {"lam": np.array(1.0)}),
        f"square of {m * m}": (POISSON.format(more="", **plane), source),
        f"square of {m * m}, banded": (POISSON.format(more=f", bandwidth={m}", **plane), source),
        f"fixed point of {width}": (LAYER.format(more=""), layer),
        f"fixed point of {width}, mixed": (LAYER.format(more=", anderson=5"), layer),
    }
