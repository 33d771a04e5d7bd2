"""Liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.runtime import devices
from service.api.endpoint import BareRoute, errors, make_router
from service.api.peers import exposition_of_all, readiness_of_all
from service.api.respond import respond
from service.api.responses import server
from service.jobs import records
from service.jobs.states import STATUSES
from service.processes.launcher import NotUp, Starting
from service.services import Services, services_of
from service.storage.database import DatabaseLost
from service.telemetry.metrics import exposition_reply
from service.telemetry.sums import snapshot
from service.version import VERSION
from service.wire.encoding import json_reply
from service.wire.problems import Problem
from service.wire.server_paths import without_server_paths

_CHECK_TIMEOUT_S = 5.0
#: A request for readiness waits no longer for processes that are starting.
_UP_TIMEOUT_S = 1.0


router = make_router("operations")
bare = make_router("operations", BareRoute)


@bare.get(
    "/healthz",
    summary="200 while the process lives",
    response_model=server.Health,
    response_description="Alive.",
)
async def healthz(request: Request) -> Response:
    """The process lives and its event loop turns."""
    return respond(json_reply({"status": "ok", "version": VERSION}))


@router.get(
    "/readyz",
    summary="Whether the data folder can be written, child processes can be started, and a worker takes jobs",
    response_model=server.Readiness,
    response_description="Ready.",
    responses={503: {"model": server.Readiness, "description": "Not ready; `checks` says why."}},
)
async def readyz(request: Request) -> Response:
    """Whether the data folder can be written, child processes can be started, and a worker takes jobs."""
    services = services_of(request)
    checks = await checks_of(services)
    processes = None
    if services.membership is not None:
        checks, processes = await readiness_of_all(services.membership, checks)
    workers = await services.supervisor.workers()
    if workers.reason:  # a line of the worker's stderr
        workers = replace(workers, reason=without_server_paths(workers.reason, services.settings.data))
    if workers.expected:
        checks["workers"] = workers.state
    ready = all(state == "ok" for state in checks.values())
    document = {
        "status": "ready" if ready else "not_ready",
        "checks": checks,
        "devices": list(devices.inventory().names),
        "workers": asdict(workers),
        "isolation": services.isolation.as_dict(),
    }
    if processes is not None:
        document["processes"] = processes
    return respond(json_reply(document, 200 if ready else 503))


async def checks_of(services: Services) -> dict[str, str]:
    """What this process can check by itself: `ok`, or what is wrong."""
    checks = {}
    try:
        await asyncio.wait_for(services.database.ping(), _CHECK_TIMEOUT_S)
        checks["storage"] = "ok"
    except (SQLAlchemyError, DatabaseLost, OSError, TimeoutError) as error:
        services.logger.warning("storage is not ready", error=str(error))
        checks["storage"] = "cannot be written"
    try:
        await services.pool.wait_until_up(_UP_TIMEOUT_S)
        checks["children"] = "ok"
    except Starting as error:
        checks["children"] = f"starting: {error}"
    except (NotUp, OSError) as error:
        services.logger.warning("children are not ready", error=str(error))
        checks["children"] = f"cannot be started: {without_server_paths(str(error), services.settings.data)}"
    return checks


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    response_description="Exposition text.",
    responses=errors("not_found", "unauthorized"),
)
async def metrics(request: Request) -> Response:
    """Prometheus exposition text."""
    services = services_of(request)
    if not services.settings.metrics:
        raise Problem("not_found", "metrics are switched off", hint="set GRADWIRE_METRICS=true")
    workers = await services.supervisor.workers()
    services.metrics.workers.set(workers.alive)
    services.measure()
    counts = await services.database.read(records.counts)
    for status in STATUSES:
        services.metrics.jobs.labels(status).set(counts.get(status, 0))
    if services.membership is None:
        return respond(services.metrics.render())
    text = await exposition_of_all(services.membership, snapshot(services.metrics.registry))
    return respond(exposition_reply(text))
