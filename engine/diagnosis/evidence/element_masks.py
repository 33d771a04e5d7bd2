"""Which elements of a tensor: masks carried over broadcasting, and places listed for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.arrays.types import Array

Mask = npt.NDArray[np.bool_]

LISTED = 10  # elements of a culprit that are named; `count` says how many there are


def places(mask: Mask) -> list[list[int]]:
    """The indices of the first few elements that are set; of a scalar the empty index."""
    first = np.flatnonzero(mask)[:LISTED]
    return [[int(i) for i in np.unravel_index(place, mask.shape)] for place in first]


def values_at(array: Array, mask: Mask) -> list[Any]:
    """What lies at the places that `places` names, for an array that broadcasts to the mask's shape.

    A complex number is the list [re, im], as on the wire; conjugates of real numbers without their -0.
    """
    spread = np.broadcast_to(array, mask.shape).reshape(-1)
    elements = spread[np.flatnonzero(mask)[:LISTED]]
    listed = (
        np.stack([elements.real, elements.imag + 0.0], axis=-1) if elements.dtype.kind == "c" else elements
    )
    return list(listed.tolist())


def spread(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """A mask of an operand as one of the result that it is broadcast to."""
    return np.broadcast_to(mask, shape)


def gather(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """A mask of a result as one of an operand that was broadcast to it: set where any copy is."""
    extra = mask.ndim - len(shape)
    aligned = (1,) * extra + shape
    repeated = tuple(i for i, size in enumerate(aligned) if size == 1 and mask.shape[i] != 1)
    return np.asarray(mask.any(axis=repeated, keepdims=True)).reshape(shape)


def nonfinite(array: Array) -> Mask:
    """Where an array is NaN or infinite; nowhere for integers."""
    if array.dtype.kind not in "fc":
        return np.zeros(array.shape, bool)
    return np.asarray(~np.isfinite(array))


def undefined(array: Array) -> Mask:
    """Where an array is NaN; a complex number with an infinite part is infinite, whatever the other is."""
    return np.asarray(np.isnan(array) & ~np.isinf(array))


def rows_of(mask: Mask) -> list[int]:
    """The first indices under which something is set, the first few."""
    if mask.ndim == 0:
        return []
    return [int(row) for row in np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))[:LISTED]]
