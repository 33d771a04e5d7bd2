"""The workers that `serve` starts: started with the server, started again when they end, ended with it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from service import interpreter
from service.jobs.worker import heartbeat
from service.processes.stderr_pipe import StderrPipe
from service.settings import Settings

#: Seconds from the end of a worker to its next start: the first, doubled with every early end in a row.
_AGAIN_S = 1.0
#: … and the longest.
_LONGEST_S = 60.0
#: A worker that ends sooner than this after its start, or before it took jobs, ended early.
_STEADY_S = 10.0
#: So many early ends in a row are a loop, not an accident.
LOOP = 3
_GRACE_S = 25.0


@dataclass(frozen=True, slots=True)
class Workers:
    """How the workers are: how many this server keeps, how many are alive, and why the others are not.

    `failing` counts those that ended early `LOOP` times in a row or more. With none expected, `alive` counts
    the workers that run elsewhere on the same data folder.
    """

    expected: int
    alive: int
    failing: int
    reason: str | None

    @property
    def state(self) -> str:
        """`ok`, or what is wrong."""
        if self.alive and self.failing < self.expected:
            return "ok"
        if self.failing:
            who = (
                "the worker ends" if self.expected == 1 else f"{self.failing} of {self.expected} workers end"
            )
            what = f"{who} again and again soon after the start"
        else:
            what = f"no sign of life from a worker in the last {heartbeat.STALE_S:g} s"
        return f"{what}; the last one ended with {self.reason}" if self.reason else what


@dataclass(slots=True)
class _Place:
    """One of the workers that there should be: its process now, and how often it ended early in a row."""

    process: asyncio.subprocess.Process | None = None
    began: float = 0.0
    early: int = 0
    reason: str | None = None

    def settled(self, alive: Container[int]) -> bool:
        """Whether the worker is among those alive, and for long enough to forget how others ended."""
        is_listed = self.process is not None and self.process.pid in alive
        return is_listed and time.monotonic() - self.began >= _STEADY_S


class WorkerSupervisor:
    """Worker processes below this one; they die with it, even by SIGKILL.

    `write`, if given, takes the lines of their standard error.
    """

    def __init__(
        self, settings: Settings, logger: FilteringBoundLogger, write: Callable[[bytes], None] | None = None
    ) -> None:
        self._settings = settings
        self._write = write
        self._logger = logger
        self._folder = settings.data.absolute() / "workers"
        self._keepers: list[asyncio.Task[None]] = []
        self._places: list[_Place] = []
        self._pipes: list[StderrPipe] = []
        self._since = 0.0

    def start(self) -> None:
        """Start them all."""
        self._since = time.time()
        self._places = [_Place() for _ in range(self._settings.workers)]
        self._keepers = [asyncio.ensure_future(self._keep(place)) for place in self._places]

    async def close(self) -> None:
        """Have them save their jobs and end."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(self._end(process) for process in processes))
        self._places.clear()
        for pipe in self._pipes:
            pipe.close()

    async def workers(self) -> Workers:
        """How the workers are now, by their signs of life."""
        beats = await asyncio.to_thread(heartbeat.living, self._folder)
        if self._places:  # an earlier server on this folder may have had our pid
            beats = [beat for beat in beats if beat.parent == os.getpid() and beat.at >= self._since - 1]
        alive = {beat.pid for beat in beats}
        unsettled = [place for place in self._places if not place.settled(alive)]
        reasons = [place.reason for place in unsettled if place.reason]
        return Workers(
            expected=len(self._places),
            alive=len(beats),
            failing=sum(place.early >= LOOP for place in unsettled),
            reason=reasons[-1] if reasons else None,
        )

    async def _keep(self, place: _Place) -> None:
        while True:
            place.began = time.monotonic()
            place.reason = await self._run(place)
            lived = time.monotonic() - place.began
            place.early = 0 if lived >= _STEADY_S and await self._was_up(place) else place.early + 1
            wait = min(_AGAIN_S * 2 ** max(0, place.early - 1), _LONGEST_S)
            log = self._logger.error if place.early >= LOOP else self._logger.warning
            log(
                "worker ended and is started again",
                why=place.reason,
                lived_s=round(lived, 1),
                early_ends_in_a_row=place.early,
                again_in_s=wait,
            )
            await asyncio.sleep(wait)

    async def _run(self, place: _Place) -> str:
        """Start a worker, wait for its end, and return why it ended."""
        place.process = None
        read, write = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *interpreter.command("service.main", "worker", "--parent", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=write,
                start_new_session=True,
                env=self._environment(),
            )
        except OSError as error:
            os.close(read)
            return f"no process: {error.strerror or error}"
        finally:
            os.close(write)
        place.process = process
        stderr = StderrPipe(read, self._write)
        self._pipes = [pipe for pipe in self._pipes if not pipe.closed] + [stderr]
        status = await process.wait()
        if status < 0:
            return signal.strsignal(-status) or f"signal {-status}"
        last = stderr.last_line()
        return f"status {status}: {last}" if last else f"status {status}"

    async def _was_up(self, place: _Place) -> bool:
        """Whether the worker that has ended had taken jobs; one that ended in good order has."""
        process = place.process
        if process is None or process.returncode == 0:
            return process is not None
        signs = await asyncio.to_thread(heartbeat.signs, self._folder)
        return any((sign.pid, sign.parent) == (process.pid, os.getpid()) for sign in signs)

    def _environment(self) -> dict[str, str]:
        environment = interpreter.environment(
            self._settings.as_environment(), self._settings.blas_environment
        )
        environment.pop("GRADWIRE_API_KEY", None)
        return environment

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
