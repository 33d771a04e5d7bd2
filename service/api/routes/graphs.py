"""Published graphs: publish, list, fetch, delete."""

from __future__ import annotations

from functools import partial

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from service.api import paging
from service.api.endpoint import TENSOR_BODY, BareRoute, errors, make_router, reads, returns
from service.api.parameters import Page
from service.api.peers import everywhere
from service.api.respond import respond
from service.api.responses.graphs import GraphAnswer, GraphPage
from service.api.routes.derivatives import FUNCTION_ERRORS, published
from service.queries.kinds import KINDS
from service.queries.query_request import QueryRequest
from service.services import caller_of, holding_body, services_of
from service.storage.graphs import PublishedGraph
from service.wire.body import hung_up, media_of, read_body
from service.wire.problems import Reply

_COMMON = ("unauthorized", "internal", "busy")
_PUBLISH = KINDS["publish"]

router = make_router("graphs")
bare = make_router("graphs", BareRoute)


@bare.post(
    "/v1/graphs",
    summary=_PUBLISH.summary,
    dependencies=[reads(_PUBLISH.request, _PUBLISH.examples)],
    openapi_extra=dict(TENSOR_BODY),
    status_code=201,
    response_model=_PUBLISH.response,
    response_description="Stored; Location names it.",
    responses={
        201: returns(_PUBLISH.examples),
        200: {"model": _PUBLISH.response, "description": "It was there already."},
        **errors(*FUNCTION_ERRORS, "disk_full"),
    },
)
@holding_body
async def publish_graph(request: Request) -> Response:
    """Store a function under the hash of its canonical form; acknowledged means committed to disk."""
    services = services_of(request)
    media = media_of(request.headers)
    caller = caller_of(request.scope)
    body = await read_body(request, services.settings.max_body_bytes)
    call = QueryRequest("publish", body, media)
    reply = await services.tiers.answer(call, 0, partial(hung_up, request.receive), caller=caller)
    if reply.status != 200:
        return respond(reply)
    summary, _, document = reply.whole().partition(b"\n")
    described = from_json(summary)
    graph = PublishedGraph(described["id"], document, summary.decode(), described["nodes"])
    created = await services.graphs.put(graph)
    location = {"Location": f"/v1/graphs/{graph.id}"}
    return respond(Reply(201 if created else 200, graph.summary.encode(), headers=location))


@router.get(
    "/v1/graphs/{graph_id}",
    summary="One published graph with its canonical document",
    response_model=GraphAnswer,
    response_description="The graph.",
    responses=errors("graph_not_found", *_COMMON),
)
async def get_graph(request: Request, graph_id: str) -> Response:
    """The summary and the canonical document."""
    graph = await published(services_of(request), graph_id)
    body = graph.summary.encode()[:-1] + b',"graph":' + graph.document + b"}"
    return respond(Reply(200, body))


@router.get(
    "/v1/graphs",
    summary="A page of published graphs, oldest first",
    response_model=GraphPage,
    response_description="A page.",
    responses=errors("invalid_parameter", *_COMMON),
)
async def list_graphs(request: Request, page: Page) -> Response:
    """A page of summaries, oldest first."""
    after = paging.place("graphs", page.cursor) or 0
    summaries, following = await services_of(request).graphs.page(after=after, limit=page.limit)
    cursor = to_json(paging.cursor("graphs", following))
    return respond(Reply(200, f'{{"graphs":[{",".join(summaries)}],"next_cursor":'.encode() + cursor + b"}"))


@router.delete(
    "/v1/graphs/{graph_id}",
    summary="Forget a published graph",
    status_code=204,
    response_description="Gone.",
    responses=errors("graph_not_found", "disk_full", *_COMMON),
)
async def delete_graph(request: Request, graph_id: str) -> Response:
    """Forget the graph."""
    services = services_of(request)
    if not await services.graphs.delete(graph_id):
        await published(services, graph_id)  # raises
    services.runner.forget(graph_id)
    await everywhere(services, graph_id)
    return Response(status_code=204)
