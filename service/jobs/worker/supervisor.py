"""The workers that `serve` starts: started with the server, started again when they end, ended with it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from service.settings import Settings

_AGAIN_S = 1.0
_GRACE_S = 25.0


class WorkerSupervisor:
    """Worker processes below this one; they die with it, even by SIGKILL."""

    def __init__(self, settings: Settings, logger: FilteringBoundLogger) -> None:
        self._settings = settings
        self._logger = logger
        self._keepers: list[asyncio.Task[None]] = []
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    def start(self) -> None:
        """Start them all."""
        self._keepers = [asyncio.ensure_future(self._keep(n)) for n in range(self._settings.workers)]

    async def close(self) -> None:
        """Have them save their jobs and end."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        await asyncio.gather(*(self._end(process) for process in self._processes.values()))
        self._processes.clear()

    async def _keep(self, number: int) -> None:
        while True:
            process = await self._start()
            self._processes[number] = process
            status = await process.wait()
            self._logger.warning("worker ended and is started again", status=status)
            await asyncio.sleep(_AGAIN_S)

    async def _start(self) -> asyncio.subprocess.Process:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = {
            **os.environ,
            **self._settings.as_environment(),
            **self._settings.blas_environment,
            "PYTHONPATH": path,
        }
        environment.pop("GRADWIRE_API_KEY", None)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service.main", "worker", "--parent", str(os.getpid())),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
