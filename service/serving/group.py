"""The supervisor of several processes that answer requests on the same sockets.

It starts them and starts again which one ends; it keeps the workers; it tells any of them what it cannot know
alone: whether all are ready, the sum of all metrics, that a graph was deleted. SIGHUP starts new processes
and ends the old ones when the new ones serve; the sockets stay open all the time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, cast

from structlog.typing import FilteringBoundLogger

from service.jobs.worker.supervisor import WorkerSupervisor
from service.serving.listeners import Listeners
from service.serving.places import LOOP, Place, Site
from service.settings import Settings
from service.telemetry.logs import make_logger
from service.telemetry.sums import Snapshot, counts, total
from service.telemetry.whole_lines import WholeLines

#: Name of the file in the group's folder that WholeLines locks.
LOG_LOCK = "log.lock"
#: Processes that are not up after this long are given up, and the old ones stay.
_RELOAD_S = 120.0


def supervise(settings: Settings, listeners: Listeners, started: Callable[[], None]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. `started` is called when the first process serves."""
    with tempfile.TemporaryDirectory(prefix="gradwire-") as folder:
        lines = WholeLines(sys.__stderr__.fileno() if sys.__stderr__ else 2, Path(folder) / LOG_LOCK)
        logger = make_logger(settings, cast(TextIO, lines))
        workers = WorkerSupervisor(settings, logger, write=lines.write_bytes)
        group = Group(settings, listeners, Path(folder), logger, workers)
        return asyncio.run(group.run(started))


class Group:
    """The processes of one server."""

    def __init__(
        self,
        settings: Settings,
        listeners: Listeners,
        folder: Path,
        logger: FilteringBoundLogger,
        workers: WorkerSupervisor,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._folder = folder
        self._logger = logger
        self._workers = workers
        self._places: list[Place] = []
        self._leaving: list[Place] = []
        self._generation = 0
        self._ended_counts: Snapshot = []
        self._restarts = 0
        self._stop = asyncio.Event()
        self._signals: list[int] = []
        self._reload = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> int:
        """Start everything, restart gracefully when told so, end everything; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        self._workers.start()
        self._places = self._generate()
        status = 0
        try:
            # The first creates the tables, or says why it cannot; the others need not try at the same time.
            self._places[0].start()
            if await self._await_all(self._places[:1], self._stop.wait()):
                started()
                for place in self._places[1:]:
                    place.start()
                while not await self._next_reload():
                    await self._restart()
            elif not self._stop.is_set():  # the process has said why
                status = 1
        finally:
            self._listeners.close()
            first = self._signals[0] if self._signals else signal.SIGTERM
            places = [*self._places, *self._leaving]
            await asyncio.gather(*(place.stop(first) for place in places))
            await self._workers.close()
        return status

    def _on_stop(self, number: int) -> None:
        self._signals.append(number)
        self._stop.set()
        if len(self._signals) > 1:  # whoever insists does not want to wait
            for place in (*self._places, *self._leaving):
                place.signal(number)

    async def _next_reload(self) -> bool:
        """Wait for the next SIGHUP, or for the end: whether it is the end."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._reload)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self._reload.clear()
        return self._stop.is_set()

    def _generate(self) -> list[Place]:
        site = Site(
            self._settings,
            self._folder,
            self._generation,
            self._logger,
            {
                "serving": self._on_serving,
                "counts": self._on_counts,
                "workers": self._on_workers,
                "metrics": self._on_metrics,
                "readiness": self._on_readiness,
                "forget": self._on_forget,
            },
            self._on_end,
        )
        self._generation += 1
        return [Place(site, i, self._listeners.of_process(i)) for i in range(self._settings.processes)]

    async def _await_all(self, places: list[Place], give_up: Awaitable[Any]) -> bool:
        """Whether all serve, before one fails or `give_up` is done."""
        serving = asyncio.ensure_future(_all(place.served.wait() for place in places))
        others = [asyncio.ensure_future(place.failed.wait()) for place in places]
        others.append(asyncio.ensure_future(give_up))
        await asyncio.wait({serving, *others}, return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, *others):
            task.cancel()
        return serving.done() and not serving.cancelled()

    async def _restart(self) -> None:
        """New processes; when they serve the old ones finish and end."""
        self._logger.info("graceful restart", processes=self._settings.processes)
        fresh = self._generate()
        give_up = _first(self._stop.wait(), asyncio.sleep(_RELOAD_S))
        old, self._leaving = self._places, [*self._leaving, *fresh]
        for place in fresh:
            place.start()
        if not await self._await_all(fresh, give_up):
            if not self._stop.is_set():
                reason = next((place.reason for place in fresh if place.reason), "they were not up in time")
                self._logger.error("graceful restart failed, the old processes stay", why=reason)
                await self._see_off(fresh)
            return
        self._places = fresh
        self._leaving = [*(place for place in self._leaving if place not in fresh), *old]
        await self._see_off(old)
        self._logger.info("graceful restart done", pids=[place.pid for place in fresh])

    async def _see_off(self, places: list[Place]) -> None:
        await asyncio.gather(*(place.stop() for place in places))
        self._leaving = [place for place in self._leaving if place not in places]

    def _on_end(self, place: Place) -> None:
        """Keep what a process counted."""
        self._ended_counts = total([self._ended_counts, counts(place.counts)])
        place.counts = []
        if place in self._places and not self._stop.is_set():
            self._restarts += 1

    async def _on_serving(self, place: Place) -> None:
        place.serving = True
        place.served.set()

    async def _on_counts(self, place: Place, snapshot: Snapshot) -> None:
        place.counts = snapshot

    async def _on_workers(self, place: Place) -> dict[str, Any]:
        return asdict(await self._workers.workers())

    async def _on_forget(self, place: Place, graph_id: str) -> None:
        await asyncio.gather(*(other.ask("forget", graph_id=graph_id) for other in self._others(place)))

    async def _on_metrics(self, place: Place, snapshot: Snapshot) -> dict[str, Any]:
        """The metrics of all others, those that have ended included."""
        place.counts = snapshot
        others = self._others(place)
        for other, answer in zip(
            others, await asyncio.gather(*(one.ask("counts") for one in others)), strict=True
        ):
            if answer is not None and other.channel is not None:
                other.counts = answer
        return {
            "others": total([self._ended_counts, *(other.counts for other in others)]),
            "processes": sum(one.serving for one in self._places),
            "restarts": self._restarts,
        }

    async def _on_readiness(self, place: Place) -> dict[str, Any]:
        """What the others that serve say of themselves, and how many there are."""
        others = [other for other in self._others(place) if other.serving and other in self._places]
        answers = await asyncio.gather(*(other.ask("checks") for other in others))
        failing = [one for one in self._places if one.early >= LOOP and not one.serving]
        missing = [one for one in self._places if not one.serving]
        return {
            "checks": [checks for checks in answers if checks is not None],
            "processes": {
                "expected": len(self._places),
                "alive": len(self._places) - len(missing),
                "failing": len(failing),
                "reason": next((one.reason for one in missing if one.reason), None),
            },
            "starting": any(not one.served.is_set() for one in self._places),
        }

    def _others(self, place: Place) -> list[Place]:
        return [
            one for one in (*self._places, *self._leaving) if one is not place and one.channel is not None
        ]


async def _all(waits: Any) -> None:
    await asyncio.gather(*waits)


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
