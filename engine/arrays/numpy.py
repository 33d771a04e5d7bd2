"""The namespace of the CPU: NumPy and SciPy, and the kit over them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, partial
from typing import Any

import array_api_compat.numpy as array_api
import numpy as np
import scipy.sparse
import scipy.special

from engine.arrays.matrices import banded_inverse, cholesky, eigh, expm, lu, per_matrix, qr, svd
from engine.arrays.namespace import BEYOND_THE_STANDARD, SPECIAL, Namespace
from engine.arrays.philox import Stream
from engine.arrays.recurrence import recurrence, running_place
from engine.errors import IndexOutOfRange, UserError

MakeError = Callable[[Any], UserError]
FEW_SLICES = 32  # fewer slices are added one by one: a sparse matrix is not worth its making


@cache
def numpy_namespace() -> Namespace:
    """The namespace of the CPU."""
    standard = {name: getattr(array_api, name) for name in dir(array_api) if not name.startswith("_")}
    special = {name: getattr(scipy.special, name) for name in SPECIAL}
    kit = {
        "index_add": _index_add,
        "put_along_axis_add": _put_along_axis_add,
        **{name: getattr(_Passing, name) for name in vars(_Passing) if not name.startswith("_")},
        "index_put": _index_put,
        "within": within,
        "check_indices": check_indices,
        "watch_indices": _watch_indices,
        "item": _item,
        "where": where,
        "mean": _mean,
        "anywhere": _anywhere,
        "constant": np.array,
        "repeat_each": np.repeat,
        "inv": per_matrix(np.linalg.inv),
        "solve": per_matrix(np.linalg.solve),
        "cholesky": cholesky,
        "complex_of": _complex_of,
        "svd": svd,
        "eigh": eigh,
        "qr": qr,
        "lu": lu,
        "expm": expm,
        "errstate": np.errstate,
        "divmod": np.divmod,
        "draw": draw,
        "banded_inverse": banded_inverse,
        "recurrence": recurrence,
        "running_place": running_place,
        "gamma_quantile": _gamma_quantile,
        "gamma_quantile_slope": _gamma_quantile_slope,
        # array_api_compat's own of these are no ufuncs: they could not write into a buffer
        **{name: getattr(np, name) for name in ("matmul", "floor", "ceil", "trunc", "sign")},
    }
    extra = {name: getattr(np, name) for name in BEYOND_THE_STANDARD}
    reductions = {name: _reduction(ufunc) for name, ufunc in _REDUCTIONS.items()}
    return Namespace(**{**extra, **standard, **special, **reductions, **kit})


class _Passing:
    """What the executors need of a library: its memory, and copies to and from it."""

    on_device = False
    place = "the machine"
    is_ufunc = staticmethod(lambda function: isinstance(function, np.ufunc))
    may_share_memory = np.may_share_memory

    @staticmethod
    def from_host(array: Any) -> Any:
        """The array where kernels read it: it is there."""
        return array

    @staticmethod
    def to_host(x: Any) -> Any:
        """A copy of the caller's own."""
        return np.array(x)

    @staticmethod
    def writable(x: Any, owned: bool) -> Any:
        """An array that may be written; a kernel's 0-d answer may be a scalar, which cannot."""
        return np.asarray(x) if owned else np.array(x, order="C", copy=True)

    @staticmethod
    def answer(value: Any, copied: bool) -> Any:
        """An array of the caller's own: contiguous, writable, sharing nothing.

        What is not `copied` looks at no memory but its kernel's own, and may keep that if it is all of it.
        """
        array = np.asarray(value)
        if copied or not array.flags.carray or not _is_all(array):  # C order, aligned, writable
            return np.array(array, order="C", copy=True)
        return array

    @staticmethod
    def guarding() -> Any:
        """The CPU looks at once: there is nothing to look at in the end."""
        return nullcontext()


def _is_all(array: Any) -> bool:
    """Whether an array holds no more memory than its own elements take."""
    base = array.base
    return base is None or (
        isinstance(base, np.ndarray) and base.base is None and base.nbytes == array.nbytes
    )


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


_sum = _reduction(np.add)
_WORDS = {4: np.int32, 8: np.int64}
_BLOCK = 8_192
_LEAST_MASKED = 32_768  # elements; with fewer, a processor learns the branches of a condition that repeats


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """`np.where`, the bits of x1 or x2; large floating arrays are chosen from without a branch an element.

    On a condition without a pattern the branches of `np.where` cost several times the memory traffic.
    """
    if getattr(condition, "size", 0) < _LEAST_MASKED or not _alike(condition, x1, x2):
        return np.where(condition, x1, x2)
    dtype = np.result_type(x1, x2)
    word = _WORDS[dtype.itemsize]
    bits1, bits2 = (np.asarray(x, dtype).view(word).reshape(-1) for x in (x1, x2))
    holds = condition.view(np.int8).reshape(-1)
    chosen = np.empty(condition.size, word)
    for start in range(0, condition.size, _BLOCK):  # what is made on the way stays in the cache
        block = slice(start, start + _BLOCK)
        one, other = (bits if bits.size == 1 else bits[block] for bits in (bits1, bits2))
        masks = np.negative(holds[block]).astype(word)  # all bits where it holds
        np.bitwise_xor(np.bitwise_and(masks, one ^ other, out=masks), other, out=chosen[block])
    return chosen.view(dtype).reshape(condition.shape)


def _alike(condition: Any, x1: Any, x2: Any) -> bool:
    """Whether both sides are of one floating dtype of 4 or 8 bytes, and as the condition or one number."""
    if type(condition) is not np.ndarray or condition.dtype != np.bool_ or not condition.flags.c_contiguous:
        return False
    dtype = np.result_type(x1, x2)
    if dtype.kind != "f" or dtype.itemsize not in _WORDS:
        return False
    arrays = [x for x in (x1, x2) if isinstance(x, np.ndarray | np.generic)]
    return bool(arrays) and all(
        x.dtype == dtype and (x.shape == () or (x.shape == condition.shape and x.flags.c_contiguous))
        for x in arrays
    )


def _mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """`np.mean` to the bit without its wrapper, which costs more than a small sum."""
    x = np.asarray(x)
    if x.dtype.char in "fd" and x.size > 0:
        total = _sum(x, axis=axis, keepdims=keepdims)
        count = x.size // total.size
        if count < _EXACT:
            divisor = x.dtype.type(count)
            # In place, as the sum is nobody else's; that of everything is a scalar.
            return np.divide(total, divisor, out=total) if isinstance(total, np.ndarray) else total / divisor
    return np.mean(x, axis=axis, keepdims=keepdims)


_EXACT = 1 << 24  # every whole number below is one of float32


def _index_add(target: Any, index: tuple[Any, ...], values: Any) -> Any:
    """`target[index] += values` in place, repeated indices adding up."""
    target = np.asarray(target)
    axis = _axis_of_slices(target, index)
    if axis is not None:
        _add_slices(target, axis, index[axis], values)
    elif any(isinstance(item, np.ndarray) for item in index):
        np.add.at(target, index, values)
    else:
        part = target[index]
        if isinstance(part, np.ndarray):  # a view, to which nothing has to be written back
            np.add(part, values, out=part, casting="same_kind")
        else:
            target[index] += values
    return target


_SPARSE_DTYPES = ("float32", "float64", "complex64", "complex128")


def _axis_of_slices(target: Any, index: tuple[Any, ...]) -> int | None:
    """The axis along which an index picks whole slices, where there are enough of them to be worth it."""
    if target.ndim < 2 or len(index) != target.ndim or target.dtype.name not in _SPARSE_DTYPES:
        return None
    result = None
    for axis, item in enumerate(index):
        if isinstance(item, np.ndarray) and result is None:
            result = axis
        elif not isinstance(item, slice) or item != slice(0, target.shape[axis], 1):
            return None
    return result if result is not None and index[result].size >= FEW_SLICES else None


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


def _index_put(target: Any, index: tuple[Any, ...], values: Any) -> Any:
    """`target[index] = values` in place; of values for one place the last counts."""
    target[index] = values
    return target


def _put_along_axis_add(target: Any, indices: Any, values: Any, axis: int) -> Any:
    """`target[..., indices, ...] += values` along `axis` in place, repeated indices adding up."""
    grid = np.ogrid[tuple(slice(size) for size in indices.shape)]
    if not target.flags.c_contiguous:
        np.add.at(target, (*grid[:axis], indices, *grid[axis + 1 :]), values)
        return target
    size = target.shape[axis]
    check_indices(indices, size)
    flat = np.array(indices, np.int64, order="C")  # places in the flattened target, made where they lie
    np.add(flat, size, out=flat, where=flat < 0)
    strides = [stride // target.itemsize for stride in target.strides]
    flat *= strides[axis]
    for other, (places, stride) in enumerate(zip(grid, strides, strict=True)):
        if other != axis:
            flat += places * stride
    np.add.at(target.reshape(-1), flat.reshape(-1), np.broadcast_to(values, indices.shape).reshape(-1))
    return target


def within(values: Any, low: float, high: float, make_error: MakeError) -> None:
    """Raise what `make_error` makes of an offender unless `low <= values < high` everywhere."""
    if values.size == 0:
        return
    least, most = values.min(), values.max()
    if not (least >= low and most < high):
        raise make_error(most if most >= high else least)


def check_indices(indices: Any, size: int, *, negative: bool = True) -> None:
    """Raise IndexOutOfRange, naming an offender, unless all indices lie within an axis of `size`."""
    within(indices, -size if negative else 0, size, partial(index_error, size))


def index_error(size: int, index: Any) -> IndexOutOfRange:
    """What an index beyond an axis of `size` is refused with."""
    return IndexOutOfRange(
        f"index {index} is out of range for size {size}", hint="an index runs from -size to size - 1"
    )


def _watch_indices(indices: Any, size: int) -> None:
    """NumPy looks at every index as it reads."""


def _item(x: Any) -> Any:
    """The one number of an array, as Python has it."""
    return x.item()


def _anywhere(mask: Any) -> bool:
    """Whether work that a mask selects is worth doing."""
    return bool(np.any(mask))


def _complex_of(real: Any, imag: Any) -> Any:
    """Real + i imag by its parts: a product with i would make NaN of an infinite part."""
    shape = np.broadcast_shapes(np.shape(real), np.shape(imag))
    result = np.empty(shape, np.complex128 if real.dtype == np.float64 else np.complex64)
    result.real, result.imag = real, imag
    return result


def draw(keys: Any, purpose: str, shape: tuple[int, ...]) -> Any:
    """A draw for each key, the keys' axes first: "uniform" and "normal" in float64, "order" of shape[0]."""

    def one(key: Any) -> Any:
        stream = Stream(int(key), "random", purpose)
        return stream.order(shape[0]) if purpose == "order" else getattr(stream, purpose)(shape)

    dtype = np.int64 if purpose == "order" else np.float64
    numbers = np.empty((keys.size, *shape), dtype)
    for row, key in enumerate(np.asarray(keys).reshape(-1)):
        numbers[row] = one(key)
    return numbers.reshape((*keys.shape, *shape))


def _gamma_quantile(a: Any, p: Any) -> Any:
    """Where the gamma distribution of shape a reaches probability p, from the nearer tail."""
    a, p = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(p, np.float64))
    near = scipy.special.gammaincinv(a, np.minimum(p, 0.5))
    return np.where(p <= 0.5, near, scipy.special.gammainccinv(a, np.minimum(1 - p, 0.5)))


def _gamma_quantile_slope(a: Any, p: Any) -> Any:
    """d/da of the quantile."""
    return slope_of_quantile(np, _gamma_quantile, np.asarray(a, np.float64), p)


def slope_of_quantile(library: Any, quantile_of: Callable[[Any, Any], Any], a: Any, p: Any) -> Any:
    """d/da by a difference of sixth order of the quantile's logarithm over steps of 0.3 % of a.

    The logarithm is smooth in log a down to the smallest a. Where the quantile underflows the slope is 0.
    """
    step = 3e-3 * a
    total = 0.0
    for place, weight in ((1, 45.0), (2, -9.0), (3, 1.0)):
        ahead, behind = (quantile_of(a + side * place * step, p) for side in (1, -1))
        total = total + weight * (library.log(ahead) - library.log(behind))
    quantile = quantile_of(a, p)
    return library.where(quantile > 0, quantile * total / (60 * step), 0.0)
