"""Batches gathered from data by row number. The data may be memory-mapped; they are never copied whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine import dtypes
from engine.arrays.philox import Stream
from engine.arrays.types import Array
from engine.errors import DatasetMismatch
from engine.training.job.objective import Column


class Rows:
    """A range of rows of the data, in the dtypes in which batches enter."""

    def __init__(
        self, data: Mapping[str, Array], columns: Mapping[str, Column], start: int, stop: int
    ) -> None:
        self.data = data
        self._columns = [(name, data[name][start:stop]) for name in columns]
        self.start, self.count = start, stop - start

    def fill(self, buffers: Mapping[str, Array], places: Array | slice) -> None:
        """Write the rows at `places` into the buffers of a batch, column by column.

        Raises DatasetMismatch for fractions where integers belong.
        """
        for name, array in self._columns:
            buffer = buffers.get(name)
            if buffer is None:  # the function does not read this column
                continue
            if array.dtype == buffer.dtype and not isinstance(places, slice):
                array.take(places, axis=0, out=buffer, mode="clip")
            else:
                cast(name, array[places], buffer)


class Order:
    """Which rows make which batch: a permutation of each epoch's own, or the order of the data."""

    def __init__(self, rows: int, batch_size: int, *, shuffle: bool, seed: int) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self._stream = Stream(seed, "shuffle") if shuffle else None
        self._epoch = -1
        self._places: Array = np.empty(0, np.int64)

    def places(self, epoch: int, batch: int) -> Array | slice:
        """The rows of a batch; epochs and batches count from 0."""
        start = batch * self.batch_size
        if self._stream is None:
            return slice(start, min(start + self.batch_size, self.rows))
        if epoch != self._epoch:
            self._places = self._stream.at(epoch).order(self.rows)
            self._epoch = epoch
        return self._places[start : start + self.batch_size]


def cast(name: str, rows: Array, buffer: Array) -> None:
    """Write rows in the dtype of a buffer; raises DatasetMismatch if fractions would be cut off."""
    with np.errstate(all="ignore"):
        buffer[...] = rows
    if rows.dtype.kind == "f" and dtypes.is_integer(buffer.dtype.name) and not np.array_equal(buffer, rows):
        raise DatasetMismatch(
            f"expected integers in '{name}', got {rows[buffer != rows][0]:g}",
            path=f"$.data.{name}",
            hint="class labels, and the ids that an Embedding looks up, are whole numbers: send them as they "
            "were before any scaling, x.astype(int)",
        )
