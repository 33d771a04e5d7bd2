"""Every kind of derivative, and diagnose: with the function in the body, or on a published graph."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api.endpoint import Endpoint, Example, Handler
from service.api.examples import derivatives as derivative_examples
from service.api.respond import respond
from service.api.responses import derivatives as derivative_responses
from service.queries.runner import Kind, QueryRequest
from service.services import Services, services_of
from service.storage.graphs import Published
from service.wire import requests
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


def handler_of(kind: Kind) -> Handler:
    """The endpoint of one kind; it serves both paths."""

    async def handle(request: Request) -> Response:
        services = services_of(request)
        media = media_of(request.headers)
        safetensors = wants_safetensors(request.headers.get("accept"))
        body = await read_body(request, services.settings.max_body_bytes)
        graph_id = request.path_params.get("graph_id")
        if graph_id is None:
            call, nodes = QueryRequest(kind, body, media, safetensors), 0
        else:
            graph = await published(services, graph_id)
            call, nodes = QueryRequest(kind, body, media, safetensors, graph.id, graph.document), graph.nodes
        return respond(await services.tiers.answer(call, nodes, lambda: hung_up(request)))

    return handle


_TENSORS = {safetensors_io.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


def _endpoints(
    kind: Kind,
    summary: str,
    body: type[requests.Request],
    answer: type[derivative_responses.Answer],
    *shown: Example,
) -> tuple[Endpoint, Endpoint]:
    shared: dict[str, Any] = {
        "handler": handler_of(kind),
        "tag": "derivatives",
        "answers": {200: (answer.__doc__ or "", answer)},
        "body": body,
        "extra_media": _TENSORS,
    }
    return (
        Endpoint(
            "POST",
            f"/v1/{kind}",
            name=kind,
            summary=summary,
            errors=CALL_ERRORS,
            examples=shown,
            **shared,
        ),
        Endpoint(
            "POST",
            f"/v1/graphs/{{graph_id}}/{kind}",
            name=f"{kind}_published",
            summary=f"{summary}, on a published graph",
            errors=(*CALL_ERRORS, "graph_not_found"),
            **shared,
        ),
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    *_endpoints(
        "gradient",
        "The value of a scalar target and its gradients",
        requests.Gradient,
        derivative_responses.GradientAnswer,
        derivative_examples.GRADIENT,
    ),
    *_endpoints(
        "evaluate",
        "The values of outputs or of named nodes",
        requests.Evaluate,
        derivative_responses.EvaluateAnswer,
        derivative_examples.EVALUATE,
    ),
    *_endpoints(
        "vjp",
        "Cotangents pulled back to the inputs",
        requests.Vjp,
        derivative_responses.VjpAnswer,
        derivative_examples.VJP,
    ),
    *_endpoints(
        "jvp",
        "Tangents pushed forward to the outputs",
        requests.Jvp,
        derivative_responses.JvpAnswer,
        derivative_examples.JVP,
    ),
    *_endpoints(
        "jacobian",
        "The derivative of every output element by every input element",
        requests.Jacobian,
        derivative_responses.JacobianAnswer,
        derivative_examples.JACOBIAN,
        derivative_examples.SPARSE_JACOBIAN,
    ),
    *_endpoints(
        "hessian",
        "The second derivatives of a scalar target",
        requests.Hessian,
        derivative_responses.HessianAnswer,
        derivative_examples.HESSIAN,
        derivative_examples.SPARSE_HESSIAN,
    ),
    *_endpoints(
        "hvp",
        "A Hessian times vectors, never formed",
        requests.Hvp,
        derivative_responses.HvpAnswer,
        derivative_examples.HVP,
    ),
    *_endpoints(
        "gnvp",
        "The Gauss-Newton matrix J'J times vectors, never formed",
        requests.Gnvp,
        derivative_responses.GnvpAnswer,
        derivative_examples.GNVP,
    ),
    *_endpoints(
        "diagnose",
        "Why each gradient is what it is",
        requests.Diagnose,
        derivative_responses.DiagnoseAnswer,
        derivative_examples.DIAGNOSE,
    ),
    *_endpoints(
        "estimate",
        "What a function would take, from shapes alone",
        requests.Estimate,
        derivative_responses.EstimateAnswer,
        derivative_examples.ESTIMATE,
    ),
    *_endpoints(
        "check",
        "Whether the derivatives of a function are right at a point",
        requests.Check,
        derivative_responses.CheckAnswer,
        derivative_examples.CHECK,
    ),
)
