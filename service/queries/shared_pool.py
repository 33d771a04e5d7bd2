"""A GPU's one process for the queries of several API processes: its owner serves it, the others reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from service.processes import frames
from service.queries.pool import ChildFailed, ChildPool
from service.queries.runner import RunOnDevice
from service.queries.turns import Caller
from service.wire.problems import Problem, Reply, internal, render

_STREAM_LIMIT = 2**22


class Pool(Protocol):
    """What computes in another process: children of this one, or those of another."""

    async def run(
        self, head: Mapping[str, Any], body: bytes, context: bytes = b"", caller: Caller = None
    ) -> Reply | RunOnDevice:
        """The reply, or the GPU whose process has to compute it; cancelling stops the work."""
        ...

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of the children that this process has."""
        ...

    async def close(self) -> None:
        """End what was started."""
        ...


class ServedPool:
    """A pool of this process that takes queries of other processes on a Unix socket too."""

    def __init__(self, pool: ChildPool, path: Path) -> None:
        self._pool = pool
        self._path = path
        self._server: asyncio.Server | None = None
        self.run = pool.run

    @property
    def pids(self) -> Sequence[int]:
        """The process ids of the children."""
        return self._pool.pids

    async def start(self) -> None:
        """Take queries; the process that had this place before is gone, its socket may be there."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._take, str(self._path), limit=_STREAM_LIMIT)

    async def close(self) -> None:
        """Take no more, and end the children."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        await self._pool.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one query; if the process that asks hangs up, stop the work."""
        try:
            head, body, context = await frames.read(reader)
            work = asyncio.ensure_future(self._answer(head, body, context))
            gone = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    writer.writelines(work.result())
                    await writer.drain()
            finally:
                work.cancel()
                gone.cancel()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the process that asked has ended
        finally:
            writer.close()

    async def _answer(self, head: Mapping[str, Any], body: bytes, context: bytes) -> list[bytes | memoryview]:
        try:
            reply = await self._pool.run(head, body, context)
        except Problem as problem:
            reply = render(problem)
        except ChildFailed:  # counted and logged by the pool
            reply = internal()
        if isinstance(reply, RunOnDevice):
            return frames.pack({"run_on_device": reply.device})
        description = {"status": reply.status, "media_type": reply.media_type, "headers": reply.headers}
        return frames.pack(description, reply.whole())


class PoolElsewhere:
    """The pool that another process serves at `path`."""

    pids: Sequence[int] = ()

    def __init__(self, path: Path) -> None:
        self._path = path

    async def run(
        self, head: Mapping[str, Any], body: bytes, context: bytes = b"", caller: Caller = None
    ) -> Reply | RunOnDevice:
        """The reply of the other process. Raises Problem busy while it is being started."""
        writer = None
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=_STREAM_LIMIT)
            writer.writelines(frames.pack(head, body, context))
            await writer.drain()
            description, content, _ = await frames.read(reader)
        except (asyncio.IncompleteReadError, OSError):
            raise Problem(
                "busy",
                "the process that holds this GPU is being started again",
                hint="try again after the seconds in Retry-After",
                headers={"Retry-After": "2"},
            ) from None
        finally:
            if writer is not None:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        if "run_on_device" in description:
            return RunOnDevice(description["run_on_device"])
        return Reply(description["status"], content, description["media_type"], description["headers"])

    async def close(self) -> None:
        """Do nothing: each query has a connection of its own."""
