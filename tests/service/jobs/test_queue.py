"""Both queues behind the port, by one suite: what is committed is delivered, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from service.jobs.queue.dbos import DbosQueue
from service.jobs.queue.memory import MemoryQueue
from service.jobs.queue.port import JobQueue
from service.storage.database import Database

pytestmark = pytest.mark.anyio

Make = Callable[[Database], JobQueue]
QUEUES: dict[str, Make] = {
    "memory": lambda database: MemoryQueue(),
    "dbos": lambda database: DbosQueue(database, executor="worker-0"),
}


@asynccontextmanager
async def queue_of(make: Make, folder: Path) -> AsyncIterator[tuple[Database, JobQueue]]:
    database = Database(folder)
    queue = make(database)
    await asyncio.to_thread(queue.prepare)
    try:
        yield database, queue
    finally:
        await asyncio.to_thread(queue.close)
        database.close()


def put(queue: JobQueue, job_id: str, delivery: int = 1) -> Callable[[Connection], None]:
    return lambda connection: queue.enqueue(connection, job_id, delivery)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_is_committed_is_delivered_once(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        seen: list[tuple[str, int]] = []

        async def deliver(job_id: str, delivery: int) -> None:
            seen.append((job_id, delivery))

        await database.write(put(queue, "job_a"))
        await queue.listen(deliver, concurrency=2)
        await database.write(put(queue, "job_b", 7))
        await until(lambda: len(seen) == 2)
        assert set(seen) == {("job_a", 1), ("job_b", 7)}
        await until(lambda: queue.status("job_a", 1) == queue.status("job_b", 7) == "done")
        assert queue.status("job_a", 2) == "unknown"


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_is_rolled_back_is_not(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):

        def fail(connection: Connection) -> None:
            queue.enqueue(connection, "job_a", 1)
            raise ValueError("the rest of the transaction failed")

        with pytest.raises(ValueError, match="the rest"):
            await database.write(fail)
        assert await asyncio.to_thread(queue.status, "job_a", 1) == "unknown"
        await database.write(put(queue, "job_a"))
        assert await asyncio.to_thread(queue.status, "job_a", 1) == "waiting"


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_is_cancelled_is_not_delivered_until_resumed(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        seen: list[str] = []

        async def deliver(job_id: str, delivery: int) -> None:
            seen.append(job_id)

        for job_id in ("job_a", "job_b"):
            await database.write(put(queue, job_id))
        await asyncio.to_thread(queue.cancel, "job_a", 1)
        assert await asyncio.to_thread(queue.status, "job_a", 1) == "done"
        await queue.listen(deliver, concurrency=1)
        await until(lambda: seen == ["job_b"])
        await asyncio.to_thread(queue.resume, "job_a", 1)
        await until(lambda: seen == ["job_b", "job_a"])


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_is_over_is_forgotten_and_what_runs_is_not(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        running, end = asyncio.Event(), asyncio.Event()

        async def deliver(job_id: str, delivery: int) -> None:
            assert job_id != "job_b"
            if job_id == "job_long":
                running.set()
                await end.wait()

        await database.write(put(queue, "job_b", 3))
        await asyncio.to_thread(queue.forget, [("job_b", 3)])
        await queue.listen(deliver, concurrency=1)
        await database.write(put(queue, "job_a"))
        await until(lambda: queue.over(10) == [("job_a", 1)])
        await database.write(put(queue, "job_long"))
        await asyncio.wait_for(running.wait(), 15)
        assert await asyncio.to_thread(queue.over, 10) == [("job_a", 1)]
        everything = [("job_a", 1), ("job_long", 1), ("job_b", 3), ("job_unknown", 1)]
        await asyncio.to_thread(queue.forget, everything)
        assert [await asyncio.to_thread(queue.status, *key) for key in everything] == [
            *("unknown", "delivered", "unknown", "unknown"),
        ]
        end.set()
        await until(lambda: queue.over(10) == [("job_long", 1)])
        await asyncio.to_thread(queue.forget, [("job_long", 1)])
        await until(lambda: queue.over(10) == [])


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_no_more_run_at_a_time_than_may(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        running, most, done = 0, 0, 0

        async def deliver(job_id: str, delivery: int) -> None:
            nonlocal running, most, done
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.05)
            running -= 1
            done += 1

        await queue.listen(deliver, concurrency=2)
        for number in range(6):
            await database.write(put(queue, f"job_{number}"))
        await until(lambda: done == 6)
        assert most == 2


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_comes_first_is_delivered_before_what_waits(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        seen: list[str] = []

        async def deliver(job_id: str, delivery: int) -> None:
            seen.append(job_id)

        for number in range(4):
            await database.write(put(queue, f"job_{number}"))
        await database.write(lambda c: queue.enqueue(c, "job_again", 2, first=True))
        await queue.listen(deliver, concurrency=1)
        await until(lambda: len(seen) == 5)
        assert seen == ["job_again", "job_0", "job_1", "job_2", "job_3"]


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_it_says_nothing_on_the_console(
    tmp_path: Path, make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    async with queue_of(make, tmp_path) as (_, queue):

        async def deliver(job_id: str, delivery: int) -> None:
            raise AssertionError("nothing was handed over")

        await queue.listen(deliver, concurrency=1)
        await asyncio.sleep(0.3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
async def test_what_is_delayed_waits_and_the_rest_does_not(tmp_path: Path, make: Make) -> None:
    async with queue_of(make, tmp_path) as (database, queue):
        seen: dict[str, float] = {}

        async def deliver(job_id: str, delivery: int) -> None:
            seen[job_id] = time.monotonic()

        await queue.listen(deliver, concurrency=2)
        start = time.monotonic()
        await database.write(lambda c: queue.enqueue(c, "job_later", 1, 1.5))
        await database.write(lambda c: queue.enqueue(c, "job_never", 1, 600.0))
        await database.write(put(queue, "job_now"))
        await until(lambda: "job_now" in seen)
        assert await asyncio.to_thread(queue.status, "job_never", 1) == "waiting"
        await until(lambda: "job_later" in seen)
        assert seen["job_later"] - start >= 1.4
        assert seen["job_now"] < seen["job_later"]
        assert "job_never" not in seen
        await asyncio.to_thread(queue.forget, [("job_never", 1)])
        assert await asyncio.to_thread(queue.status, "job_never", 1) == "unknown"
