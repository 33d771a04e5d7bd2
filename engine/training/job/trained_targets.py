"""Targets that were given as a parameter: they would be trained, until they meet the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.frontend.graph import Graph, Node
from engine.training.catalogue.losses import LOSSES
from engine.training.job.objective import Objective

_DISTANCES = frozenset({"square", "pow", "abs", "multiply"})


def trained_targets(objective: Objective, rows: int) -> Iterator[Mapping[str, Any]]:
    """A warning of each parameter that has a row for each of the data's, and meets predictions alone."""
    if len(objective.parameters) < 2 or rows < 2:
        return
    graph = objective.train
    for name, weight in objective.parameters.items():
        if not weight.shape or weight.shape[0] != rows:
            continue
        readers = [node for node in graph.nodes if name in node.inputs]
        if readers and all(_compares(node, name, objective) for node in readers):
            yield {
                "code": "likely_mistake",
                "node": readers[0].name,
                "message": (
                    f"the parameter '{name}' has a row for each of the {rows:,} rows of data, and is only "
                    "compared with predictions: as a parameter it is trained until it equals them. If it "
                    f"holds the targets, take '{name}' out of the parameters and send it with the data"
                ),
            }


def _compares(node: Node, name: str, objective: Objective) -> bool:
    """Whether a node takes the distance of a parameter from a prediction."""
    graph = objective.train
    others = [each for each in node.inputs if isinstance(each, str) and each != name]
    if len(node.inputs) != 2 or len(others) != 1:
        return False
    read = _behind(graph, others[0])
    learned = (read & set(objective.parameters)) - {name}
    if not (learned and read & set(objective.columns)) or name in read:
        return False
    if node.op.name != "subtract":
        return any(node.op is loss.op for loss in LOSSES)
    readers = [each for each in graph.nodes if node.name in each.inputs]
    return bool(readers) and all(each.op.name in _DISTANCES for each in readers)


def _behind(graph: Graph, reference: str) -> set[str]:
    """The names that a reference hangs on."""
    names: set[str] = set()
    stack = [reference]
    while stack:
        name = stack.pop().partition(":")[0]
        if name not in names:
            names.add(name)
            node = graph.names.get(name)
            stack.extend(each for each in (node.inputs if node else ()) if isinstance(each, str))
    return names
