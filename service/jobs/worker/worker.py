"""A worker: takes hand-overs, runs an attempt for each, and takes over jobs whose worker has ended.

Its name is a slot of the data folder, locked while the process lives. The lock means that no other process
uses the name: jobs still running under that name were orphaned, and are taken over at once. The jobs of
other names are taken over when their lease was not renewed while a lease lasts, by this process's own clock:
the clock of the day may jump, and differs from machine to machine.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import ColumnElement, Connection, select, true
from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import FilteringBoundLogger

from service.jobs import checkpoints, ledger, records
from service.jobs.ledger import Holder, StaleAttempt
from service.jobs.queue.port import JobQueue
from service.jobs.states import Status
from service.jobs.worker.attempt import Attempt, Limits
from service.processes.launcher import ForkServer
from service.storage.database import Database, DatabaseLost
from service.storage.tables import JOBS

_REAP_S = 2.0
#: Seconds that a job may wait after its hand-over was delivered, before the worker is presumed dead.
_LOST_S = 15.0
_SLOTS = 1024
#: Hand-overs that are removed from the queue at a time.
_CLEARED = 500


class Slot:
    """A worker's name, and the lock that keeps others from using it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(_SLOTS):
            lock = (folder / f"{number}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self.name = f"worker-{number}"
            self._lock: TextIO = lock
            return
        raise OSError(f"all {_SLOTS} names of workers in {folder} are taken")

    def release(self) -> None:
        """Unlock the name."""
        self._lock.close()


class Worker:
    """Runs jobs on the running loop, `concurrency` at a time."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        folder: Path,
        *,
        name: str,
        limits: Limits,
        concurrency: int,
        environment: Mapping[str, str],
        logger: FilteringBoundLogger,
    ) -> None:
        self._database = database
        self._queue = queue
        self._folder = folder
        self._name = name
        self._limits = limits
        self._concurrency = concurrency
        self._environment = dict(environment)
        self._logger = logger
        self._template = ForkServer(lambda pid: None, module="service.jobs.worker.child")
        self._slots = asyncio.Semaphore(concurrency)
        self._attempts: set[Attempt] = set()
        self._idle = asyncio.Event()
        self._working = 0
        self._leaving = False
        self._reaper: asyncio.Task[None] | None = None
        self._lost: dict[tuple[str, int], float] = {}
        #: Since when each lease is known here: of a job, an attempt, and as it was renewed last.
        self._leases: dict[tuple[str, int, float], float] = {}

    async def start(self) -> None:
        """Take over the jobs that a process of this name left, and start taking hand-overs."""
        self._idle.set()
        await self._template.start(self._environment)
        await asyncio.to_thread(self._queue.prepare)
        await self._template.wait_until_up()
        await self._take_over(await self._running(JOBS.c.owner == self._name), "its worker ended")
        await self._queue.listen(self.deliver, concurrency=self._concurrency)
        self._reaper = asyncio.ensure_future(self._reap())

    async def stop(self) -> None:
        """Have every child save, give the jobs back, and end the template process; the queue stays open."""
        self._leaving = True
        if self._reaper is not None:
            self._reaper.cancel()
        for attempt in self._attempts:
            attempt.leave()
        await self._idle.wait()
        await self._template.close()

    async def deliver(self, job_id: str, delivery: int) -> None:
        """One hand-over: claim the job and work on it; do nothing if the number is void."""
        async with self._slots:
            if self._leaving:
                await asyncio.Event().wait()  # stopping: another worker resumes the hand-over
            self._working += 1
            self._idle.clear()
            try:
                await self._work(job_id, delivery)
            finally:
                self._working -= 1
                if not self._working:
                    self._idle.set()

    async def _work(self, job_id: str, delivery: int) -> None:
        try:
            claim = await self._database.write(
                lambda c: ledger.claim(c, job_id, delivery, self._name), patience_s=self._limits.lease_s
            )
        except (SQLAlchemyError, DatabaseLost) as error:  # the job waits, and is delivered again
            self._logger.warning("job could not be claimed", job=job_id, error=str(error))
            return
        if claim is None:
            return
        attempt = Attempt(self._database, self._queue, self._fork, self._folder, claim, self._limits)
        self._attempts.add(attempt)
        if self._leaving:
            attempt.leave()
        self._logger.info("attempt started", job=job_id, attempt=claim.attempt, checkpoint=claim.checkpoint)
        try:
            note, level = await attempt.run()
            self._logger.log(level, "attempt ended", job=job_id, attempt=claim.attempt, note=note)
        except Exception:  # unexpected: the job must not wait for its lease to expire
            self._logger.exception("attempt failed", job=job_id, attempt=claim.attempt)
            try:
                await attempt.give_back("its worker failed")
            except Exception:  # the lease runs out instead
                self._logger.exception("job could not be given back", job=job_id, attempt=claim.attempt)
        finally:
            self._attempts.discard(attempt)

    async def _fork(
        self, channel: socket.socket, config: Mapping[str, Any]
    ) -> tuple[ForkServer, int, asyncio.Future[int]]:
        """Start a child; first the template process, if it was killed."""
        await self._template.start(self._environment)
        pid, exited = await self._template.fork(channel, config)
        return self._template, pid, exited

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(_REAP_S)
            try:
                await self._take_over_expired()
                await self._resume_lost()
                await self._clear()
            except DatabaseLost as lost:  # for a person to put right
                self._logger.error("orphaned jobs could not be looked for", error=lost.detail)
                await asyncio.sleep(_LOST_S)
            except Exception:  # the next round tries again
                self._logger.exception("orphaned jobs could not be looked for")

    async def _take_over_expired(self) -> None:
        """Take over what nobody renewed for a lease; a lease is new for as long as it was seen here."""
        now = time.monotonic()
        jobs = await self._running(true())
        leases = {(job.id, job.attempt, job.lease): now for job in jobs}
        self._leases = {lease: self._leases.get(lease, now) for lease in leases}
        expired = [
            job for job in jobs if now - self._leases[job.id, job.attempt, job.lease] >= self._limits.lease_s
        ]
        await self._take_over(expired, "its worker was lost")

    async def _running(self, which: ColumnElement[bool]) -> Sequence[Any]:
        """The running jobs of which a condition holds."""
        columns = JOBS.c.id, JOBS.c.attempt, JOBS.c.owner, JOBS.c.lease, JOBS.c.intent
        query = select(*columns).where(JOBS.c.status == "running", which)
        return await self._database.read(lambda c: c.execute(query).all(), patience_s=_REAP_S)

    async def _take_over(self, orphaned: Sequence[Any], why: str) -> None:
        """Give every orphaned job back to the queue, or do what its caller wanted."""
        for job in orphaned:
            try:
                await self._database.write(partial(self._end_attempt, job=job, why=why), patience_s=_REAP_S)
                self._logger.warning("job taken over", job=job.id, owner=job.owner, why=why)
            except StaleAttempt:
                continue  # another worker was quicker
            begun = self._folder / job.id / "checkpoints"
            await asyncio.to_thread(checkpoints.sweep, begun, job.attempt)

    def _end_attempt(self, connection: Connection, job: Any, why: str) -> None:
        holder = Holder(job.owner, job.lease)
        if job.intent is None:
            why = f"{why}; the job goes on from its last checkpoint"
            ledger.release(connection, self._queue, job.id, job.attempt, why, holder=holder)
        else:
            status: Status = "cancelled" if job.intent == "cancel" else "paused"
            ledger.finish(connection, job.id, job.attempt, status, holder=holder)

    async def _resume_lost(self) -> None:
        """Deliver again what was delivered to a worker that died before it claimed the job."""
        waiting = select(JOBS.c.id, JOBS.c.delivery).where(JOBS.c.status == "queued")
        rows = await self._database.read(lambda c: c.execute(waiting).all())
        keys = {(row.id, row.delivery) for row in rows}
        self._lost = {key: since for key, since in self._lost.items() if key in keys}
        for key in keys:
            since = self._lost.setdefault(key, time.monotonic())
            if time.monotonic() - since < _LOST_S:
                continue
            status = await asyncio.to_thread(self._queue.status, *key)
            if status in ("delivered", "done"):
                await asyncio.to_thread(self._queue.resume, *key)
            elif status == "unknown":
                await self._database.write(partial(self._hand_over, key=key))
            self._lost[key] = time.monotonic()

    async def _clear(self) -> None:
        """Remove hand-overs that are over from the queue, except those that `_resume_lost` looks for."""
        over = await asyncio.to_thread(self._queue.over, _CLEARED)
        waiting = await self._database.read(lambda c: records.awaited(c, over))
        done = [key for key in over if key not in waiting]
        if done:
            await asyncio.to_thread(self._queue.forget, done)

    def _hand_over(self, connection: Connection, key: tuple[str, int]) -> None:
        self._queue.enqueue(connection, *key)
