"""Linear recurrences s_i = b_i + a_i s_{i-1} and running extrema: on a device by doubling."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import blas

_SOLVERS = {"f": blas.stbsv, "d": blas.dtbsv, "F": blas.ctbsv, "D": blas.ztbsv}
_CALL, _STRIDED, _ROW, _ELEMENT = 1e-6, 3e-9, 6e-6, 12e-9  # seconds, of which only ratios matter


def recurrence(a: Any, b: Any, axis: int, *, reverse: bool = False) -> Any:
    """s_i = b_i + a_i s_{i-1} along `axis`, from s_0 = b_0; in reverse s_i = b_i + a_{i+1} s_{i+1}.

    The result is an array of its own in C order. Short axes go across all rows at once. Long ones are solved
    row by row by BLAS, as the bidiagonal system that a recurrence is. Both compute each element from the one
    before, so nothing overflows that need not.
    """
    total = np.array(b, order="C", copy=True)
    steps = total.shape[axis]
    if steps < 2 or not total.size:
        return total
    rows = total.size // steps
    across = steps * (2 * _CALL + rows * _STRIDED)
    along = rows * (_ROW + steps * _ELEMENT)
    solve = _SOLVERS.get(total.dtype.char)
    # BLAS leaves out products with 0, which are NaN where a factor is not finite
    by_rows = solve is not None and along < across and bool(np.isfinite(a).all())
    end = -1 if by_rows else 0
    factors, sums = np.moveaxis(a, axis, end), np.moveaxis(total, axis, end)
    way = slice(None, None, -1) if reverse else slice(None)
    if by_rows:
        _along(solve, factors[..., :0:-1] if reverse else factors[..., 1:], sums[..., way])
    else:
        _across(factors[:0:-1] if reverse else factors[1:], sums[way])
    return total


def doubled(library: Any, a: Any, b: Any, axis: int, *, reverse: bool) -> Any:
    """The same with an array library's functions alone, in log2(n) passes over the whole."""
    if reverse:
        a, b = library.roll(library.flip(a, axis=axis), 1, axis=axis), library.flip(b, axis=axis)
    factors, totals = library.array(a), library.array(b)
    ahead = (slice(None),) * axis
    step = 1
    while step < b.shape[axis]:
        late, early = (*ahead, slice(step, None)), (*ahead, slice(0, -step))
        totals[late] = totals[late] + factors[late] * totals[early]
        factors[late] = factors[late] * factors[early]
        step *= 2
    return library.flip(totals, axis=axis) if reverse else totals


def running_place(x: Any, axis: int, largest: bool = True) -> Any:
    """The place of the largest element so far along `axis`, the last of equal ones; NaN stays."""
    extremes = (np.maximum if largest else np.minimum).accumulate(x, axis=axis)
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    first_nan = np.isnan(x) & ~_ahead(np.isnan(extremes), axis) if x.dtype.kind == "f" else False
    return np.maximum.accumulate(np.where((x == extremes) | first_nan, places, 0), axis=axis)


def _ahead(mask: Any, axis: int) -> Any:
    """What a mask says of each element's predecessor; False of the first."""
    shifted = np.zeros_like(mask)
    ahead = (slice(None),) * axis
    shifted[(*ahead, slice(1, None))] = mask[(*ahead, slice(None, -1))]
    return shifted


def doubled_place(library: Any, x: Any, axis: int, largest: bool = True) -> Any:
    """`running_place` with an array library's functions alone, in log2(n) passes over the whole."""
    values = library.array(x)
    places = library.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    places = library.array(library.broadcast_to(places, x.shape))
    ahead = (slice(None),) * axis
    step = 1
    while step < x.shape[axis]:
        late, early = (*ahead, slice(step, None)), (*ahead, slice(0, -step))
        here, before = values[late], values[early]
        older = before > here if largest else before < here
        if x.dtype.kind == "f":
            older = older | library.isnan(before)
        values[late] = library.where(older, before, here)
        places[late] = library.where(older, places[early], places[late])
        step *= 2
    return places


def _across(factors: Any, sums: Any) -> None:
    """All rows at once; the factors are those of the elements after the first."""
    term = np.empty(sums.shape[1:], sums.dtype)
    for step in range(1, len(sums)):
        now = sums[step, ...]
        np.multiply(factors[step - 1], sums[step - 1], out=term)
        np.add(now, term, out=now)


def _along(solve: Any, factors: Any, sums: Any) -> None:
    """One row after the other."""
    band = np.empty((2, sums.shape[-1]), sums.dtype, order="F")
    band[0], band[1, -1] = 1, 0
    for row in np.ndindex(sums.shape[:-1]):
        np.negative(factors[row], out=band[1, :-1])
        sums[row] = solve(1, band, sums[row], lower=1, diag=1)
