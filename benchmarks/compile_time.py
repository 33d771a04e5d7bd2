"""Processor time to record a chain of nodes and to compile its gradient: the best of several runs.

Beside it a determinant by minors of the first row, a function for each size, which calls that of the size
below as often as it has columns: what is expanded grows with the factorial of the size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks._report import Report
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.frontend.record import record
from engine.queries.compiler import make_program

STEPS: list[tuple[str, list[float]]] = [("multiply", [1.0000001]), ("add", [1e-7]), ("tanh", [])]


def chain(length: int) -> Graph:
    """x, then `length` elementwise nodes one after the other, then their sum."""
    nodes: list[dict[str, Any]] = []
    last = "x"
    for number in range(length):
        op, constants = STEPS[number % len(STEPS)]
        nodes.append({"name": f"n{number}", "op": op, "inputs": [last, *constants]})
        last = f"n{number}"
    nodes.append({"name": "loss", "op": "sum", "inputs": [last]})
    return decode_graph({"version": 1, "inputs": {"x": {}}, "nodes": nodes, "outputs": ["loss"]})


def determinant(size: int) -> Graph:
    """The determinant of a matrix, by functions that call each other."""
    text = ["def det1(a):\n    return a[0, 0]"]
    for k in range(2, size + 1):
        terms = [f"a[0, {j}] * det{k - 1}(concat([a[1:, :{j}], a[1:, {j + 1}:]], axis=1))" for j in range(k)]
        signed = [f"{'-' if j % 2 else '+'} {term}" for j, term in enumerate(terms)]
        text.append(f"def det{k}(a):\n    return {' '.join(signed).removeprefix('+ ')}")
    return parse_program("\n".join([*text, f"loss = det{size}(a)"]))


def best(action: Callable[[], object], repeat: int) -> float:
    """The least processor time of a few runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def main(report: Report, *, small: bool = False) -> None:
    """A row for each length of the chain."""
    report.table("nodes", "record, ms", "compile the gradient, ms", "µs a node")
    for length in (10, 100, 1_000, 2_000) if small else (10, 100, 1_000, 10_000, 100_000):
        graph, repeat = chain(length), 3 if length > 1_000 else 20
        query = Query(graph=graph, kind="gradient", inputs={"x": TensorType((4,))})
        recorded = best(partial(record, graph, query.inputs, ["loss"]), repeat)
        compiled = best(partial(make_program, query), repeat)
        report.row(length, recorded * 1e3, compiled * 1e3, compiled / length * 1e6)
    report.table("determinant by minors, rows", "compile the gradient, ms", "run, ms")
    for size in (3, 4) if small else (4, 5, 6, 7, 8):
        inputs = {"a": TensorType((size, size))}
        query = Query(graph=determinant(size), kind="gradient", inputs=inputs, targets=("loss",))
        compiled = best(partial(make_program, query), 1 if size > 6 else 3)
        program, values = make_program(query), {"a": np.eye(size) + 0.1}
        report.row(size, compiled * 1e3, best(partial(program.run, values), 3) * 1e3)
