"""Batches on a GPU: gathered there from columns that were brought whole, or brought batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.arrays import Namespace
from engine.arrays.types import Array
from engine.training.job.objective import Column
from engine.training.loop.batch_order import Rows, cast


class DeviceRows(Rows):
    """A range of rows of the data. Columns that fit into `budget` bytes are brought once and stay."""

    def __init__(
        self,
        data: Mapping[str, Array],
        columns: Mapping[str, Column],
        start: int,
        stop: int,
        *,
        xp: Namespace,
        budget: int,
    ) -> None:
        super().__init__(data, columns, start, stop)
        self._xp, self._budget = xp, budget
        self._there: dict[str, Any] = {}
        self._requests: set[str] = set()

    def fill(self, buffers: Mapping[str, Any], places: Array | slice) -> None:
        """Write the rows at `places` into the buffers of a batch, column by column.

        Raises DatasetMismatch for fractions where integers belong.
        """
        index = places if isinstance(places, slice) else None
        for name, array in self._columns:
            buffer = buffers.get(name)
            if buffer is None:  # the function does not read this column
                continue
            self._bring(name, array, buffer.dtype)
            column = self._there.get(name)
            if column is None:
                rows = np.empty(buffer.shape, buffer.dtype)
                cast(name, array[places], rows)
                buffer[...] = self._xp.from_host(rows)
            elif isinstance(places, slice):
                buffer[...] = column[places]
            else:
                index = self._xp.from_host(places) if index is None else index
                self._xp.take(column, index, axis=0, out=buffer)

    def _bring(self, name: str, array: Array, dtype: Any) -> None:
        """Bring a whole column, the first time that it is requested, if there is room."""
        if name in self._requests:
            return
        self._requests.add(name)
        nbytes = array.size * dtype.itemsize
        if nbytes <= self._budget:
            self._budget -= nbytes
            column = np.empty(array.shape, dtype)
            cast(name, array, column)
            self._there[name] = self._xp.from_host(column)
