"""The one test that a healthy gradient costs: is it NaN or infinite somewhere, or zero everywhere?

The sum of the magnitudes tells it in one pass that makes no temporary array. Only where it overflows or is 0
are the elements looked at themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.linalg import blas

from engine.arrays.types import Array
from engine.dtypes import TensorType

Suspicion = Callable[[Array], bool]

_INFINITY = float("inf")
# BLAS itself and no reduction of NumPy, which warns of an overflow: to silence it takes longer than to test.
_SUM: Mapping[str, Callable[[Array], float]] = {
    "float64": blas.dasum,
    "float32": blas.sasum,
    "complex128": blas.dzasum,
    "complex64": blas.scasum,
}
_LONGEST = 2**31 - 1  # elements that BLAS counts


def suspicion_of(type: TensorType, *, rows: bool = False, faint: float = 0.0) -> Suspicion:
    """The test of gradients of one type: not finite somewhere, or zero everywhere; an empty one is neither.

    With `rows` a gradient has a leading axis of rows, and one bad row is enough. Otherwise one is suspicious
    too if its magnitudes add up to no more than `faint`, as what rounding leaves of zero does.
    """
    if rows:
        return lambda gradient: first_suspicious(gradient) is not None
    if not type.shape:
        return lambda gradient: not faint < abs(gradient.item()) < _INFINITY
    total = _SUM.get(type.dtype)
    if total is None or not 0 < type.size <= _LONGEST:
        return _looks_wrong
    if len(type.shape) == 1:
        return lambda gradient: (
            not faint < total(gradient) < _INFINITY
            and (_looks_wrong(gradient) or 0.0 < total(gradient) <= faint)
        )
    return lambda gradient: (
        not faint < total(gradient.ravel(order="K")) < _INFINITY
        and (_looks_wrong(gradient) or 0.0 < total(gradient.ravel(order="K")) <= faint)
    )


def first_suspicious(rows: Array) -> int | None:
    """The first row of `rows` that is not finite somewhere or zero everywhere, None where all are well."""
    if not rows.size:
        return None
    flat = rows.reshape(len(rows), -1)
    with np.errstate(all="ignore"):
        lengths = np.vecdot(flat, flat).real
    doubtful = np.flatnonzero(~((lengths > 0) & (lengths < _INFINITY)))
    return next((int(row) for row in doubtful if _looks_wrong(flat[row])), None)


def _looks_wrong(gradient: Array) -> bool:
    """The same element by element: the sum of the magnitudes may have overflowed."""
    return gradient.size > 0 and (not gradient.any() or not bool(np.isfinite(gradient).all()))
