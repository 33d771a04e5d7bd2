"""A model of layers as the server expands it, and its graphs played onto whatever records here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradwire._client.session import Session
from gradwire._tracing.node import Edge
from gradwire._tracing.tensor import Tensor, constant
from gradwire._tracing.tracer import trace
from gradwire._transport.codec import post, read
from gradwire._transport.flow import Flow


@dataclass(frozen=True, slots=True)
class Expansion:
    """The answer of `/v1/models/expand`: two graphs, and what they take beside `x`."""

    train: Mapping[str, Any]
    predict: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    state: Mapping[str, Mapping[str, Any]]
    draws: Mapping[str, Mapping[str, Any]]
    summary: list[Mapping[str, Any]]

    @property
    def input(self) -> str:
        """The dtype of `x`."""
        return str(self.predict["inputs"]["x"].get("dtype") or "float32")


def expand(session: Session, model: Mapping[str, Any], dtype: str) -> Flow[Expansion]:
    """Ask the server; raises ProblemError for a layer that it cannot serve."""
    request = post("/v1/models/expand", {"model": model, "dtype": dtype}, tensors=False)
    answer = read((yield from session.send(request)))
    return Expansion(**{name: answer[name] for name in Expansion.__slots__})


def play(graph: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """Record the nodes of a graph on these inputs; its outputs by name."""
    values: dict[str, Any] = {**inputs}
    for name, value in (graph.get("constants") or {}).items():
        values[name] = constant(value["data"], value["dtype"]) if isinstance(value, dict) else value

    def found(reference: Any) -> Any:
        if not isinstance(reference, str):
            return reference
        name, _, index = reference.partition(":")
        value = values[name]
        return Tensor(Edge(value._edge().node, int(index))) if index else value

    for node in graph["nodes"]:
        operands = [found(reference) for reference in node["inputs"]]
        values[node["name"]] = Tensor(Edge(trace(node["op"], operands, node.get("attributes"))))
    return {name: found(name) for name in graph["outputs"]}
