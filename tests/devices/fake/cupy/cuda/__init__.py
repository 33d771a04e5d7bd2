"""The device behind the fake: one pool, one stream, counted memory and transfers."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

counts = {"uploads": 0, "downloads": 0}
_local = threading.local()
MEMORY = 8 << 30


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


def _count() -> int:
    count = int(os.environ.get("FAKE_CUDA_DEVICES", "2"))
    if count == 0:
        raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    return count


def _properties(number: int) -> dict[str, Any]:
    return {"name": b"Fake", "totalGlobalMem": int(os.environ.get("FAKE_CUDA_MEMORY", MEMORY))}


runtime = SimpleNamespace(
    getDeviceCount=_count, getDeviceProperties=_properties, CUDARuntimeError=CUDARuntimeError
)
memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError)


def is_available() -> bool:
    return True


class Device:
    """The current one, or the one of a number; a context that makes it the current one."""

    def __init__(self, number: Any = None) -> None:
        self.id = getattr(_local, "device", 0) if number is None else getattr(number, "id", number)
        if not 0 <= self.id < _count():
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> Device:
        stack = _local.__dict__.setdefault("devices", [])
        stack.append(getattr(_local, "device", 0))
        _local.device = self.id
        return self

    def __exit__(self, *_: Any) -> None:
        _local.device = _local.devices.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id


class Stream:
    """A context in which work is done; nothing is done outside of one that was made on purpose."""

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        self.non_blocking = non_blocking

    def __enter__(self) -> Stream:
        _local.__dict__.setdefault("streams", []).append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _local.streams.pop()


def require_stream() -> None:
    """What the engine promises: all work is in a stream and a pool of its own."""
    if not getattr(_local, "streams", None) or getattr(_local, "allocator", None) is None:
        raise RuntimeError("work outside of the device's own stream or pool")


class MemoryPool:
    """Counts what is held; beyond the limit there is none."""

    def __init__(self, allocator: Any = None) -> None:
        self._limit, self._used, self._total = 0, 0, 0

    def set_limit(self, size: Any = None, fraction: Any = None) -> None:
        self._limit = size or 0

    def get_limit(self) -> int:
        return self._limit

    def malloc(self, size: int) -> Any:
        rounded = -(-size // 512) * 512
        if self._limit and self._used + rounded > self._limit:
            raise OutOfMemoryError(f"Out of memory allocating {rounded:,} bytes (limit: {self._limit:,})")
        self._used += rounded
        self._total = max(self._total, self._used)
        held = SimpleNamespace(size=rounded)
        token = _Token(held)
        weakref.finalize(token, self._free, rounded)
        return token

    def _free(self, size: int) -> None:
        self._used -= size

    def free_all_blocks(self, stream: Any = None) -> None:
        self._total = self._used

    def used_bytes(self) -> int:
        return self._used

    def total_bytes(self) -> int:
        return self._total


class _Token:
    """Memory of the device, given back when nobody looks at it any more."""

    def __init__(self, held: Any) -> None:
        self.held = held


def allocate(size: int) -> Any:
    return _local.allocator(size)


@contextmanager
def using_allocator(allocator: Any = None) -> Any:
    before = getattr(_local, "allocator", None)
    _local.allocator = allocator
    try:
        yield
    finally:
        _local.allocator = before
