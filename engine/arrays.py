"""Array namespaces: the array API, and beside it what the standard does not have.

This file and the executors alone name array libraries. Kernels get a namespace `xp` with the
standard's names as `array_api_compat` gives them, plus the kit below: scatter-add, einsum, padding,
special functions. Where NumPy and CuPy differ, the branch is here. Nothing converts a device array
silently.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
import scipy.sparse
import scipy.special


class Namespace(SimpleNamespace):
    """The functions a kernel may call. Every name is an attribute, so a call costs no look-up chain."""


@cache
def numpy() -> Namespace:
    """The namespace of the CPU."""
    standard = {
        name: getattr(numpy_namespace, name) for name in dir(numpy_namespace) if not name.startswith("_")
    }
    special = {name: getattr(scipy.special, name) for name in _SPECIAL}
    kit = {
        "einsum": _einsum,
        "index_add": _index_add,
        "put_along_axis_add": _put_along_axis_add,
        "sliding_pad": np.pad,
        "errstate": np.errstate,
        "divmod": np.divmod,
    }
    extra = {name: getattr(np, name) for name in _BEYOND_THE_STANDARD}
    return Namespace(**{**extra, **standard, **special, **kit})


_SPECIAL = (
    "digamma",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "gammaln",
    "log_ndtr",
    "logit",
    "ndtr",
    "ndtri",
    "spherical_jn",
    "zeta",
)
_BEYOND_THE_STANDARD = ("cbrt", "copyto", "exp2", "fmax", "fmin", "fmod", "heaviside")


def _einsum(equation: str, *operands: Any) -> Any:
    return np.einsum(equation, *operands, optimize=len(operands) > 2)


def _index_add(target: Any, index: tuple[Any, ...], values: Any) -> Any:
    """`target[index] += values` in place, repeated indices adding up."""
    if not any(isinstance(item, np.ndarray) for item in index):
        target[index] += values
    elif len(index) == 1 and _takes_rows(target, index[0]):
        _add_rows(target, index[0], values)
    else:
        np.add.at(target, index, values)
    return target


def _takes_rows(target: Any, rows: Any) -> bool:
    return bool(
        rows.dtype != np.bool_
        and rows.ndim == 1
        and rows.size >= 32
        and target.ndim == 2
        and target.dtype in (np.float32, np.float64)
        and target.shape[1] > 1
    )


def _add_rows(target: Any, rows: Any, values: Any) -> None:
    """A product with a sparse selection matrix: an order of magnitude faster than `np.add.at`."""
    count, size = rows.size, target.shape[0]
    if rows.min() < -size or rows.max() >= size:
        raise IndexError(f"index out of bounds for axis of size {size}")
    selection = scipy.sparse.csr_array(
        (np.ones(count, target.dtype), np.where(rows < 0, rows + size, rows), np.arange(count + 1)),
        shape=(count, size),
    )
    target += selection.T @ np.ascontiguousarray(np.broadcast_to(values, (count, target.shape[1])))


def _put_along_axis_add(target: Any, indices: Any, values: Any, axis: int) -> Any:
    """`target[..., indices, ...] += values` along `axis` in place, repeated indices adding up."""
    grid = list(np.ogrid[tuple(slice(size) for size in indices.shape)])
    grid[axis] = indices
    np.add.at(target, tuple(grid), values)
    return target
