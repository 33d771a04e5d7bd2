"""The namespace of the CPU: NumPy and SciPy, and the kit over them."""

from __future__ import annotations

from functools import cache
from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np
import scipy.sparse
import scipy.special

from engine.arrays.namespace import BEYOND_THE_STANDARD, SPECIAL, Namespace
from engine.draws import Stream


@cache
def numpy() -> Namespace:
    """The namespace of the CPU."""
    standard = {
        name: getattr(numpy_namespace, name) for name in dir(numpy_namespace) if not name.startswith("_")
    }
    special = {name: getattr(scipy.special, name) for name in SPECIAL}
    kit = {
        "index_add": _index_add,
        "put_along_axis_add": _put_along_axis_add,
        "check_indices": check_indices,
        "inv": _per_matrix(np.linalg.inv),
        "solve": _per_matrix(np.linalg.solve),
        "cholesky": _cholesky,
        "svd": _svd,
        "errstate": np.errstate,
        "divmod": np.divmod,
        "draw": _draw,
        "gamma_quantile": _gamma_quantile,
        "gamma_quantile_slope": _gamma_quantile_slope,
        # array_api_compat's own of these are no ufuncs: they could not write into a buffer
        **{name: getattr(np, name) for name in ("matmul", "floor", "ceil", "trunc", "sign")},
    }
    extra = {name: getattr(np, name) for name in BEYOND_THE_STANDARD}
    reductions = {name: _reduction(ufunc) for name, ufunc in _REDUCTIONS.items()}
    return Namespace(**{**extra, **standard, **special, **reductions, **kit})


_REDUCTIONS = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "any": np.logical_or,
    "all": np.logical_and,
}


def _reduction(ufunc: Any) -> Any:
    """The reduction without NumPy's wrapper, which costs more than a small sum."""
    reduce = ufunc.reduce

    def reduction(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return reduce(x, axis, dtype, None, keepdims)

    return reduction


def _index_add(target: Any, index: tuple[Any, ...], values: Any) -> Any:
    """`target[index] += values` in place, repeated indices adding up."""
    target = np.asarray(target)
    axis = _axis_of_slices(target, index)
    if axis is not None:
        _add_slices(target, axis, index[axis], values)
    elif any(isinstance(item, np.ndarray) for item in index):
        np.add.at(target, index, values)
    else:
        target[index] += values
    return target


def _axis_of_slices(target: Any, index: tuple[Any, ...]) -> int | None:
    """The axis along which an index picks whole slices, where there are enough of them to be worth it."""
    if target.ndim < 2 or len(index) != target.ndim or target.dtype not in (np.float32, np.float64):
        return None
    found = None
    for axis, item in enumerate(index):
        if isinstance(item, np.ndarray) and found is None:
            found = axis
        elif not isinstance(item, slice) or item != slice(0, target.shape[axis], 1):
            return None
    return found if found is not None and index[found].size >= 32 else None


def _add_slices(target: Any, axis: int, places: Any, values: Any) -> None:
    """A product with a sparse selection matrix: an order of magnitude faster than `np.add.at`."""
    size, count = target.shape[axis], places.size
    check_indices(places, size)
    before, after = target.shape[:axis], target.shape[axis + 1 :]
    values = np.broadcast_to(values, (*before, *places.shape, *after)).reshape((*before, count, *after))
    values = np.ascontiguousarray(np.moveaxis(values, axis, 0).reshape(count, -1))
    rows = np.where(places < 0, places + size, places).reshape(-1)
    written: Any = slice(None)
    if 8 * count < size:  # few slices of many: the rest is not touched
        written, rows = np.unique(rows, return_inverse=True)
        size = written.size
    ones = np.ones(count, target.dtype)
    selection = scipy.sparse.csr_array((ones, rows, np.arange(count + 1)), shape=(count, size))
    target = np.moveaxis(target, axis, 0)
    target[written] += (selection.T @ values).reshape((size, *before, *after))


def _put_along_axis_add(target: Any, indices: Any, values: Any, axis: int) -> Any:
    """`target[..., indices, ...] += values` along `axis` in place, repeated indices adding up."""
    grid = list(np.ogrid[tuple(slice(size) for size in indices.shape)])
    grid[axis] = indices
    if not target.flags.c_contiguous:
        np.add.at(target, tuple(grid), values)
        return target
    size = target.shape[axis]
    check_indices(indices, size)
    grid[axis] = np.where(indices < 0, indices + size, indices)
    strides = [stride // target.itemsize for stride in target.strides]
    flat = sum(place * stride for place, stride in zip(grid, strides, strict=True))
    np.add.at(target.reshape(-1), flat.reshape(-1), np.broadcast_to(values, indices.shape).reshape(-1))
    return target


def check_indices(indices: Any, size: int, *, negative: bool = True) -> None:
    """Raise IndexError, naming the first offender, unless all indices lie within an axis of `size`."""
    if indices.size == 0:
        return
    low, high = indices.min(), indices.max()
    if high >= size or low < (-size if negative else 0):
        offender = high if high >= size else low
        raise IndexError(f"index {offender} is out of range for size {size}")


def _per_matrix(function: Any) -> Any:
    """A function of square matrices where those of a stack that it refuses answer NaN, not the whole call."""

    def over_stack(a: Any, *b: Any) -> Any:
        try:
            return function(a, *b)
        except np.linalg.LinAlgError:
            pass
        stacked = [x for x in (a, *b) if x.ndim > 2]
        if not stacked:
            return np.full_like(b[0] if b else a, np.nan)
        lead = np.broadcast_shapes(*(x.shape[:-2] for x in stacked))
        operands = [np.broadcast_to(x, (*lead, *x.shape[-2:])) if x.ndim > 1 else x for x in (a, *b)]
        rows = [over_stack(*(x[place] if x.ndim > 1 else x for x in operands)) for place in np.ndindex(lead)]
        return np.stack(rows).reshape(*lead, *rows[0].shape)

    return over_stack


_lower_factor = _per_matrix(np.linalg.cholesky)


def _cholesky(x: Any, upper: bool) -> Any:
    """The factor of the symmetric part, so that the derivative is that of every element."""
    factor = _lower_factor((x + np.matrix_transpose(x)) / 2)
    return np.matrix_transpose(factor) if upper else factor


def _svd(x: Any) -> Any:
    """The thin singular value decomposition; a matrix that is not finite has the values NaN."""
    sound = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(sound, x, 0), full_matrices=False)
    return u, np.where(sound[..., 0], s, np.nan), vh


def _draw(keys: Any, purpose: str, shape: tuple[int, ...]) -> Any:
    """A draw for each key, the keys' axes first: "uniform" and "normal" in float64, "order" of shape[0]."""

    def one(key: Any) -> Any:
        stream = Stream(int(key), "random", purpose)
        return stream.order(shape[0]) if purpose == "order" else getattr(stream, purpose)(shape)

    dtype = np.int64 if purpose == "order" else np.float64
    drawn = np.empty((keys.size, *shape), dtype)
    for row, key in enumerate(np.asarray(keys).reshape(-1)):
        drawn[row] = one(key)
    return drawn.reshape((*keys.shape, *shape))


def _gamma_quantile(a: Any, p: Any) -> Any:
    """Where the gamma distribution of shape a reaches probability p, from the nearer tail."""
    a, p = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(p, np.float64))
    near = scipy.special.gammaincinv(a, np.minimum(p, 0.5))
    return np.where(p <= 0.5, near, scipy.special.gammainccinv(a, np.minimum(1 - p, 0.5)))


def _gamma_quantile_slope(a: Any, p: Any) -> Any:
    """d/da of the quantile, by a difference of sixth order of its logarithm over steps of 0.3 % of a.

    The logarithm is smooth in log a down to the smallest a. Where the quantile underflows the slope is 0.
    """
    a = np.asarray(a, np.float64)
    step = 3e-3 * a
    total = 0.0
    for place, weight in ((1, 45.0), (2, -9.0), (3, 1.0)):
        ahead, behind = (_gamma_quantile(a + side * place * step, p) for side in (1, -1))
        total = total + weight * (np.log(ahead) - np.log(behind))
    quantile = _gamma_quantile(a, p)
    return np.where(quantile > 0, quantile * total / (60 * step), 0.0)
