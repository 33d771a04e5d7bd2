"""Models of layers, expanded into graphs."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from service.api.endpoint import BareRoute, errors, make_router, reads, returns
from service.api.examples.model import EXPAND
from service.api.respond import respond
from service.api.responses import jobs as job_responses
from service.api.routes.derivatives import FUNCTION_ERRORS
from service.queries.query_request import QueryRequest
from service.services import caller_of, holding_body, services_of
from service.wire import requests
from service.wire.body import hung_up, media_of, read_body
from service.wire.problems import Problem

router = make_router("models", BareRoute)


@router.post(
    "/v1/models/expand",
    summary="A model of layers as graphs, with its parameters",
    dependencies=[reads(requests.Expand, [EXPAND])],
    response_model=job_responses.ExpandAnswer,
    response_description="The graphs and the parameters.",
    responses={200: returns([EXPAND]), **errors(*FUNCTION_ERRORS)},
)
@holding_body
async def expand_model(request: Request) -> Response:
    """The graphs that a model of layers means: one to train with, one to predict with, and its parameters."""
    services = services_of(request)
    if media_of(request.headers) != "json":
        raise Problem(
            "unsupported_media_type",
            "expected Content-Type application/json: a model holds no arrays",
            path="headers.content-type",
        )
    body = await read_body(request, services.settings.max_body_bytes)
    return respond(
        await services.tiers.answer(
            QueryRequest("expand", body, accept_encoding=request.headers.get("accept-encoding")),
            disconnected=partial(hung_up, request.receive),
            caller=caller_of(request.scope),
        )
    )
