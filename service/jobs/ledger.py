"""Every change of a job, in the caller's transaction: one guarded UPDATE, then what follows from it.

The guard of what a worker does is the number of its attempt. A worker that was suspended, presumed dead and
woken again finds that its number is no longer the newest, and nothing of its work is published.
Each function begins with its guarded statement, so that SQLite takes the write lock before anything is read.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, select, update

from service.jobs import records
from service.jobs.queue.port import JobQueue
from service.jobs.rewinding import rewind
from service.jobs.states import FINAL, Intent, Status, sources
from service.storage.tables import CHECKPOINTS, DATASETS, JOB_DATASETS, JOB_EVENTS, JOBS
from service.wire.json_numbers import dumps


class StaleAttempt(Exception):
    """The attempt is not the job's newest, or the job no longer runs: what it reports does not count."""


class DatasetGone(Exception):
    """A data set that a new job names is not there; the message is its id."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: its kind, its place if it has one, and its data."""

    kind: str
    data: Mapping[str, Any]
    epoch: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job claimed by one attempt, and the checkpoints that are kept, newest first.

    `intact` says whether its document and the places of its data are those that were submitted.
    """

    job_id: str
    attempt: int
    document: str
    data: str
    checkpoints: tuple[str, ...]
    intact: bool = True

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint to resume from."""
        return self.checkpoints[0] if self.checkpoints else None


@dataclass(frozen=True, slots=True)
class Holder:
    """The worker that had a running job when it was read, and the time of its last heartbeat."""

    owner: str
    lease: float


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint that is on the disk and becomes the job's newest."""

    id: str
    epoch: int
    step: int
    metrics: Mapping[str, Any]


def submit(connection: Connection, queue: JobQueue, row: Mapping[str, Any]) -> None:
    """Insert a queued job that holds on to its data sets, and hand it over; its history has its warnings.

    Raises IntegrityError if its idempotency key is in use, DatasetGone if a data set was deleted meanwhile.
    """
    checksum = records.checksum(row["document"], row["data"])
    values = {**row, "checksum": checksum, "status": "queued", "delivery": 1, "created_at": time.time()}
    connection.execute(insert(JOBS).values(values))
    _pin_datasets(connection, row["id"], from_json(row["data"]).get("datasets", ()))
    warned = [
        Event("log", {"level": "warning", "code": warning["code"], "message": warning["message"]})
        for warning in from_json(row.get("warnings", "[]"))
    ]
    append_events(connection, row["id"], [Event("status", {"status": "queued", "attempt": 0}), *warned])
    queue.enqueue(connection, row["id"], 1)


def claim(connection: Connection, job_id: str, delivery: int, owner: str) -> Claim | None:
    """Queued → running by a new attempt; None if the hand-over is void.

    What happened at a step after the newest checkpoint was written is removed: it is about to happen again.
    An event's id tells, not its step: an epoch ends, and a warning is given, at a step that is done.
    """
    claimed = _transition(
        connection,
        job_id,
        "running",
        JOBS.c.delivery == delivery,
        owner=owner,
        lease=time.time(),
        attempt=JOBS.c.attempt + 1,
        started_at=_first(JOBS.c.started_at),
    )
    if not claimed:
        return None
    job = connection.execute(select(JOBS).where(JOBS.c.id == job_id)).one()
    rows = connection.execute(
        select(CHECKPOINTS).where(CHECKPOINTS.c.job_id == job_id).order_by(CHECKPOINTS.c.seq.desc())
    ).all()
    place = rewind(connection, job_id, rows[0] if rows else None)
    append_events(
        connection, job_id, [Event("status", {"status": "running", "attempt": job.attempt, **place})]
    )
    intact = job.checksum in (None, records.checksum(job.document, job.data))
    return Claim(job_id, job.attempt, job.document, job.data, tuple(row.id for row in rows), intact)


def fall_back(connection: Connection, job_id: str, attempt: int, damaged: Sequence[str]) -> None:
    """Forget checkpoints that cannot be read, and what happened since the newest of the others.

    That is about to happen again; an event says so. Raises StaleAttempt.
    """
    _fence(connection, job_id, attempt, lease=time.time())
    mine = CHECKPOINTS.c.job_id == job_id
    connection.execute(delete(CHECKPOINTS).where(mine, CHECKPOINTS.c.id.in_(damaged)))
    newest = connection.execute(select(CHECKPOINTS).where(mine).order_by(CHECKPOINTS.c.seq.desc())).first()
    place = rewind(connection, job_id, newest)
    where = f"goes on from step {place['step']}" if newest else "starts again from the beginning"
    listed = ", ".join(damaged)
    which = f"the checkpoint {listed} is" if len(damaged) == 1 else f"the checkpoints {listed} are"
    message = f"{which} damaged on the server's disk; the job {where}, with the same bits"
    log = {"level": "warning", "code": "damaged_checkpoint", "message": message}
    append_events(connection, job_id, [Event("log", log)])


def beat(connection: Connection, job_id: str, attempt: int) -> Intent | None:
    """Renew the lease, and return what the caller wants of the job. Raises StaleAttempt."""
    _fence(connection, job_id, attempt, lease=time.time())
    intent = connection.execute(select(JOBS.c.intent).where(JOBS.c.id == job_id)).scalar_one()
    return cast("Intent | None", intent)


def publish(
    connection: Connection,
    job_id: str,
    attempt: int,
    events: Sequence[Event],
    checkpoint: CheckpointRecord | None = None,
    *,
    keep: int = 1,
) -> list[str]:
    """Add to the history and make a checkpoint the newest; the ids of checkpoints that are dropped for it.

    The events happened before the checkpoint was written. Raises StaleAttempt.
    """
    progress: dict[str, Any] = {"lease": time.time()}
    placed = [event for event in events if event.step is not None and event.kind != "log"]
    if placed:
        newest = placed[-1]
        progress |= {"epoch": newest.epoch, "step": newest.step, "metrics": _json(newest.data)}
    if checkpoint is not None:
        progress["stalls"] = 0
    _fence(connection, job_id, attempt, **progress)
    append_events(connection, job_id, events)
    _warn(connection, job_id, events)
    if checkpoint is None:
        return []
    newest_event = select(func.max(JOB_EVENTS.c.id)).where(JOB_EVENTS.c.job_id == job_id)
    connection.execute(
        insert(CHECKPOINTS).values(
            id=checkpoint.id,
            job_id=job_id,
            epoch=checkpoint.epoch,
            step=checkpoint.step,
            metrics=_json(checkpoint.metrics),
            created_at=time.time(),
            last_event=newest_event.scalar_subquery(),
        )
    )
    rows = connection.execute(
        select(CHECKPOINTS.c.seq, CHECKPOINTS.c.id)
        .where(CHECKPOINTS.c.job_id == job_id)
        .order_by(CHECKPOINTS.c.seq.desc())
        .offset(keep)
    ).all()
    connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.seq.in_([row.seq for row in rows])))
    return [row.id for row in rows]


def finish(
    connection: Connection,
    job_id: str,
    attempt: int,
    status: Status,
    error: bytes | None = None,
    *,
    holder: Holder | None = None,
) -> None:
    """Running → paused, succeeded, failed or cancelled, by its attempt. Raises StaleAttempt.

    `holder` guards a takeover, as in `release`.
    """
    values = {"error": error.decode() if error else None, **_END}
    if not _transition(connection, job_id, status, *_running(attempt, holder), **values):
        raise StaleAttempt(job_id)
    _append_status(connection, job_id, status, attempt, error)


def release(
    connection: Connection,
    queue: JobQueue,
    job_id: str,
    attempt: int,
    why: str | None,
    *,
    stalled: bool = False,
    delay_s: float = 0.0,
    holder: Holder | None = None,
) -> None:
    """Running → queued: a retry or a takeover, handed over anew after `delay_s`, before jobs never begun.

    `stalled` counts the attempt among those in a row that failed without a checkpoint. `holder` guards a
    takeover: it is void if that worker has renewed its lease since. Raises StaleAttempt.
    """
    again = {**_END, "delivery": JOBS.c.delivery + 1, "intent": JOBS.c.intent}
    if stalled:
        again["stalls"] = JOBS.c.stalls + 1
    if not _transition(connection, job_id, "queued", *_running(attempt, holder), **again):
        raise StaleAttempt(job_id)
    _requeued(connection, queue, job_id, attempt, why, delay_s, first=True)


def request(connection: Connection, queue: JobQueue, job_id: str, wanted: Intent | None) -> Status | None:
    """Cancel, pause or (None) resume a job: its status afterwards, None if its status does not allow it.

    A job that does not run changes at once; one that runs is changed by its worker.
    """
    if wanted is None:
        if _transition(
            connection, job_id, "queued", JOBS.c.status == "paused", delivery=JOBS.c.delivery + 1, **_END
        ):
            _requeued(connection, queue, job_id, None, None, 0.0)
            return "queued"
        if _set_intent(connection, job_id, None, JOBS.c.intent == "pause"):
            return "running"
        return None
    target: Status = "cancelled" if wanted == "cancel" else "paused"
    if _transition(connection, job_id, target, JOBS.c.status.in_(("queued", "paused")), **_END):
        _append_status(connection, job_id, target, None, None)
        return target
    if _set_intent(connection, job_id, wanted, JOBS.c.intent.is_distinct_from("cancel")):
        return "running"
    job = connection.execute(select(JOBS.c.status, JOBS.c.intent).where(JOBS.c.id == job_id)).first()
    if job is not None and (job.status == target or (wanted == "cancel" and job.intent == "cancel")):
        return cast(Status, job.status)  # it was asked for before
    return None


def remove(connection: Connection, job_id: str) -> bool:
    """Forget a job that has ended, with all its history; False if there is none that has."""
    ended = JOBS.c.id == job_id, JOBS.c.status.in_(sorted(FINAL))
    return connection.execute(delete(JOBS).where(*ended)).rowcount > 0


def append_events(connection: Connection, job_id: str, events: Sequence[Event]) -> None:
    """Add events to the history."""
    if events:
        connection.execute(
            insert(JOB_EVENTS),
            [
                {"job_id": job_id, "kind": e.kind, "epoch": e.epoch, "step": e.step, "data": _json(e.data)}
                for e in events
            ],
        )


def _warn(connection: Connection, job_id: str, events: Sequence[Event]) -> None:
    """Keep what events without a step warn of with the job; each warning once."""
    warnings = [warning for e in events if e.step is None for warning in e.data.get("warnings", ())]
    if warnings:
        before = from_json(
            connection.execute(select(JOBS.c.warnings).where(JOBS.c.id == job_id)).scalar_one()
        )
        after = [*before, *(warning for warning in warnings if warning not in before)]
        connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(warnings=dumps(after).decode()))


#: The columns that every end of an attempt clears.
_END: Mapping[str, Any] = {"owner": None, "lease": None, "intent": None}


def _transition(
    connection: Connection, job_id: str, target: Status, *guards: ColumnElement[bool], **values: Any
) -> bool:
    """Change a status if the table of transitions and the guards allow it; every change goes through here."""
    if target in FINAL:
        values["finished_at"] = time.time()
    guarded = JOBS.c.id == job_id, JOBS.c.status.in_(sources(target)), *guards
    moved = connection.execute(update(JOBS).where(*guarded).values(status=target, **values)).rowcount == 1
    if moved and target in FINAL:
        connection.execute(delete(JOB_DATASETS).where(JOB_DATASETS.c.job_id == job_id))
    return moved


def _pin_datasets(connection: Connection, job_id: str, datasets: Collection[str]) -> None:
    """Record that a job needs these data sets: they cannot be deleted from now on. Raises DatasetGone."""
    for dataset in sorted(datasets):
        there = select(literal(job_id), DATASETS.c.id).where(DATASETS.c.id == dataset)
        referred = insert(JOB_DATASETS).from_select(["job_id", "dataset_id"], there)
        if connection.execute(referred).rowcount != 1:
            raise DatasetGone(dataset)


def _running(attempt: int, holder: Holder | None = None) -> list[ColumnElement[bool]]:
    """The condition that a job runs and the attempt is its newest.

    The number alone says too little: until the next claim it stays that of an attempt that was displaced.
    """
    guards = [JOBS.c.attempt == attempt, JOBS.c.status == "running"]
    if holder is not None:
        guards += [JOBS.c.owner == holder.owner, JOBS.c.lease == holder.lease]
    return guards


def _fence(connection: Connection, job_id: str, attempt: int, **values: Any) -> None:
    guarded = JOBS.c.id == job_id, *_running(attempt)
    if connection.execute(update(JOBS).where(*guarded).values(**values)).rowcount != 1:
        raise StaleAttempt(job_id)


def _set_intent(
    connection: Connection, job_id: str, intent: Intent | None, guard: ColumnElement[bool]
) -> bool:
    guarded = JOBS.c.id == job_id, JOBS.c.status == "running", guard
    return connection.execute(update(JOBS).where(*guarded).values(intent=intent)).rowcount == 1


def _append_status(
    connection: Connection, job_id: str, status: Status, attempt: int | None, error: bytes | None
) -> None:
    data: dict[str, Any] = {"status": status}
    if attempt is not None:
        data["attempt"] = attempt
    append_events(connection, job_id, [Event("status", data)])
    if status in FINAL:
        from_error = {"error": _parsed(error)} if error else {"error": None}
        append_events(connection, job_id, [Event("end", {"status": status, **from_error})])


def _requeued(
    connection: Connection,
    queue: JobQueue,
    job_id: str,
    attempt: int | None,
    why: str | None,
    delay_s: float,
    *,
    first: bool = False,
) -> None:
    if why is not None:
        append_events(connection, job_id, [Event("log", {"level": "warning", "message": why})])
    _append_status(connection, job_id, "queued", attempt, None)
    delivery = connection.execute(select(JOBS.c.delivery).where(JOBS.c.id == job_id)).scalar_one()
    queue.enqueue(connection, job_id, delivery, delay_s, first=first)


def _json(data: Mapping[str, Any]) -> str:
    return dumps(data).decode()


def _parsed(error: bytes) -> Any:
    return from_json(error)


def _first(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value that the column has, else the time now."""
    return func.coalesce(column, time.time())


def intent(connection: Connection, job_id: str, attempt: int) -> Intent | None:
    """What the caller wants of the job, without renewing the lease. Raises StaleAttempt."""
    guarded = JOBS.c.id == job_id, *_running(attempt)
    row = connection.execute(select(JOBS.c.intent).where(*guarded)).first()
    if row is None:
        raise StaleAttempt(job_id)
    return cast("Intent | None", row.intent)
