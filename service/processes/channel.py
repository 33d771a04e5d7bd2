"""Questions and answers between two processes, both ways at once, over one socket.

A message is a frame whose head is `{"ask": number or null, "what": name, "fields": {…}}`, or the reply to it,
`{"reply": number, "value": …}`. What `tell` sends has no number and gets no reply.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.processes import frames

Handler = Callable[..., Awaitable[Any]]

_STREAM_LIMIT = 2**20


class ChannelClosed(ConnectionError):
    """The other process has ended, or does not reply in time."""


class Channel:
    """One end. `handlers` answer what the other end asks; `ended` is set when it is gone."""

    def __init__(self, end: socket.socket, handlers: Mapping[str, Handler] | None = None) -> None:
        self._end = end
        self.handlers: dict[str, Handler] = dict(handlers or {})
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.ended = asyncio.Event()

    async def open(self) -> None:
        """Begin to read, on the running loop."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end, limit=_STREAM_LIMIT)
        self._start(self._read(reader))

    async def ask(self, what: str, *, timeout_s: float = 5.0, **fields: Any) -> Any:
        """What the other end answers. Raises ChannelClosed."""
        number = next(self._numbers)
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"ask": number, "what": what, "fields": fields})
            async with asyncio.timeout(timeout_s):
                return await reply
        except TimeoutError:
            raise ChannelClosed(f"no reply to '{what}' within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    def tell(self, what: str, **fields: Any) -> None:
        """Let the other end know, if it is there."""
        if self._writer is not None and not self._closed:
            self._send({"ask": None, "what": what, "fields": fields})

    async def close(self) -> None:
        """Send what was told, and hang up."""
        self._lost()
        for task in list(self._tasks):
            task.cancel()
        if self._writer is not None:
            self._writer.close()
            try:
                async with asyncio.timeout(2.0):
                    await self._writer.wait_closed()
            except (OSError, TimeoutError):
                pass
        else:
            self._end.close()

    def _send(self, head: Mapping[str, Any]) -> None:
        if self._writer is None or self._closed:
            raise ChannelClosed("the other process is gone")
        self._writer.writelines(frames.pack(head))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head, _, _ = await frames.read(reader)
                if "reply" in head:
                    reply = self._waiting.get(head["reply"])
                    if reply is not None and not reply.done():
                        reply.set_result(head["value"])
                else:
                    self._start(self._answer(head["ask"], head["what"], head["fields"]))
        except (asyncio.IncompleteReadError, OSError):
            self._lost()

    async def _answer(self, number: int | None, what: str, fields: Mapping[str, Any]) -> None:
        value = await self.handlers[what](**fields)
        if number is not None and not self._closed:
            self._send({"reply": number, "value": value})

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self) -> None:
        self._closed = True
        self.ended.set()
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(ChannelClosed("the other process is gone"))
