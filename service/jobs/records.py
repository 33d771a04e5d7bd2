"""Jobs read back, as the wire has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic_core import from_json
from sqlalchemy import Connection, Row, func, select

from service.jobs.queue.port import Key
from service.jobs.states import Status
from service.storage.checksums import Damaged, of_texts
from service.storage.tables import CHECKPOINTS, JOB_DATASETS, JOB_EVENTS, JOBS

Interval = Literal["step", "epoch"]
#: Long fields of problems and warnings, left out of lists of jobs.
_AT_LENGTH = ("rows", "diagnosis")
_COLUMNS = tuple(column for column in JOBS.c if column.name not in ("document", "data"))


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a job's history; `text` is its data as JSON."""

    id: int
    kind: str
    text: bytes

    @property
    def data(self) -> Mapping[str, Any]:
        """The data."""
        parsed: Mapping[str, Any] = from_json(self.text)
        return parsed


def get(connection: Connection, job_id: str) -> dict[str, Any] | None:
    """The job as a document, or None."""
    row = connection.execute(select(*_COLUMNS).where(JOBS.c.id == job_id)).first()
    return None if row is None else _document(row, _warnings(connection, [row]))


def by_key(connection: Connection, key: str) -> tuple[str, str] | None:
    """Id and request hash of the job submitted under an idempotency key."""
    query = select(JOBS.c.id, JOBS.c.request_hash).where(JOBS.c.idempotency_key == key)
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.request_hash)


def stored_job(connection: Connection, job_id: str) -> tuple[str, Mapping[str, Any]] | None:
    """The stored document and the places of the data, or None. Raises Damaged."""
    columns = JOBS.c.document, JOBS.c.data, JOBS.c.checksum
    row = connection.execute(select(*columns).where(JOBS.c.id == job_id)).first()
    if row is None:
        return None
    if row.checksum not in (None, checksum(row.document, row.data)):
        raise Damaged("the record of the job", "submit the job again")
    return row.document, from_json(row.data)


def checksum(document: str, data: str) -> str:
    """The checksum of a job's record."""
    return of_texts(document, data)


def page(
    connection: Connection, *, before: int | None, limit: int, status: Status | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Up to `limit` jobs, the newest first, without what is `_AT_LENGTH`, and where the next page starts."""
    query = select(*_COLUMNS).order_by(JOBS.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(JOBS.c.seq < before)
    if status is not None:
        query = query.where(JOBS.c.status == status)
    rows = connection.execute(query).all()
    shown = rows[:limit]
    warnings = _warnings(connection, shown)
    return [_listed(_document(row, warnings)) for row in shown], shown[-1].seq if len(rows) > limit else None


def counts(connection: Connection) -> dict[str, int]:
    """How many jobs there are in each status."""
    rows = connection.execute(select(JOBS.c.status, func.count()).group_by(JOBS.c.status)).all()
    return {row[0]: row[1] for row in rows}


def metrics(
    connection: Connection, job_id: str, by: Interval, *, after: int, limit: int
) -> tuple[bytes, int | None]:
    """What up to `limit` steps or epochs after a step reported, and the step to go on after, None at the end.

    It is JSON objects with commas between, as they are kept: nothing is parsed, so that a long history takes
    little of the interpreter from others.
    """
    query = (
        select(JOB_EVENTS.c.epoch, JOB_EVENTS.c.step, JOB_EVENTS.c.data)
        .where(JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.kind == by, JOB_EVENTS.c.step > after)
        .order_by(JOB_EVENTS.c.step)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    listed = ",".join(f'{{"epoch":{epoch},"step":{step},{data[1:]}' for epoch, step, data in rows)
    return listed.encode(), rows[-1].step if len(rows) == limit else None


def events(connection: Connection, job_id: str, *, after: int, limit: int) -> list[StoredEvent]:
    """Up to `limit` events after the one with the id `after`."""
    query = (
        select(JOB_EVENTS)
        .where(JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.id > after)
        .order_by(JOB_EVENTS.c.id)
        .limit(limit)
    )
    return [_event(row) for row in connection.execute(query)]


def events_of(
    connection: Connection, job_ids: Sequence[str], *, after: int, limit: int
) -> list[tuple[str, StoredEvent]]:
    """Up to `limit` events of several jobs after the id `after`, in order, each with its job."""
    query = (
        select(JOB_EVENTS)
        .where(JOB_EVENTS.c.job_id.in_(job_ids), JOB_EVENTS.c.id > after)
        .order_by(JOB_EVENTS.c.id)
        .limit(limit)
    )
    return [(row.job_id, _event(row)) for row in connection.execute(query)] if job_ids else []


def newest_event(connection: Connection, job_id: str | None = None) -> int:
    """The id of the newest event, of all jobs or of one; 0 if there is none."""
    query = select(func.max(JOB_EVENTS.c.id))
    if job_id is not None:
        query = query.where(JOB_EVENTS.c.job_id == job_id)
    return connection.execute(query).scalar() or 0


def checkpoints(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """The checkpoints that are kept, the oldest first."""
    query = select(CHECKPOINTS).where(CHECKPOINTS.c.job_id == job_id).order_by(CHECKPOINTS.c.seq)
    return [
        {"id": r.id, "epoch": r.epoch, "step": r.step, "metrics": from_json(r.metrics)}
        for r in connection.execute(query)
    ]


def awaited(connection: Connection, keys: Sequence[Key]) -> set[Key]:
    """Those of the hand-overs by which a queued job still waits for a worker."""
    ids = {job_id for job_id, _ in keys}
    query = select(JOBS.c.id, JOBS.c.delivery).where(JOBS.c.status == "queued", JOBS.c.id.in_(ids))
    return {(row.id, row.delivery) for row in connection.execute(query)} if ids else set()


def hand_overs(connection: Connection, job_id: str) -> list[Key]:
    """Every hand-over that there was of a job."""
    newest = connection.execute(select(JOBS.c.delivery).where(JOBS.c.id == job_id)).scalar() or 0
    return [(job_id, number) for number in range(1, newest + 1)]


def stalls(connection: Connection, job_id: str) -> int:
    """How many attempts of a job in a row failed without a checkpoint, one that runs left out."""
    return int(connection.execute(select(JOBS.c.stalls).where(JOBS.c.id == job_id)).scalar_one())


def users_of(connection: Connection, dataset_id: str) -> list[str]:
    """Ids of jobs that have not ended and train on the data set."""
    query = select(JOB_DATASETS.c.job_id).where(JOB_DATASETS.c.dataset_id == dataset_id)
    return [row.job_id for row in connection.execute(query)]


def _warnings(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, list[Any]]:
    """What was said of jobs as a whole, then what their logs say about single steps, by the job's id."""
    job_ids = [row.id for row in rows]
    query = select(JOB_EVENTS.c.job_id, JOB_EVENTS.c.data).where(
        JOB_EVENTS.c.job_id.in_(job_ids), JOB_EVENTS.c.kind == "log", JOB_EVENTS.c.step.is_not(None)
    )
    warnings = {row.id: from_json(row.warnings) for row in rows}
    for row in connection.execute(query.order_by(JOB_EVENTS.c.id)):
        warnings[row.job_id].extend(from_json(row.data)["warnings"])
    return warnings


def _document(row: Row[Any], warnings: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "progress": {"epoch": row.epoch, "epochs": row.epochs, "step": row.step, "steps": row.steps},
        "metrics": from_json(row.metrics),
        "attempt": row.attempt,
        "cancel_requested": row.intent == "cancel" or row.status == "cancelled",
        "error": from_json(row.error) if row.error else None,
        "warnings": warnings[row.id],
    }


def _listed(job: Mapping[str, Any]) -> dict[str, Any]:
    error = None if job["error"] is None else _shortened(job["error"])
    return {**job, "error": error, "warnings": [_shortened(warning) for warning in job["warnings"]]}


def _shortened(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _AT_LENGTH}


def _event(row: Row[Any]) -> StoredEvent:
    """The event; its data are not parsed, so that a long history takes little of the interpreter."""
    text: str = row.data
    if row.step is not None:
        between = "" if text == "{}" else ","
        text = f'{{"epoch":{"null" if row.epoch is None else row.epoch},"step":{row.step}{between}{text[1:]}'
    return StoredEvent(row.id, row.kind, text.encode())


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
