"""Memory that the plans of one training run share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.arrays import Namespace


class ScratchPool:
    """Arrays of bytes that several plans use in turn; a run must not read what an earlier one left."""

    def __init__(self, xp: Namespace) -> None:
        self._xp = xp
        self._arrays: list[Any] = []

    def take(self, sizes: Sequence[int]) -> list[Any]:
        """An array of bytes for each of `sizes`; the arrays of other plans if they are large enough."""
        result: list[Any] = [None] * len(sizes)
        for rank, place in enumerate(sorted(range(len(sizes)), key=lambda i: -sizes[i])):
            size = sizes[place]
            if rank == len(self._arrays):
                self._arrays.append(self._xp.empty(size, dtype=self._xp.uint8))
            elif self._arrays[rank].size < size:
                self._arrays[rank] = self._xp.empty(size, dtype=self._xp.uint8)
            result[place] = self._arrays[rank][:size]
        return result
