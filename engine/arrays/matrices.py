"""Linear algebra of the CPU: what LAPACK refuses is NaN, and no whole stack is lost with one matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg


def per_matrix(function: Any) -> Any:
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


_lower_factor = per_matrix(np.linalg.cholesky)


def cholesky(x: Any, upper: bool) -> Any:
    """The factor of the Hermitian part, so that the derivative is that of every element."""
    factor = _lower_factor((x + _adjoint(x)) / 2)
    return _adjoint(factor) if upper else factor


def _adjoint(x: Any) -> Any:
    turned = np.matrix_transpose(x)
    return np.conj(turned) if turned.dtype.kind == "c" else turned


def svd(x: Any) -> Any:
    """The thin singular value decomposition; a matrix that is not finite has the values NaN."""
    sound = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(sound, x, 0), full_matrices=False)
    return u, np.where(sound[..., 0], s, np.nan), vh


def eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors; a matrix that is not finite has the values NaN."""
    sound = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    w, v = np.linalg.eigh(np.where(sound, x, 0))
    return np.where(sound[..., 0], w, np.nan), v


def qr(x: Any) -> tuple[Any, Any]:
    """The thin factors."""
    q, r = np.linalg.qr(x)
    return q, r


def _lapack(x: Any) -> None:
    """Raise TypeError for a dtype that LAPACK has not, as NumPy does; SciPy fails on some alone."""
    if x.dtype.char not in "fdFD":
        raise TypeError(f"array type {x.dtype} is unsupported in linalg")


def expm(x: Any) -> Any:
    """The exponential of each matrix; NaN for one that is not finite."""
    _lapack(x)
    sound = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    if not x.size:
        return x.copy()
    return np.where(sound, scipy.linalg.expm(np.where(sound, x, 0)), np.nan).astype(x.dtype, copy=False)


def lu(x: Any) -> tuple[Any, Any, Any]:
    """Permutation and factors; NaN in the triangles for a matrix that is not finite."""
    _lapack(x)
    sound = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    if not x.size:
        return x.copy(), x.copy(), x.copy()
    p, lower, upper = scipy.linalg.lu(np.where(sound, x, 0))
    return p.astype(x.dtype), np.where(sound, lower, np.nan), np.where(sound, upper, np.nan)


def banded_inverse(diagonals: Any, bandwidth: int) -> Any:
    """Division by a band matrix, factorised once: row d of `diagonals` holds A[j + d - bandwidth, j] at j.

    By a singular matrix it answers values that are not finite.
    """
    routines: Any = scipy.linalg.lapack.get_lapack_funcs(("gbtrf", "gbtrs"), (diagonals,))
    factorise, divide = routines
    room = np.concatenate([np.zeros((bandwidth, diagonals.shape[1]), diagonals.dtype), diagonals])
    factors, pivots, _ = factorise(room, bandwidth, bandwidth)

    def inverse(right: Any) -> Any:
        return divide(factors, bandwidth, bandwidth, right, pivots)[0]

    return inverse
