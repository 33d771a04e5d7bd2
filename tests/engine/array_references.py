"""NumPy's and SciPy's functions for differences, statistics, searches, segments and running extrema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.fft
import scipy.integrate
import scipy.linalg
import scipy.signal

Reference = Callable[..., Any]


def axes(axis: Any) -> Any:
    """An axis attribute as NumPy takes it."""
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def floating(x: Any) -> Any:
    """Integers and booleans as float64."""
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def reduces(function: Callable[..., Any]) -> Reference:
    return lambda x, *, axis, keepdims: function(x, axis=axes(axis), keepdims=keepdims)


def deviates(function: Callable[..., Any]) -> Reference:
    def reference(x: Any, *, axis: Any, keepdims: bool, correction: float, ddof: float | None) -> Any:
        return function(x, axis=axes(axis), keepdims=keepdims, ddof=correction if ddof is None else ddof)

    return reference


def trapezoid(y: Any, *x: Any, dx: float, axis: int) -> Any:
    return np.trapezoid(floating(y), *map(floating, x), dx=dx, axis=axis)


def cumulative_trapezoid(y: Any, *x: Any, dx: float, axis: int, initial: float | None) -> Any:
    return scipy.integrate.cumulative_trapezoid(
        floating(y), *map(floating, x), dx=dx, axis=axis, initial=initial
    )


def central_differences(y: Any, *x: Any, spacing: float, axis: int, edge_order: int) -> Any:
    """NumPy's for each line, as it takes no points for each."""
    y = floating(y)
    if not x or x[0].ndim == 1:
        return np.gradient(y, *(x or (spacing,)), axis=axis, edge_order=edge_order)
    lines = [np.moveaxis(v, axis, -1) for v in (y, x[0])]
    rows = [
        np.gradient(lines[0][place], lines[1][place], edge_order=edge_order)
        for place in np.ndindex(lines[0].shape[:-1])
    ]
    return np.moveaxis(np.reshape(rows, lines[0].shape), -1, axis)


def average(x: Any, *weights: Any, axis: Any, keepdims: bool) -> Any:
    w = weights[0] if weights else None
    return np.average(floating(x), axis=axes(axis), weights=w, keepdims=keepdims)


def cov(x: Any, *y: Any, rowvar: bool, correction: float, ddof: float | None) -> Any:
    free = correction if ddof is None else ddof
    observations = x.size if x.ndim < 2 else x.shape[int(rowvar)]
    divisor = observations - free  # NumPy's own takes whole numbers alone
    return np.cov(x, *y, rowvar=rowvar, ddof=0) * (observations / divisor if divisor > 0 else np.nan)


def running(ufunc: Any) -> Reference:
    def reference(x: Any, *, axis: int | None) -> Any:
        return ufunc.accumulate(x.reshape(-1) if axis is None else x, axis=axis or 0)

    return reference


def bincount(x: Any, *weights: Any, length: int) -> Any:
    if x.size and x.max() >= length:
        raise ValueError("beyond the bins")
    return np.bincount(x, *weights, minlength=length)


def histogram(x: Any, *weights: Any, bins: int, low: Any, high: Any, density: bool) -> Any:
    span = None if low is None else (low, high)
    w = weights[0] if weights else None
    return np.histogram(floating(x), bins, span, density=density, weights=w)


def segments(ufunc: Any, start: float) -> Reference:
    """Row by row; for extrema `fill_value` where there is no row."""

    def reference(x: Any, segment_ids: Any, *, num_segments: int, fill_value: float | None = None) -> Any:
        y = np.full((num_segments, *x.shape[1:]), start, x.dtype)
        ufunc.at(y, segment_ids, x)
        if fill_value is not None:
            y[np.bincount(segment_ids, minlength=num_segments) == 0] = fill_value
        return y

    return reference


def segment_mean(x: Any, segment_ids: Any, *, num_segments: int) -> Any:
    total = segments(np.add, 0)(x, segment_ids, num_segments=num_segments)
    counts = np.maximum(np.bincount(segment_ids, minlength=num_segments), 1).astype(x.dtype)
    return total / counts.reshape(-1, *(1,) * (x.ndim - 1))


def put_along_axis(x: Any, indices: Any, values: Any, *, axis: int) -> Any:
    y = np.array(x, np.result_type(x, values))
    np.put_along_axis(y, indices, values, axis)
    return y


def interp(x: Any, xp: Any, fp: Any, *, left: Any, right: Any) -> Any:
    return np.interp(x, xp, fp, left, right).astype(np.result_type(*map(floating, (x, xp, fp))))


def _hermitian(x: Any) -> Any:
    return (floating(x) + np.conj(np.matrix_transpose(x))) / 2


def _signed(v: Any) -> Any:
    """The vectors with their largest elements positive, and what they were multiplied by."""
    place = np.argmax(np.abs(v), axis=-2, keepdims=True)
    pivot = np.take_along_axis(v, place, axis=-2)
    phase = np.conj(pivot) / np.abs(pivot)
    return v * phase, phase


def eigh(x: Any) -> Any:
    w, v = np.linalg.eigh(_hermitian(x))
    return w, _signed(v)[0]


def svd(x: Any) -> Any:
    u, s, vh = np.linalg.svd(floating(x), full_matrices=False)
    u, phase = _signed(u)
    return u, s, np.conj(np.matrix_transpose(phase)) * vh


def lu(x: Any) -> Any:
    return tuple(np.asarray(part, floating(x).dtype) for part in scipy.linalg.lu(floating(x)))


def rtol_of(x: Any, rtol: float | None) -> float:
    return float(max(x.shape[-2:]) * np.finfo(floating(x).dtype).eps) if rtol is None else rtol


def lstsq(a: Any, b: Any, *, rtol: float | None) -> Any:
    """Matrix by matrix, as NumPy takes no stacks."""
    a, b = floating(a), floating(b)
    if a.ndim == 2:
        return np.linalg.pinv(a, rtol=rtol_of(a, rtol)) @ b  # LAPACK's own takes no share of 1 and more
    return np.stack([lstsq(one, other, rtol=rtol) for one, other in zip(a, b, strict=True)])


def solve_triangular(a: Any, b: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    return scipy.linalg.solve_triangular(floating(a), floating(b), lower=lower, unit_diagonal=unit_diagonal)


def cholesky_solve(b: Any, factor: Any, *, upper: bool) -> Any:
    triangle = np.triu(factor) if upper else np.tril(factor)
    turned = np.conj(np.matrix_transpose(triangle))
    return np.linalg.solve(turned @ triangle if upper else triangle @ turned, b)


def matrix_norm(x: Any, *, ord: Any, keepdims: bool) -> Any:
    return np.linalg.norm(floating(x), ord, (-2, -1), keepdims)


MATRIX_REFERENCES: Mapping[str, Reference] = {
    "eigh": eigh,
    "eigvalsh": lambda x: np.linalg.eigvalsh(_hermitian(x)),
    "svd": svd,
    "svdvals": lambda x: np.linalg.svdvals(floating(x)),
    "qr": lambda x: tuple(np.linalg.qr(floating(x))),
    "lu": lu,
    "expm": lambda x: scipy.linalg.expm(floating(x)),
    "pinv": lambda x, *, rtol: np.linalg.pinv(floating(x), rtol=rtol_of(x, rtol)),
    "lstsq": lstsq,
    "matrix_rank": lambda x, *, rtol: np.linalg.matrix_rank(floating(x), rtol=rtol_of(x, rtol)),
    "condition_number": lambda x, *, p: np.linalg.cond(floating(x), p),
    "matrix_norm": matrix_norm,
    "solve_triangular": solve_triangular,
    "cholesky_solve": cholesky_solve,
    "block_diag": scipy.linalg.block_diag,
}


def _fourier(name: str) -> Reference:
    function = getattr(np.fft, name)

    def reference(x: Any, **settings: Any) -> Any:
        if "axes" in settings and settings["axes"] is None and settings["s"] is not None:
            settings["axes"] = tuple(range(-len(settings["s"]), 0))
        return function(floating(x), **settings)

    return reference


def _cosines(name: str) -> Reference:
    return lambda x, **settings: getattr(scipy.fft, name)(floating(x), **settings)


def fftconvolve(x1: Any, x2: Any, *, mode: str) -> Any:
    return scipy.signal.fftconvolve(floating(x1), floating(x2), mode)


_ALONG = "fft ifft rfft irfft hfft ihfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn"
FOURIER_REFERENCES: Mapping[str, Reference] = {
    **{name: _fourier(name) for name in _ALONG.split()},
    **{name: _cosines(name) for name in ("dct", "idct", "dst", "idst")},
    "fftfreq": lambda *, n, d, dtype: np.fft.fftfreq(n, d).astype(dtype),
    "rfftfreq": lambda *, n, d, dtype: np.fft.rfftfreq(n, d).astype(dtype),
    "fftshift": lambda x, *, axes: np.fft.fftshift(x, axes),
    "ifftshift": lambda x, *, axes: np.fft.ifftshift(x, axes),
    "convolve": lambda x1, x2, *, mode: np.convolve(floating(x1), floating(x2), mode),
    "correlate": lambda x1, x2, *, mode: np.correlate(floating(x1), floating(x2), mode),
    "fftconvolve": fftconvolve,
}

ARRAY_REFERENCES: Mapping[str, Reference] = {
    "diff": lambda x, *, n, axis: np.diff(x, n, axis),
    "trapezoid": trapezoid,
    "cumulative_trapezoid": cumulative_trapezoid,
    "central_differences": central_differences,
    "nansum": reduces(np.nansum),
    "nanprod": reduces(np.nanprod),
    "nanmax": reduces(np.nanmax),
    "nanmin": reduces(np.nanmin),
    "nanmean": reduces(np.nanmean),
    "nanmedian": reduces(np.nanmedian),
    "nanvar": deviates(np.nanvar),
    "nanstd": deviates(np.nanstd),
    "nanquantile": lambda x, *, q, axis, keepdims: np.nanquantile(x, q, axis=axes(axis), keepdims=keepdims),
    "nancumsum": lambda x, *, axis: np.nancumsum(x, axis),
    "nancumprod": lambda x, *, axis: np.nancumprod(x, axis),
    "nan_to_num": lambda x, *, nan, posinf, neginf: np.nan_to_num(x, True, nan, posinf, neginf),
    "average": average,
    "cov": cov,
    "corrcoef": lambda x, *y, rowvar: np.corrcoef(x, *y, rowvar=rowvar),
    "cumulative_max": running(np.maximum),
    "cumulative_min": running(np.minimum),
    "cumulative_logsumexp": lambda x, *, axis: running(np.logaddexp)(floating(x), axis=axis),
    "searchsorted": lambda a, v, *, side: np.searchsorted(a, v, side),
    "digitize": lambda x, bins, *, right: np.digitize(x, bins, right),
    "interp": interp,
    "bincount": bincount,
    "histogram": histogram,
    "segment_sum": segments(np.add, 0),
    "segment_mean": lambda x, segment_ids, *, num_segments: segment_mean(
        floating(x), segment_ids, num_segments=num_segments
    ),
    "segment_max": lambda x, segment_ids, **settings: segments(np.maximum, -np.inf)(
        floating(x), segment_ids, **settings
    ),
    "segment_min": lambda x, segment_ids, **settings: segments(np.minimum, np.inf)(
        floating(x), segment_ids, **settings
    ),
    "put_along_axis": put_along_axis,
    **MATRIX_REFERENCES,
    **FOURIER_REFERENCES,
}
