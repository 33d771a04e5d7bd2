"""Every kind of derivative, and diagnose: with the function in the body, or on a published graph."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api.endpoint import Endpoint, Handler
from service.api.respond import respond
from service.queries.kinds import KINDS, QueryKind
from service.queries.query_request import QueryRequest
from service.services import Services, services_of
from service.storage.graphs import Published
from service.wire import safetensors as safetensors_io
from service.wire.body import hung_up, media_of, read_body
from service.wire.encoding import wants_safetensors
from service.wire.problems import Problem

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


async def published(services: Services, graph_id: str) -> Published:
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


def handler_of(kind: QueryKind) -> Handler:
    """The endpoint of one kind; it serves both paths."""
    name = kind.name

    async def handle(request: Request) -> Response:
        services = services_of(request)
        media = media_of(request.headers)
        safetensors = wants_safetensors(request.headers.get("accept"))
        body = await read_body(request, services.settings.max_body_bytes)
        graph_id = request.path_params.get("graph_id")
        if graph_id is None:
            call, nodes = QueryRequest(name, body, media, safetensors), 0
        else:
            graph = await published(services, graph_id)
            call, nodes = QueryRequest(name, body, media, safetensors, graph.id, graph.document), graph.nodes
        return respond(await services.tiers.answer(call, nodes, lambda: hung_up(request)))

    return handle


_TENSORS = {safetensors_io.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


def _endpoints(kind: QueryKind) -> tuple[Endpoint, Endpoint]:
    shared: dict[str, Any] = {
        "handler": handler_of(kind),
        "tag": "derivatives",
        "answers": {200: (kind.response.__doc__ or "", kind.response)},
        "body": kind.request,
        "extra_media": _TENSORS,
    }
    return (
        Endpoint(
            "POST",
            f"/v1/{kind.name}",
            name=kind.name,
            summary=kind.summary,
            errors=CALL_ERRORS,
            examples=kind.examples,
            **shared,
        ),
        Endpoint(
            "POST",
            f"/v1/graphs/{{graph_id}}/{kind.name}",
            name=f"{kind.name}_published",
            summary=f"{kind.summary}, on a published graph",
            errors=(*CALL_ERRORS, "graph_not_found"),
            **shared,
        ),
    )


ENDPOINTS: tuple[Endpoint, ...] = tuple(
    endpoint for kind in KINDS.values() if kind.derivative for endpoint in _endpoints(kind)
)
