"""Batch rules of indexing: x[index] for every row, in one index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.ir.attributes import InputIndex
from engine.ir.batch_rules import aligned, rank, stacked
from engine.ir.table import F
from engine.ops.creation import made

Index = tuple[Any, ...]


def read(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, index: Index) -> Any:
    """The op getitem for all rows."""
    x, indices = xs[0], xs[1:]
    rows = _Rows(x, batched[0], indices, batched[1:], n, index, shared=not batched[0])
    answer = F.getitem(rows.x, *rows.indices, index=rows.index)
    return F.permute_dims(answer, axes=rows.order) if rows.moved else answer


def write(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, index: Index) -> Any:
    """index_add and index_set for all rows."""
    x, values, indices = xs[0], xs[1], xs[2:]
    rows = _Rows(x, batched[0], indices, batched[2:], n, index, shared=False)
    values = aligned(stacked(values, batched[1], n), True, len(rows.order) - 1)
    if rows.moved:
        values = F.permute_dims(values, axes=[rows.order.index(i) for i in range(len(rows.order))])
    return rows.x.tape.apply(op, [rows.x, values, *rows.indices], {"index": rows.index})


class _Rows:
    """The index for all rows, and `order`, which permutes NumPy's result to (batch, axes of one row)."""

    def __init__(
        self,
        x: Any,
        x_batched: bool,
        indices: Sequence[Any],
        batched: Sequence[bool],
        n: int,
        index: Index,
        *,
        shared: bool,
    ) -> None:
        places = [i for i, item in enumerate(index) if isinstance(item, int | tuple | InputIndex)]
        arrays = [item for item in index if isinstance(item, tuple | InputIndex)]
        common = max((_rank(item, indices, batched) for item in arrays), default=0)
        adjacent = not arrays or places[-1] - places[0] + 1 == len(places)
        before = places[0] if arrays and adjacent else 0
        basic = len(index) - len(places)
        axes = common + basic  # of one row's answer
        self.indices = [aligned(i, b, common) for i, b in zip(indices, batched, strict=True)]
        self.x = x if shared else stacked(x, x_batched, n)
        if shared:  # the rows differ in their index alone
            self.index = index
            front = before
        elif not any(batched):  # the rows differ in x alone
            self.index = (slice(0, n, 1), *index)
            front = 0 if adjacent else common
        else:  # row k of the index reads row k of x
            ticket = made(x, "arange", start=n).reshape((n, *(1,) * common))
            self.index = (InputIndex(len(indices) + 1), *index)
            self.indices.append(ticket)
            front = 0
            if before:  # NumPy puts the common axes in front; one row has them behind `before`
                rest = range(1 + common + before, 1 + axes)
                self.order = [0, *range(1 + common, 1 + common + before), *range(1, 1 + common), *rest]
                self.moved = True
                return
        self.order = [front, *(i for i in range(axes + 1) if i != front)]
        self.moved = front != 0


def _rank(item: Any, indices: Sequence[Any], batched: Sequence[bool]) -> int:
    if isinstance(item, InputIndex):
        return rank(indices[item.position - 1], batched[item.position - 1])
    return np.ndim(item)
