"""What endpoints share: routers, the route of the hot path, and descriptions of bodies and errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as Described
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.routing import Match, Route, request_response
from starlette.types import Receive, Scope, Send

from service.queries.kinds import Example
from service.wire import problems
from service.wire import safetensors as safetensors_io
from service.wire.problems import ERRORS

BINARY: Mapping[str, Any] = {"schema": {"type": "string", "format": "binary"}}
#: Tensors can travel as safetensors wherever they travel as JSON.
SAFETENSORS: Mapping[str, Any] = {safetensors_io.MEDIA_TYPE: BINARY}
#: What OpenAPI adds to a request body that `reads` describes.
TENSOR_BODY: Mapping[str, Any] = {"requestBody": {"content": dict(SAFETENSORS)}}

_IDEMPOTENCY_KEY = "Makes POST /v1/jobs safe to repeat; the other calls are safe without it."


class FlatRoute(APIRoute):
    """A route that stands in the app's own list."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As a plain route: FastAPI's own looks first for a router that includes this one, and none does."""
        match, child_scope = Route.matches(self, scope)
        if match is not Match.NONE:
            child_scope["route"] = self
        return match, child_scope


class ControlRoute(FlatRoute):
    """A route of which FastAPI parses the parameters, if there is anything to parse.

    For a request without a query, FastAPI would pass the texts of the path and the defaults of a model of the
    query: the endpoint is called with those at once. What that saves is in docs/decisions/0013-fastapi.md.
    The endpoint returns a finished response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        defaults = _without_query(self.dependant)
        if defaults is None or not inspect.iscoroutinefunction(endpoint):
            return
        name, parse = self.dependant.request_param_name, self.app

        async def call(request: Request) -> Any:
            own = {} if name is None else {name: request}
            return await endpoint(**own, **request.path_params, **defaults)

        direct = request_response(call)

        async def choose(scope: Scope, receive: Receive, send: Send) -> None:
            await (parse if scope["query_string"] else direct)(scope, receive, send)

        self.app = choose


def _without_query(dependant: Dependant) -> dict[str, Any] | None:
    """The query parameters of a request without a query; None if FastAPI has something else to parse."""
    if dependant.dependencies or dependant.header_params or dependant.cookie_params or dependant.body_params:
        return None
    if any(field.field_info.annotation is not str for field in dependant.path_params):
        return None
    models = {field.name: field.field_info.annotation for field in dependant.query_params}
    if not all(isinstance(model, type) and issubclass(model, BaseModel) for model in models.values()):
        return None
    return {name: model() for name, model in models.items() if model is not None}


class BareRoute(FlatRoute):
    """A route that FastAPI documents, and whose endpoint is called with the request as it came.

    Its `dependencies` describe what the endpoint reads itself, with the strict reader of `service.wire`: they
    are in the OpenAPI document and are never run. What that saves is in docs/decisions/0013-fastapi.md.
    """

    def __init__(self, path: str, endpoint: Callable[[Request], Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = request_response(endpoint)


def make_router(tag: str, route_class: type[APIRoute] = ControlRoute) -> APIRouter:
    """A router whose operations are named after their functions."""
    return APIRouter(
        tags=[tag], route_class=route_class, generate_unique_id_function=lambda route: route.name
    )


def methods_of(route: APIRoute) -> set[str]:
    """The methods of a route; each of ours has one."""
    return route.methods or set()


def reads(model: type[BaseModel], examples: Iterable[Example] = ()) -> Described:
    """The description of a body that the endpoint of a `BareRoute` parses itself."""

    def describe(body: object, idempotency_key: object = None) -> None:
        """Never called: FastAPI reads the signature."""

    shown: Any = {
        example.summary: {"summary": example.summary, "value": example.body} for example in examples
    }
    describe.__annotations__ = {
        "body": Annotated[model, Body(openapi_examples=shown or None)],
        "idempotency_key": Annotated[str, Header(alias="Idempotency-Key", description=_IDEMPOTENCY_KEY)],
    }
    described: Described = Depends(describe)
    return described


def returns(examples: Iterable[Example] = (), media: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What OpenAPI adds to a response of a documented model: examples of it, and other media types."""
    shown = {example.summary: {"summary": example.summary, "value": example.answer} for example in examples}
    content: dict[str, Any] = {"application/json": {"examples": shown} if shown else {}}
    return {"content": content | dict(media or {})}


def errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The problems that an endpoint can return, by status, as FastAPI's `responses`."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    document = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {
            "description": ", ".join(f"`{code}`" for code in listed),
            "content": {problems.MEDIA_TYPE: document},
        }
        for status, listed in sorted(by_status.items())
    }
