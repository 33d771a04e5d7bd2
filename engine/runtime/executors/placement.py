"""Where arrays live and are computed with, by the name of a device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from engine import arrays
from engine.arrays import Namespace
from engine.runtime import devices
from engine.runtime.executors.cupy import cuda


def at(device: str, limit: int | None = None) -> AbstractContextManager[Namespace]:
    """The device for what this thread does within: its namespace, and on a GPU its stream and its memory.

    `limit` is how many bytes of a GPU this process may hold, by default half of it.
    """
    if device == devices.CPU:
        return nullcontext(arrays.numpy_namespace())
    return cuda(device).entered(devices.gpu(device).allowed(limit))
