"""Jobs: submit, list, read, cancel, pause, resume, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import from_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from service.api import paging
from service.api.endpoint import Endpoint, Handler
from service.api.examples.jobs import SUBMITTED
from service.api.respond import respond
from service.api.responses import jobs as job_responses
from service.api.routes.derivatives import CALL_ERRORS
from service.datasets import store
from service.datasets.store import Dataset
from service.jobs import checkpoints, ledger, records, submission
from service.jobs.states import STATUSES, Intent, Status
from service.jobs.submission import SubmissionContext
from service.queries.query_request import QueryRequest
from service.services import Services, services_of
from service.wire import safetensors as safetensors_io
from service.wire.body import Media, hung_up, media_of, read_body
from service.wire.encoding import json_reply
from service.wire.problems import Problem

_MAX_KEY = 255


async def submit(request: Request) -> Response:
    """Check the job, lay down its data, and queue it; acknowledged means that it will run.

    With an Idempotency-Key the same request again answers the same job.
    """
    services = services_of(request)
    key = _key(request)
    media = media_of(request.headers)
    body = await read_body(request, services.settings.max_body_bytes)
    digest = await asyncio.to_thread(submission.digest, body, media)
    if key is not None and (known := await _known(services, key, digest)) is not None:
        return await _accepted(services, known)
    room = await _submission_context(services, body, media)
    kept = False
    try:
        call = QueryRequest("submit", body, media, job=room.pack())
        reply = await services.tiers.answer(call, disconnected=lambda: hung_up(request))
        if reply.status >= 400:
            return respond(reply)
        await asyncio.to_thread(services.queue.prepare)
        row = {**from_json(reply.body), "idempotency_key": key, "request_hash": digest}
        try:
            await services.database.write(partial(ledger.submit, queue=services.queue, row=row))
            kept = True
        except asyncio.CancelledError:
            kept = True  # it may be committed all the same; the next start sweeps what is not
            raise
        except IntegrityError:
            known = await _known(services, str(key), digest)
            if known is None:
                raise Problem(
                    "wrong_state", "the job of this Idempotency-Key was deleted meanwhile"
                ) from None
            return await _accepted(services, known)
        except ledger.DatasetGone as gone:
            raise submission.dataset_gone(str(gone), "$.data") from None
    finally:
        if not kept:
            await asyncio.to_thread(submission.discard, room.jobs, room.job_id)
    return await _accepted(services, room.job_id)


async def _submission_context(services: Services, body: bytes, media: Media) -> SubmissionContext:
    """The name of a new job, and the data sets that its body may name."""
    ids = await asyncio.to_thread(submission.referenced_datasets, body, media)

    def find(connection: Connection) -> dict[str, Dataset]:
        found = {name: store.get(connection, name) for name in ids}
        return {name: dataset for name, dataset in found.items() if dataset is not None}

    sets = await services.database.read(find) if ids else {}
    settings = services.settings
    return SubmissionContext(submission.new_id(), settings.jobs_folder, settings.datasets_folder, sets)


async def _known(services: Services, key: str, digest: str) -> str | None:
    """The job that was submitted under this key before. Raises Problem idempotency_mismatch."""
    known = await services.database.read(partial(records.by_key, key=key))
    if known is None:
        return None
    job_id, before = known
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


async def listing(request: Request) -> Response:
    """A page of jobs, newest first."""
    page = paging.read(request, "jobs", others=("status",))
    status = cast("Status | None", paging.choice(request, "status", STATUSES))
    jobs, following = await services_of(request).database.read(
        partial(records.page, before=page.place, limit=page.limit, status=status)
    )
    cursor = None if following is None else paging.cursor("jobs", following)
    return respond(json_reply({"jobs": jobs, "next_cursor": cursor}))


async def fetch(request: Request) -> Response:
    """The job as it stands."""
    paging.only(request, ())
    return respond(json_reply(await job_of(services_of(request), request.path_params["job_id"])))


async def delete(request: Request) -> Response:
    """Forget a job that has ended, with its history and its checkpoints."""
    services, job_id = services_of(request), request.path_params["job_id"]
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


def _request_transition(wanted: Intent | None, word: str) -> Handler:
    async def handle(request: Request) -> Response:
        services, job_id = services_of(request), request.path_params["job_id"]
        await asyncio.to_thread(services.queue.prepare)
        await job_of(services, job_id)
        request_transition = partial(ledger.request, queue=services.queue, job_id=job_id, wanted=wanted)
        status = await services.database.write(request_transition)
        if status is None:
            job = await job_of(services, job_id)
            raise Problem(
                "wrong_state",
                f"expected a job that can {word}, got one that is {job['status']}",
                path="$url.job_id",
                hint="GET /v1/jobs/{id} shows the status; "
                + ("only a paused job resumes" if wanted is None else "what has ended stays as it is"),
            )
        if status == "cancelled":
            attempt = (await job_of(services, job_id))["attempt"]
            folder = services.settings.jobs_folder / job_id / "checkpoints"
            await asyncio.to_thread(checkpoints.sweep, folder, attempt)  # no attempt comes to do it
        return await _accepted(services, job_id)

    return handle


async def job_of(services: Services, job_id: str) -> dict[str, Any]:
    """The job as a document. Raises Problem job_not_found."""
    job = await services.database.read(partial(records.get, job_id=job_id))
    if job is None:
        raise Problem("job_not_found", f"expected the id of a job, got '{job_id[:100]}'", path="$url.job_id")
    return job


async def _accepted(services: Services, job_id: str) -> Response:
    job = await job_of(services, job_id)
    return respond(json_reply(job, 202, {"Location": f"/v1/jobs/{job_id}"}))


COMMON = ("unauthorized", "job_not_found", "internal", "busy")
_JOB: Mapping[int, tuple[str, type[BaseModel]]] = {202: ("The job.", job_responses.Job)}


def _transition_endpoint(name: str, wanted: Intent | None, summary: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"/v1/jobs/{{job_id}}/{name}",
        _request_transition(wanted, f"be {name}led" if name == "cancel" else name),
        name=f"{name}_job",
        summary=summary,
        tag="jobs",
        answers=_JOB,
        errors=(*COMMON, "wrong_state", "disk_full"),
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/jobs",
        submit,
        name="submit_job",
        summary="Train a model, a graph or a program",
        tag="jobs",
        content={
            "application/json": {
                "schema": {"$ref": "#/components/schemas/TrainingJob"},
                "examples": SUBMITTED,
            },
            safetensors_io.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
        answers=_JOB,
        errors=(
            *CALL_ERRORS,
            "dataset_not_found",
            "dataset_mismatch",
            "idempotency_mismatch",
            "invalid_parameter",
            "wrong_state",
            "disk_full",
        ),
    ),
    Endpoint(
        "GET",
        "/v1/jobs",
        listing,
        name="list_jobs",
        summary="A page of jobs",
        tag="jobs",
        query=(
            {"name": "status", "description": "Only these.", "schema": {"enum": list(STATUSES)}},
            *paging.PARAMETERS,
        ),
        answers={200: ("The page.", job_responses.JobPage)},
        errors=("unauthorized", "internal", "busy", "invalid_parameter"),
    ),
    Endpoint(
        "GET",
        "/v1/jobs/{job_id}",
        fetch,
        name="get_job",
        summary="One job",
        tag="jobs",
        answers={200: ("The job.", job_responses.Job)},
        errors=(*COMMON, "invalid_parameter"),
    ),
    Endpoint(
        "DELETE",
        "/v1/jobs/{job_id}",
        delete,
        name="delete_job",
        summary="Forget a job that has ended",
        tag="jobs",
        answers={204: ("Forgotten.", None)},
        errors=(*COMMON, "wrong_state", "disk_full"),
    ),
    _transition_endpoint("cancel", "cancel", "Stop a job for good"),
    _transition_endpoint("pause", "pause", "Have a job save and stop until it is resumed"),
    _transition_endpoint("resume", None, "Let a paused job go on"),
)
