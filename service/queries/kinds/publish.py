"""A function to keep on the server, under the hash of its canonical form."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from engine.frontend.graph import Graph
from service.queries.kinds.kind import Example, QueryKind
from service.queries.query_request import QueryRequest, Runner
from service.wire import requests
from service.wire.problems import Reply
from service.wire.requests import Function
from service.wire.responses import Answer


class Publish(Function):
    """A function to keep on the server."""


class InputDeclaration(Answer):
    """What a graph declares of an input."""

    shape: list[int | None] | None = None
    dtype: str | None = None


class GraphSummary(Answer):
    """A published graph."""

    id: str
    inputs: dict[str, InputDeclaration]
    outputs: list[str]
    nodes: int


def _compute(runner: Runner, call: QueryRequest, most_nodes: int | None) -> Reply:
    """Two lines of JSON, the summary and the canonical document: nobody has to read the document again."""
    document, attachments = call.open()
    request = requests.parse(Publish, document)
    graph = runner.graph(call, request, {}, attachments)
    canonical = to_json(graph.document())
    runner.keep(graph, len(canonical))
    return Reply(200, b"\n".join((to_json(_summary(graph)), canonical)))


def _summary(graph: Graph) -> dict[str, Any]:
    inputs: dict[str, dict[str, Any]] = {}
    for name, spec in graph.inputs.items():
        fields = {"shape": None if spec.shape is None else list(spec.shape), "dtype": spec.dtype}
        inputs[name] = {field: value for field, value in fields.items() if value is not None}
    return {"id": graph.id, "inputs": inputs, "outputs": list(graph.outputs), "nodes": len(graph.nodes)}


KIND = QueryKind(
    name="publish",
    position=120,
    summary="Publish a function under the hash of its canonical form",
    request=Publish,
    response=GraphSummary,
    first_tier="thread",
    derivative=False,
    compute=_compute,
    examples=(
        Example(
            "A product",
            body={"program": "loss = w * x"},
            answer={
                "id": "sha256:f8385542f633a7bf1dd128ce94819790c4508815f851bc04317dbe86f052ad98",
                "inputs": {"w": {}, "x": {}},
                "outputs": ["loss"],
                "nodes": 1,
            },
        ),
    ),
)
