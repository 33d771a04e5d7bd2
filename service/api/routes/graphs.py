"""Published graphs: publish, list, fetch, delete."""

from __future__ import annotations

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from service.api import paging
from service.api.endpoint import Endpoint
from service.api.respond import respond
from service.api.responses.graphs import GraphAnswer, GraphPage
from service.api.routes.derivatives import FUNCTION_ERRORS, published
from service.queries.kinds import KINDS
from service.queries.query_request import QueryRequest
from service.services import services_of
from service.storage.graphs import Published
from service.wire.body import media_of, read_body
from service.wire.problems import Reply


async def publish(request: Request) -> Response:
    """Store a function under the hash of its canonical form; acknowledged means committed to disk."""
    services = services_of(request)
    media = media_of(request.headers)
    body = await read_body(request, services.settings.max_body_bytes)
    reply = await services.tiers.answer(QueryRequest("publish", body, media), 0)
    if reply.status != 200:
        return respond(reply)
    summary, _, document = reply.body.partition(b"\n")
    described = from_json(summary)
    graph = Published(described["id"], document, summary.decode(), described["nodes"])
    created = await services.graphs.put(graph)
    location = {"Location": f"/v1/graphs/{graph.id}"}
    return respond(Reply(201 if created else 200, graph.summary.encode(), headers=location))


async def fetch(request: Request) -> Response:
    """The summary and the canonical document."""
    graph = await published(services_of(request), request.path_params["graph_id"])
    body = graph.summary.encode()[:-1] + b',"graph":' + graph.document + b"}"
    return respond(Reply(200, body))


async def listing(request: Request) -> Response:
    """A page of summaries, oldest first."""
    page = paging.read(request, "graphs")
    graphs = services_of(request).graphs
    summaries, following = await graphs.page(after=page.place or 0, limit=page.limit)
    cursor = b"null" if following is None else to_json(paging.cursor("graphs", following))
    return respond(Reply(200, f'{{"graphs":[{",".join(summaries)}],"next_cursor":'.encode() + cursor + b"}"))


async def delete(request: Request) -> Response:
    """Forget the graph."""
    services, graph_id = services_of(request), request.path_params["graph_id"]
    if not await services.graphs.delete(graph_id):
        await published(services, graph_id)  # raises
    services.runner.forget(graph_id)
    return Response(status_code=204)


_COMMON = ("unauthorized", "internal", "busy")
_PUBLISH = KINDS["publish"]

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/graphs",
        publish,
        name="publish_graph",
        summary=_PUBLISH.summary,
        tag="graphs",
        body=_PUBLISH.request,
        answers={
            201: ("Stored; Location names it.", _PUBLISH.response),
            200: ("It was there already.", _PUBLISH.response),
        },
        errors=(*FUNCTION_ERRORS, "disk_full"),
        examples=_PUBLISH.examples,
    ),
    Endpoint(
        "GET",
        "/v1/graphs",
        listing,
        name="list_graphs",
        summary="Published graphs, oldest first",
        tag="graphs",
        query=(
            {
                "name": "limit",
                "description": "Graphs a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": paging.MAX_PAGE, "default": 100},
            },
            {
                "name": "cursor",
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string"},
            },
        ),
        answers={200: ("A page.", GraphPage)},
        errors=("invalid_parameter", *_COMMON),
    ),
    Endpoint(
        "GET",
        "/v1/graphs/{graph_id}",
        fetch,
        name="get_graph",
        summary="One published graph with its canonical document",
        tag="graphs",
        answers={200: ("The graph.", GraphAnswer)},
        errors=("graph_not_found", *_COMMON),
    ),
    Endpoint(
        "DELETE",
        "/v1/graphs/{graph_id}",
        delete,
        name="delete_graph",
        summary="Forget a published graph",
        tag="graphs",
        answers={204: ("Gone.", None)},
        errors=("graph_not_found", "disk_full", *_COMMON),
    ),
)
