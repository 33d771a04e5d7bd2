"""The server's side of child processes: fair turns, and a time limit after which a child is killed.

A child keeps the programs that it has compiled, so a request goes to one that has answered its like before,
if that one is free.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from service.processes import frames
from service.processes.launcher import ForkServer
from service.queries.runner import RunOnDevice
from service.queries.turns import Caller, QueueFull, Turns
from service.queries.worker import out_of_memory
from service.wire.problems import Problem, Reply
from service.wire.stored_answer import StoredAnswer

_STREAM_LIMIT = 2**22
#: Documents of published graphs beyond this size are not sent again to a child that has decoded them.
_SENT_ONCE = 2**16
#: Functions that a child is known to have compiled, and the bytes of a body that tell them apart.
_KNOWN, _TELLING = 64, 512


class ChildFailed(RuntimeError):
    """A child met an unexpected exception; the message is its traceback."""


@dataclass(eq=False, slots=True)
class _Child:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    exited: asyncio.Future[int]
    graphs: set[str] = field(default_factory=set)  # the ids of large documents that it has got
    functions: deque[int] = field(default_factory=lambda: deque(maxlen=_KNOWN))


async def _exchange(
    child: _Child, head: Mapping[str, Any], body: bytes, context: bytes
) -> tuple[dict[str, Any], bytes]:
    child.writer.writelines(frames.pack(head, body, context))
    await child.writer.drain()
    answer, content, _ = await frames.read(child.reader)
    return answer, content


class ChildPool:
    """At most `size` children, started when first needed and kept warm.

    `config` is what `run_child` of `module` takes. `on_failure` is called with the reason if a child failed
    or died, `on_device_bytes` after each reply with the bytes of its GPU that the child holds.
    """

    def __init__(
        self,
        *,
        size: int,
        queue_limit: int,
        time_limit_s: float,
        config: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        on_failure: Callable[[str], None] = lambda text: None,
        module: str = "service.queries.worker",
        on_device_bytes: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._size = size
        self._time_limit_s = time_limit_s
        self._config = dict(config)
        self._environment = dict(environment or {})
        self._on_failure = on_failure
        self._on_device_bytes = on_device_bytes
        self.turns = Turns(size, queue_limit)
        self._idle: list[_Child] = []
        self._alive: dict[int, _Child] = {}
        self._template = ForkServer(self._forget, module=module)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that exist now."""
        return list(self._alive)

    async def start(self) -> None:
        """Start the template process, so that the first large query need not wait for it."""
        await self._template.start(self._environment)

    async def wait_until_up(self, timeout_s: float) -> None:
        """Return when the template process can fork children; start it if it does not run. Raises NotUp."""
        await self.start()
        await self._template.wait_until_up(timeout_s)

    async def close(self) -> None:
        """Kill every child and end the template; nothing is left behind."""
        for child in self._alive.values():
            self._template.kill(child.pid)
            child.writer.close()
        await self._template.close()
        self._alive.clear()
        self._idle.clear()

    async def run(
        self, head: Mapping[str, Any], body: bytes, context: bytes = b"", caller: Caller = None
    ) -> Reply | RunOnDevice:
        """The reply of a child, or the GPU whose process has to compute it; cancelling kills the child.

        Raises Problem busy, time_limit or internal, and ChildFailed.
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self.turns.take(caller, self._time_limit_s))
            except QueueFull as full:
                raise self._busy(f"{full.waiting} large queries are waiting already") from None
            except TimeoutError:
                raise self._busy(f"no process came free within {self._time_limit_s:g} s") from None
            function = hash((head.get("kind"), head.get("graph_id") or body[:_TELLING]))
            child = await self._take(function)
            return await self._ask(child, head, body, context)

    async def _ask(
        self, child: _Child, head: Mapping[str, Any], body: bytes, context: bytes
    ) -> Reply | RunOnDevice:
        healthy = False
        try:
            async with asyncio.timeout(self._time_limit_s):
                graph_id: str = head.get("graph_id") or ""
                large = bool(graph_id) and len(context) > _SENT_ONCE
                answer, content = await _exchange(
                    child, head, body, b"" if large and graph_id in child.graphs else context
                )
                if "graph_missing" in answer:
                    answer, content = await _exchange(child, head, body, context)
                if large:
                    if len(child.graphs) >= _KNOWN:
                        child.graphs.clear()
                    child.graphs.add(graph_id)
            healthy = answer["failure"] is None
            if not healthy:
                self._on_failure(answer["failure"])
                if answer["status"] >= 500:
                    raise ChildFailed(answer["failure"])
            if "run_on_device" in answer:
                return RunOnDevice(answer["run_on_device"])
            if "device_bytes" in answer:
                self._on_device_bytes(answer["device_bytes"])
            return self._reply(child, answer, content)
        except TimeoutError:
            raise Problem(
                "time_limit",
                f"the query ran longer than the limit of {self._time_limit_s:g} s and was stopped",
                hint="make it smaller or split it; the operator may raise GRADWIRE_TIME_LIMIT_S",
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._death(child) from None
        finally:
            if healthy:
                self._idle.append(child)
            else:
                self._template.kill(child.pid)
                child.writer.close()
                self._on_device_bytes(0)

    def _reply(self, child: _Child, answer: Mapping[str, Any], content: bytes) -> Reply:
        """The reply in a frame; a stored one is opened before the child gets its next request."""
        fields = answer["status"], content, answer["media_type"], answer["headers"]
        if "stored" not in answer:
            return Reply(*fields)
        try:
            return Reply(*fields, stored=StoredAnswer(f"/proc/{child.pid}/fd/{answer['stored']}"))
        except FileNotFoundError:
            raise ConnectionResetError("the child has ended") from None

    async def _take(self, function: int) -> _Child:
        """A child that is free: one that has compiled the function, the one used last, or a new one."""
        warm = next((child for child in self._idle if function in child.functions), None)
        if warm is not None:
            self._idle.remove(warm)
            self._idle.append(warm)
        while self._idle:
            child = self._idle.pop()
            if not child.exited.done():
                if child is not warm:
                    child.functions.append(function)
                return child
            child.writer.close()
        await self.start()
        ours, theirs = socket.socketpair()
        try:
            pid, exited = await self._template.fork(theirs, self._config)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_STREAM_LIMIT)
        child = _Child(pid, reader, writer, exited)
        child.functions.append(function)
        if not exited.done():
            self._alive[pid] = child
        return child

    def _forget(self, pid: int) -> None:
        self._alive.pop(pid, None)

    async def _death(self, child: _Child) -> Problem:
        try:
            status = await asyncio.wait_for(asyncio.shield(child.exited), 5.0)
            number = os.waitstatus_to_exitcode(status)
        except TimeoutError:
            number = 0
        cause = f"signal {signal.Signals(-number).name}" if number < 0 else f"exit status {number}"
        self._on_failure(f"child {child.pid} died while answering: {cause}")
        if number == -signal.SIGABRT:  # libraries abort if an allocation fails
            return out_of_memory()
        return Problem(
            "internal",
            f"the process that computed this died ({cause}); nothing else was affected",
            hint="if it happens again with the same query, report it with the X-Request-ID of this answer",
        )

    def _busy(self, reason: str) -> Problem:
        return Problem(
            "busy",
            f"{reason}; {self._size} run at a time",
            hint="try again after the seconds in Retry-After",
            headers={"Retry-After": "1"},
        )
