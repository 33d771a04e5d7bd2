"""The queue in memory: for tests, and for a worker in the process that submits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from sqlalchemy import Connection, event

from service.jobs.queue.port import Deliver, Delivery, Key


class MemoryQueue:
    """Hand-overs of one process; they end with it."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, int], Delivery] = {}
        self._due: dict[tuple[str, int], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deliver: Deliver | None = None
        self._first: set[Key] = set()
        self._free = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self) -> None:
        """Nothing to connect to."""

    def enqueue(
        self,
        connection: Connection,
        job_id: str,
        delivery: int,
        delay_s: float = 0.0,
        *,
        first: bool = False,
    ) -> None:
        """Hand over at the commit."""

        def committed(_connection: Connection) -> None:
            event.remove(connection, "rollback", rolled_back)
            self._due[job_id, delivery] = time.monotonic() + delay_s
            self._states[job_id, delivery] = "waiting"
            if first:
                self._first.add((job_id, delivery))
            self._wake()

        def rolled_back(_connection: Connection) -> None:
            event.remove(connection, "commit", committed)

        event.listen(connection, "commit", committed, once=True)
        event.listen(connection, "rollback", rolled_back, once=True)

    def cancel(self, job_id: str, delivery: int) -> None:
        """Forget what waits."""
        if self._states.get((job_id, delivery)) == "waiting":
            self._states[job_id, delivery] = "done"

    def resume(self, job_id: str, delivery: int) -> None:
        """Let it wait again."""
        if self._states.get((job_id, delivery)) in ("delivered", "done"):
            self._states[job_id, delivery] = "waiting"
            self._wake()

    def status(self, job_id: str, delivery: int) -> Delivery:
        """How far the hand-over is."""
        return self._states.get((job_id, delivery), "unknown")

    def over(self, limit: int) -> list[Key]:
        """Hand-overs that are over."""
        return [key for key, state in list(self._states.items()) if state == "done"][:limit]

    def forget(self, keys: Sequence[Key]) -> None:
        """Drop the states."""
        for key in keys:
            if self._states.get(key) != "delivered":
                self._states.pop(key, None)
                self._due.pop(key, None)

    async def listen(self, deliver: Deliver, *, concurrency: int) -> None:
        """Deliver on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._free = concurrency
        self._wake()

    def close(self) -> None:
        """Stop; what runs is cancelled."""
        self._deliver = None
        for task in self._tasks:
            task.cancel()

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        """Deliver what is due, as many as may run: what comes first, then in the order in which it came."""
        now = time.monotonic()
        waiting = [key for key, state in list(self._states.items()) if state == "waiting"]
        for key in sorted(waiting, key=lambda key: key not in self._first):
            if self._due[key] > now:
                asyncio.get_running_loop().call_later(self._due[key] - now, self._start)
            elif self._free and self._deliver is not None:
                self._free -= 1
                self._states[key] = "delivered"
                self._keep(self._run(*key, self._deliver))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job_id: str, delivery: int, deliver: Deliver) -> None:
        await deliver(job_id, delivery)
        self._states[job_id, delivery] = "done"
        self._first.discard((job_id, delivery))
        self._free += 1
        self._start()
