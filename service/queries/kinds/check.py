"""Whether the derivatives of a function are right at a point."""

from __future__ import annotations

from pydantic import Field

from engine.errors import InvalidDocument
from engine.queries.check import check
from service.queries.builder import decode_inputs, device_of, floating, optimize_of, places_of
from service.queries.kinds.kind import Example, QueryKind
from service.queries.query_request import QueryRequest, Runner
from service.wire import requests
from service.wire.encoding import json_reply
from service.wire.problems import Reply
from service.wire.requests import Function, Names, Options, Tensors
from service.wire.responses import Computed


class Check(Function, Options):
    """Whether the derivatives of a scalar target are right at a point."""

    inputs: Tensors | None = Field(None, description="A tensor for every input that the answer needs.")
    target: str | None = Field(None, description="What to differentiate; default: the only output.")
    wrt: Names | None = Field(None, description="By what; default: every floating input.")
    seed: int | None = Field(None, ge=0, description="Of the random directions; default 0.")


class CheckAnswer(Computed):
    """Two tests that share no arithmetic: the order of the Taylor remainder, and <Jv, w> = <v, J'w>."""

    passed: bool
    taylor_order: dict[str, float | str | None] = Field(
        description="By variable: 2 where the gradient is right, null if the target is linear, "
        "NaN where it is not finite."
    )
    dot_product_error: float | str


def _compute(runner: Runner, call: QueryRequest, most_nodes: int | None) -> Reply:
    document, attachments = call.open()
    request = requests.parse(Check, document, function=call.graph_id is None)
    device_of(request)  # the check itself is made on the CPU, as its digits are what is checked
    if request.batch:
        raise InvalidDocument(
            "a check is of one point, and `batch` names rows of several",
            path="$.batch",
            hint="check one row, without `batch`",
        )
    values = request.inputs or {}
    graph = runner.graph(call, request, values, attachments)
    inputs = {
        name: tensor.array for name, tensor in decode_inputs(places_of(graph), values, attachments).items()
    }
    return json_reply(
        check(
            graph,
            inputs,
            target=request.target,
            wrt=request.wrt,
            seed=request.seed or 0,
            dtype=floating(request.dtype),
            optimize=optimize_of(request),
            exact=bool(request.exact),
            stabilize=bool(request.stabilize),
            compiler=runner.compiler,
            peak_bytes_limit=runner.max_peak_bytes,
        )
    )


KIND = QueryKind(
    name="check",
    position=110,
    summary="Whether the derivatives of a function are right at a point",
    request=Check,
    response=CheckAnswer,
    first_tier="child",
    compute=_compute,
    examples=(
        Example(
            "Nothing remains where the target is linear",
            body={"program": "4 * x", "inputs": {"x": 1}, "seed": 0},
            answer={"passed": True, "taylor_order": {"x": None}, "dot_product_error": 0.0},
        ),
    ),
)
