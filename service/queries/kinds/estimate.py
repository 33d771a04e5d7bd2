"""What a function would take, from shapes alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from engine.queries.estimate import estimate
from service.queries.builder import build_query, declared_types
from service.queries.kinds.kind import Example, QueryKind
from service.queries.query_request import QueryRequest, Runner, require_nodes
from service.wire import requests
from service.wire.encoding import json_reply
from service.wire.problems import Reply
from service.wire.requests import Function, InputType, Names, Options
from service.wire.responses import Answer


class Estimate(Function, Options):
    """What a function would take, from shapes alone."""

    inputs: dict[str, InputType] | None = Field(None, description="A shape and dtype for every input.")
    target: str | None = Field(None, description="Of the gradient and Hessian; default: the only output.")
    wrt: Names | None = Field(None, description="By what; default: every floating or complex input.")
    outputs: Names | None = Field(None, description="Of the forward pass and Jacobian; default: all outputs.")
    sparse: bool | None = Field(None, description="Add `sparse`: the sparse Jacobian and Hessian.")


class NodeEstimate(Answer):
    """One node: its type, its operations, the bytes of its value."""

    node: str
    op: str
    shape: list[int]
    dtype: str
    flops: int
    bytes: int


class Figures(Answer):
    """Operations, and the most bytes alive at once."""

    flops: int
    peak_bytes: int


class JacobianFigures(Answer):
    """Both methods, and the one that `auto` takes."""

    forward: Figures
    reverse: Figures
    cheaper: Literal["forward", "reverse"]


class SparseFigures(Figures):
    """What a sparse matrix takes: products, as many as there are colours, and entries."""

    colours: int
    nonzeros: int
    method: Literal["forward", "reverse"]


class SparseEstimate(Answer):
    """The sparse Jacobian and Hessian; null if they would be refused."""

    jacobian: SparseFigures | None
    hessian: SparseFigures | None


class EstimateAnswer(Answer):
    """What a function would take; null if a call of that kind would be refused."""

    nodes: list[NodeEstimate]
    forward: Figures | None
    gradient: Figures | None
    jacobian: JacobianFigures | None
    hessian: Figures | None
    sparse: SparseEstimate | None = None


def _compute(runner: Runner, call: QueryRequest, most_nodes: int | None) -> Reply:
    document, _ = call.open()
    request = requests.parse(Estimate, document, function=call.graph_id is None)
    raw_inputs = request.inputs or {}
    graph = runner.graph(call, request, raw_inputs, None)
    require_nodes(graph, most_nodes)
    query = build_query("evaluate", graph, request, {})
    return json_reply(estimate(replace(query, inputs=declared_types(graph, raw_inputs))))


_EXAMPLES = (
    Example(
        "A product of a thousand elements",
        body={"program": "sum(w * x)", "inputs": {"w": {"shape": [1000]}, "x": {"shape": [1000]}}},
        answer={
            "nodes": [
                {
                    "node": "multiply_1",
                    "op": "multiply",
                    "shape": [1000],
                    "dtype": "float64",
                    "flops": 1000,
                    "bytes": 8000,
                },
                {
                    "node": "result",
                    "op": "sum",
                    "shape": [],
                    "dtype": "float64",
                    "flops": 1000,
                    "bytes": 8,
                },
            ],
            "forward": {"flops": 2000, "peak_bytes": 24008},
            "gradient": {"flops": 2000, "peak_bytes": 40008},
            "jacobian": {
                "forward": {"flops": 4002000, "peak_bytes": 16032008},
                "reverse": {"flops": 2000, "peak_bytes": 40008},
                "cheaper": "reverse",
            },
            "hessian": {"flops": 2000, "peak_bytes": 32088008},
        },
    ),
)

KIND = QueryKind(
    name="estimate",
    position=100,
    summary="What a function would take, from shapes alone",
    request=Estimate,
    response=EstimateAnswer,
    first_tier="thread",
    compute=_compute,
    examples=_EXAMPLES,
)
