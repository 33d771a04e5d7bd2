"""Data sets: upload, list, look at, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import Field
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from service.api import paging
from service.api.endpoint import BINARY, errors, make_router
from service.api.parameters import NoParameters, Page, Parameters
from service.api.respond import respond
from service.api.responses import jobs as job_responses
from service.datasets import store, upload
from service.datasets.folder import Format
from service.datasets.store import Dataset
from service.jobs import records
from service.queries.tiers import ClientGone
from service.services import Services, services_of
from service.storage.checksums import Damaged
from service.storage.failures import is_disk_full
from service.wire.body import hung_up
from service.wire.compression import BrokenCompression, coding_of, unpack_stream
from service.wire.encoding import encode_answer, json_reply
from service.wire.problems import Problem, Reply

_FORMATS: dict[str, Format] = {
    "application/x-npy": "npy",
    "application/x-npz": "npz",
    "application/zip": "npz",
    "text/csv": "csv",
}
_SNIFFED: tuple[tuple[bytes, Format], ...] = ((b"\x93NUMPY", "npy"), (b"PK\x03\x04", "npz"))
_UNNAMED = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_COMMON = ("unauthorized", "internal", "busy")
_BODY = {
    "required": True,
    "content": {
        "application/x-npy": BINARY,
        "application/x-npz": BINARY,
        "text/csv": {
            "schema": {"type": "string"},
            "examples": {"Two columns": {"value": "x,y\n1,2\n2,4\n3,6\n"}},
        },
    },
}

T = TypeVar("T")

router = make_router("datasets")


class Preview(Parameters):
    """How much of a data set is shown."""

    preview: int = Field(5, ge=1, le=100, description="Rows of every field to show; fewer if a row is wide.")


@router.post(
    "/v1/datasets",
    summary="Upload a data set: npy, npz or CSV",
    status_code=201,
    response_model=job_responses.DatasetSummary,
    response_description="Stored; Location names it.",
    responses={
        200: {"model": job_responses.DatasetSummary, "description": "It was there already."},
        **errors(
            *_COMMON,
            "invalid_parameter",
            "body_too_large",
            "unsupported_media_type",
            "invalid_dataset",
            "over_limit",
            "time_limit",
            "disk_full",
        ),
    },
    openapi_extra={"requestBody": _BODY},
)
async def create_dataset(request: Request, _: NoParameters) -> Response:
    """Store an npy, npz or CSV file under the hash of its content; the body is never held in memory whole."""
    services = services_of(request)
    limit = services.settings.max_dataset_bytes
    _check_length(request, limit)
    coding = coding_of(request.headers.get("content-encoding", ""))
    stream = request.stream() if coding is None else unpack_stream(request.stream(), coding)
    require_room = partial(
        store.require_room,
        most=services.settings.max_datasets,
        most_bytes=services.settings.max_datasets_bytes,
    )
    place = await asyncio.to_thread(services.datasets.staging_dir)
    try:
        body = place / "body"
        digest, size = await upload.receive(stream, body, limit=limit)
        form = _format(request, await asyncio.to_thread(_first_bytes, body))
        dataset_id = f"sha256:{digest}"
        stored = await services.database.read(partial(store.intact, dataset_id=dataset_id))
        damaged = stored is not None and not await asyncio.to_thread(
            services.datasets.is_intact, dataset_id, stored.fields
        )
        if stored is not None and not damaged:
            return _created(stored, 200)
        if not damaged:
            await services.database.read(partial(require_room, size=size))
        rows, fields = await until_hung_up(
            services.unpacker.prepare(body, form, limit=limit), partial(hung_up, request.receive)
        )
        dataset = Dataset(dataset_id, rows, size, fields)

        def keep(connection: Connection) -> bool:
            """The record and the files in one transaction, so that no deletion comes between them."""
            there = store.is_there(connection, dataset_id)
            if not there:
                require_room(connection, size)
            created = store.put(connection, dataset)
            services.datasets.place(dataset_id, body, replace=damaged or not there)
            return created

        try:
            created = await services.database.write(keep)
        except SQLAlchemyError:
            with suppress(SQLAlchemyError):
                await _remove_files(services, dataset_id)
            raise
    except BrokenCompression as error:
        raise Problem(
            "invalid_dataset",
            str(error),
            path="headers.content-encoding",
            hint="send what the header says, or leave the header out for a file that is not compressed",
        ) from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise Problem("disk_full", f"the data set could not be stored: {error.strerror}") from error
    finally:
        await asyncio.to_thread(services.datasets.discard, place)
    return _created(dataset, 201 if created else 200)


@router.get(
    "/v1/datasets",
    summary="A page of data sets, oldest first",
    response_model=job_responses.DatasetPage,
    response_description="The page.",
    responses=errors(*_COMMON, "invalid_parameter"),
)
async def list_datasets(request: Request, page: Page) -> Response:
    """A page of data sets, oldest first."""
    after = paging.place("datasets", page.cursor) or 0
    datasets, following = await services_of(request).database.read(
        partial(store.page, after=after, limit=page.limit)
    )
    cursor = paging.cursor("datasets", following)
    return respond(json_reply({"datasets": [d.document() for d in datasets], "next_cursor": cursor}))


@router.get(
    "/v1/datasets/{dataset_id}",
    summary="One data set, with its first rows",
    response_model=job_responses.DatasetAnswer,
    response_description="The data set.",
    responses=errors(*_COMMON, "dataset_not_found", "invalid_parameter"),
)
async def get_dataset(request: Request, dataset_id: str, shown: Annotated[Preview, Query()]) -> Response:
    """The record and the first rows of every field."""
    services = services_of(request)
    dataset = await dataset_of(services, dataset_id)

    def describe() -> Reply:
        preview = services.datasets.preview(dataset.id, dataset.fields, shown.preview)
        return encode_answer({**dataset.document(), "preview": preview}, "json")

    try:
        return respond(await asyncio.to_thread(describe))
    except Damaged:
        await dataset_of(services, dataset_id)  # it may have been deleted in this moment
        raise


@router.delete(
    "/v1/datasets/{dataset_id}",
    summary="Forget a data set; 409 while a job needs it",
    status_code=204,
    response_description="Forgotten.",
    responses=errors(*_COMMON, "dataset_not_found", "wrong_state", "disk_full"),
)
async def delete_dataset(request: Request, dataset_id: str) -> Response:
    """Forget the data set, unless a job that has not ended trains on it."""
    services = services_of(request)
    while not await services.database.write(partial(store.remove, dataset_id=dataset_id)):
        users = await services.database.read(partial(records.users_of, dataset_id=dataset_id))
        if not users:  # there is none, or the job ended in this moment
            if not await services.database.read(partial(store.is_there, dataset_id=dataset_id)):
                raise not_found(dataset_id)
            continue
        raise Problem(
            "wrong_state",
            f"expected a data set that no job needs any more, got one that {users[0]} trains on",
            path="$url.dataset_id",
            hint="wait for the job, or cancel it",
        )
    await _remove_files(services, dataset_id)
    return Response(status_code=204)


async def until_hung_up(work: Coroutine[Any, Any, T], gone: Callable[[], Awaitable[object]]) -> T:
    """What `work` returns; it is cancelled as soon as the caller hangs up. Raises ClientGone."""
    tasks = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ClientGone
        return tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _remove_files(services: Services, dataset_id: str) -> None:
    """Remove the files of a set without a record, unless the same content was uploaded again meanwhile."""

    def tombstone(connection: Connection) -> Path | None:
        return services.datasets.tombstone(dataset_id) if store.absent(connection, dataset_id) else None

    grave = await services.database.write(tombstone)
    if grave is not None:
        await asyncio.to_thread(services.datasets.discard, grave)


async def dataset_of(services: Services, dataset_id: str) -> Dataset:
    """The data set. Raises Problem dataset_not_found."""
    dataset = await services.database.read(partial(store.get, dataset_id=dataset_id))
    if dataset is None:
        raise not_found(dataset_id)
    return dataset


def not_found(dataset_id: str) -> Problem:
    """The problem of a data set that does not exist."""
    return Problem(
        "dataset_not_found",
        f"expected the id of a data set, got '{dataset_id[:100]}'",
        path="$url.dataset_id",
        hint="upload it with POST /v1/datasets; ids look like sha256:…",
    )


def _created(dataset: Dataset, status: int) -> Response:
    location = {"Location": f"/v1/datasets/{dataset.id}"}
    return respond(json_reply(dataset.document(), status, location))


def _check_length(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise Problem(
            "body_too_large",
            f"expected a data set of at most {limit} bytes, got {declared}",
            hint="split it, or let the operator raise GRADWIRE_MAX_DATASET_BYTES",
            headers={"Connection": "close"},
        )


def _first_bytes(body: Any) -> bytes:
    with body.open("rb") as file:
        return bytes(file.read(8))


def _format(request: Request, start: bytes) -> Format:
    """The format, by the Content-Type; if that is missing or generic, by the first bytes."""
    sent = request.headers.get("content-type", "")
    essence = sent.partition(";")[0].strip().lower()
    if essence in _FORMATS:
        return _FORMATS[essence]
    if essence in _UNNAMED:
        for magic, form in _SNIFFED:
            if start.startswith(magic):
                return form
    raise Problem(
        "unsupported_media_type",
        f"expected Content-Type application/x-npy, application/x-npz or text/csv, got {sent[:100] or 'none'}",
        path="headers.content-type",
        hint="with curl: -H 'Content-Type: text/csv' --data-binary @data.csv",
    )
