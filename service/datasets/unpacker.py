"""Uploads taken apart in processes of their own, one each, under a clock and a bound of memory.

What a file of a few bytes costs is not known before it is read: an archive names members by the million, a
compressed one unfolds a thousandfold. Only files whose cost is bounded by their size stay in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from service.datasets.arrays import Field
from service.datasets.folder import DatasetFolder, Format
from service.processes import frames
from service.processes.launcher import ForkServer
from service.processes.limits import confine
from service.wire.problems import Problem

#: Files up to so many bytes are taken apart in a thread, archives if they unfold to no more than the second.
_SMALL, _SMALL_UNFOLDED = 2**16, 2**22
#: Beside the time limit of a query an upload has so many seconds for each byte.
_SECONDS_A_BYTE = 1 / 2**19
_AT_ONCE = 2
_STREAM_LIMIT = 2**20
#: How long to wait for a process that was killed, which ends at once.
_GONE_S = 0.5


class Unpacker:
    """Takes uploaded files apart, at most two large ones at a time; the others wait for their turn."""

    def __init__(
        self, sets: DatasetFolder, environment: Mapping[str, str], *, address_space: int, time_limit_s: float
    ) -> None:
        self._sets = sets
        self._environment = dict(environment)
        self._address_space = address_space
        self._time_limit_s = time_limit_s
        self._template = ForkServer(lambda pid: None, module=__name__)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def prepare(self, body: Path, form: Format, *, limit: int) -> tuple[int, dict[str, Field]]:
        """The rows and fields of an uploaded file, written beside it; cancelling kills the process.

        `limit` bounds the bytes that come out. Raises Problem (invalid_dataset, over_limit, time_limit,
        internal) and OSError.
        """
        size = await asyncio.to_thread(_size, body, form)
        if size is not None:
            return await asyncio.to_thread(partial(self._sets.prepare, body, form, limit=limit))
        seconds = self._time_limit_s + (await asyncio.to_thread(body.stat)).st_size * _SECONDS_A_BYTE
        async with self._slots:
            answer = await self._ask({"body": str(body), "form": form, "limit": limit}, seconds)
        if "problem" in answer:
            raise Problem(**answer["problem"])
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer["rows"], {name: Field.from_record(record) for name, record in answer["fields"].items()}

    async def close(self) -> None:
        """End every process."""
        await self._template.close()

    async def _ask(self, order: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        await self._template.start(self._environment)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid, exited = await self._template.fork(theirs, {"address_space": self._address_space})
            except BaseException:
                ours.close()
                raise
        writer = None
        try:
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_STREAM_LIMIT)
            async with asyncio.timeout(seconds):
                writer.writelines(frames.pack(order))
                answer, _, _ = await frames.read(reader)
            return answer
        except TimeoutError:
            raise Problem(
                "time_limit",
                f"the file took longer than {seconds:.0f} s to read and was given up",
                hint="split it, or send npy; the operator may raise GRADWIRE_TIME_LIMIT_S",
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Problem(
                "internal", "the process that read the file died; nothing else was affected"
            ) from None
        finally:
            self._template.kill(pid)
            if writer is not None:
                writer.close()
            with suppress(TimeoutError):  # it writes no more, so that its files can be removed
                await asyncio.wait_for(asyncio.shield(exited), _GONE_S)


def _size(body: Path, form: Format) -> int | None:
    """The bytes of a file that may be read in a thread; None if it is large, or may become so."""
    size = body.stat().st_size
    if size > _SMALL:
        return None
    if form == "npz":
        try:
            with zipfile.ZipFile(body) as members:
                size = sum(info.file_size for info in members.infolist())
        except Exception:  # damaged: it is refused as soon as it is opened
            return size
        return size if size <= _SMALL_UNFOLDED else None
    return size


def run_child(channel: socket.socket, parent: int, *, address_space: int) -> NoReturn:
    """Take the one file apart that comes over `channel`; then the process ends."""
    try:
        confine(parent, address_space)
        order = frames.read_blocking(channel)
        if order is not None:
            frames.write_blocking(channel, frames.pack(_answer(order[0])))
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the server has ended, or gave up
    finally:
        os._exit(0)


def _answer(order: Mapping[str, Any]) -> dict[str, Any]:
    body = Path(order["body"])
    try:
        rows, fields = DatasetFolder(body.parent).prepare(body, order["form"], limit=order["limit"])
    except Problem as problem:
        refusal = {"code": problem.code, "detail": problem.detail, "path": problem.path, "hint": problem.hint}
        return {"problem": refusal}
    except MemoryError:
        detail = "the file needs more memory to be read than a process may have"
        return {"problem": {"code": "over_limit", "detail": detail, "hint": "split it, or send npy"}}
    except OSError as error:
        return {"errno": error.errno or errno.EIO}
    return {"rows": rows, "fields": {name: field.record() for name, field in fields.items()}}
