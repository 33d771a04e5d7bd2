"""The catalogue of ops, straight from the engine's table."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

import engine.ops  # noqa: F401  # fills the table
from engine.errors import UnknownOp
from engine.ir.table import TABLE, lookup
from engine.ops.describe import describe
from service.api.endpoint import Endpoint
from service.api.respond import respond
from service.api.responses import server
from service.wire.encoding import json_reply
from service.wire.problems import Problem


async def list_ops(request: Request) -> Response:
    """Every public op, by group and name."""
    records = [describe(op) for op in TABLE.public()]
    return respond(json_reply({"count": len(records), "ops": records}))


async def get_op(request: Request) -> Response:
    """One op by its name or an alias."""
    name = request.path_params["name"]
    try:
        op = lookup(name)
    except UnknownOp as error:
        raise Problem("unknown_op", error.detail, path="$url.name", hint=error.hint, status=404) from None
    return respond(json_reply(describe(op, full=True)))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET",
        "/v1/ops",
        list_ops,
        name="list_ops",
        summary="Every op with its signature, derivatives and aliases",
        tag="ops",
        answers={200: ("The ops.", server.OpList)},
        errors=("unauthorized", "internal"),
    ),
    Endpoint(
        "GET",
        "/v1/ops/{name}",
        get_op,
        name="get_op",
        summary="One op, with its conventions and an example",
        tag="ops",
        answers={200: ("The op.", {"type": "object"})},
        errors=("not_found", "unauthorized", "internal"),
    ),
)
