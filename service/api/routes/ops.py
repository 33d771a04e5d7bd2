"""The catalogue of ops, straight from the engine's table."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

import engine.ops  # noqa: F401  # fills the table
from engine.errors import UnknownOp
from engine.ir.table import TABLE, lookup
from engine.ops.describe import describe
from service.api.endpoint import errors, make_router
from service.api.respond import respond
from service.api.responses import server
from service.wire.encoding import json_reply
from service.wire.problems import Problem

router = make_router("ops")


@router.get(
    "/v1/ops",
    summary="Every op with its signature, attributes, derivatives and aliases",
    response_model=server.OpList,
    response_description="The ops.",
    responses=errors("unauthorized", "internal"),
)
async def list_ops() -> Response:
    """Every public op, by group and name."""
    records = [describe(op) for op in TABLE.public()]
    return respond(json_reply({"count": len(records), "ops": records}))


@router.get(
    "/v1/ops/{name}",
    summary="One op by name or alias, with its conventions and an example",
    response_model=dict[str, Any],
    response_description="The op.",
    responses=errors("not_found", "unauthorized", "internal"),
)
async def get_op(name: str) -> Response:
    """One op by its name or an alias."""
    try:
        op = lookup(name)
    except UnknownOp as error:
        raise Problem("unknown_op", error.detail, path="$url.name", hint=error.hint, status=404) from None
    return respond(json_reply(describe(op, full=True)))
