"""Colourings: columns of one colour share a product, and every entry can still be read from it.

Both are greedy and go through each entry of the pattern once. What a row has met is kept as the bits of one
integer, so a step is a few operations on integers however many colours there are. See Gebremedhin, Manne and
Pothen, What Color Is Your Jacobian? (2005): distance-2 colouring of columns, and star colouring.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.int64]
MOST_FLAGS = 100_000_000  # bytes, for trying a colouring by position


def column_colours(pattern: Any) -> tuple[Colours, int]:
    """Colours such that no row has two columns of one colour, and how many; -1 for an empty column.

    `pattern` is a matrix in compressed rows. No colouring has fewer colours than the fullest row entries;
    bands are coloured by their position, and need no more.
    """
    rows, columns = pattern.shape
    lengths = np.diff(pattern.indptr)
    fewest = int(lengths.max()) if rows else 0
    used = np.zeros(columns, np.bool_)
    used[pattern.indices] = True
    if 2 * fewest > columns:  # hardly two columns can share a product
        colours = np.cumsum(used) - 1
    elif _fit_by_position(pattern, fewest):
        colours = np.arange(columns) % fewest
    else:
        colours = _greedy(pattern, fewest)
    return np.where(used, colours, -1), int(colours[used].max(initial=-1)) + 1


def _fit_by_position(pattern: Any, period: int) -> bool:
    """Whether columns that lie a multiple of `period` apart never meet in a row."""
    rows = pattern.shape[0]
    if not 0 < rows * period <= MOST_FLAGS:
        return False
    colours_at = np.zeros(rows * period, np.bool_)
    row_of = np.repeat(np.arange(rows), np.diff(pattern.indptr))
    colours_at[row_of * period + pattern.indices % period] = True
    return int(np.count_nonzero(colours_at)) == int(pattern.nnz)


def _greedy(pattern: Any, fewest: int) -> Colours:
    """The better of two orders: as they come, and the fullest first."""
    by_column = pattern.tocsc()
    starts, rows = by_column.indptr.tolist(), by_column.indices.tolist()
    best = _in_order(range(pattern.shape[1]), starts, rows, pattern.shape[0])
    if best.max(initial=-1) + 1 > fewest:
        order = np.argsort(-np.diff(by_column.indptr), kind="stable").tolist()
        other = _in_order(order, starts, rows, pattern.shape[0])
        best = min(best, other, key=lambda colours: int(colours.max(initial=-1)))
    return best


def _in_order(order: Iterable[int], starts: list[int], rows: list[int], count: int) -> Colours:
    colours = np.full(len(starts) - 1, -1)
    colours_at = [0] * count  # the colours of each row, as bits
    for column in order:
        own = rows[starts[column] : starts[column + 1]]
        forbidden = 0
        for row in own:
            forbidden |= colours_at[row]
        bit = ~forbidden & (forbidden + 1)  # the lowest that is free
        colours[column] = bit.bit_length() - 1
        for row in own:
            colours_at[row] |= bit
    return colours


def star_colours(pattern: Any) -> tuple[Colours, int]:
    """Colours for a symmetric matrix such that of each entry (i, j) one of the two, i or j, is the only
    neighbour of the other in its colour; a diagonal is taken to be full.

    Neighbours differ, and two neighbours of a vertex share a colour only if it is greater than the vertex's:
    a restricted star colouring (Gebremedhin et al., section 4). -1 for what has no entry.
    """
    starts, neighbours = pattern.indptr.tolist(), pattern.indices.tolist()
    degrees = np.diff(pattern.indptr)
    bits = [0] * pattern.shape[0]  # a vertex's colour, as a bit; 0 while it has none
    colours_at = [0] * pattern.shape[0]  # the colours of its neighbours
    for vertex in np.argsort(-degrees, kind="stable").tolist():
        own = neighbours[starts[vertex] : starts[vertex + 1]]
        forbidden = 0
        for other in own:
            bit = bits[other]
            forbidden |= bit | (colours_at[other] & (bit - 1)) if bit else colours_at[other]
        bit = ~forbidden & (forbidden + 1)
        bits[vertex] = bit
        for other in own:
            colours_at[other] |= bit
    colours = np.array([bit.bit_length() - 1 for bit in bits], np.int64)
    colours[degrees == 0] = -1
    return colours, int(colours.max(initial=-1)) + 1
