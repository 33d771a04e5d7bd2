"""Runs plans on a CUDA device with CuPy.

A run brings its inputs to the device, one copy each, runs the plan's steps there in a stream of the
device's own, and brings the answers back, one copy each; functions of loops and branches run on the device
too. Constants are brought once and stay. Memory comes from a pool of the device's own, which holds no more
than it may: beyond that a run is refused as one over its limit.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakSet

from engine import arrays
from engine.arrays import Namespace
from engine.arrays.types import Array
from engine.errors import EngineError, InternalError, OverLimit
from engine.runtime.executors.bound import BoundPlan
from engine.runtime.executors.failures import no_memory
from engine.runtime.plan import Plan


class Cuda:
    """One GPU in this process: its stream, its pool of memory. One thread uses it at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._cuda: Any = import_module("cupy").cuda
        self._device = self._cuda.Device(int(name.partition(":")[2]))
        self._lock = threading.RLock()
        with self._device:
            self._pool = self._cuda.MemoryPool()
            self._stream = self._cuda.Stream(non_blocking=True)
        self._limit = 0
        self.plans: WeakSet[DevicePlan] = WeakSet()

    @property
    def xp(self) -> Namespace:
        """What kernels get."""
        return arrays.cupy_namespace()

    @contextmanager
    def entered(self, limit: int) -> Iterator[Namespace]:
        """The device, its stream and its pool, of at most `limit` bytes, for what this thread does within."""
        with ExitStack() as stack:
            stack.enter_context(self._lock)
            stack.enter_context(self._device)
            if limit != self._limit:
                self._pool.set_limit(size=limit)
                self._limit = limit
            stack.enter_context(self._cuda.using_allocator(self._pool.malloc))
            stack.enter_context(self._stream)
            yield self.xp

    @property
    def bytes_held(self) -> int:
        """Bytes that the pool holds of the device, in use or kept for the next run."""
        with self._lock, self._device:
            return int(self._pool.total_bytes())

    def spare(self) -> None:
        """Let go of what plans keep from run to run, and give the device back what the pool keeps of it."""
        with self._lock, self._device:
            for plan in list(self.plans):
                plan.forget()
            gc.collect()  # a failure's frames hold the arrays that it met
            self._pool.free_all_blocks()


@cache
def cuda(name: str) -> Cuda:
    """The GPU of this process by its name; made, with its CUDA context, when first asked for."""
    return Cuda(name)


def bytes_held(name: str) -> int:
    """Bytes that this process holds of a GPU; 0 if it never used it."""
    return cuda(name).bytes_held if cuda.cache_info().currsize else 0


class DevicePlan:
    """A plan that runs on a GPU; the GPU is not used before the first run.

    `limit` is how many bytes of the device this process may hold.
    """

    def __init__(self, plan: Plan, device: str, limit: int) -> None:
        self.plan = plan
        self.device = device
        self._limit = limit
        self._bound: BoundPlan | None = None

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The outputs, in the tape's order, as NumPy has them, for NumPy's arrays.

        Raises OverLimit if the device has not the memory, even if nothing else is kept there, or what a
        kernel refuses, at the user's node.
        """
        try:
            return self._once(inputs)
        except OverLimit as error:
            if error.estimate is None or not set(cuda(self.device).plans) - {self}:
                raise  # a loop that goes on too long, or nothing to let go of
        cuda(self.device).spare()
        return self._once(inputs)

    def forget(self) -> None:
        """Let go of what is kept on the device between runs."""
        self._bound = None

    def _once(self, inputs: Mapping[str, Array]) -> list[Array]:
        try:
            with cuda(self.device).entered(self._limit) as xp, xp.guarding():
                return self._run(xp, inputs)
        except EngineError:
            raise
        except MemoryError:
            raise no_memory(self.plan, f"the process's share of {self.device}") from None
        except Exception as error:  # CUDA's own: a lost device, a launch that failed
            raise InternalError(f"{self.device} failed: {error}") from error

    def _run(self, xp: Namespace, inputs: Mapping[str, Array]) -> list[Array]:
        if self._bound is None:
            self._bound = BoundPlan(self.plan, xp)
            cuda(self.device).plans.add(self)
        slots, read = self.plan.tape.inputs, self.plan.read
        arrays = {name: xp.from_host(inputs[name]) if slot in read else None for name, slot in slots.items()}
        return [xp.to_host(answer) for answer in self._bound.run(arrays)]


__all__ = ["Cuda", "DevicePlan", "bytes_held", "cuda"]
