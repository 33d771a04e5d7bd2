"""A worker's sign of life: a file beside the lock of its name, touched by its event loop every few seconds.

A touch needs no room on the disk and no transaction. By these files the server tells whether jobs are run.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json

_BEAT_S = 2.0
#: A worker that has not touched its file for this long counts as dead.
STALE_S = 10.0
_SUFFIX = ".alive"


@dataclass(frozen=True, slots=True)
class Beat:
    """The last sign of life of one worker: its pid, that of its parent, and when, in seconds since 1970."""

    pid: int
    parent: int
    at: float


class Heartbeat:
    """Touches the file of the worker `name` from `start` until `stop`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}{_SUFFIX}"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Give the first sign of life, and go on. Raises OSError if the file cannot be written."""
        self._path.write_bytes(to_json({"pid": os.getpid(), "parent": os.getppid()}))
        self._task = asyncio.ensure_future(self._go_on())

    def stop(self) -> None:
        """Give no more signs, and take the file away."""
        if self._task is not None:
            self._task.cancel()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            with suppress(OSError):  # the server sees that the signs stop; the worker's own log says why
                os.utime(self._path)


def signs(folder: Path) -> list[Beat]:
    """The last sign of every worker of a folder, dead or alive, that did not end in good order."""
    rows = []
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            sign = from_json(path.read_bytes())
            rows.append(Beat(sign["pid"], sign["parent"], path.stat().st_mtime))
        except (OSError, ValueError, KeyError, TypeError):  # taken away or half written just now
            continue
    return rows


def living(folder: Path) -> list[Beat]:
    """The workers of a folder that gave a sign of life in the last `STALE_S` seconds."""
    now = time.time()
    return [beat for beat in signs(folder) if now - beat.at < STALE_S]
