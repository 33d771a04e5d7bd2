"""`create_app(settings)`: the one place where the parts are put together; nothing lives at module level."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from engine.errors import EngineError, UserError
from service.api import openapi, parameters
from service.api.endpoint import methods_of
from service.api.middleware.access import Access
from service.api.middleware.auth import Auth
from service.api.middleware.compression import Compression
from service.api.middleware.hot_path import HotPath
from service.api.peers import Peers
from service.api.respond import respond
from service.api.routes import ROUTES
from service.api.routes.derivatives import router as derivatives
from service.api.routes.health import checks_of
from service.jobs.queue.port import JobQueue
from service.processes.membership import Membership
from service.queries.tiers import ClientGone
from service.services import Services
from service.settings import Settings
from service.storage.failures import is_busy
from service.telemetry.logs import make_logger
from service.telemetry.request_log import RequestLog, make_request_log
from service.version import VERSION
from service.wire.problems import Problem, database_busy, render

_STATIC = Path(__file__).parent / "static" / "swagger-ui"
_SILENT: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    settings: Settings | None = None,
    *,
    log_stream: TextIO | None = None,
    warm: bool = False,
    queue: JobQueue | None = None,
    membership: Membership | None = None,
) -> FastAPI:
    """The application; it opens the data folder now, and closes everything at the end of its lifespan.

    With `warm`, the template of the child processes and the workers start with the lifespan. `queue` takes
    the place of DBOS. `membership` makes it one of several processes of a server.
    """
    settings = settings or Settings()
    stream = log_stream or sys.stderr
    logger = make_logger(settings, stream)
    services = Services.build(settings, logger, queue, membership)
    request_log = make_request_log(settings, logger, stream)
    # The router tries one route after the other. Derivatives rarely come to it (see HotPath): they are last.
    routes: Sequence[BaseRoute] = [
        *sorted(ROUTES, key=lambda route: route in derivatives.routes),
        Mount("/docs/static", StaticFiles(directory=_STATIC), name="static"),
    ]
    app = FastAPI(
        title="Gradwire",
        version=VERSION,
        routes=list(routes),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry=_SILENT,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=_middleware(services, request_log),
        exception_handlers={
            Problem: _on_error,
            UserError: _on_error,
            RequestValidationError: _on_wrong_parameter,
            HTTPException: _on_http_exception,
            ClientGone: _on_client_gone,
            ClientDisconnect: _on_client_gone,
            SQLAlchemyError: _on_database,
        },
    )
    app.state.services = services
    app.state.warm = warm
    document = openapi.build(ROUTES, version=VERSION, keyed=settings.api_key is not None)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    preparing: asyncio.Future[None] | None = None
    peers = None if services.membership is None else Peers(services, services.membership, checks_of)
    try:
        if peers is not None:
            await peers.join()
        if app.state.warm:
            await services.start()
            preparing = asyncio.ensure_future(asyncio.to_thread(services.queue.prepare))
        yield
    finally:
        if preparing is not None:
            await asyncio.wait({preparing})
        if peers is not None:
            await peers.leave()
        await services.close()


def _middleware(services: Services, request_log: RequestLog) -> list[Middleware]:
    settings = services.settings
    layers = [Middleware(Access, logger=services.logger, request_log=request_log, metrics=services.metrics)]
    if settings.cors_origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=[
                    "Authorization",
                    "Content-Encoding",
                    "Content-Type",
                    "Idempotency-Key",
                    "X-Request-ID",
                ],
                expose_headers=["Location", "Retry-After", "Server-Timing", "X-Request-ID"],
            )
        )
    if settings.api_key is not None:
        layers.append(Middleware(Auth, key=settings.api_key.get_secret_value()))
    layers.append(Middleware(HotPath, services=services))
    if settings.compress_from_bytes:
        layers.append(Middleware(Compression, least=settings.compress_from_bytes))
    return layers


async def _on_error(request: Request, error: Any) -> Response:
    assert isinstance(error, Problem | EngineError), "registered for these alone"
    return respond(render(error))


async def _on_wrong_parameter(request: Request, error: Any) -> Response:
    """A query parameter that FastAPI refused."""
    assert isinstance(error, RequestValidationError), "registered for this alone"
    path = request.app.openapi()["paths"][request.scope["route"].path]
    return respond(render(parameters.refusal(error.errors(), path[request.method.lower()])))


async def _on_http_exception(request: Request, error: Any) -> Response:
    """The router's own refusals, and bodies cut off by the client."""
    assert isinstance(error, HTTPException), "registered for these alone"
    method, path = request.method, request.url.path
    headers = dict(error.headers or {})
    if error.status_code == 405:
        allowed = ", ".join(_methods(path))
        problem = Problem(
            "method_not_allowed",
            f"expected {allowed} on this path, got {method}",
            path="$url",
            headers={**headers, "Allow": allowed},
        )
    else:
        near = _path_near(path)
        hint = None if near is None else f"did you mean {near}?"
        detail = f"nothing answers {path[:200]}"
        problem = Problem("not_found", detail, path="$url", headers=headers, hint=hint)
    return respond(render(problem))


def _path_near(path: str) -> str | None:
    """The endpoint whose last word is that of a path, or begins with it."""
    last = path.rstrip("/").rpartition("/")[2].lower()
    paths = [route.path for route in ROUTES if "{" not in route.path and route.path.startswith("/v1/")]
    ends = {one: one.rpartition("/")[2] for one in paths}
    same = [one for one, end in ends.items() if end == last or end.rstrip("s") == last.rstrip("s")]
    longer = [one for one, end in ends.items() if len(last) > 2 and end.startswith(last)]
    return next(iter([*same, *longer]), None)


def _methods(path: str) -> list[str]:
    """Every method of a path; each has a route of its own, and the router knows the first alone."""
    matching = [route for route in ROUTES if route.path_regex.match(path)]
    methods = {method for route in matching for method in methods_of(route)}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def _on_database(request: Request, error: Any) -> Response:
    """A failed statement, of which nothing is stored: 507 for a full disk, 503 for a lock, else 500."""
    assert isinstance(error, SQLAlchemyError), "registered for this alone"
    services: Services = request.app.state.services
    if await asyncio.to_thread(services.database.is_full, error):
        return respond(render(Problem("disk_full", "the server's disk is full, and nothing was changed")))
    if is_busy(error):
        services.logger.warning("database busy", error=str(error))
        return respond(render(database_busy()))
    raise error


async def _on_client_gone(request: Request, error: Any) -> Response:
    return Response(status_code=499)  # nobody reads it; the access log does
