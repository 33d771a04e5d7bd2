"""Published graphs: publish, list, fetch, delete."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from service import answers, schemas
from service.body import media_of, read_body
from service.dependencies import services_of
from service.problems import Problem, Reply
from service.queries import Call
from service.responses import respond
from service.routes import examples
from service.routes.derivatives import FUNCTION_ERRORS, published
from service.routes.endpoint import Endpoint
from service.storage.graphs import Published

_MAX_PAGE = 1000


async def publish(request: Request) -> Response:
    """Store a function under the hash of its canonical form; acknowledged means committed to disk."""
    services = services_of(request)
    media = media_of(request.headers)
    body = await read_body(request, services.settings.max_body_bytes)
    reply = await services.tiers.answer(Call("publish", body, media), 0)
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
    unknown = [name for name in request.query_params if name not in ("limit", "cursor")]
    if unknown:
        raise Problem(
            "invalid_parameter",
            f"expected only the parameters limit and cursor, got '{unknown[0][:100]}'",
            path=f"$query.{unknown[0][:100]}",
        )
    limit, after = _limit(request.query_params.get("limit")), _after(request.query_params.get("cursor"))
    summaries, following = await services_of(request).graphs.page(after=after, limit=limit)
    cursor = b"null" if following is None else to_json(_cursor(following))
    return respond(Reply(200, f'{{"graphs":[{",".join(summaries)}],"next_cursor":'.encode() + cursor + b"}"))


async def delete(request: Request) -> Response:
    """Forget the graph."""
    services, graph_id = services_of(request), request.path_params["graph_id"]
    if not await services.graphs.delete(graph_id):
        await published(services, graph_id)  # raises
    services.calculator.forget(graph_id)
    return Response(status_code=204)


def _limit(text: str | None) -> int:
    if text is None:
        return 100
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= _MAX_PAGE:
        return int(text)
    raise Problem(
        "invalid_parameter",
        f"expected a limit from 1 to {_MAX_PAGE}, got '{text[:100]}'",
        path="$query.limit",
    )


def _cursor(seq: int) -> str:
    return urlsafe_b64encode(f"graphs:{seq}".encode()).decode()


def _after(text: str | None) -> int:
    if text is None:
        return 0
    try:
        name, _, seq = urlsafe_b64decode(text.encode("ascii")).decode("ascii").partition(":")
        if name == "graphs" and 0 <= int(seq) < 2**63:
            return int(seq)
    except (BadBase64, ValueError):
        pass
    raise Problem(
        "invalid_parameter",
        f"expected a cursor from an earlier answer, got '{text[:100]}'",
        path="$query.cursor",
        hint="leave it out for the first page, then send next_cursor as it came",
    )


_COMMON = ("unauthorized", "internal")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/graphs",
        publish,
        name="publish_graph",
        summary="Publish a function under the hash of its canonical form",
        tag="graphs",
        body=schemas.Publish,
        answers={
            201: ("Stored; Location names it.", answers.GraphSummary),
            200: ("It was there already.", answers.GraphSummary),
        },
        errors=FUNCTION_ERRORS,
        examples=(examples.PUBLISH,),
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
                "schema": {"type": "integer", "minimum": 1, "maximum": _MAX_PAGE, "default": 100},
            },
            {
                "name": "cursor",
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string"},
            },
        ),
        answers={200: ("A page.", answers.GraphPage)},
        errors=("invalid_parameter", *_COMMON),
    ),
    Endpoint(
        "GET",
        "/v1/graphs/{graph_id}",
        fetch,
        name="get_graph",
        summary="One published graph with its canonical document",
        tag="graphs",
        answers={200: ("The graph.", answers.GraphAnswer)},
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
        errors=("graph_not_found", *_COMMON),
    ),
)
