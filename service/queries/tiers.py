"""Where a call is computed: on the event loop, in a thread, or in a killable child process.

Two costs decide. Preparing (parsing, decoding, specialising) is judged by the size of the JSON and of the
graph, its functions expanded; running by the estimate of the specialised program. What runs on a GPU has one
process for each GPU, as a fault of CUDA is the end of a process. Every tier runs
the same `QueryRunner`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Literal, TypeVar

from engine.errors import InternalError
from engine.runtime.devices import CPU
from service.queries.pool import ChildPool
from service.queries.query_request import Bounded, QueryRequest, TooLargeForTier
from service.queries.runner import SERVER_TIMING, PreparedQuery, QueryRunner, RunOnDevice
from service.queries.shared_pool import Pool
from service.queries.worker import out_of_memory
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.wire.problems import Problem, Reply

Tier = Literal["inline", "thread", "child", "device"]
Receive = Callable[[], Awaitable[object]]
T = TypeVar("T")

#: The tier as an entry of the header Server-Timing.
_SHOWN: Mapping[Tier, str] = {tier: f'tier;desc="{tier}"' for tier in ("inline", "thread", "child", "device")}
#: JSON up to this size is read on the loop (0.3 ms at 15 ns a byte; less where a graph is to be decoded) …
_INLINE_JSON = 16 * 1024
_INLINE_FUNCTION = 4 * 1024
#: Specialising a published graph takes about 50 µs a node, once for each signature.
INLINE_NODES = 100
THREAD_NODES = 2_000


class Tiers:
    """Runs each request in the tier that fits its cost."""

    def __init__(
        self,
        settings: Settings,
        runner: QueryRunner,
        pool: ChildPool,
        metrics: Metrics,
        gpus: Mapping[str, Pool] | None = None,
    ) -> None:
        self._settings = settings
        self._runner = runner
        self._pool = pool
        self._gpus = gpus or {}
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="query")

    async def answer(
        self,
        call: QueryRequest,
        nodes: int = 0,
        disconnected: Receive | None = None,
        *,
        large: bool = False,
    ) -> Reply:
        """The reply to `call`; `nodes` is the size of the published graph it names.

        If `disconnected` returns before the reply is there, the child's work is stopped. `large` sends the
        request to a child, whatever its size. Raises Problem and UserError.
        """
        start = time.perf_counter()
        if large:
            tier, device, reply = await self._in_process(call, disconnected)
        else:
            tier, device, reply = await self._dispatch(call, nodes, disconnected)
        self._metrics.query(call.kind, tier, device, time.perf_counter() - start)
        timing = reply.headers.get(SERVER_TIMING)
        reply.headers[SERVER_TIMING] = f"{_SHOWN[tier]}, {timing}" if timing else _SHOWN[tier]
        return reply

    @property
    def children(self) -> int:
        """How many child processes there are."""
        return sum(len(pool.pids) for pool in (self._pool, *self._gpus.values()))

    def close(self) -> None:
        """Let the threads end, without waiting for queries that still run in them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _dispatch(
        self, call: QueryRequest, nodes: int, disconnected: Receive | None
    ) -> tuple[Tier, str, Reply]:
        """The reply, where it was computed, and on which device."""
        size = call.json_bytes
        document = 0
        if len(call.graph) > _INLINE_FUNCTION and not self._runner.has_decoded(call.graph_id):
            document = len(call.graph)
        computation = self._runner.computation(call)
        first = computation.first_tier
        if max(size, document) > computation.thread_json_bytes or nodes > THREAD_NODES or first == "child":
            return await self._in_process(call, disconnected)
        reply: Reply | RunOnDevice | None = None
        tier: Tier = "thread"
        try:
            small = _INLINE_FUNCTION if call.graph_id is None else _INLINE_JSON
            prepared = None
            if max(size, document) <= small and nodes <= INLINE_NODES and first == "inline":
                with suppress(TooLargeForTier):
                    prepared = self._runner.prepare(call, INLINE_NODES)
            if prepared is None:
                reply = await self._in_thread(lambda: self._run_in_thread(call))
            else:
                ready = prepared
                tier = self._tier(ready)
                if tier == "inline":
                    with suppress(TooLargeForTier):
                        return tier, CPU, self._runner.finish(ready, INLINE_NODES)
                    tier = "thread"
                if tier == "device":
                    reply = RunOnDevice(ready.program.device)
                if tier == "thread":
                    reply = await self._in_thread(lambda: self._finish_in_thread(ready))
        except MemoryError:
            raise out_of_memory() from None
        if isinstance(reply, Reply):
            return tier, CPU, reply
        return await self._in_process(call, disconnected, reply)

    async def _in_process(
        self, call: QueryRequest, disconnected: Receive | None, on_device: RunOnDevice | None = None
    ) -> tuple[Tier, str, Reply]:
        """The reply of a child process: one of the CPU's, or that of a GPU."""
        if on_device is None:
            reply = await self._in_child(self._pool, call, disconnected)
            if isinstance(reply, Reply):
                return "child", CPU, reply
            on_device = reply
        reply = await self._in_child(self._gpus[on_device.device], call, disconnected)
        if not isinstance(reply, Reply):
            raise InternalError(f"the process of {on_device.device} sent a query to {reply.device}")
        return "device", on_device.device, reply

    def _run_in_thread(self, call: QueryRequest) -> Reply | RunOnDevice | None:
        """The reply; None if a child has to compute it, or the GPU whose process has to."""
        try:
            compute = self._runner.computation(call).compute
            if compute is not None:
                with Bounded(THREAD_NODES):
                    return compute(self._runner, call, THREAD_NODES)
            prepared = self._runner.prepare(call, THREAD_NODES)
        except TooLargeForTier:
            return None
        tier = self._tier(prepared)
        if tier == "device":
            return RunOnDevice(prepared.program.device)
        return None if tier == "child" else self._finish_in_thread(prepared)

    def _finish_in_thread(self, prepared: PreparedQuery) -> Reply | None:
        """The reply; None if its diagnosis is for a child."""
        try:
            return self._runner.finish(prepared, THREAD_NODES)
        except TooLargeForTier:
            return None

    def _tier(self, prepared: PreparedQuery) -> Tier:
        if prepared.program.device != CPU:
            return "device"
        if prepared.seconds <= self._settings.inline_limit_s:
            return "inline"
        return "thread" if prepared.seconds <= self._settings.thread_limit_s else "child"

    async def _in_thread(self, work: Callable[[], T]) -> T:
        limit = self._settings.time_limit_s
        future = asyncio.get_running_loop().run_in_executor(self._threads, partial(_carried, work))
        try:
            async with asyncio.timeout(limit):  # wait_for may swallow a cancellation
                return await future
        except TimeoutError:
            raise Problem(
                "time_limit",
                f"the query ran longer than the limit of {limit:g} s",
                hint="make it smaller or split it; the operator may raise GRADWIRE_TIME_LIMIT_S",
            ) from None

    async def _in_child(
        self, pool: Pool, call: QueryRequest, disconnected: Receive | None
    ) -> Reply | RunOnDevice:
        work = asyncio.ensure_future(pool.run(*call.pack()))
        if disconnected is None:
            return await work
        gone = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientGone
            return work.result()
        finally:
            self._metrics.children.set(self.children)
            for task in (work, gone):
                task.cancel()


def _carried(work: Callable[[], T]) -> T:
    """What `work` returns. A future cannot carry a StopIteration: whoever awaits it would wait for good."""
    try:
        return work()
    except StopIteration as error:
        raise RuntimeError("a query raised StopIteration") from error


class ClientGone(Exception):
    """The caller hung up before the answer was there."""
