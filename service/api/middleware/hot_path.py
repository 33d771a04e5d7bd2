"""Derivatives of functions that are at hand, answered before anything is routed.

A small gradient is computed in the time that a router takes to find its endpoint. The paths of derivatives
are looked up in a dictionary here and answered as their routes would. What is not ordinary about a request,
such as a graph that has to be fetched, another method or a prefix, is left to those routes.
"""

from __future__ import annotations

import sys

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import UserError
from service.api.routes import derivatives
from service.queries.kinds import KINDS
from service.queries.tiers import ClientGone
from service.services import Services, caller_of
from service.wire.compression import pack
from service.wire.problems import Problem, Reply, render

_GRAPHS = "/v1/graphs/"
_GONE = Reply(499, b"")  # nobody reads it; the access log does


class HotPath:
    """The innermost layer before the router."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services
        self._compress_from = services.settings.compress_from_bytes or sys.maxsize
        by_path = {route.path: route for route in derivatives.router.routes if isinstance(route, APIRoute)}
        kinds = [kind.name for kind in KINDS.values() if kind.derivative]
        self._inline = {f"/v1/{kind}": (kind, by_path[f"/v1/{kind}"]) for kind in kinds}
        self._published = {kind: (kind, by_path[f"{_GRAPHS}{{graph_id}}/{kind}"]) for kind in kinds}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        graph = None
        target = self._inline.get(path)
        if target is None and path.startswith(_GRAPHS):
            graph_id, _, kind = path[len(_GRAPHS) :].rpartition("/")
            target = self._published.get(kind)
            if target is not None:
                graph = self._services.graphs.peek(graph_id)
                target = target if graph is not None else None
        if target is None:
            await self._app(scope, receive, send)
            return
        name, scope["route"] = target
        sent = reversed(scope["headers"])  # of a header that came twice the first counts, as in the routes
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in sent}
        try:
            reply = await derivatives.compute(self._services, name, headers, receive, graph, caller_of(scope))
        except (Problem, UserError) as error:
            reply = render(error)
        except (ClientGone, ClientDisconnect):
            reply = _GONE
        if reply.size >= self._compress_from:
            reply = await pack(reply, headers.get("accept-encoding"))
        await _send(reply, send)


async def _send(reply: Reply, send: Send) -> None:
    headers = [
        (b"content-length", str(reply.size).encode("latin-1")),
        (b"content-type", reply.media_type.encode("latin-1")),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.stored is not None:
        for piece in reply.stored.pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if not reply.parts:
        await send({"type": "http.response.body", "body": reply.body})
        return
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    for part in reply.parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
