"""Jobs: submit, list, read, cancel, pause, resume, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import from_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from service.api import paging
from service.api.endpoint import SAFETENSORS, BareRoute, errors, make_router
from service.api.examples.jobs import SUBMITTED
from service.api.parameters import NoParameters, PageParameters
from service.api.respond import respond
from service.api.responses import jobs as job_responses
from service.api.routes.derivatives import CALL_ERRORS
from service.datasets import store
from service.datasets.store import Dataset
from service.jobs import checkpoints, ledger, records, submission
from service.jobs.states import Intent, Status
from service.jobs.submission import SubmissionContext
from service.queries.query_request import QueryRequest
from service.services import Services, caller_of, holding_body, services_of
from service.wire.body import hung_up, media_of, read_body
from service.wire.encoding import json_reply
from service.wire.problems import Problem

_MAX_KEY = 255
COMMON = ("unauthorized", "job_not_found", "internal", "busy")
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/TrainingJob"},
            "examples": SUBMITTED,
        },
        **SAFETENSORS,
    },
}

router = make_router("jobs")
bare = make_router("jobs", BareRoute)


class JobPageParameters(PageParameters):
    """The parameters of the listing of jobs."""

    status: Status | SkipJsonSchema[None] = Field(None, description="Only jobs in this state.")


def _idempotency_key(
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            description="The same body under the same key returns the job that was made first.",
        ),
    ] = "",
) -> None:
    """What OpenAPI says of the key."""


@bare.post(
    "/v1/jobs",
    summary="Train a model, a graph or a program",
    dependencies=[Depends(_idempotency_key)],
    openapi_extra={"requestBody": _BODY},
    status_code=202,
    response_model=job_responses.Job,
    response_description="The job; Location names it.",
    responses=errors(
        *CALL_ERRORS,
        "dataset_not_found",
        "dataset_mismatch",
        "idempotency_mismatch",
        "invalid_parameter",
        "wrong_state",
        "disk_full",
    ),
)
@holding_body
async def submit_job(request: Request) -> Response:
    """Check the job, store its data, and queue it. A job that is acknowledged will run.

    With an Idempotency-Key the same request returns the job that was made first.
    """
    services = services_of(request)
    key = _key(request)
    media = media_of(request.headers)
    body = await read_body(request, services.settings.max_body_bytes)
    digest = await asyncio.to_thread(submission.digest, body, media)
    if key is not None and (job_id := await _known(services, key, digest)) is not None:
        return await _accepted(services, job_id)
    settings = services.settings
    context = SubmissionContext(submission.new_id(), settings.jobs_folder, settings.datasets_folder)
    committed = False
    try:
        gone, caller = partial(hung_up, request.receive), caller_of(request.scope)
        call = QueryRequest("submit", body, media, job=context.pack())
        reply = await services.tiers.answer(call, disconnected=gone, caller=caller)
        if reply.status < 400 and "datasets" in (described := from_json(reply.whole())):
            context = replace(context, sets=await _look_up(services, described["datasets"]))
            call = replace(call, job=context.pack())
            reply = await services.tiers.answer(call, disconnected=gone, caller=caller)
        if reply.status >= 400:
            return respond(reply)
        await asyncio.to_thread(services.queue.prepare)
        row = {**from_json(reply.whole()), "idempotency_key": key, "request_hash": digest}
        try:
            await services.database.write(partial(ledger.submit, queue=services.queue, row=row))
            committed = True
        except asyncio.CancelledError:
            committed = True  # it may be committed all the same; the next start sweeps what is not
            raise
        except IntegrityError:
            job_id = await _known(services, str(key), digest)
            if job_id is None:
                raise Problem(
                    "wrong_state", "the job of this Idempotency-Key was deleted meanwhile"
                ) from None
            return await _accepted(services, job_id)
        except ledger.DatasetGone as error:
            raise submission.dataset_gone(str(error), "$.data") from None
    finally:
        if not committed:
            await asyncio.to_thread(submission.discard, context.jobs, context.job_id)
    return await _accepted(services, context.job_id)


async def _look_up(services: Services, ids: Sequence[str]) -> dict[str, Dataset]:
    """Those of the data sets that there are. Raises Damaged."""

    def find(connection: Connection) -> dict[str, Dataset]:
        datasets = {name: store.get(connection, name) for name in ids}
        return {name: dataset for name, dataset in datasets.items() if dataset is not None}

    return await services.database.read(find)


async def _known(services: Services, key: str, digest: str) -> str | None:
    """The job that this key made before, or None. Raises Problem idempotency_mismatch."""
    row = await services.database.read(partial(records.by_key, key=key))
    if row is None:
        return None
    job_id, before = row
    if before != digest:
        raise Problem(
            "idempotency_mismatch",
            f"expected the body that was sent with this Idempotency-Key before, got another (job {job_id})",
            path="headers.idempotency-key",
        )
    return job_id


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _MAX_KEY and key.isprintable()):
        raise Problem(
            "invalid_parameter",
            f"expected an Idempotency-Key of 1 to {_MAX_KEY} printable characters, got {len(key)}",
            path="headers.idempotency-key",
        )
    return key


@router.get(
    "/v1/jobs",
    summary="A page of jobs, newest first",
    response_model=job_responses.JobPage,
    response_description="The page.",
    responses=errors("unauthorized", "internal", "busy", "invalid_parameter"),
)
async def list_jobs(request: Request, page: Annotated[JobPageParameters, Query()]) -> Response:
    """A page of jobs, newest first."""
    before = paging.place("jobs", page.cursor)
    jobs, following = await services_of(request).database.read(
        partial(records.page, before=before, limit=page.limit, status=page.status)
    )
    cursor = paging.cursor("jobs", following)
    return respond(json_reply({"jobs": jobs, "next_cursor": cursor}))


@router.get(
    "/v1/jobs/{job_id}",
    summary="One job as it stands",
    response_model=job_responses.Job,
    response_description="The job.",
    responses=errors(*COMMON, "invalid_parameter"),
)
async def get_job(request: Request, job_id: str, _: NoParameters) -> Response:
    """The job as it stands."""
    return respond(json_reply(await job_of(services_of(request), job_id)))


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Forget a job that has ended; 409 while it has not",
    status_code=204,
    response_description="Forgotten.",
    responses=errors(*COMMON, "wrong_state", "disk_full"),
)
async def delete_job(request: Request, job_id: str) -> Response:
    """Forget a job that has ended, with its history and its checkpoints."""
    services = services_of(request)
    await job_of(services, job_id)
    handed_over = await services.database.read(partial(records.hand_overs, job_id=job_id))
    if not await services.database.write(partial(ledger.remove, job_id=job_id)):
        job = await job_of(services, job_id)  # as it is now: somebody else may have been quicker
        raise Problem(
            "wrong_state",
            f"expected a job that has ended, got one that is {job['status']}",
            path="$url.job_id",
            hint="cancel it first",
        )
    services.runner.forget_job(job_id)
    await asyncio.to_thread(services.queue.forget, handed_over)
    await asyncio.to_thread(submission.discard, services.settings.jobs_folder, job_id)
    return Response(status_code=204)


_TRANSITION: dict[str, Any] = {
    "status_code": 202,
    "response_model": job_responses.Job,
    "response_description": "The job.",
    "responses": errors(*COMMON, "wrong_state", "disk_full"),
}


@router.post("/v1/jobs/{job_id}/cancel", summary="Stop a job for good, within a second", **_TRANSITION)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Stop a job for good."""
    return await _request_transition(services_of(request), job_id, "cancel", "be cancelled")


@router.post("/v1/jobs/{job_id}/pause", summary="Have a job save and stop until it is resumed", **_TRANSITION)
async def pause_job(request: Request, job_id: str) -> Response:
    """Have a job save and stop until it is resumed."""
    return await _request_transition(services_of(request), job_id, "pause", "pause")


@router.post("/v1/jobs/{job_id}/resume", summary="Let a paused job go on", **_TRANSITION)
async def resume_job(request: Request, job_id: str) -> Response:
    """Let a paused job go on."""
    return await _request_transition(services_of(request), job_id, None, "resume")


async def _request_transition(services: Services, job_id: str, wanted: Intent | None, verb: str) -> Response:
    await asyncio.to_thread(services.queue.prepare)
    await job_of(services, job_id)
    request_transition = partial(ledger.request, queue=services.queue, job_id=job_id, wanted=wanted)
    status = await services.database.write(request_transition)
    if status is None:
        job = await job_of(services, job_id)
        raise Problem(
            "wrong_state",
            f"expected a job that can {verb}, got one that is {job['status']}",
            path="$url.job_id",
            hint="GET /v1/jobs/{id} shows the status; "
            + ("only a paused job resumes" if wanted is None else "what has ended stays as it is"),
        )
    if status == "cancelled":
        attempt = (await job_of(services, job_id))["attempt"]
        folder = services.settings.jobs_folder / job_id / "checkpoints"
        await asyncio.to_thread(checkpoints.sweep, folder, attempt)  # no attempt comes to do it
    return await _accepted(services, job_id)


async def job_of(services: Services, job_id: str) -> dict[str, Any]:
    """The job as a document. Raises Problem job_not_found."""
    job = await services.database.read(partial(records.get, job_id=job_id))
    if job is None:
        raise Problem("job_not_found", f"expected the id of a job, got '{job_id[:100]}'", path="$url.job_id")
    return job


async def _accepted(services: Services, job_id: str) -> Response:
    job = await job_of(services, job_id)
    return respond(json_reply(job, 202, {"Location": f"/v1/jobs/{job_id}"}))
