"""What comes out of a job: metrics, events, checkpoints, parameters, predictions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.api import paging
from service.api.endpoint import Endpoint
from service.api.respond import respond
from service.api.responses import jobs as job_responses
from service.api.routes.derivatives import CALL_ERRORS
from service.api.routes.jobs import COMMON, job_of
from service.jobs import checkpoints, records
from service.jobs.records import StoredEvent
from service.jobs.runner import Format, TrainedModelRef
from service.jobs.states import FINAL
from service.queries.kinds.evaluate import EvaluateAnswer
from service.queries.query_request import QueryRequest
from service.services import Services, services_of
from service.wire import requests
from service.wire import safetensors as safetensors_io
from service.wire.body import hung_up, media_of, read_body
from service.wire.encoding import json_reply, wants_safetensors
from service.wire.problems import Problem

_FORMATS = ("json", "npz", "safetensors")
_HEARTBEAT_S = 10.0
#: Entries of a history that are read at a time.
_PIECE = 2_000
#: Bytes of parameters that are listed as JSON, or copied, in the server itself; more goes to a child.
_LISTED, _COPIED = 2**19, 2**24


async def metrics(request: Request) -> Response:
    """What every epoch (or step) reported, in order; of very long jobs every k-th step."""
    services, job_id = services_of(request), request.path_params["job_id"]
    paging.only(request, ("by",))
    by = paging.choice(request, "by", ("epoch", "step")) or "epoch"
    await job_of(services, job_id)
    return StreamingResponse(
        _history(services, job_id, cast(records.Kind, by)), media_type="application/json"
    )


async def _history(services: Services, job_id: str, by: records.Kind) -> AsyncIterator[bytes]:
    """The metrics as JSON, read and sent piece by piece, so that nobody waits for a long history."""
    yield b'{"metrics":['
    between, place = b"", cast("int | None", -1)
    while place is not None:
        look = partial(records.metrics, job_id=job_id, by=by, after=place, limit=_PIECE)
        piece, place = await services.database.read(look)
        if piece:
            yield between + piece
            between = b","
    yield b"]}"


async def events(request: Request) -> Response:
    """Server-sent events: `status`, `step`, `epoch`, `log`, and `end`, after which the stream ends.

    Ids are integers that grow; with `Last-Event-ID` the stream goes on behind that one. A comment comes every
    ten seconds where nothing else does. 204 where the job has ended and everything was sent.
    """
    services, job_id = services_of(request), request.path_params["job_id"]
    paging.only(request, ())
    after = _last_id(request)
    job = await job_of(services, job_id)
    if after and job["status"] in FINAL:
        rest = await services.database.read(partial(records.events, job_id=job_id, after=after, limit=1))
        if not rest:
            return Response(status_code=204)  # tells an EventSource not to come back
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(services, job_id, after), media_type="text/event-stream", headers=headers
    )


async def _stream(services: Services, job_id: str, after: int) -> AsyncIterator[bytes]:
    yield b": connected\n\n"
    async for batch in services.streams.follow(job_id, after, patience_s=_HEARTBEAT_S):
        yield b"".join(map(_event, batch)) or b": still here\n\n"


def _event(event: StoredEvent) -> bytes:
    data = to_json(event.data, inf_nan_mode="strings")
    return f"id: {event.id}\nevent: {event.kind}\ndata: ".encode() + data + b"\n\n"


def _last_id(request: Request) -> int:
    text = request.headers.get("last-event-id", "")
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise Problem(
        "invalid_parameter",
        f"expected Last-Event-ID to be the id of an event, got '{text[:100]}'",
        path="headers.last-event-id",
    )


async def list_checkpoints(request: Request) -> Response:
    """The checkpoints that are kept, oldest first."""
    services, job_id = services_of(request), request.path_params["job_id"]
    paging.only(request, ())
    await job_of(services, job_id)
    found = await services.database.read(partial(records.checkpoints, job_id=job_id))
    return respond(json_reply({"checkpoints": found}))


async def parameters(request: Request) -> Response:
    """The parameters of the newest checkpoint, or of the one that `checkpoint` names."""
    services, job_id = services_of(request), request.path_params["job_id"]
    paging.only(request, ("format", "checkpoint"))
    form = paging.choice(request, "format", _FORMATS)
    if form is None:
        form = "safetensors" if wants_safetensors(request.headers.get("accept")) else "json"
    job = await _trained(services, job_id)
    checkpoint = job.chosen(request.query_params.get("checkpoint"), "$query.checkpoint")
    job = replace(job, kept=(checkpoint,), format=cast(Format, form))
    size = await asyncio.to_thread(checkpoints.size, Path(job.folder), checkpoint)
    call = QueryRequest("parameters", b"", job=job.pack())
    large = size > (_LISTED if form == "json" else _COPIED)
    return respond(await services.tiers.answer(call, disconnected=lambda: hung_up(request), large=large))


async def predict(request: Request) -> Response:
    """Evaluate the predicting function with the parameters of a checkpoint."""
    services, job_id = services_of(request), request.path_params["job_id"]
    media = media_of(request.headers)
    safetensors = wants_safetensors(request.headers.get("accept"))
    body = await read_body(request, services.settings.max_body_bytes)
    job = await _trained(services, job_id)
    order = await services.database.read(partial(records.order, job_id=job_id))
    if order is None:
        await job_of(services, job_id)  # raises
        raise AssertionError("a job that is there has an order")
    document, data = order
    job = replace(job, document=document, data={"types": data["types"]})
    call = QueryRequest("predict", body, media, safetensors, job=job.pack())
    return respond(await services.tiers.answer(call, disconnected=lambda: hung_up(request)))


async def _trained(services: Services, job_id: str) -> TrainedModelRef:
    """The job as one to read from. Raises Problem job_not_found."""
    job = await job_of(services, job_id)
    kept = await services.database.read(partial(records.checkpoints, job_id=job_id))
    folder = services.settings.jobs_folder / job_id / "checkpoints"
    return TrainedModelRef(job_id, job["status"], str(folder), tuple(c["id"] for c in kept))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/metrics",
        metrics,
        name="get_job_metrics",
        summary="The history of a job's metrics",
        tag="jobs",
        query=(
            {
                "name": "by",
                "description": "By epoch (default) or step.",
                "schema": {"enum": ["epoch", "step"]},
            },
        ),
        answers={200: ("The history.", job_responses.MetricsAnswer)},
        errors=(*COMMON, "invalid_parameter"),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/events",
        events,
        name="get_job_events",
        summary="A job's events as they happen (server-sent events)",
        tag="jobs",
        answers={
            200: ("The stream.", {"type": "string"}),
            204: ("The job has ended, and everything was sent.", None),
        },
        media_type="text/event-stream",
        errors=(*COMMON, "invalid_parameter"),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/checkpoints",
        list_checkpoints,
        name="list_checkpoints",
        summary="The checkpoints that are kept",
        tag="jobs",
        answers={200: ("The checkpoints.", job_responses.CheckpointList)},
        errors=(*COMMON, "invalid_parameter"),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}/parameters",
        parameters,
        name="get_job_parameters",
        summary="What a job has learned, as JSON, npz or safetensors",
        tag="jobs",
        query=(
            {"name": "format", "description": "Default json.", "schema": {"enum": list(_FORMATS)}},
            {"name": "checkpoint", "description": "Default the newest.", "schema": {"type": "string"}},
        ),
        answers={200: ("The parameters.", job_responses.ParametersAnswer)},
        extra_media={
            safetensors_io.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
        errors=(*COMMON, "invalid_parameter", "wrong_state", "checkpoint_not_found", "time_limit"),
    ),
    Endpoint(
        "POST",
        "/v1/jobs/{job_id}/predict",
        predict,
        name="predict",
        summary="Predictions with what a job has learned",
        tag="jobs",
        body=requests.Predict,
        answers={200: ("The outputs.", EvaluateAnswer)},
        errors=(*CALL_ERRORS, "job_not_found", "wrong_state", "checkpoint_not_found"),
    ),
)
