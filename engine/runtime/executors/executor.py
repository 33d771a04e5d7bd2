"""Executors: the port, what implements it on the CPU and on a GPU, and the function that chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine import arrays
from engine.arrays import Namespace
from engine.arrays.types import Array
from engine.runtime import devices
from engine.runtime.executors.compiled.native import Native, NotCompiled
from engine.runtime.executors.compiled.plans import CompiledPlan
from engine.runtime.executors.cupy import DevicePlan, bytes_held, cuda
from engine.runtime.executors.numpy import BoundPlan
from engine.runtime.executors.resident import ResidentPlan
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.runtime.plan import Plan


class RunnablePlan(Protocol):
    """A plan that an executor has bound."""

    plan: Plan

    def run(self, inputs: Mapping[str, Any]) -> list[Array]:
        """The outputs, in the tape's order, for NumPy's arrays in the dtypes and shapes of the signature.

        Raises IndexOutOfRange, OverLimit, or what a kernel refuses, each at the user's node.
        """
        ...


class InPlacePlan(Protocol):
    """A plan that an executor has bound to arrays that stay in place from run to run."""

    def run(self) -> list[Array]:
        """The outputs that are not donated, on the host, in the tape's order.

        Raises IndexOutOfRange or what a kernel refuses, at the user's node.
        """
        ...


class Executor(Protocol):
    """Runs plans on one device."""

    @property
    def device(self) -> str:
        """The device's name."""
        ...

    @property
    def name(self) -> str:
        """What computes, with the versions that bits depend on beside those of the array library."""
        ...

    @property
    def fuses(self) -> bool:
        """Whether it fuses ops itself, so that ops which are several in one are of no use to it."""
        ...

    @property
    def memory_limit(self) -> int | None:
        """How many bytes of the device this process may hold; None for the host's own memory."""
        ...

    @property
    def bytes_held(self) -> int:
        """How many bytes of the device this process holds now, in use or kept for the next run."""
        ...

    @property
    def namespace(self) -> Namespace:
        """The array library of the device."""
        ...

    def bind(self, plan: Plan) -> RunnablePlan:
        """The plan, ready to run on host arrays."""
        ...

    def bind_in_place(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
    ) -> InPlacePlan:
        """The plan, ready to run on `inputs`, arrays of the device that are read and written where they lie.

        `donated` sends output slots to the input slots whose memory they take over. Intermediate values lie
        in `scratch`, which plans that run by turns may share. Bind and run within `entered()`.
        """
        ...

    def entered(self) -> AbstractContextManager[Namespace]:
        """The device for what this thread does within: its namespace, and on a GPU its stream and memory."""
        ...


@dataclass(frozen=True, slots=True)
class CpuExecutor:
    """Runs plans with NumPy."""

    device: str = devices.CPU
    memory_limit: int | None = None
    bytes_held: int = 0  # the host's memory is its own to count

    @property
    def name(self) -> str:
        """NumPy."""
        return "numpy"

    @property
    def fuses(self) -> bool:
        """NumPy runs op by op."""
        return False

    def bind(self, plan: Plan) -> RunnablePlan:
        """The plan, ready to run."""
        return BoundPlan(plan)

    @property
    def namespace(self) -> Namespace:
        """NumPy's namespace."""
        return arrays.numpy_namespace()

    def bind_in_place(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
    ) -> InPlacePlan:
        """The plan, bound to NumPy's arrays."""
        return ResidentPlan(plan, inputs, donated, self.namespace, scratch)

    def entered(self) -> AbstractContextManager[Namespace]:
        """NumPy's namespace; there is nothing to enter."""
        return nullcontext(self.namespace)


@dataclass(frozen=True, slots=True)
class CompiledExecutor(CpuExecutor):
    """Runs plans as native code, with NumPy for what is not compiled; without LLVM, NumPy alone."""

    native: Native = field(default_factory=Native)

    @property
    def name(self) -> str:
        """The emitter and LLVM, if it is there; else NumPy."""
        return self.native.name or "numpy"

    @property
    def fuses(self) -> bool:
        """Native code fuses; NumPy in its place does not."""
        return bool(self.native.name)

    def bind(self, plan: Plan) -> RunnablePlan:
        """The plan, compiled or linked; raises NotCompiled if it would have to be compiled and may not be."""
        return self.native.bind(plan) or CpuExecutor.bind(self, plan)

    def bind_in_place(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
    ) -> InPlacePlan:
        """The plan, compiled for these arrays."""
        bound = self.native.bind_in_place(plan, inputs, donated, scratch)
        return bound or CpuExecutor.bind_in_place(self, plan, inputs, donated, scratch)


@dataclass(frozen=True, slots=True)
class CudaExecutor:
    """Runs plans with CuPy on one GPU, which is not used before the first run or entry."""

    device: str
    memory_limit: int

    @property
    def name(self) -> str:
        """CuPy."""
        return "cupy"

    @property
    def fuses(self) -> bool:
        """CuPy runs op by op."""
        return False

    @property
    def bytes_held(self) -> int:
        """What the pool holds of the GPU; 0 before the first run or entry."""
        return bytes_held(self.device)

    def bind(self, plan: Plan) -> RunnablePlan:
        """The plan, ready to run: inputs and outputs are copied to and from the GPU."""
        return DevicePlan(plan, self.device, self.memory_limit)

    @property
    def namespace(self) -> Namespace:
        """CuPy's namespace."""
        return cuda(self.device).xp

    def bind_in_place(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
    ) -> InPlacePlan:
        """The plan, bound to arrays of the GPU."""
        return ResidentPlan(plan, inputs, donated, self.namespace, scratch)

    def entered(self) -> AbstractContextManager[Namespace]:
        """The GPU, its stream and its pool of memory."""
        return cuda(self.device).entered(self.memory_limit)


def executor_for(device: str, memory_limit: int | None = None, native: Native | None = None) -> Executor:
    """The executor of a device of this machine (`cpu` or `cuda:n`, never `auto`).

    `memory_limit` is how many bytes of a GPU this process may hold, by default half of it. With `native` the
    CPU runs native code.
    """
    if device == devices.CPU:
        return CpuExecutor() if native is None else CompiledExecutor(native=native)
    return CudaExecutor(device, devices.gpu(device).allowed(memory_limit))


def is_native(plan: RunnablePlan) -> bool:
    """Whether native code runs a plan."""
    return isinstance(plan, CompiledPlan)


__all__ = [
    "CompiledExecutor",
    "CpuExecutor",
    "CudaExecutor",
    "Executor",
    "InPlacePlan",
    "Native",
    "NotCompiled",
    "RunnablePlan",
    "executor_for",
    "is_native",
]
