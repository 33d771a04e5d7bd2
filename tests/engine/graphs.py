"""Graphs that tests of more than one package send."""

from __future__ import annotations

from typing import Any

#: mean((W * x + b - y) ** 2) as a graph.
REGRESSION: dict[str, Any] = {
    "version": 1,
    "inputs": {"W": {"shape": [1], "dtype": "float64"}, "b": {}, "x": {}, "y": {}},
    "constants": {"two": 2.0},
    "nodes": [
        {"name": "wx", "op": "multiply", "inputs": ["W", "x"]},
        {"name": "pred", "op": "add", "inputs": ["wx", "b"]},
        {"name": "err", "op": "subtract", "inputs": ["pred", "y"]},
        {"name": "sq", "op": "pow", "inputs": ["err", "two"]},
        {"name": "loss", "op": "mean", "inputs": ["sq"], "attributes": {"axis": None}},
    ],
    "outputs": ["loss"],
}
