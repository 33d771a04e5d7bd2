"""Writing and adding at indices on a CUDA device."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from engine.arrays import guard
from engine.arrays.numpy import index_error

#: What CUDA adds atomically, as `cupyx.scatter_add` takes it.
_ATOMIC = ("int32", "uint32", "uint64", "float16", "float32", "float64")


class Scattering:
    """The kit's functions that write into their first array.

    Sums are atomic: the device chooses the order in which values at repeated indices are added, so last bits
    may differ from run to run. Writes are not: of several values for one element the last one counts, as on
    the CPU.
    """

    def __init__(self, library: Any, cupyx: Any) -> None:
        self._cp, self._cupyx = library, cupyx

    def index_add(self, target: Any, index: tuple[Any, ...], values: Any) -> Any:
        """`target[index] += values` in place, repeated indices adding up."""
        if not any(isinstance(item, self._cp.ndarray) for item in index):
            target[index] += values
            return target
        dtype = target.dtype
        if dtype.kind == "c":
            self._cupyx.scatter_add(target.real, index, values.real)
            self._cupyx.scatter_add(target.imag, index, values.imag)
        elif dtype.name in _ATOMIC:
            self._cupyx.scatter_add(target, index, values)
        elif dtype == np.int64:  # the same bits, in two's complement
            self._cupyx.scatter_add(target.view(np.uint64), index, values.astype(dtype).view(np.uint64))
        else:  # narrow integers wrap around as the low bits of wide ones do
            wide = target.astype(np.int32)
            self._cupyx.scatter_add(wide, index, values.astype(np.int32))
            target[...] = wide.astype(dtype)
        return target

    def put_along_axis_add(self, target: Any, indices: Any, values: Any, axis: int) -> Any:
        """`target[..., indices, ...] += values` along `axis` in place, repeated indices adding up."""
        size = target.shape[axis]
        guard.note(self._cp, indices, -size, size, partial(index_error, size))
        grid = [
            self._cp.arange(size).reshape([-1 if a == place else 1 for a in range(indices.ndim)])
            for place, size in enumerate(indices.shape)
        ]
        grid[axis] = indices
        return self.index_add(target, tuple(grid), values)

    def index_put(self, target: Any, index: tuple[Any, ...], values: Any) -> Any:
        """`target[index] = values` in place; of values for one place the last counts."""
        if not any(isinstance(item, self._cp.ndarray) for item in index):
            target[index] = values
            return target
        owner = self._cp.zeros(target.shape, np.int32)
        places = owner[index].shape
        values = self._cp.broadcast_to(values, places)
        tickets = self._cp.arange(values.size, dtype=np.int32).reshape(places)
        self._cupyx.scatter_max(owner, index, tickets)
        # every writer of a place writes what its last one brings, so their order does not matter
        target[index] = values.reshape(-1)[owner[index]]
        return target
