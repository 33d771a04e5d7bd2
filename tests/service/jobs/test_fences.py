"""Late reports of a displaced attempt change nothing, whatever state the job is in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from service.jobs import ledger, records
from service.jobs.ledger import CheckpointRecord, Event, Holder, StaleAttempt
from service.storage.tables import CHECKPOINTS, JOB_EVENTS, JOBS
from tests.service.jobs.test_ledger import Book, book, steps

pytestmark = pytest.mark.anyio

#: What the first attempt may say late.
LATE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "beat": (ledger.beat, ()),
    "look": (ledger.intent, ()),
    "events": (ledger.publish, (steps(6, 6),)),
    "checkpoint": (ledger.publish, ([], CheckpointRecord("6-1", 1, 6, {}))),
    "succeeded": (ledger.finish, ("succeeded",)),
    "failed": (ledger.finish, ("failed", b"{}")),
    "paused": (ledger.finish, ("paused",)),
    "cancelled": (ledger.finish, ("cancelled",)),
    "another attempt": (ledger.release, (None,)),
}


async def displaced(it: Book, since: str) -> None:
    """A job whose first attempt was taken over, and what became of it since."""
    await it.submit()
    await it.claim()
    await it.do(ledger.publish, "job_a", 1, steps(1, 5), CheckpointRecord("5-1", 1, 5, {}))
    await it.do(ledger.release, it.queue, "job_a", 1, "its worker was lost")
    if since == "paused, resumed":
        await it.do(ledger.request, it.queue, "job_a", "pause")
        await it.do(ledger.request, it.queue, "job_a", None)
    elif since in ("paused", "cancelled"):
        await it.do(ledger.request, it.queue, "job_a", "pause" if since == "paused" else "cancel")
    elif since != "queued":
        await it.claim(delivery=2)
        if since != "running":
            await it.do(ledger.finish, "job_a", 2, since.removeprefix("then "))


SINCE = (
    *("queued", "paused, resumed", "paused", "cancelled", "running"),
    *("then paused", "then succeeded", "then failed", "then cancelled"),
)


async def everything(it: Book) -> list[Any]:
    """All that the tables hold of the job."""
    tables = JOBS, JOB_EVENTS, CHECKPOINTS
    return [await it.database.read(lambda c, t=table: c.execute(select(t)).all()) for table in tables]


@pytest.mark.parametrize("since", SINCE)
async def test_a_late_word_of_a_displaced_attempt_changes_nothing(tmp_path: Path, since: str) -> None:
    async with book(tmp_path) as it:
        await displaced(it, since)
        before = await everything(it)
        for name, (function, arguments) in LATE.items():
            queue = (it.queue,) if function is ledger.release else ()
            with pytest.raises(StaleAttempt):
                await it.do(function, *queue, "job_a", 1, *arguments)
            assert await everything(it) == before, name


@pytest.mark.parametrize("name", LATE)
async def test_the_word_of_the_newest_attempt_counts(tmp_path: Path, name: str) -> None:
    async with book(tmp_path) as it:
        await displaced(it, "running")
        before = await everything(it)
        function, arguments = LATE[name]
        queue = (it.queue,) if function is ledger.release else ()
        await it.do(function, *queue, "job_a", 2, *arguments)
        assert (await everything(it) != before) == (name != "look")


async def test_a_takeover_is_void_once_the_worker_gave_a_sign_of_life(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        await it.claim(owner="w1")
        stale = time.time() - 100
        await it.database.write(lambda c: c.execute(update(JOBS).values(lease=stale)) and None)
        holder = Holder("w1", stale)
        await it.do(ledger.beat, "job_a", 1)
        with pytest.raises(StaleAttempt):
            await it.do(ledger.release, it.queue, "job_a", 1, "lost", holder=holder)
        with pytest.raises(StaleAttempt):
            await it.do(ledger.finish, "job_a", 1, "cancelled", holder=holder)
        assert (await it.job())["status"] == "running"


async def test_what_happened_after_a_checkpoint_is_told_by_ids_not_by_steps(tmp_path: Path) -> None:
    """An epoch's end and a warning have the step that came before them; words about attempts stay."""
    done = [Event("epoch", {"loss": 1.0}, 1, 5)]
    warned = [Event("log", {"level": "warning", "message": "m", "warnings": [{"code": "c"}]}, 1, 5)]
    async with book(tmp_path) as it:
        await it.submit()
        await it.claim()
        await it.do(ledger.publish, "job_a", 1, steps(1, 5), CheckpointRecord("5-1", 1, 5, {}))
        await it.do(ledger.publish, "job_a", 1, [*warned, *done, *steps(6, 7)])
        assert [w["code"] for w in (await it.job())["warnings"]] == ["c"]
        await it.do(ledger.release, it.queue, "job_a", 1, "its worker was lost")
        await it.claim(delivery=2)
        kinds = await it.kinds()
        assert (kinds.count("epoch:"), kinds.count("log:"), kinds.count("step:")) == (0, 1, 5)
        assert (await it.job())["warnings"] == []
        await it.do(ledger.publish, "job_a", 2, [*warned, *done], CheckpointRecord("5-2", 1, 5, {}))
        await it.do(ledger.publish, "job_a", 2, steps(6, 6))
        await it.do(ledger.release, it.queue, "job_a", 2, None)
        await it.claim(delivery=3)
        kinds = await it.kinds()
        assert (kinds.count("epoch:"), kinds.count("log:"), kinds.count("step:")) == (1, 2, 5)
        assert await it.steps() == [1, 2, 3, 4, 5]


async def test_only_failures_of_the_job_count_as_failures(tmp_path: Path) -> None:
    """A worker that is lost or leaves says nothing against the job; a checkpoint starts anew."""
    async with book(tmp_path) as it:
        await it.submit()
        for delivery in range(1, 5):
            await it.claim(delivery=delivery)
            stalled = delivery > 2
            await it.do(ledger.release, it.queue, "job_a", delivery, "why", stalled=stalled)
            assert await it.do(records.stalls, "job_a") == max(0, delivery - 2)
        await it.claim(delivery=5)
        await it.do(ledger.publish, "job_a", 5, [], CheckpointRecord("5-5", 1, 5, {}))
        assert await it.do(records.stalls, "job_a") == 0


async def test_warnings_of_the_job_as_a_whole_are_kept_once(tmp_path: Path) -> None:
    told = Event("log", {"level": "warning", "message": "m", "warnings": [{"code": "other_machine"}]})
    async with book(tmp_path) as it:
        await it.submit()
        for attempt in (1, 2):
            await it.claim(delivery=attempt)
            await it.do(ledger.publish, "job_a", attempt, [told])
            await it.do(ledger.release, it.queue, "job_a", attempt, None)
        assert (await it.job())["warnings"] == [{"code": "other_machine"}]
        assert (await it.kinds()).count("log:") == 2, "each attempt said so"
