"""A stand-in for CuPy that needs no device: its arrays are NumPy's, and behave as CuPy's do.

Where CuPy is stricter than NumPy, or different, so is this: 0-d results stay arrays, host arrays among
operands are refused, out-of-bounds indices wrap around, loops are CuPy's own, memory comes from a pool with
a limit. Where CuPy would wait for the device without being asked (`float(x)`, `if x:`), this refuses. The
names here are a part of CuPy's, which a test holds against the real one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import (  # noqa: F401
    bool_,
    broadcast_shapes,
    can_cast,
    complex64,
    complex128,
    complexfloating,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    floating,
    iinfo,
    inf,
    int8,
    int16,
    int32,
    int64,
    integer,
    intp,
    isscalar,
    issubdtype,
    nan,
    newaxis,
    number,
    promote_types,
    result_type,
    signedinteger,
    uint8,
    uint16,
    uint32,
    uint64,
    unsignedinteger,
)  # fmt: skip

from cupy import cuda, fft, linalg  # noqa: F401
from cupy._array import UFUNCS, ndarray, ufunc, wrap  # noqa: F401
from cupy._functions import FUNCTIONS
from cupy.cuda import counts

globals().update(UFUNCS)
globals().update(FUNCTIONS)
globals().update({"abs": UFUNCS["absolute"], "conj": UFUNCS["conjugate"], "round": FUNCTIONS["around"]})


class _GUFunc:
    """matmul, which takes `out` as universal functions do."""

    def __call__(self, a: Any, b: Any, *, out: Any = None) -> Any:
        if not isinstance(a, ndarray) or not isinstance(b, ndarray):
            raise TypeError("matmul takes device arrays")
        answer = np.matmul(a._host, b._host)
        if out is None:
            return wrap(answer)
        if out.shape != answer.shape:
            raise ValueError("Output operand 0 has invalid shape")
        out._host[...] = answer
        return out


matmul = _GUFunc()


def _product(self: ndarray, other: ndarray) -> ndarray:
    return matmul(self, other)


ndarray.__matmul__ = _product


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    return a.get(stream, order) if isinstance(a, ndarray) else np.asarray(a, order=order)


def array(obj: Any, dtype: Any = None, copy: bool = True, **_: Any) -> ndarray:  # noqa: F811
    if isinstance(obj, ndarray):
        if not copy and dtype in (None, obj.dtype):
            return obj
        return obj.astype(dtype or obj.dtype)
    counts["uploads"] += 1
    return wrap(np.array(obj, dtype))


def asarray(a: Any, dtype: Any = None, **_: Any) -> ndarray:  # noqa: F811
    return array(a, dtype, copy=False)


__all__ = [
    name for name in globals() if not name.startswith("_") and name not in ("annotations", "np", "Any")
]
