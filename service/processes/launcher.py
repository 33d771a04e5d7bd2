"""The server's hold on the template process: orders out, reports in, over one packet socket."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any

from pydantic_core import from_json, to_json

from service import interpreter
from service.wire.problems import Problem

_START_TIMEOUT_S = 30.0
#: A worker has time: on a busy machine it takes no jobs until then, and starting it anew would not be sooner.
_UP_TIMEOUT_S = 120.0
#: How long a process that has closed its end of the socket may take to end.
_END_TIMEOUT_S = 5.0


class NotUp(RuntimeError):
    """The template process is not up; the message says why."""


class Starting(NotUp):
    """It was started a moment ago, and nothing failed so far."""


class ForkServer:
    """The template process, the orders it was given and the children it reported.

    `forget` is called with the pid of every child that has ended. Children run `serve` of `module`.
    """

    def __init__(self, forget: Callable[[int], None], *, module: str = "service.queries.worker") -> None:
        self._forget = forget
        self._module = module
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        #: Whether the newest process came up: False if it ended before.
        self._up: asyncio.Future[bool] | None = None
        #: The process that was lost last, until one comes up.
        self._ended: subprocess.Popen[bytes] | None = None
        self._orders: list[asyncio.Future[tuple[int, asyncio.Future[int]]]] = []

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start the process unless it runs; it is ready for orders at once and obeys them when it is up."""
        if self._control is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    interpreter.command("service.processes.fork_server", str(theirs.fileno()), self._module),
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    env=interpreter.bare_environment(environment),
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        self._control = ours
        loop = asyncio.get_running_loop()
        self._up = loop.create_future()
        loop.add_reader(ours, self._receive)

    async def wait_until_up(self, timeout_s: float = _UP_TIMEOUT_S) -> None:
        """Return when the process that was started has loaded everything. Raises NotUp."""
        assert self._up is not None, "wait_until_up before start"
        try:
            up = await asyncio.wait_for(asyncio.shield(self._up), timeout_s)
        except TimeoutError:
            why = f"the process that forks them is not up after {timeout_s:g} s"
            if self._ended is None:
                raise Starting(why) from None
            raise NotUp(f"{why}; the one before {await self._end()}") from None
        if not up or self._control is None:
            raise NotUp(f"the process that forks them {await self._end()}")

    async def _end(self) -> str:
        """How the process ended that was lost last."""
        try:
            status = await asyncio.to_thread(self._ended.wait, _END_TIMEOUT_S) if self._ended else None
        except subprocess.TimeoutExpired:
            status = None
        return "closed its socket" if status is None else f"ended with status {status}; the log says more"

    async def fork(
        self, channel: socket.socket, config: Mapping[str, Any]
    ) -> tuple[int, asyncio.Future[int]]:
        """The pid of a new child that serves `channel`, and its wait status to come."""
        assert self._control is not None, "fork before start"
        order: asyncio.Future[tuple[int, asyncio.Future[int]]] = asyncio.get_running_loop().create_future()
        self._orders.append(order)
        try:
            socket.send_fds(self._control, [to_json({"start": config})], [channel.fileno()])
            return await asyncio.wait_for(order, _START_TIMEOUT_S)
        except (TimeoutError, ConnectionError, BlockingIOError):
            self._lost()
            raise Problem("internal", "no child process could be started") from None

    def kill(self, pid: int) -> None:
        """Kill the child if it still lives."""
        if self._control is not None:
            with suppress(ConnectionError):  # the template was killed, and its children died with it
                self._control.send(to_json({"kill": pid}))

    async def close(self) -> None:
        """End the process and wait for it."""
        process = self._process
        self._lost()
        if process is not None:
            try:
                await asyncio.to_thread(process.wait, 5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)

    def _receive(self) -> None:
        assert self._control is not None
        try:
            message = self._control.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            message = b""
        if not message:
            self._lost(ending=True)
            return
        report = from_json(message)
        if "up" in report:
            self._ended = None
            self._is_up(True)
        elif "started" in report:
            pid, order = report["started"], self._orders.pop(0)
            exited = self._exits[pid] = asyncio.get_running_loop().create_future()
            if not order.done():
                order.set_result((pid, exited))
        else:
            self._has_ended(report["exited"], report["status"])

    def _is_up(self, up: bool) -> None:
        if self._up is not None and not self._up.done():
            self._up.set_result(up)

    def _has_ended(self, pid: int, status: int) -> None:
        self._forget(pid)
        exited = self._exits.pop(pid, None)
        if exited is not None and not exited.done():
            exited.set_result(status)

    def _lost(self, *, ending: bool = False) -> None:
        """The template is gone, or is told to go: its end closes and its children die with it.

        One that is `ending` by itself is left the time to do so, with a status of its own.
        """
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        process, self._process = self._process, None
        self._ended = process
        self._is_up(False)
        if process is not None and process.poll() is None:
            if not ending:
                process.terminate()
            Thread(target=_see_off, args=(process,), daemon=True).start()
        for order in self._orders:
            if not order.done():
                order.set_exception(ConnectionResetError("the template process ended"))
        self._orders.clear()
        for pid in list(self._exits):
            self._has_ended(pid, signal.SIGKILL)


def _see_off(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that ends; kill it if it does not."""
    try:
        process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
