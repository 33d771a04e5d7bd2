"""Liveness, readiness and metrics."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from engine.runtime import devices
from service.api.endpoint import Endpoint
from service.api.respond import respond
from service.api.responses import server
from service.jobs import records
from service.jobs.states import STATUSES
from service.processes.launcher import NotUp, Starting
from service.services import services_of
from service.version import VERSION
from service.wire.encoding import json_reply
from service.wire.problems import Problem

_CHECK_TIMEOUT_S = 5.0
#: Who asks for readiness does not wait for a start.
_UP_TIMEOUT_S = 1.0


async def healthz(request: Request) -> Response:
    """The process lives and its event loop turns."""
    return respond(json_reply({"status": "ok", "version": VERSION}))


async def readyz(request: Request) -> Response:
    """The data folder can be written, a child process can be had, and a worker takes jobs."""
    services = services_of(request)
    checks = {}
    try:
        await asyncio.wait_for(services.database.ping(), _CHECK_TIMEOUT_S)
        checks["storage"] = "ok"
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        services.logger.warning("storage is not ready", error=str(error))
        checks["storage"] = "cannot be written"
    try:
        await services.pool.wait_until_up(_UP_TIMEOUT_S)
        checks["children"] = "ok"
    except Starting as error:
        checks["children"] = f"starting: {error}"
    except (NotUp, OSError) as error:
        services.logger.warning("children are not ready", error=str(error))
        checks["children"] = f"cannot be started: {error}"
    workers = await services.supervisor.workers()
    if workers.expected:
        checks["workers"] = workers.state
    ready = all(state == "ok" for state in checks.values())
    document = {
        "status": "ready" if ready else "not_ready",
        "checks": checks,
        "devices": list(devices.inventory().names),
        "workers": asdict(workers),
    }
    return respond(json_reply(document, 200 if ready else 503))


async def metrics(request: Request) -> Response:
    """Prometheus exposition text."""
    services = services_of(request)
    if not services.settings.metrics:
        raise Problem("not_found", "metrics are switched off", hint="set GRADWIRE_METRICS=true")
    workers = await services.supervisor.workers()
    services.metrics.workers.set(workers.alive)
    services.metrics.children.set(services.tiers.children)
    services.metrics.followed.set(services.streams.pollers)
    counts = await services.database.read(records.counts)
    for status in STATUSES:
        services.metrics.jobs.labels(status).set(counts.get(status, 0))
    return respond(services.metrics.render())


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET",
        "/healthz",
        healthz,
        name="healthz",
        summary="The process lives",
        tag="operations",
        answers={200: ("Alive.", server.Health)},
    ),
    Endpoint(
        "GET",
        "/readyz",
        readyz,
        name="readyz",
        summary="Calls can be served",
        tag="operations",
        answers={
            200: ("Ready.", server.Readiness),
            503: ("Not ready; `checks` says why.", server.Readiness),
        },
    ),
    Endpoint(
        "GET",
        "/metrics",
        metrics,
        name="metrics",
        summary="Prometheus metrics",
        tag="operations",
        answers={200: ("Exposition text.", {"type": "string"})},
        media_type="text/plain",
        errors=("not_found", "unauthorized"),
    ),
)
