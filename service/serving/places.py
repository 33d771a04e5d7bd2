"""One of several processes that answer requests: started, started again when it ends, ended gracefully."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from service import interpreter
from service.processes.channel import Channel, Handler
from service.settings import Settings

#: Seconds from the end of a process to its next start: none after one that served for a while, else the
#: first of these, doubled with every early end in a row …
_AGAIN_S = 0.5
#: … and the longest.
_LONGEST_S = 30.0
#: A process that ends sooner than this after its start, or before it serves, ended early.
_STEADY_S = 10.0
#: So many early ends in a row are a loop, not an accident.
LOOP = 3
#: What a process may take to end beyond the time limit of a query.
_GRACE_S = 15.0


@dataclass(frozen=True, slots=True)
class Site:
    """What every process of one generation is started with."""

    settings: Settings
    folder: Path
    generation: int
    logger: FilteringBoundLogger
    handlers: Mapping[str, Callable[..., Any]]
    on_end: Callable[[Place], None]


class Place:
    """The process with a certain index, whichever it is just now."""

    def __init__(self, site: Site, index: int, sockets: Sequence[socket.socket]) -> None:
        self._site = site
        self.index = index
        self._sockets = sockets
        self._process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.counts: list[Any] = []  # the newest snapshot of its metrics
        self.serving = False
        self.served = asyncio.Event()  # whether any process served here
        self.failed = asyncio.Event()  # whether one ended by itself before any did
        self.early = 0
        self.starts = 0
        self.reason: str | None = None
        self._stop = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Start the process, and again whenever it ends."""
        self._keeper = asyncio.ensure_future(self._keep())

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Have it finish what it answers and end; kill it if it takes too long."""
        self._stop.set()
        self.signal(number)
        if self._keeper is None:
            return
        done, _ = await asyncio.wait({self._keeper}, timeout=self._site.settings.time_limit_s + _GRACE_S)
        if not done:
            self.signal(signal.SIGKILL)
            await self._keeper

    def signal(self, number: int) -> None:
        """Send a signal, if there is a process."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def ask(self, what: str, **fields: Any) -> Any:
        """What the process answers; None if it does not, in two seconds."""
        if self.channel is None:
            return None
        try:
            return await self.channel.ask(what, timeout_s=2.0, **fields)
        except OSError:
            return None

    async def _keep(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self.reason = await self._run()
            served, self.serving = self.serving, False
            self._site.on_end(self)
            lived = time.monotonic() - began
            if self._stop.is_set():
                return
            early = not served or lived < _STEADY_S
            self.early = self.early + 1 if early else 0
            if not self.served.is_set() and self.reason.startswith("status"):
                self.failed.set()
            wait = min(_AGAIN_S * 2 ** (self.early - 1), _LONGEST_S) if early else 0.0
            log = self._site.logger.error if self.early >= LOOP else self._site.logger.warning
            log(
                "process ended and is started again",
                process=self.index,
                why=self.reason,
                lived_s=round(lived, 1),
                early_ends_in_a_row=self.early,
                again_in_s=wait,
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stop.wait()

    async def _run(self) -> str:
        """Start a process, wait for its end, and return why it ended."""
        self.starts += 1
        ours, theirs = socket.socketpair()
        descriptors = [listener.fileno() for listener in self._sockets]
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *interpreter.command(
                        "service.serving.process", *self._arguments(descriptors, theirs.fileno())
                    ),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[*descriptors, theirs.fileno()],
                    start_new_session=True,
                    env=self._environment(),
                )
        except OSError as error:
            ours.close()
            return f"no process: {error.strerror or error}"
        self._process = process
        ours.setblocking(False)
        handlers: dict[str, Handler] = {
            name: partial(handler, self) for name, handler in self._site.handlers.items()
        }
        self.channel = channel = Channel(ours, handlers)
        await channel.open()
        if self._stop.is_set():  # while it was being started
            self.signal(signal.SIGTERM)
        status = await process.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # what it told last is still to be read
                await channel.ended.wait()
        self.channel = None
        await channel.close()
        return (signal.strsignal(-status) or f"signal {-status}") if status < 0 else f"status {status}"

    def _arguments(self, descriptors: Sequence[int], channel: int) -> list[str]:
        site = self._site
        return [
            *("--parent", str(os.getpid()), "--channel", str(channel)),
            *("--listen", ",".join(map(str, descriptors)), "--folder", str(site.folder)),
            *("--generation", str(site.generation), "--index", str(self.index)),
        ]

    def _environment(self) -> dict[str, str]:
        settings = self._site.settings
        environment = interpreter.environment(settings.as_environment(), settings.blas_environment)
        environment["GRADWIRE_CORS_ORIGINS"] = ",".join(settings.cors_origins)
        environment.pop("GRADWIRE_API_KEY", None)
        if settings.api_key is not None:
            environment["GRADWIRE_API_KEY"] = settings.api_key.get_secret_value()
        return environment
