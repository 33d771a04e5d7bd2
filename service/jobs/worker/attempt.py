"""One attempt at a job: it starts the child, publishes its reports, and records how it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic_core import from_json
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from engine.runtime import devices
from service.jobs import checkpoints, ledger, records
from service.jobs.ledger import CheckpointRecord, Claim, Event, StaleAttempt
from service.jobs.queue.port import JobQueue
from service.jobs.worker.child import disk_full, out_of_memory
from service.processes import frames
from service.processes.launcher import ForkServer
from service.storage.checksums import Damaged
from service.storage.database import Database, DatabaseLost
from service.storage.failures import is_passing
from service.wire.json_numbers import dumps
from service.wire.problems import Problem, render

_LOOK_S = 0.15
#: How long to wait for a child that was killed, which ends at once, before its files are removed.
_GONE_S = 0.5
_STREAM_LIMIT = 2**22
_LONGEST_PAUSE_S = 30.0

#: The problem of a job whose own record is not what was submitted.
_DAMAGED_ROW = render(Damaged("the record of the job", "submit the job again")).body

T = TypeVar("T")


#: Starts a child on a channel: the template that holds it, its pid, its wait status to come.
Fork = Callable[[socket.socket, Mapping[str, Any]], Awaitable[tuple[ForkServer, int, asyncio.Future[int]]]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may take, and how often it saves."""

    address_space: int
    cpu_seconds: int | None
    checkpoint_s: float
    checkpoint_steps: int | None
    checkpoints_kept: int
    retries: int
    retry_s: float
    lease_s: float
    device_memory: int | None = None
    isolate: bool = False


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt ended: the child said so, it died, or the caller cancelled the job.

    One that died or `broke` is followed by another, unless there were too many; `why` says what happened,
    `log` more than a caller needs to know.
    """

    how: Literal["succeeded", "failed", "stopped", "died", "broke", "cancelled"]
    problem: bytes | None = None
    log: str | None = None
    why: str = ""


class Attempt:
    """A claimed job until it is finished, released or lost."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        fork: Fork,
        folder: Path,
        claim: Claim,
        limits: Limits,
    ) -> None:
        self._database = database
        self._queue = queue
        self._fork = fork
        self._root = folder.parent
        self._folder = folder / claim.job_id / "checkpoints"
        self._claim = claim
        self._limits = limits
        self._leaving = False
        self._writer: asyncio.StreamWriter | None = None
        self._stop_sent = False

    def leave(self) -> None:
        """Have the child save and stop, and give the job back: this worker is about to end."""
        self._leaving = True

    async def run(self) -> tuple[str | None, int]:
        """Work on the job until it ends, is given back or is lost: a note for the log, and its level."""
        try:
            end = await self._in_child() if self._claim.intact else _End("failed", _DAMAGED_ROW)
            await self._conclude(end)
        except StaleAttempt:
            return "another attempt has the job", logging.INFO
        except DatabaseLost as lost:  # the job cannot even be given back
            return lost.detail, logging.ERROR
        except SQLAlchemyError as error:
            await self._without_database(error)
            return f"the database failed: {error}", logging.WARNING
        if end.log is None:
            return end.why or None, logging.WARNING if end.why else logging.INFO
        return end.log, logging.ERROR  # ours, with its traceback

    async def give_back(self, why: str) -> None:
        """After an unexpected failure: another attempt, unless there were too many."""
        with suppress(StaleAttempt):
            await self._retry(_End("broke", why=why))

    async def _without_database(self, error: SQLAlchemyError) -> None:
        """Finish or release the job after a failed statement; if that fails too, its lease expires.

        A full disk ends the job, and says so. What passes gives it back, and is no failure of the job.
        Raises what is neither: a failure of our own.
        """
        full = await asyncio.to_thread(self._database.is_full, error)
        if not full and not is_passing(error):
            raise error
        with suppress(SQLAlchemyError, StaleAttempt):
            if full:
                await self._finish("failed", render(disk_full()).body, patience_s=0.0)
            else:
                await self._release("the database could not be used for a while")

    async def _in_child(self) -> _End:
        """How the attempt ended, by the first to end: the child, or the watch, which renews the lease."""
        tasks = [asyncio.ensure_future(work) for work in (self._child(), self._watch())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(task for task in tasks if task in done).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _child(self) -> _End:
        """Start the child, send it the job, and read its reports; the child is killed when this returns.

        First remove what earlier attempts wrote and did not record; they can record nothing any more.
        """
        claim = self._claim
        await asyncio.to_thread(checkpoints.clear, self._folder, claim.attempt, claim.checkpoints)
        ours, theirs = socket.socketpair()
        with theirs:
            config = {
                "address_space": self._limits.address_space,
                "cpu_seconds": self._limits.cpu_seconds,
                "isolate": self._limits.isolate,
                "inventory": devices.inventory().document(),
            }
            try:
                template, pid, exited = await self._fork(theirs, config)
            except BaseException:
                ours.close()
                raise
        try:
            reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=_STREAM_LIMIT)
            self._writer.writelines(frames.pack(self._job_spec()))
            if self._stop_sent:
                self._send_stop()
            return await self._listen(reader, exited)
        finally:
            template.kill(pid)
            if self._writer is not None:
                self._writer.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(exited), _GONE_S)
            await asyncio.to_thread(checkpoints.sweep, self._folder, self._claim.attempt)

    def _send_stop(self) -> None:
        """Tell the child to save and stop, once; if it has not started, as soon as it has."""
        self._stop_sent = True
        if self._writer is not None:
            self._writer.writelines(frames.pack({"stop": True}))

    def _job_spec(self) -> dict[str, Any]:
        data = from_json(self._claim.data)
        return {
            "attempt": self._claim.attempt,
            "document": self._claim.document,
            "data": data["data"],
            "validation": data.get("validation_data"),
            "types": data["types"],
            "root": str(self._root),
            "native_folder": str(self._root.parent / "native"),
            "folder": str(self._folder),
            "checksums": data.get("checksums", {}),
            "checkpoints": self._claim.checkpoints,
            "every_s": self._limits.checkpoint_s,
            "every_steps": self._limits.checkpoint_steps,
            "device_memory": self._limits.device_memory,
        }

    async def _listen(self, reader: asyncio.StreamReader, exited: asyncio.Future[int]) -> _End:
        """Publish what the child reports until it says how it ended, or dies."""
        try:
            while True:
                report, _, _ = await frames.read(reader)
                await self._publish(report)
                if report["end"] is not None:
                    end = report["end"]
                    if end["status"] == "broken":
                        return _End("broke", log=end["log"], why="the job's process could not use its files")
                    problem = dumps(end["problem"]) if end["problem"] else None
                    return _End(end["status"], problem, end["log"])
        except (asyncio.IncompleteReadError, ConnectionError):
            return _death(await exited)

    async def _publish(self, report: Mapping[str, Any]) -> None:
        if damaged := report.get("damaged"):
            await self._fall_back(damaged)
        events = [Event(e["kind"], e["data"], e["epoch"], e["step"]) for e in report["events"]]
        written = report["checkpoint"]
        checkpoint = None if written is None else CheckpointRecord(**written)
        if not events and checkpoint is None:
            return
        job_id, attempt, keep = self._claim.job_id, self._claim.attempt, self._limits.checkpoints_kept
        dropped = await self._write(
            lambda c: ledger.publish(c, job_id, attempt, events, checkpoint, keep=keep)
        )
        if dropped:
            await asyncio.to_thread(checkpoints.drop, self._folder, dropped)

    async def _fall_back(self, damaged: Sequence[str]) -> None:
        """Go on from the checkpoint before those that are damaged, which are removed."""
        job_id, attempt = self._claim.job_id, self._claim.attempt
        await self._write(lambda c: ledger.fall_back(c, job_id, attempt, damaged))
        await asyncio.to_thread(checkpoints.drop, self._folder, damaged)

    async def _watch(self) -> _End:
        """Renew the lease and read the caller's intent: to cancel ends this, to pause stops the child."""
        last_beat = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_S)
            if time.monotonic() - last_beat >= self._limits.lease_s / 5:
                intent = await self._write(self._beat)
                last_beat = time.monotonic()
            else:
                intent = await self._read(self._look)
            if intent == "cancel":
                return _End("cancelled")
            if (intent == "pause" or self._leaving) and not self._stop_sent:
                self._send_stop()

    def _beat(self, connection: Connection) -> str | None:
        return ledger.beat(connection, self._claim.job_id, self._claim.attempt)

    def _look(self, connection: Connection) -> str | None:
        return ledger.intent(connection, self._claim.job_id, self._claim.attempt)

    async def _conclude(self, end: _End) -> None:
        if end.how in ("succeeded", "failed", "cancelled"):
            await self._finish(end.how, end.problem)
            return
        intent = await self._read(self._look)
        if intent is not None:
            await self._finish("cancelled" if intent == "cancel" else "paused", None)
        elif end.how == "stopped":
            await self._release(None)
        elif end.problem is not None:
            await self._finish("failed", end.problem)
        else:
            await self._retry(end)

    async def _retry(self, end: _End) -> None:
        """Another attempt, later after each that failed; or the end of the job after too many."""
        stalls = await self._read(lambda c: records.stalls(c, self._claim.job_id))
        if stalls >= self._limits.retries:
            await self._finish("failed", render(_failed_too_often(end, stalls + 1)).body)
        else:
            delay_s = min(self._limits.retry_s * 2**stalls, _LONGEST_PAUSE_S)
            await self._release(end.why, stalled=True, delay_s=delay_s)

    async def _finish(
        self,
        status: Literal["succeeded", "failed", "cancelled", "paused"],
        problem: bytes | None,
        *,
        patience_s: float | None = None,
    ) -> None:
        job_id, attempt = self._claim.job_id, self._claim.attempt
        await self._write(lambda c: ledger.finish(c, job_id, attempt, status, problem), patience_s)

    async def _release(self, why: str | None, *, stalled: bool = False, delay_s: float = 0.0) -> None:
        job_id, attempt = self._claim.job_id, self._claim.attempt
        message = None if why is None else f"{why}; the job goes on from its last checkpoint"
        await self._write(
            lambda c: ledger.release(
                c, self._queue, job_id, attempt, message, stalled=stalled, delay_s=delay_s
            )
        )

    async def _read(self, statements: Callable[[Connection], T]) -> T:
        """As the database's; it may fail for as long as the lease lasts."""
        return await self._database.read(statements, patience_s=self._limits.lease_s)

    async def _write(self, statements: Callable[[Connection], T], patience_s: float | None = None) -> T:
        """As the database's; statements may be retried for as long as the lease lasts. Nothing is written
        twice: by then another attempt may have the job, and this one is stale.
        """
        patience_s = self._limits.lease_s if patience_s is None else patience_s
        return await self._database.write(statements, patience_s=patience_s)


def _death(status: int) -> _End:
    """The end that a wait status means, if the child reported none."""
    number = os.waitstatus_to_exitcode(status)
    if number == -signal.SIGXCPU:
        problem = Problem(
            "time_limit",
            "the job used up the processor time that it may take",
            hint="train for fewer epochs; the operator may raise GRADWIRE_JOB_CPU_LIMIT_S",
        )
        return _End("died", render(problem).body, why="the job's process reached its limit of processor time")
    if number == -signal.SIGABRT:  # libraries abort where an allocation fails
        return _End("died", render(out_of_memory()).body, why="the job's process ran out of memory")
    cause = f"was killed by {signal.Signals(-number).name}" if number < 0 else f"ended with status {number}"
    return _End("died", why=f"the job's process {cause}")


def _failed_too_often(end: _End, times: int) -> Problem:
    detail = f"{end.why}, {times} times in a row without reaching a checkpoint"
    if end.how == "broke":
        return Problem("internal", detail, hint="the log of the worker has the traceback")
    return Problem(
        "child_died",
        detail,
        hint="the machine may be short of memory: use a smaller batch_size or model, or look into its log",
    )
