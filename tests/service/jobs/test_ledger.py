"""The ledger: only legal transitions, and nothing published by an attempt that is not the newest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from service.jobs import ledger, records
from service.jobs.ledger import CheckpointRecord, Event, StaleAttempt
from service.jobs.queue.memory import MemoryQueue
from service.jobs.states import FINAL, STATUSES, TRANSITIONS, Intent, Status, sources
from service.storage.database import Database
from service.storage.tables import JOBS

pytestmark = pytest.mark.anyio

ROW = {
    "id": "job_a",
    "request_hash": "h",
    "document": "{}",
    "data": "{}",
    "epochs": 2,
    "steps": 10,
    "idempotency_key": None,
}


class Book:
    """A ledger of its own, with one job in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = MemoryQueue()

    async def do(self, function: Any, *arguments: Any, **named: Any) -> Any:
        return await self.database.write(lambda c: function(c, *arguments, **named))

    async def submit(self, **changes: Any) -> None:
        await self.do(ledger.submit, self.queue, {**ROW, **changes})

    async def claim(self, delivery: int = 1, owner: str = "w") -> ledger.Claim | None:
        return cast("ledger.Claim | None", await self.do(ledger.claim, "job_a", delivery, owner))

    async def put(self, status: Status) -> None:
        """Set the status past the ledger, with nothing wished of the job."""
        values = {"status": status, "attempt": 1, "intent": None}
        await self.database.write(lambda c: c.execute(update(JOBS).values(**values)) and None)

    async def job(self) -> dict[str, Any]:
        found = await self.database.read(lambda c: records.get(c, "job_a"))
        assert found is not None
        return found

    async def steps(self) -> list[int]:
        read = partial(records.metrics, job_id="job_a", by="step", after=0, limit=1000)
        found, _ = await self.database.read(read)
        return [row["step"] for row in json.loads(b"[" + found + b"]")]

    async def kinds(self) -> list[str]:
        found = await self.database.read(lambda c: records.events(c, "job_a", after=0, limit=1000))
        return [f"{event.kind}:{event.data.get('status', '')}" for event in found]


@asynccontextmanager
async def book(folder: Path) -> AsyncIterator[Book]:
    database = Database(folder)
    try:
        yield Book(database)
    finally:
        database.close()


def steps(first: int, last: int) -> list[Event]:
    return [Event("step", {"loss": 1 / k}, epoch=1, step=k) for k in range(first, last + 1)]


def test_the_table_is_that_of_the_wire() -> None:
    assert {status: set(following) for status, following in TRANSITIONS.items()} == {
        "queued": {"running", "paused", "cancelled"},
        "running": {"queued", "paused", "succeeded", "failed", "cancelled"},
        "paused": {"queued", "cancelled"},
        "succeeded": set(),
        "failed": set(),
        "cancelled": set(),
    }
    assert {"succeeded", "failed", "cancelled"} == FINAL
    assert sources("running") == ["queued"]


@pytest.mark.parametrize("status", STATUSES)
async def test_only_what_runs_is_finished(tmp_path: Path, status: Status) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        for target in ("succeeded", "failed", "cancelled", "paused"):
            await it.put(status)
            if status == "running":
                await it.do(ledger.finish, "job_a", 1, target)
                assert (await it.job())["status"] == target
            else:
                with pytest.raises(StaleAttempt):
                    await it.do(ledger.finish, "job_a", 1, target)
                assert (await it.job())["status"] == status


WISHES: dict[tuple[Status, Intent | None], tuple[Status | None, Status]] = {
    # the status, and what is wished: what is returned, and the status afterwards
    ("queued", "cancel"): ("cancelled", "cancelled"),
    ("queued", "pause"): ("paused", "paused"),
    ("queued", None): (None, "queued"),
    ("running", "cancel"): ("running", "running"),
    ("running", "pause"): ("running", "running"),
    ("running", None): (None, "running"),
    ("paused", "cancel"): ("cancelled", "cancelled"),
    ("paused", "pause"): ("paused", "paused"),
    ("paused", None): ("queued", "queued"),
    ("succeeded", "cancel"): (None, "succeeded"),
    ("succeeded", "pause"): (None, "succeeded"),
    ("succeeded", None): (None, "succeeded"),
    ("failed", "cancel"): (None, "failed"),
    ("failed", "pause"): (None, "failed"),
    ("failed", None): (None, "failed"),
    ("cancelled", "cancel"): ("cancelled", "cancelled"),
    ("cancelled", "pause"): (None, "cancelled"),
    ("cancelled", None): (None, "cancelled"),
}


async def test_what_a_wish_does_in_each_status(tmp_path: Path) -> None:
    assert {status for status, _ in WISHES} == {*STATUSES}
    assert len(WISHES) == 3 * len(STATUSES)
    async with book(tmp_path) as it:
        await it.submit()
        for (status, wanted), expected in WISHES.items():
            await it.put(status)
            answer = await it.do(ledger.request, it.queue, "job_a", wanted)
            assert (answer, (await it.job())["status"]) == expected, (status, wanted)


async def test_one_hand_over_is_claimed_once(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        claims = await asyncio.gather(*(it.claim(owner=f"w{k}") for k in range(8)))
        assert sum(claim is not None for claim in claims) == 1
        assert await it.claim(delivery=2) is None
        assert (await it.job())["attempt"] == 1


async def test_only_the_newest_attempt_publishes(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        await it.claim()
        await it.do(ledger.publish, "job_a", 1, steps(1, 5), CheckpointRecord("5-1", 1, 5, {"loss": 0.2}))
        await it.do(ledger.publish, "job_a", 1, steps(6, 8))
        await it.do(ledger.release, it.queue, "job_a", 1, "its worker was lost")
        second = await it.claim(delivery=2)
        assert second is not None
        assert (second.attempt, second.checkpoint) == (2, "5-1")
        assert await it.steps() == [1, 2, 3, 4, 5], "what is to happen again is taken back"
        assert (await it.job())["progress"] == {"epoch": 1, "epochs": 2, "step": 5, "steps": 10}
        for late in (
            it.do(ledger.publish, "job_a", 1, steps(9, 9)),
            it.do(ledger.publish, "job_a", 1, [], CheckpointRecord("9-1", 1, 9, {})),
            it.do(ledger.finish, "job_a", 1, "succeeded"),
            it.do(ledger.beat, "job_a", 1),
            it.do(ledger.release, it.queue, "job_a", 1, None),
        ):
            with pytest.raises(StaleAttempt):
                await late
        await it.do(ledger.publish, "job_a", 2, steps(6, 10))
        await it.do(ledger.finish, "job_a", 2, "succeeded")
        assert await it.steps() == list(range(1, 11))


async def test_a_step_cannot_happen_twice(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        await it.claim()
        await it.do(ledger.publish, "job_a", 1, steps(1, 3))
        with pytest.raises(IntegrityError):
            await it.do(ledger.publish, "job_a", 1, steps(3, 4))
        assert await it.steps() == [1, 2, 3]


async def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()
        await it.claim()
        dropped = [
            await it.do(ledger.publish, "job_a", 1, [], CheckpointRecord(f"{k}-1", 1, k, {}), keep=2)
            for k in range(1, 5)
        ]
        assert dropped == [[], [], ["1-1"], ["2-1"]]


async def test_wishes(tmp_path: Path) -> None:
    async with book(tmp_path) as it:
        await it.submit()

        async def wish(wanted: str | None) -> Any:
            return await it.do(ledger.request, it.queue, "job_a", wanted)

        assert await wish("pause") == "paused"
        assert await it.claim() is None, "a hand-over from before the pause is void"
        assert await wish("pause") == "paused"
        assert await wish(None) == "queued"
        assert await wish(None) is None
        assert await it.claim(delivery=2) is not None
        assert await wish("pause") == "running"
        assert await it.do(ledger.beat, "job_a", 1) == "pause"
        assert await wish(None) == "running"
        assert await it.do(ledger.beat, "job_a", 1) is None
        assert await wish("cancel") == "running"
        assert (await it.job())["cancel_requested"] is True
        assert await wish("pause") is None, "a cancelled job does not pause"
        assert await wish("cancel") == "running"
        assert not await it.do(ledger.remove, "job_a")
        await it.do(ledger.finish, "job_a", 1, "cancelled")
        assert await wish("cancel") == "cancelled"
        assert await wish("pause") is None
        assert await wish(None) is None
        assert (await it.kinds())[-2:] == ["status:cancelled", "end:cancelled"]
        assert await it.do(ledger.remove, "job_a")
        assert await it.kinds() == [], "its history goes with it"
