"""An endpoint as one record, from which both the router and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.scope import TEMPLATE
from service.queries.kinds import Example
from service.wire.requests import Request as Schema

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path: its handler and everything that OpenAPI says of it."""

    method: str
    path: str
    handler: Handler
    name: str
    summary: str
    tag: str
    answers: Mapping[int, tuple[str, Mapping[str, Any] | type[BaseModel] | None]]
    body: type[Schema] | None = None
    #: What OpenAPI says of a body that no model of ours reads, by media type.
    content: Mapping[str, Any] = field(default_factory=dict)
    query: tuple[Mapping[str, Any], ...] = ()
    errors: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    media_type: str = "application/json"
    extra_media: Mapping[str, Any] = field(default_factory=dict)


def to_routes(endpoints: Iterable[Endpoint]) -> list[Route]:
    """A route per path, so that a wrong method is answered with every method that is right."""
    by_path: dict[str, dict[str, Handler]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint.handler
    return [
        Route(path, _by_method(path, handlers), methods=list(handlers), name=path)
        for path, handlers in by_path.items()
    ]


def _by_method(path: str, handlers: Mapping[str, Handler]) -> Handler:
    async def dispatch(request: Request) -> Response:
        request.scope[TEMPLATE] = path
        method = "GET" if request.method == "HEAD" else request.method
        return await handlers[method](request)

    return dispatch
