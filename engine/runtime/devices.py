"""Devices by name: which are present, which a caller may request, and which `auto` chooses.

A device is `cpu`, or `cuda:n`, the n-th GPU that CUDA shows; `cuda` is the first. `auto` is decided for each
plan, by what it will take. Nothing here touches a device: asking which there are makes no CUDA context.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from engine.errors import DeviceUnavailable, InvalidDocument, did_you_mean
from engine.ir.tape import Tape
from engine.runtime.cost import Estimate, seconds

CPU, AUTO = "cpu", "auto"
_CUDA = re.compile(r"cuda(?::(0|[1-9][0-9]{0,3}))?")
_NO_CUPY = (
    "CuPy is not installed: install the extra of your CUDA, as in pip install 'gradwire-server[cuda12]'"
)

#: What the CPU does in less is not worth the way to a GPU and back, nor is a job the start of CUDA.
AUTO_SECONDS, AUTO_JOB_SECONDS = 0.05, 10.0
#: How many times faster a GPU has to be expected.
AUTO_GAIN = 2.0
# What a GPU is expected to do. Assumed, on the slow side of data sheets; none was measured.
LAUNCH_SECONDS = 1e-5
FLOPS_PER_SECOND = 1e12
BYTES_PER_SECOND = 5e11
LINK_BYTES_PER_SECOND = 6e9  # memory that is not pinned


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device: its name here, its product name, its memory in bytes."""

    name: str
    model: str
    memory: int

    def allowed(self, limit: int | None) -> int:
        """Bytes that one process may hold of it: `limit`, by default half."""
        return min(limit or self.memory // 2, self.memory)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The devices of this machine; `missing` says why there is no GPU if there is none."""

    gpus: tuple[Gpu, ...] = ()
    missing: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every device's name."""
        return (CPU, *(gpu.name for gpu in self.gpus))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @staticmethod
    def read(document: Mapping[str, Any]) -> Inventory:
        """What `document` wrote."""
        return Inventory(tuple(Gpu(**gpu) for gpu in document["gpus"]), document["missing"])


_override: list[Inventory] = []


def tell(known_inventory: Inventory) -> None:
    """Use what another process found, so that this one need not load CUDA, which takes memory."""
    _override[:] = [known_inventory]
    inventory.cache_clear()


@cache
def inventory() -> Inventory:
    """What this process can use; looked up once."""
    if _override:
        return _override[0]
    if find_spec("cupy") is None:
        return Inventory(missing=_NO_CUPY)
    try:
        runtime = import_module("cupy").cuda.runtime
        properties = [runtime.getDeviceProperties(n) for n in range(runtime.getDeviceCount())]
    except Exception as error:  # CuPy without its libraries, or CUDA without a driver or a device
        return Inventory(missing=f"CUDA does not answer: {str(error)[:200]}")
    gpus = tuple(
        Gpu(f"cuda:{n}", _text(p["name"]), int(p["totalGlobalMem"])) for n, p in enumerate(properties)
    )
    return Inventory(gpus, "" if gpus else "CUDA shows no device: see nvidia-smi and CUDA_VISIBLE_DEVICES")


def gpu(name: str) -> Gpu:
    """The GPU of a name that `here` returned."""
    return next(gpu for gpu in inventory().gpus if gpu.name == name)


def parse(device: Any, path: str = "$.device") -> str:
    """The device that a caller names: `cpu`, `cuda:n` or `auto`, which absent means; on any machine.

    Raises InvalidDocument for what is no device.
    """
    if device is None:
        return AUTO
    if device in (CPU, AUTO):
        return str(device)
    match = _CUDA.fullmatch(device) if isinstance(device, str) else None
    if match is None:
        came = f"'{device[:60]}'" if isinstance(device, str) else type(device).__name__
        raise InvalidDocument(
            f"expected cpu, cuda, cuda:n or auto, got {came} at {path}",
            path=path,
            hint="a GPU is cuda, or cuda:n where there are several"
            if str(device)[:3].lower() == "gpu"
            else did_you_mean(str(device)[:60], (CPU, "cuda", AUTO)) or "leave it out for auto",
        )
    return f"cuda:{match[1] or 0}"


def here(name: str, path: str = "$.device") -> str:
    """The device that `parse` returned, if it is on this machine; `auto` is `cpu` where nothing else is.

    Raises DeviceUnavailable, which says why.
    """
    if name == CPU:
        return CPU
    inventory_here = inventory()
    if name == AUTO:
        return AUTO if inventory_here.gpus else CPU
    if name not in inventory_here.names:
        raise DeviceUnavailable(
            f"expected a device of this machine ({', '.join(inventory_here.names)}), got '{name}' at {path}",
            path=path,
            hint=f"{inventory_here.missing}; leave `device` out to compute on the CPU"
            if inventory_here.missing
            else f"GPUs are numbered from 0 to {len(inventory_here.gpus) - 1}; see GET /readyz",
        )
    return name


def choose(device: str, tape: Tape, estimate: Estimate, limit: int | None, runs: int | None = None) -> str:
    """Where a plan runs: on the device itself unless that is `auto`, which takes the first GPU if it pays.

    `limit` is the setting of bytes a process may hold of a device; `runs` is how often a job's step is run.
    """
    if device != AUTO:
        return device
    first, types = inventory().gpus[0], tape.types
    moved = 0 if runs else sum(types[slot].nbytes for slot in (*tape.inputs.values(), *tape.outputs))
    # The estimate counts twice what is answered, for its copy and its text: these the CPU makes in any case.
    written = 0.0 if runs else seconds(0, 2 * sum(types[slot].nbytes for slot in tape.outputs), 0)
    enough = AUTO_SECONDS if runs is None else AUTO_JOB_SECONDS
    pays = (
        estimate.seconds * (runs or 1) >= enough
        and estimate.seconds >= AUTO_GAIN * (expected_seconds(estimate, moved) + written)
        and estimate.peak_bytes <= first.allowed(limit)
        and not _loops(tape.instructions)
    )
    return first.name if pays else CPU


def expected_seconds(estimate: Estimate, moved: int) -> float:
    """What a run is expected to take on a GPU, with `moved` bytes brought there and back."""
    return (
        estimate.nodes * LAUNCH_SECONDS
        + estimate.flops / FLOPS_PER_SECOND
        + estimate.bytes / BYTES_PER_SECOND
        + moved / LINK_BYTES_PER_SECOND
    )


def _loops(instructions: Sequence[Any]) -> bool:
    """Whether anything runs functions of its own, each of whose steps is a launch at every turn."""
    return any(isinstance(value, Tape) for step in instructions for value in step.attributes.values())


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
