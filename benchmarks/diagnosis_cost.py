"""The cost of `diagnose: auto` for a healthy gradient, as a share of the backward pass.

The backward pass is a gradient without diagnosis less the forward pass alone. All three are run in turns, and
the first decile is shown, so that a busy machine does not count. The last column is what a diagnosis takes
when it is needed. All figures are µs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from benchmarks._report import Report
from engine.derivatives.query import Kind, Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, Program


def program_of(nodes: int) -> str:
    """A program of about `nodes` elementwise nodes over the weights a and b, and one mean."""
    lines = ["h = x * a"]
    steps = ("h = tanh(h + b)", "h = exp(-h * a)", "h = h + b * x")
    lines += [steps[turn % len(steps)] for turn in range(nodes // 2 - 1)]
    return "\n".join([*lines, "mean(h ** 2)"])


def measure(nodes: int, size: int, dtype: str, runs: int) -> tuple[float, float, float, float]:
    """Microseconds of the forward pass, the gradient without and with `auto`, and a whole diagnosis."""
    names = ("x", "a", "b")
    draw = np.random.default_rng(0)
    shape = () if size == 1 else (size,)
    inputs = {name: np.asarray(draw.uniform(0.5, 1.0, shape), dtype) for name in names}
    graph = parse_program(program_of(nodes))
    types = {name: TensorType(shape, dtype) for name in names}
    compiler = Compiler()

    def compiled(kind: Kind, diagnose: Literal["auto", "off"] = "auto") -> Program:
        wrt = None if kind == "evaluate" else names[1:]
        return compiler.compile(Query(graph=graph, kind=kind, inputs=types, wrt=wrt, diagnose=diagnose))

    programs = [
        compiled("evaluate"),
        compiled("gradient", "off"),
        compiled("gradient", "auto"),
        compiled("diagnose"),
    ]
    assert "diagnosis" not in programs[2].run(inputs), "the benchmark wants a healthy gradient"
    samples: list[list[float]] = [[] for _ in programs]
    for turn in range(runs):
        ahead = turn % 3  # each is first as often as the others
        for place in (ahead, (ahead + 1) % 3, (ahead + 2) % 3):
            samples[place].append(timed(partial(programs[place].run, inputs)))
    samples[3] = [timed(partial(programs[3].run, inputs)) for _ in range(10)]
    forward, off, auto, whole = (quick(times) for times in samples)
    return forward, off, auto, whole


def quick(times: list[float]) -> float:
    """The first decile: what a run takes that nothing else disturbed."""
    return statistics.quantiles(times, n=10)[0]


def timed(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def main(report: Report, *, small: bool) -> None:
    """The table."""
    runs = 200 if small else 4000
    report.table("nodes", "elements", "dtype", "forward", "backward", "auto", "auto ÷ backward", "diagnosis")
    for nodes in (10, 40) if small else (10, 40, 160):
        for size, dtype in ((1, "float64"), (1000, "float64"), (1000, "float32"), (30_000, "float64")):
            forward, off, auto, whole = measure(nodes, size, dtype, runs if size <= 1000 else runs // 4)
            backward, more = off - forward, auto - off
            report.row(nodes, size, dtype, forward, backward, more, more / backward, whole)
