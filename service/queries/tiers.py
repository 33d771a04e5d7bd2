"""Where a call is computed: on the event loop, in a thread, or in a killable child process.

What is not known to be cheap runs in a child. The event loop and the threads share one interpreter, so what
they do is bounded to a few milliseconds in which nobody else can run: they read small bodies, record small
functions, counting while they do, and run programs whose estimate is small. Threads are for programs that
spend their time in NumPy with large arrays, where others can run meanwhile. What takes longer than was
estimated stops between two instructions and is computed again in a child. What runs on a GPU has one process
for each GPU, as a fault of CUDA is the end of a process. Every tier runs the same `QueryRunner`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Literal, TypeVar

from engine.errors import InternalError
from engine.runtime.devices import CPU
from service.queries.allowance import Allowance
from service.queries.pool import ChildPool
from service.queries.query_request import Bounded, QueryRequest, TooLargeForTier
from service.queries.runner import SERVER_TIMING, PreparedQuery, QueryRunner, RunOnDevice
from service.queries.shared_pool import Pool
from service.queries.turns import Caller, QueueFull, Turns
from service.queries.worker import out_of_memory
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.wire.held_bytes import HeldBytes
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
THREAD_NODES = 400
#: The share of the loop's time that goes to reading and recording functions of one caller that are not known
#: yet, and seconds of it that may come at once; what takes less than `_NOTICEABLE_S` is not counted.
_RECORDING_SHARE, _RECORDING_BURST_S, _NOTICEABLE_S = 0.1, 0.05, 0.001
#: Requests that may wait for a thread.
_MOST_WAITING = 256
#: The most that a thread may do in which no other thread can run, and the memory that it may take.
_THREAD_HELD_S = 0.003
_THREAD_BYTES, _THREAD_ANSWER = 64 * 2**20, 16 * 2**20


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
        self._threads = ThreadPoolExecutor(settings.threads + 1, thread_name_prefix="query")
        self._turns = Turns(settings.threads, _MOST_WAITING)
        self._recorder = Turns(1, _MOST_WAITING)
        self._answers = HeldBytes(
            settings.max_answer_bytes_held, "answers that are not read", "GRADWIRE_MAX_ANSWER_BYTES_HELD"
        )
        self._recording = Allowance(_RECORDING_SHARE, _RECORDING_BURST_S)

    async def answer(
        self,
        call: QueryRequest,
        nodes: int = 0,
        disconnected: Receive | None = None,
        *,
        large: bool = False,
        caller: Caller = None,
    ) -> Reply:
        """The reply to `call`; `nodes` is the size of the published graph it names, `caller` who sent it.

        If `disconnected` returns before the reply is there, the child's work is stopped. `large` sends the
        request to a child, whatever its size. Raises Problem and UserError.
        """
        start = time.perf_counter()
        if large:
            tier, device, reply = await self._in_process(call, disconnected, caller)
        else:
            tier, device, reply = await self._dispatch(call, nodes, disconnected, caller)
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
        self, call: QueryRequest, nodes: int, disconnected: Receive | None, caller: Caller
    ) -> tuple[Tier, str, Reply]:
        """The reply, where it was computed, and on which device."""
        size = call.json_bytes
        if len(call.graph) > _INLINE_FUNCTION and not self._runner.has_decoded(call.graph_id):
            size = max(size, len(call.graph))
        computation = self._runner.computation(call)
        first = computation.first_tier
        if size > computation.thread_json_bytes or nodes > THREAD_NODES or first == "child":
            return await self._in_process(call, disconnected, caller)
        reply: Reply | RunOnDevice | None = None
        try:
            small = _INLINE_FUNCTION if call.graph_id is None else _INLINE_JSON
            if size <= small and nodes <= INLINE_NODES and first == "inline":
                prepared = self._prepare_inline(call, caller)
                if prepared is None:
                    reply = await self._record_in_thread(call, caller)
                elif (where := self._tier(prepared)) == "inline":
                    with suppress(TooLargeForTier):
                        return "inline", CPU, self._runner.finish(prepared, INLINE_NODES)
                elif where == "device":
                    reply = RunOnDevice(prepared.program.device)
                elif where == "thread":
                    ready = prepared
                    reply = await self._in_thread(self._turns, lambda: self._finish_in_thread(ready), caller)
            else:
                reply = await self._record_in_thread(call, caller)
        except MemoryError:
            raise out_of_memory() from None
        if isinstance(reply, Reply):
            return "thread", CPU, reply
        return await self._in_process(call, disconnected, caller, reply)

    def _prepare_inline(self, call: QueryRequest, caller: Caller) -> PreparedQuery | None:
        """The call, prepared on the event loop; None if that is too much.

        Who has had much recorded lately gets only what is known: the rest of the loop's time is for others.
        """
        start = time.perf_counter()
        most = INLINE_NODES if self._recording.allows(caller, start) else 0
        try:
            return self._runner.prepare(call, most)
        except TooLargeForTier:
            return None
        finally:
            spent = time.perf_counter() - start
            if spent > _NOTICEABLE_S:
                self._recording.spend(caller, start, spent)

    async def _record_in_thread(self, call: QueryRequest, caller: Caller) -> Reply | RunOnDevice | None:
        """What `_run_in_thread` returns; None also if the caller has had much recorded lately.

        One thread records at a time: it needs the interpreter all the while.
        """
        start = time.perf_counter()
        if not self._recording.allows(caller, start):
            return None

        def record() -> Reply | RunOnDevice | None:
            begun = time.thread_time()
            try:
                return self._run_in_thread(call)
            finally:
                spent.append(time.thread_time() - begun)

        spent: list[float] = []
        try:
            return await self._in_thread(self._recorder, record, caller)
        finally:
            if spent and spent[0] > _NOTICEABLE_S:
                self._recording.spend(caller, start, spent[0])

    async def _in_process(
        self,
        call: QueryRequest,
        disconnected: Receive | None,
        caller: Caller,
        on_device: RunOnDevice | None = None,
    ) -> tuple[Tier, str, Reply]:
        """The reply of a child process: one of the CPU's, or that of a GPU."""
        if on_device is None:
            reply = await self._in_child(self._pool, call, disconnected, caller)
            if isinstance(reply, Reply):
                return "child", CPU, self._counted(reply, caller)
            on_device = reply
        reply = await self._in_child(self._gpus[on_device.device], call, disconnected, caller)
        if not isinstance(reply, Reply):
            raise InternalError(f"the process of {on_device.device} sent a query to {reply.device}")
        return "device", on_device.device, self._counted(reply, caller)

    def _counted(self, reply: Reply, caller: Caller) -> Reply:
        """The reply, a stored one counted until it is closed. Raises Problem busy if that is too much."""
        stored = reply.stored
        if stored is not None:
            address, size = caller[0] if caller else "", stored.size
            self._answers.take(address, size)
            stored.when_closed(partial(self._answers.give, address, size))
        return reply

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
        seconds = prepared.seconds
        if seconds <= self._settings.inline_limit_s:
            return "inline"
        bounded = (
            seconds <= self._settings.thread_limit_s
            and prepared.held_seconds <= _THREAD_HELD_S
            and prepared.program.estimate.peak_bytes <= _THREAD_BYTES
            and prepared.answer_bytes <= _THREAD_ANSWER
        )
        return "thread" if bounded else "child"

    async def _in_thread(self, turns: Turns, work: Callable[[], T], caller: Caller) -> T:
        limit = self._settings.time_limit_s
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(turns.take(caller, limit))
            except (QueueFull, TimeoutError):
                raise Problem(
                    "busy",
                    f"{turns.waiting} queries of medium size are waiting already",
                    hint="try again after the seconds in Retry-After",
                    headers={"Retry-After": "1"},
                ) from None
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
        self, pool: Pool, call: QueryRequest, disconnected: Receive | None, caller: Caller
    ) -> Reply | RunOnDevice:
        work = asyncio.ensure_future(pool.run(*call.pack(), caller))
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
