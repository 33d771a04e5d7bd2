"""The cost of FastAPI's routing and response models: µs a request inside the process, no sockets.

The same endpoint is registered as `BareRoute` (documented by FastAPI, called with the request), as FastAPI's
own route that returns a finished response, and as FastAPI's own with its parsing and its response model.
Measured in turns; medians of wall time, of the thread's CPU time, and of the difference
in CPU time from the bare route within a round.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute

from benchmarks._report import Report
from benchmarks.http_requests import TEN_NODES, values
from service.api.endpoint import BareRoute
from service.api.respond import respond
from service.api.responses.jobs import Job
from service.api.routes.derivatives import handler_of, published
from service.api.routes.jobs import job_of
from service.app import create_app
from service.queries.kinds import KINDS
from service.queries.kinds.gradient import Gradient
from service.queries.query_request import QueryRequest
from service.services import services_of
from service.settings import Settings
from service.wire.encoding import json_reply

Call = Callable[[], Awaitable[tuple[int, bytes]]]
GRADIENT, JOB = "/v1/graphs/{graph_id}/gradient", "/v1/jobs/{job_id}"
_handle = handler_of(KINDS["gradient"])


async def gradient(request: Request, graph_id: str) -> Response:
    """The derivative route, with its path parsed by FastAPI."""
    return await _handle(request)


async def gradient_of_model(request: Request, graph_id: str, body: Gradient) -> Any:
    """The derivative route with body and response as FastAPI's models."""
    services = services_of(request)
    graph = await published(services, graph_id)
    sent = body.model_dump_json(exclude_unset=True).encode()
    call = QueryRequest("gradient", sent, graph_id=graph.id, graph=graph.document)
    return json.loads((await services.tiers.answer(call, graph.nodes)).body)


async def bare_job(request: Request) -> Response:
    """The control route, called with the request."""
    return respond(json_reply(await job_of(services_of(request), request.path_params["job_id"])))


async def job(request: Request, job_id: str) -> Response:
    """The control route, with its path parsed by FastAPI."""
    return respond(json_reply(await job_of(services_of(request), job_id)))


async def job_of_model(request: Request, job_id: str) -> Any:
    """The control route with FastAPI's response model."""
    return await job_of(services_of(request), job_id)


async def ask(app: Any, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request."""
    sent: list[dict[str, Any]] = []
    headers = {"content-type": "application/json", "content-length": str(len(body)), "accept": "*/*"}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def measure(report: Report, folder: Path, rounds: int, count: int) -> None:
    """A table for each of the two endpoints."""
    app = create_app(Settings(data=folder, log_level="error"))

    def alone(route: BaseRoute) -> FastAPI:
        one = FastAPI(routes=[route], telemetry={"auto_configure": False}, openapi_url=None)
        one.state.services = app.state.services
        return one

    job_body = {
        "program": "mean((w * x - y) ** 2)",
        "parameters": {"w": {"value": [0.5]}},
        "data": {"x": [[1], [2]], "y": [[2], [4]]},
    }
    graph = json.loads((await ask(app, "POST", "/v1/graphs", json.dumps({"graph": TEN_NODES}).encode()))[1])
    known = json.loads((await ask(app, "POST", "/v1/jobs", json.dumps(job_body).encode()))[1])
    inputs = {name: value.tolist() for name, value in values(3, 1).items()}
    content = json.dumps({"inputs": inputs}).encode()
    model = KINDS["gradient"].response
    cases: list[tuple[str, str, bytes, dict[str, BaseRoute]]] = [
        (
            "POST",
            GRADIENT.format(graph_id=graph["id"]),
            content,
            {
                "bare": BareRoute(GRADIENT, _handle, methods=["POST"]),
                "FastAPI's, finished response": APIRoute(GRADIENT, gradient, methods=["POST"]),
                "FastAPI's, models": APIRoute(
                    GRADIENT,
                    gradient_of_model,
                    methods=["POST"],
                    response_model=model,
                    response_model_exclude_unset=True,
                ),
            },
        ),
        (
            "GET",
            JOB.format(job_id=known["id"]),
            b"",
            {
                "bare": BareRoute(JOB, bare_job, methods=["GET"]),
                "FastAPI's, finished response": APIRoute(JOB, job, methods=["GET"]),
                "FastAPI's, models": APIRoute(JOB, job_of_model, methods=["GET"], response_model=Job),
            },
        ),
    ]
    for method, path, body, routes in cases:
        report.table(f"{method} {path[:20]}…", "wall, µs", "CPU, µs", "CPU more than bare, µs")
        apps = {name: alone(route) for name, route in routes.items()}
        wall: dict[str, list[float]] = {name: [] for name in apps}
        cpu: dict[str, list[float]] = {name: [] for name in apps}
        for k in range(rounds + 1):  # the first warms up
            for name, one in apps.items():
                start, spent = time.perf_counter(), time.thread_time()
                for _ in range(count):
                    status, answer = await ask(one, method, path, body)
                    assert status == 200, answer
                if k:
                    wall[name].append((time.perf_counter() - start) / count * 1e6)
                    cpu[name].append((time.thread_time() - spent) / count * 1e6)
        for name in apps:
            more = statistics.median(a - b for a, b in zip(cpu[name], cpu["bare"], strict=True))
            report.row(name, statistics.median(wall[name]), statistics.median(cpu[name]), more)
    await app.state.services.close()


def main(report: Report, *, small: bool = False) -> None:
    """Measure in a data folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(report, Path(folder), *((3, 20) if small else (40, 100))))
