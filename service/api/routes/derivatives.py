"""Every kind of derivative, and diagnose: with the function in the body, or on a published graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from service.api.endpoint import SAFETENSORS, TENSOR_BODY, BareRoute, errors, make_router, reads, returns
from service.api.respond import respond
from service.queries.kinds import KINDS, QueryKind
from service.queries.query_request import QueryRequest
from service.queries.turns import Caller
from service.services import Services, caller_of, services_of
from service.storage.graphs import PublishedGraph
from service.wire.body import hung_up, media_of, receive_body
from service.wire.encoding import wants_safetensors
from service.wire.held_bytes import Share
from service.wire.problems import Problem, Reply

#: What can be wrong with any body that carries a function …
FUNCTION_ERRORS = (
    "malformed_json",
    "unauthorized",
    "body_too_large",
    "unsupported_media_type",
    "unknown_field",
    "invalid_document",
    "invalid_tensor",
    "syntax_error",
    "unknown_op",
    "unknown_name",
    "duplicate_name",
    "cycle",
    "wrong_arity",
    "invalid_attribute",
    "over_limit",
    "internal",
    "busy",
    "time_limit",
)
#: … and with one that carries its inputs as well.
CALL_ERRORS = (
    *FUNCTION_ERRORS,
    "shape_mismatch",
    "dtype_mismatch",
    "index_out_of_range",
    "missing_input",
    "unknown_input",
    "target_required",
    "invalid_target",
    "unknown_wrt",
    "unconnected",
    "derivative_not_implemented",
    "not_holomorphic",
    "data_dependent_shape",
    "device_unavailable",
)


async def published(services: Services, graph_id: str) -> PublishedGraph:
    """The published graph. Raises Problem graph_not_found."""
    graph = services.graphs.peek(graph_id) or await services.graphs.get(graph_id)
    if graph is None:
        raise Problem(
            "graph_not_found",
            f"expected the id of a published graph, got '{graph_id[:100]}'",
            path="$url.graph_id",
            hint="publish it with POST /v1/graphs; ids look like sha256:…",
        )
    return graph


async def compute(
    services: Services,
    kind: str,
    headers: Mapping[str, str],
    receive: Receive,
    graph: PublishedGraph | None,
    caller: Caller,
) -> Reply:
    """The reply to a request for a derivative of the function in its body, or of `graph`.

    Raises Problem, UserError, ClientGone and ClientDisconnect.
    """
    media = media_of(headers)
    safetensors = wants_safetensors(headers.get("accept"))
    coding = headers.get("accept-encoding")
    with Share(services.bodies, caller[0] if caller else "") as share:
        body = await receive_body(receive, headers, services.settings.max_body_bytes, share)
        if graph is None:
            request, nodes = QueryRequest(kind, body, media, safetensors, accept_encoding=coding), 0
        else:
            request = QueryRequest(
                kind, body, media, safetensors, graph.id, graph.document, accept_encoding=coding
            )
            nodes = graph.nodes
        return await services.tiers.answer(request, nodes, partial(hung_up, receive), caller=caller)


def handler_of(kind: QueryKind) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of one kind; it serves both paths."""
    name = kind.name

    async def handle(request: Request) -> Response:
        services = services_of(request)
        graph_id = request.path_params.get("graph_id")
        graph = None if graph_id is None else await published(services, graph_id)
        caller = caller_of(request.scope)
        return respond(await compute(services, name, request.headers, request.receive, graph, caller))

    return handle


def _graph_id(graph_id: Annotated[str, Path(description="`id` of a published graph.")]) -> None:
    """What OpenAPI says of the id in the path."""


router = make_router("derivatives", BareRoute)


def _add(kind: QueryKind) -> None:
    """The two endpoints of one kind."""
    handler = handler_of(kind)
    shared: dict[str, Any] = {
        "methods": ["POST"],
        "response_model": kind.response,
        "response_description": kind.response.__doc__ or "",
        "openapi_extra": dict(TENSOR_BODY),
    }
    router.add_api_route(
        f"/v1/{kind.name}",
        handler,
        name=kind.name,
        summary=kind.summary,
        dependencies=[reads(kind.request, kind.examples)],
        responses={200: returns(kind.examples, SAFETENSORS), **errors(*CALL_ERRORS)},
        **shared,
    )
    router.add_api_route(
        f"/v1/graphs/{{graph_id}}/{kind.name}",
        handler,
        name=f"{kind.name}_published",
        summary=f"{kind.summary}, on a published graph",
        dependencies=[Depends(_graph_id), reads(kind.request)],
        responses={200: returns(media=SAFETENSORS), **errors(*CALL_ERRORS, "graph_not_found")},
        **shared,
    )


for _kind in KINDS.values():
    if _kind.derivative:
        _add(_kind)
