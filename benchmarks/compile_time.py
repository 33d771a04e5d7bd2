"""Processor time that a chain of nodes takes to record, and its gradient to compile: the best of some."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
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


def best(action: Callable[[], object], repeat: int) -> float:
    """The least processor time of a few runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def measure(length: int, repeat: int) -> dict[str, float]:
    """Seconds for recording alone, and for the whole compilation of value and gradient."""
    graph = chain(length)
    query = Query(graph=graph, kind="gradient", inputs={"x": TensorType((4,))})
    return {
        "nodes": length,
        "record_seconds": round(best(lambda: record(graph, query.inputs, ["loss"]), repeat), 4),
        "gradient_seconds": round(best(lambda: make_program(query), repeat), 4),
    }


def main(*, small: bool = False) -> None:
    """Measure and print one JSON object."""
    nodes, repeat = (2_000, 1) if small else (100_000, 3)
    print(json.dumps(measure(nodes, repeat)))
