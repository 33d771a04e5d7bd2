"""The namespace of a CUDA device: CuPy and a kit with the same arguments as the CPU's.

Everything here runs in the current device's current stream and waits for nothing, with these exceptions,
which the page of devices lists: `item` (a loop's condition, a branch) waits for one number; `cholesky` for
one status; `draw`, `spherical_jn`, `banded_inverse`, `lu` and `expm` are computed on the host, from operands
brought there and answers brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache, partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from engine.arrays import guard, matrices, numpy
from engine.arrays.namespace import BEYOND_THE_STANDARD, SPECIAL, Namespace
from engine.arrays.recurrence import doubled, doubled_place
from engine.arrays.scattering import Scattering

#: Functions of the kit that go through the host, both ways.
ON_HOST = ("draw", "spherical_jn", "banded_inverse", "lu", "expm")
_CUMULATIVE = ("cumulative_sum", "cumulative_prod")
_REDUCTIONS = ("sum", "prod", "max", "min", "any", "all", "mean")
_KEPT_CONSTANTS = 1024


@cache
def cupy_namespace() -> Namespace:
    """The namespace of the current CUDA device. CuPy is imported here and needs no device for that."""
    standard_namespace = import_module("array_api_compat.cupy")
    library, cupyx = import_module("cupy"), import_module("cupyx")
    special = import_module("cupyx.scipy.special")
    standard = {
        name: getattr(standard_namespace, name)
        for name in dir(standard_namespace)
        if not name.startswith("_")
    }
    extra = {name: getattr(library, name) for name in BEYOND_THE_STANDARD}
    functions = {name: getattr(special, name) for name in SPECIAL if name not in ON_HOST}
    reductions = {name: _reduction(getattr(library, name), name) for name in _REDUCTIONS}
    kit = _Kit(library, standard_namespace, cupyx, special)
    scattering = Scattering(library, cupyx)
    own = {name: getattr(kit, name) for name in vars(_Kit) if not name.startswith("_")}
    own |= {name: getattr(scattering, name) for name in vars(Scattering) if not name.startswith("_")}
    # array_api_compat's own matmul is no universal function: it could not write into a buffer
    own |= {name: _unless_empty(getattr(standard_namespace, name)) for name in _CUMULATIVE}
    own |= {name: getattr(library, name) for name in ("matmul", "divmod", "floor", "ceil", "trunc")}
    linalg = standard_namespace.linalg
    parts = SimpleNamespace(det=linalg.det, slogdet=linalg.slogdet, diagonal=linalg.diagonal)
    return Namespace(**{**extra, **standard, **functions, **reductions, **own, "linalg": parts})


def _reduction(reduce: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The reduction with the CPU's arguments; CuPy takes a dtype for sums, products and means alone."""
    logical = name in ("any", "all")

    def reduction(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if axis == ():  # over no axis: each element for itself
            return x.astype(bool if logical else dtype or x.dtype)
        return reduce(x, axis=axis, keepdims=keepdims, **({} if dtype is None else {"dtype": dtype}))

    return reduction


def _unless_empty(function: Callable[..., Any]) -> Callable[..., Any]:
    """The cumulative function, where there is something to go through."""

    def cumulative(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        if x.size == 0 and not include_initial:
            return x.astype(dtype or x.dtype)
        return function(x, axis=axis, dtype=dtype, include_initial=include_initial)

    return cumulative


class _Kit:
    """The functions beyond the standard, with the arguments of `engine.arrays.numpy`."""

    def __init__(self, library: Any, standard: Any, cupyx: Any, special: Any) -> None:
        self._cp, self._cupyx, self._special = library, cupyx, special
        self._argsort = standard.argsort
        self._constants: dict[tuple[Any, ...], Any] = {}

    on_device = True
    place = "the device"

    # -- what the executors ask -----------------------------------------------------------------------

    def is_ufunc(self, function: Any) -> bool:
        """Whether it writes into an array given as `out`."""
        return isinstance(function, self._cp.ufunc | type(self._cp.matmul))

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Whether two arrays' bytes may overlap, by their bounds alone."""
        return bool(self._cp.may_share_memory(a, b))

    def from_host(self, array: Any) -> Any:
        """The array on the device: brought there, unless it is."""
        return self._cp.asarray(array)

    def to_host(self, x: Any) -> Any:
        """The array as NumPy has it; waits for it."""
        return x.get()

    def writable(self, x: Any, owned: bool) -> Any:
        """An array that may be written."""
        return x if owned else x.copy()

    def answer(self, value: Any, copied: bool) -> Any:
        """An array that nothing else is written through."""
        return value.copy() if copied else value

    def guarding(self) -> Any:
        """Looks in the end at what kernels noted."""
        return guard.guarding(self._cp)

    # -- between host and device ----------------------------------------------------------------------

    def item(self, x: Any) -> Any:
        """The one number of an array, as Python has it; waits for it."""
        return x.get().item()

    def constant(self, values: Any, dtype: Any) -> Any:
        """An array of fixed numbers; brought to the device once and kept there."""
        numbers = np.array(values, dtype)
        key = (self._cp.cuda.Device().id, numbers.dtype.str, numbers.shape, numbers.tobytes())
        cached = self._constants.get(key)
        if cached is None:
            if len(self._constants) >= _KEPT_CONSTANTS:
                self._constants.clear()
            cached = self._constants[key] = self._cp.asarray(numbers)
        return cached

    def errstate(self, **_: Any) -> Any:
        """A device reports no floating-point conditions."""
        return nullcontext()

    # -- looks that would be waits --------------------------------------------------------------------

    def within(self, values: Any, low: float, high: float, make_error: numpy.MakeError) -> None:
        """Note that `low <= values < high` everywhere; the run looks before it answers."""
        guard.note(self._cp, values, low, high, make_error)

    def check_indices(self, indices: Any, size: int, *, negative: bool = True) -> None:
        """Note that all indices lie within an axis of `size`."""
        self.within(indices, -size if negative else 0, size, partial(numpy.index_error, size))

    def watch_indices(self, indices: Any, size: int) -> None:
        """The same: CuPy does not look at the indices it reads by."""
        self.check_indices(indices, size)

    def anywhere(self, mask: Any) -> bool:
        """Whether work that a mask selects is worth doing: it is done, as asking would be a wait."""
        return True

    # -- moving ---------------------------------------------------------------------------------------

    def repeat_each(self, x: Any, repeats: Sequence[int], axis: int | None) -> Any:
        """Each slice as many times as its own count says."""
        if axis is None:
            x, axis = x.reshape(-1), 0
        return x.take(self.constant(np.repeat(np.arange(len(repeats)), repeats), np.int64), axis=axis)

    def sort(self, x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
        """In order along an axis, NaN last; CuPy's sort is stable."""
        if x.size == 0:
            return x.copy()
        y = self._cp.sort(x, axis=axis)
        return self._cp.flip(y, axis=axis) if descending else y

    def argsort(self, x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
        """The places of the elements in order."""
        if x.size == 0:
            return self._cp.zeros(x.shape, np.int64)
        return self._argsort(x, axis=axis, descending=descending, stable=stable)

    def sign(self, x: Any, /) -> Any:
        """-1, 0 or 1, x / |x| of a complex number, and NaN for NaN, which CuPy's own does not pass on."""
        if x.dtype.kind == "c":
            return self._cp.where(x == 0, x, x / self._cp.abs(x))
        y = self._cp.sign(x)
        return self._cp.where(self._cp.isnan(x), x, y) if x.dtype.kind == "f" else y

    # -- linear algebra that answers NaN where there is no answer -------------------------------------

    def inv(self, a: Any) -> Any:
        """The inverse; NaN for a singular matrix."""
        return self._sound(self._cp.linalg.inv(a), a)

    def solve(self, a: Any, b: Any) -> Any:
        """The solution x of a x = b, of stacks of matrices too; NaN where a is singular."""
        columns = b[:, None] if b.ndim == 1 else b
        lead = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])  # CuPy broadcasts no stacks
        a = self._cp.broadcast_to(a, (*lead, *a.shape[-2:]))
        columns = self._cp.broadcast_to(columns, (*lead, *columns.shape[-2:]))
        x = self._sound(self._cp.linalg.solve(a, columns), a, columns)
        return x[..., 0] if b.ndim == 1 else x

    def _sound(self, answer: Any, *operands: Any) -> Any:
        """NaN for the whole of an answer that a zero pivot went into, which shows as a value not finite."""
        finite = self._cp.isfinite(answer).all(axis=(-2, -1), keepdims=True)
        for x in operands:  # what was not finite before stays as it came out
            finite = finite | ~self._cp.isfinite(x).all(axis=(-2, -1), keepdims=True)
        return self._cp.where(finite, answer, np.nan).astype(answer.dtype, copy=False)

    def cholesky(self, x: Any, upper: bool) -> Any:
        """The factor of the symmetric part; NaN for a matrix that has none, which waits for a status."""
        factor = self._factors((x + self._cp.swapaxes(x, -1, -2).conj()) / 2)
        return self._cp.swapaxes(factor, -1, -2).conj() if upper else factor

    def complex_of(self, real: Any, imag: Any) -> Any:
        """Real + i imag by its parts."""
        shape = np.broadcast_shapes(real.shape, imag.shape)
        result = self._cp.empty(shape, np.complex128 if real.dtype == np.float64 else np.complex64)
        result.real, result.imag = real, imag
        return result

    def _factors(self, x: Any) -> Any:
        if x.size == 0:
            return x.copy()
        try:
            with self._cupyx.errstate(linalg="raise"):
                return self._cp.linalg.cholesky(x)
        except np.linalg.LinAlgError:
            pass
        if x.ndim == 2:
            return self._cp.full_like(x, np.nan)
        rows = [self._factors(x[place]) for place in range(x.shape[0])]
        return self._cp.stack(rows)

    def svd(self, x: Any) -> Any:
        """The thin singular value decomposition; a matrix that is not finite has the values NaN."""
        sound = self._cp.isfinite(x).all(axis=(-2, -1), keepdims=True)
        u, s, vh = self._cp.linalg.svd(self._cp.where(sound, x, 0), full_matrices=False)
        return u, self._cp.where(sound[..., 0], s, np.nan).astype(s.dtype, copy=False), vh

    def eigh(self, x: Any) -> Any:
        """Eigenvalues and eigenvectors; a matrix that is not finite has the values NaN."""
        sound = self._cp.isfinite(x).all(axis=(-2, -1), keepdims=True)
        w, v = self._cp.linalg.eigh(self._cp.where(sound, x, 0))
        return self._cp.where(sound[..., 0], w, np.nan).astype(w.dtype, copy=False), v

    def qr(self, x: Any) -> Any:
        """The thin factors."""
        q, r = self._cp.linalg.qr(x)
        return q, r

    def lu(self, x: Any) -> Any:
        """Permutation and factors, computed on the host."""
        return tuple(map(self._cp.asarray, numpy.numpy_namespace().lu(x.get())))

    def expm(self, x: Any) -> Any:
        """The exponential, computed on the host."""
        return self._cp.asarray(numpy.numpy_namespace().expm(x.get()))

    def recurrence(self, a: Any, b: Any, axis: int, *, reverse: bool = False) -> Any:
        """s_i = b_i + a_i s_{i-1} along an axis of 0 or more, or the same from the end."""
        return doubled(self._cp, a, b, axis, reverse=reverse)

    def running_place(self, x: Any, axis: int, largest: bool = True) -> Any:
        """The place of the largest element up to each along an axis of 0 or more."""
        return doubled_place(self._cp, x, axis, largest)

    def banded_inverse(self, diagonals: Any, bandwidth: int) -> Any:
        """Division by a band matrix, factorised and divided on the host."""
        divide = matrices.banded_inverse(diagonals.get(), bandwidth)
        return lambda right: self._cp.asarray(divide(right.get()))

    # -- draws and distributions ----------------------------------------------------------------------

    def draw(self, keys: Any, purpose: str, shape: tuple[int, ...]) -> Any:
        """A draw for each key: made on the host and brought here, so that the bits are those of the CPU."""
        return self._cp.asarray(numpy.draw(keys.get(), purpose, shape))

    def spherical_jn(self, order: int, x: Any) -> Any:
        """The spherical Bessel function, which CuPy has not: computed on the host."""
        return self._cp.asarray(np.asarray(numpy.numpy_namespace().spherical_jn(order, x.get())))

    def gamma_quantile(self, a: Any, p: Any) -> Any:
        """Where the gamma distribution of shape a reaches probability p, from the nearer tail."""
        a, p = self._cp.broadcast_arrays(a.astype(np.float64), p.astype(np.float64))
        near = self._special.gammaincinv(a, self._cp.minimum(p, 0.5))
        return self._cp.where(p <= 0.5, near, self._special.gammainccinv(a, self._cp.minimum(1 - p, 0.5)))

    def gamma_quantile_slope(self, a: Any, p: Any) -> Any:
        """d/da of the quantile, by the CPU's difference of sixth order."""
        return numpy.slope_of_quantile(self._cp, self.gamma_quantile, a.astype(np.float64), p)
