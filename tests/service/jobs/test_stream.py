"""Following events: one poller however many follow, every follower at its own pace, an end for everybody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from service.jobs import ledger, records
from service.jobs.ledger import Event
from service.jobs.queue.memory import MemoryQueue
from service.jobs.records import StoredEvent
from service.jobs.stream import Streams
from service.storage.database import Database
from tests.service.jobs.test_ledger import ROW

pytestmark = pytest.mark.anyio


async def submitted(folder: Path) -> Database:
    database = Database(folder)
    await database.write(lambda c: ledger.submit(c, MemoryQueue(), ROW))
    return database


def logs(count: int, kind: str = "log") -> Any:
    def add(connection: Connection) -> None:
        ledger.append_events(connection, "job_a", [Event(kind, {"n": k}) for k in range(count)])

    return add


async def collect(streams: Streams, pause: float = 0) -> list[int]:
    ids: list[int] = []
    async for batch in streams.follow("job_a", 0, patience_s=5):
        ids += [found.id for found in batch]
        await asyncio.sleep(pause)
    return ids


async def test_everybody_gets_everything_in_order(tmp_path: Path) -> None:
    database = await submitted(tmp_path)
    streams = Streams(database, poll_s=0.01)
    queries: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda *a: queries.append(a[2]) if "job_events" in a[2] else None,
    )
    followers = [asyncio.ensure_future(collect(streams)) for _ in range(20)]
    slow = asyncio.ensure_future(collect(streams, pause=0.2))
    await asyncio.sleep(0.05)
    assert streams.pollers == 1
    for _ in range(8):
        await database.write(logs(700))
    late = asyncio.ensure_future(collect(streams))
    await database.write(logs(1, "end"))
    results = await asyncio.gather(*followers, slow, late)
    assert results[0] == sorted(set(results[0]))
    assert len(results[0]) == 1 + 8 * 700 + 1
    assert all(ids == results[0] for ids in results)
    assert streams.pollers == 0
    selects = [query for query in queries if query.startswith("SELECT")]
    assert len(selects) < 400, "21 followers do not read everything 21 times"
    database.close()


async def test_nothing_new_is_an_empty_batch(tmp_path: Path) -> None:
    database = await submitted(tmp_path)
    streams = Streams(database, poll_s=0.01)
    follower = streams.follow("job_a", 0, patience_s=0.1)
    assert len(await anext(follower)) == 1
    assert await anext(follower) == []
    await database.write(logs(2))
    assert len(await anext(follower)) == 2
    await follower.aclose()  # type: ignore[attr-defined]  # an async generator, as declared an iterator
    assert streams.pollers == 0
    database.close()


async def test_a_closing_server_lets_followers_go(tmp_path: Path) -> None:
    database = await submitted(tmp_path)
    streams = Streams(database, poll_s=0.01)
    follower = asyncio.ensure_future(collect(streams))
    await asyncio.sleep(0.05)
    streams.close()
    assert len(await asyncio.wait_for(follower, 2)) == 1
    database.close()


async def test_a_look_that_fails_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await submitted(tmp_path)
    await database.write(logs(1, "end"))
    streams, events, failures = Streams(database, poll_s=0.01), records.events, [True]

    def locked(*given: Any, **places: Any) -> list[StoredEvent]:
        if failures:
            failures.pop()
            raise OperationalError("SELECT", {}, Exception("database is locked"))
        return events(*given, **places)

    monkeypatch.setattr(records, "events", locked)
    ids = await asyncio.wait_for(collect(streams), 10)
    assert ids == [1, 2]
    assert not failures
    database.close()


async def test_a_follower_ahead_of_the_job_holds_up_nobody(tmp_path: Path) -> None:
    database = await submitted(tmp_path)
    streams = Streams(database, poll_s=0.01)
    ahead = streams.follow("job_a", 10**18, patience_s=60)
    waiting = asyncio.ensure_future(anext(ahead))
    await asyncio.sleep(0.05)
    behind = streams.follow("job_a", 0, patience_s=60)
    assert len(await asyncio.wait_for(anext(behind), 2)) == 1
    await database.write(logs(3))
    for batch in (await asyncio.wait_for(anext(behind), 2), await asyncio.wait_for(waiting, 2)):
        assert [found.data for found in batch] == [{"n": 0}, {"n": 1}, {"n": 2}]
    await behind.aclose()  # type: ignore[attr-defined]  # an async generator, as declared an iterator
    await ahead.aclose()  # type: ignore[attr-defined]
    database.close()


async def test_many_followed_jobs_have_one_reader(tmp_path: Path) -> None:
    database = await submitted(tmp_path)
    for k in range(30):
        row = {**ROW, "id": f"job_{k}", "idempotency_key": None}
        await database.write(lambda c, row=row: ledger.submit(c, MemoryQueue(), row))  # type: ignore[misc]
    streams = Streams(database, poll_s=0.02)
    followers = [streams.follow(f"job_{k}", 0, patience_s=60) for k in range(30)]
    assert [len(await anext(follower)) for follower in followers] == [1] * 30
    await asyncio.sleep(0.1)
    queries: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: queries.append(a[2]))
    await asyncio.sleep(0.5)
    assert 1 < len([query for query in queries if "job_events" in query]) < 60
    waiting = [asyncio.ensure_future(anext(follower)) for follower in followers]
    await database.write(
        lambda c: [ledger.append_events(c, f"job_{k}", [Event("log", {"k": k})]) for k in range(30)]
    )
    batches = await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert [[found.data for found in batch] for batch in batches] == [[{"k": k}] for k in range(30)]
    for follower in followers:
        await follower.aclose()  # type: ignore[attr-defined]
    assert streams.pollers == 0
    database.close()
