"""CuPy's linear algebra: a singular matrix gives what a division by zero gives, not an error."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from cupy._array import wrap

state = threading.local()


def _stacked(a: Any) -> Any:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if a.dtype.name == "float16":
        raise TypeError("float16 is unsupported in linalg")
    return a._host.reshape(-1, *a.shape[-2:])


def _each(function: Any, shape: tuple[int, ...], dtype: Any, *stacks: Any) -> Any:
    answer = np.empty(shape, dtype)
    flat = answer.reshape(-1, *shape[-2:])
    for place, operands in enumerate(zip(*stacks, strict=True)):
        try:
            flat[place] = function(*operands)
        except np.linalg.LinAlgError:
            flat[place] = 1.0
            if flat[place].size:
                flat[place].flat[0] = np.inf
    return wrap(answer)


def inv(a: Any) -> Any:
    return _each(np.linalg.inv, a.shape, a.dtype, _stacked(a))


def solve(a: Any, b: Any) -> Any:
    if b.ndim > 1 and a.shape[:-1] != b.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K)")
    if b.ndim == 1:
        return wrap(solve(a, wrap(b._host[:, None]))._host[..., 0])
    return _each(np.linalg.solve, b.shape, b.dtype, _stacked(a), b._host.reshape(-1, *b.shape[-2:]))


def cholesky(a: Any) -> Any:
    _stacked(a)
    try:
        return wrap(np.linalg.cholesky(a._host))
    except np.linalg.LinAlgError:
        if getattr(state, "linalg", "ignore") == "raise":
            raise
        return wrap(np.tril(a._host))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    return tuple(map(wrap, np.linalg.svd(a._host, full_matrices, compute_uv)))


def slogdet(a: Any) -> Any:
    _stacked(a)
    return tuple(map(wrap, np.linalg.slogdet(a._host)))


def det(a: Any) -> Any:
    _stacked(a)
    return wrap(np.linalg.det(a._host))


def eigh(a: Any) -> Any:
    _stacked(a)
    return tuple(map(wrap, np.linalg.eigh(a._host)))


def qr(a: Any) -> Any:
    return tuple(map(wrap, np.linalg.qr(a._host)))


def _absent(*_: Any, **__: Any) -> Any:
    raise NotImplementedError


matrix_rank = pinv = lstsq = norm = eigvalsh = tensorsolve = tensorinv = matrix_power = _absent
__all__ = ["inv", "solve", "cholesky", "svd", "slogdet", "det", "eigh", "qr", "matrix_rank", "pinv", "lstsq"]
