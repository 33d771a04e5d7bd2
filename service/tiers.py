"""Where a call is computed: on the event loop, in a thread, or in a killable child process.

Two costs decide. Preparing (parsing, decoding, specialising) is judged by the size of the JSON and of a
published graph; running by the estimate of the specialised program. Everything runs
the same `Calculator`; only where changes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from service.children.child import out_of_memory
from service.children.pool import ChildPool
from service.metrics import Metrics
from service.problems import Problem, Reply
from service.queries import IMMEDIATE, Calculator, Call, Prepared
from service.settings import Settings

Tier = Literal["inline", "thread", "child"]
Receive = Callable[[], Awaitable[object]]
T = TypeVar("T")

#: JSON up to this size is read on the loop (0.3 ms at 15 ns a byte; less where a graph is to be decoded) …
_INLINE_JSON = 16 * 1024
_INLINE_FUNCTION = 4 * 1024
#: … up to this size in a thread (about ten milliseconds of the interpreter lock), above in a child.
_THREAD_JSON = 512 * 1024
#: Specialising a published graph takes about 50 µs a node, once for each signature.
_INLINE_NODES = 100
_THREAD_NODES = 2_000
#: Kinds that are recorded several times over, or touch the disk next: never on the loop.
_THREAD_KINDS = IMMEDIATE | {"jacobian", "hessian"}


class Tiers:
    """Sends each call where it belongs, and keeps the wall clock."""

    def __init__(self, settings: Settings, calculator: Calculator, pool: ChildPool, metrics: Metrics) -> None:
        self._settings = settings
        self._calculator = calculator
        self._pool = pool
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="query")

    async def answer(self, call: Call, nodes: int = 0, disconnected: Receive | None = None) -> Reply:
        """The reply to `call`; `nodes` is the size of the published graph it names.

        Where `disconnected` returns before the answer is there, a child's work is stopped.
        Raises Problem and UserError.
        """
        start = time.perf_counter()
        tier, reply = await self._dispatch(call, nodes, disconnected)
        self._metrics.queries.labels(call.kind, tier).observe(time.perf_counter() - start)
        return reply

    def close(self) -> None:
        """Let the threads end; a query that still runs in one is waited for by nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _dispatch(self, call: Call, nodes: int, disconnected: Receive | None) -> tuple[Tier, Reply]:
        size = _json_size(call)
        if size > _THREAD_JSON or nodes > _THREAD_NODES or call.kind == "check":
            return "child", await self._in_child(call, disconnected)
        try:
            small = _INLINE_FUNCTION if call.graph_id is None else _INLINE_JSON
            if size > small or nodes > _INLINE_NODES or call.kind in _THREAD_KINDS:
                outcome = await self._in_thread(lambda: self._as_far_as_threads_go(call))
                tier: Tier = "thread"
            else:
                prepared = self._calculator.prepare(call)
                tier = self._tier(prepared)
                if tier == "inline":
                    return tier, self._calculator.finish(prepared)
                outcome = prepared
                if tier == "thread":
                    outcome = await self._in_thread(lambda: self._calculator.finish(prepared))
        except MemoryError:
            raise out_of_memory() from None
        if isinstance(outcome, Reply):
            return tier, outcome
        return "child", await self._in_child(call, disconnected)

    def _as_far_as_threads_go(self, call: Call) -> Reply | Prepared:
        if call.kind in IMMEDIATE:
            return self._calculator.immediate(call)
        prepared = self._calculator.prepare(call)
        return prepared if self._tier(prepared) == "child" else self._calculator.finish(prepared)

    def _tier(self, prepared: Prepared) -> Tier:
        if prepared.seconds <= self._settings.inline_limit_s:
            return "inline"
        return "thread" if prepared.seconds <= self._settings.thread_limit_s else "child"

    async def _in_thread(self, work: Callable[[], T]) -> T:
        limit = self._settings.time_limit_s
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.wait_for(future, limit)
        except TimeoutError:
            raise Problem(
                "time_limit",
                f"the query ran longer than the limit of {limit:g} s",
                hint="make it smaller or split it; the operator may raise GRADWIRE_TIME_LIMIT_S",
            ) from None

    async def _in_child(self, call: Call, disconnected: Receive | None) -> Reply:
        work = asyncio.ensure_future(self._pool.run(call.head(), call.body, call.document))
        if disconnected is None:
            return await work
        gone = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientGone
            return work.result()
        finally:
            self._metrics.children.set(len(self._pool.pids))
            for task in (work, gone):
                task.cancel()


class ClientGone(Exception):
    """The caller hung up before the answer was there."""


def _json_size(call: Call) -> int:
    """Bytes of JSON in the body: all of it, or the header of a safetensors body."""
    if call.media == "json":
        return len(call.body)
    return int.from_bytes(call.body[:8], "little")
