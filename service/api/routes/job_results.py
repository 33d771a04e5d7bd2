"""What comes out of a job: metrics, events, checkpoints, parameters, predictions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, cast

from fastapi import Depends, Header, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.errors import InternalError
from service.api.endpoint import (
    BINARY,
    SAFETENSORS,
    TENSOR_BODY,
    BareRoute,
    errors,
    make_router,
    reads,
    returns,
)
from service.api.parameters import NoParameters, Parameters
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
from service.services import Services, caller_of, holding_body, services_of
from service.wire import requests
from service.wire.body import hung_up, media_of, read_body
from service.wire.encoding import json_reply, wants_safetensors
from service.wire.problems import Problem

_HEARTBEAT_S = 10.0
#: Entries of a history that are read at a time.
_PIECE = 2_000
#: Bytes of parameters that are listed as JSON, or copied, in the server itself; more goes to a child.
_LISTED, _COPIED = 2**19, 2**24

router = make_router("jobs")
bare = make_router("jobs", BareRoute)


class History(Parameters):
    """Which history of metrics."""

    by: Literal["epoch", "step"] = Field("epoch", description="An entry for each epoch or for each step.")


@router.get(
    "/v1/jobs/{job_id}/metrics",
    summary="What every epoch, or with `by=step` every step, reported",
    response_model=job_responses.MetricsAnswer,
    response_description="The history.",
    responses=errors(*COMMON, "invalid_parameter"),
)
async def get_job_metrics(request: Request, job_id: str, history: Annotated[History, Query()]) -> Response:
    """What every epoch (or step) reported, in order; of very long jobs every k-th step."""
    services = services_of(request)
    await job_of(services, job_id)
    return StreamingResponse(_history(services, job_id, history.by), media_type="application/json")


async def _history(services: Services, job_id: str, by: records.Interval) -> AsyncIterator[bytes]:
    """The metrics as JSON, read and sent piece by piece, so that nobody waits for a long history."""
    yield b'{"metrics":['
    between, place = b"", cast("int | None", -1)
    while place is not None:
        look = partial(records.metrics, job_id=job_id, by=by, after=place, limit=_PIECE)
        piece, place = await services.database.read(look, bulk=True)
        if piece:
            yield between + piece
            between = b","
    yield b"]}"


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="A job's events as they happen (server-sent events), from `Last-Event-ID` on",
    response_class=EventStream,
    response_description="The stream.",
    responses={
        204: {"description": "The job has ended, and everything was sent."},
        **errors(*COMMON, "invalid_parameter"),
    },
)
async def get_job_events(
    request: Request,
    job_id: str,
    _: NoParameters,
    last_event_id: Annotated[
        str, Header(alias="Last-Event-ID", description="Id of the last event that was received.")
    ] = "",
) -> Response:
    """Server-sent events: `status`, `step`, `epoch`, `log`, and `end`, after which the stream ends.

    Ids are integers that grow; with `Last-Event-ID` the stream goes on behind that one. A comment comes every
    ten seconds if nothing else does. 204 if the job has ended and everything was sent.
    """
    services = services_of(request)
    after = _event_id(last_event_id)
    job = await job_of(services, job_id)
    if after and job["status"] in FINAL:
        rest = await services.database.read(partial(records.events, job_id=job_id, after=after, limit=1))
        if not rest:
            return Response(status_code=204)  # tells an EventSource not to come back
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(_stream(services, job_id, after), headers=headers)


async def _stream(services: Services, job_id: str, after: int) -> AsyncIterator[bytes]:
    yield b": connected\n\n"
    async for batch in services.streams.follow(job_id, after, patience_s=_HEARTBEAT_S):
        yield b"".join(map(_event, batch)) or b": still here\n\n"


def _event(event: StoredEvent) -> bytes:
    return f"id: {event.id}\nevent: {event.kind}\ndata: ".encode() + event.text + b"\n\n"


def _event_id(text: str) -> int:
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise Problem(
        "invalid_parameter",
        f"expected Last-Event-ID to be the id of an event, got '{text[:100]}'",
        path="headers.last-event-id",
    )


@router.get(
    "/v1/jobs/{job_id}/checkpoints",
    summary="The checkpoints that are kept",
    response_model=job_responses.CheckpointList,
    response_description="The checkpoints.",
    responses=errors(*COMMON, "invalid_parameter"),
)
async def list_checkpoints(request: Request, job_id: str, _: NoParameters) -> Response:
    """The checkpoints that are kept, oldest first."""
    services = services_of(request)
    await job_of(services, job_id)
    checkpoints = await services.database.read(partial(records.checkpoints, job_id=job_id))
    return respond(json_reply({"checkpoints": checkpoints}))


class Learned(Parameters):
    """Which parameters of a job, and in which form."""

    format: Format | SkipJsonSchema[None] = Field(
        None, description="Default: json, or safetensors if `Accept` asks for it."
    )
    checkpoint: str | SkipJsonSchema[None] = Field(None, description="Default: the newest.")


@router.get(
    "/v1/jobs/{job_id}/parameters",
    summary="What a job has learned, as JSON, npz or safetensors",
    response_model=job_responses.ParametersAnswer,
    response_description="The parameters.",
    responses={
        200: returns(media={**SAFETENSORS, "application/octet-stream": BINARY}),
        **errors(*COMMON, "invalid_parameter", "wrong_state", "checkpoint_not_found", "time_limit"),
    },
)
async def get_job_parameters(request: Request, job_id: str, wanted: Annotated[Learned, Query()]) -> Response:
    """The parameters of the newest checkpoint, or of the one that `checkpoint` names."""
    services = services_of(request)
    form = wanted.format
    if form is None:
        form = "safetensors" if wants_safetensors(request.headers.get("accept")) else "json"
    job = await _trained(services, job_id)
    checkpoint = job.pick_checkpoint(wanted.checkpoint, "$query.checkpoint")
    job = replace(job, checkpoints=(checkpoint,), format=form)
    size = await asyncio.to_thread(checkpoints.size, Path(job.folder), checkpoint)
    coding = request.headers.get("accept-encoding")
    call = QueryRequest("parameters", b"", job=job.pack(), accept_encoding=coding)
    large = size > (_LISTED if form == "json" else _COPIED)
    return respond(
        await services.tiers.answer(
            call,
            disconnected=partial(hung_up, request.receive),
            large=large,
            caller=caller_of(request.scope),
        )
    )


def _job_id(job_id: str) -> None:
    """What OpenAPI says of the id in the path."""


@bare.post(
    "/v1/jobs/{job_id}/predict",
    summary="Predictions with what a job has learned",
    dependencies=[Depends(_job_id), reads(requests.Predict)],
    openapi_extra=dict(TENSOR_BODY),
    response_model=EvaluateAnswer,
    response_description="The outputs.",
    responses=errors(*CALL_ERRORS, "job_not_found", "wrong_state", "checkpoint_not_found"),
)
@holding_body
async def predict(request: Request) -> Response:
    """Evaluate the predicting function with the parameters of a checkpoint."""
    services, job_id = services_of(request), request.path_params["job_id"]
    media = media_of(request.headers)
    safetensors = wants_safetensors(request.headers.get("accept"))
    body = await read_body(request, services.settings.max_body_bytes)
    job = await _trained(services, job_id)
    stored = await services.database.read(partial(records.stored_job, job_id=job_id))
    if stored is None:
        await job_of(services, job_id)  # raises
        raise InternalError("a job that exists has a document")
    document, data = stored
    job = replace(job, document=document, data={"types": data["types"]})
    coding = request.headers.get("accept-encoding")
    call = QueryRequest("predict", body, media, safetensors, job=job.pack(), accept_encoding=coding)
    caller, gone = caller_of(request.scope), partial(hung_up, request.receive)
    return respond(await services.tiers.answer(call, disconnected=gone, caller=caller))


async def _trained(services: Services, job_id: str) -> TrainedModelRef:
    """The job as one to read from. Raises Problem job_not_found."""
    job = await job_of(services, job_id)
    rows = await services.database.read(partial(records.checkpoints, job_id=job_id))
    folder = services.settings.jobs_folder / job_id / "checkpoints"
    return TrainedModelRef(job_id, job["status"], str(folder), tuple(c["id"] for c in rows))
