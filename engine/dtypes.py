"""Dtypes by name, and how they promote.

The names are those of the array API standard. Promotion is the standard's too, with two documented
deviations: an integer meeting a floating dtype gives the floating dtype (int64 with float32 gives
float32), and a floating function of integers gives float64. Weak types are those of bare scalars:
they take the dtype of whatever typed tensor they meet, and only raise its kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

BOOL = "bool"
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
FLOATING = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
INTEGER = SIGNED + UNSIGNED
ALL = (BOOL, *INTEGER, *FLOATING, *COMPLEX)

DEFAULT = "float64"

ITEMSIZE = {
    "bool": 1,
    **{name: int(name.lstrip("uint")) // 8 for name in INTEGER},
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}


@cache
def name_of(dtype: Any) -> str:
    """The name of an array's dtype; NumPy puts it together anew each time it is asked."""
    return str(dtype.name)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Everything about a tensor that is known before a number is computed."""

    shape: tuple[int, ...]
    dtype: str = DEFAULT
    weak: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, stored densely."""
        return prod(self.shape) * ITEMSIZE[self.dtype]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def is_floating(dtype: str) -> bool:
    """Real floating point."""
    return dtype in FLOATING


def is_complex(dtype: str) -> bool:
    """Complex floating point."""
    return dtype in COMPLEX


def is_inexact(dtype: str) -> bool:
    """Real or complex floating point: the dtypes that carry gradients."""
    return dtype in FLOATING or dtype in COMPLEX


def is_integer(dtype: str) -> bool:
    """Signed or unsigned integer; not bool."""
    return dtype in INTEGER


def kind(dtype: str) -> int:
    """Rank of the kind: 0 bool, 1 integer, 2 floating, 3 complex."""
    if dtype == BOOL:
        return 0
    if dtype in INTEGER:
        return 1
    return 2 if dtype in FLOATING else 3


@cache
def promote(a: str, b: str) -> str:
    """The dtype of two typed tensors together. uint64 with a signed integer gives float64, as in NumPy."""
    if a == b:
        return a
    if kind(a) > kind(b):
        a, b = b, a
    low, high = kind(a), kind(b)
    if low == high:
        return _within_kind(a, b)
    if high == 3 and low == 2:
        return "complex128" if a == "float64" else b
    return b  # bool or integer with integer, floating or complex: the higher kind wins


def _within_kind(a: str, b: str) -> str:
    wide = a if ITEMSIZE[a] >= ITEMSIZE[b] else b
    if kind(a) != 1 or (a in SIGNED) == (b in SIGNED):
        return wide
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    if ITEMSIZE[signed] > ITEMSIZE[unsigned]:
        return signed
    return {1: "int16", 2: "int32", 4: "int64", 8: "float64"}[ITEMSIZE[unsigned]]


_WEAK_DEFAULT = {0: BOOL, 1: "int64", 2: "float64", 3: "complex128"}


def result_type(types: Iterable[TensorType]) -> tuple[str, bool]:
    """The common dtype of `types` and whether it is weak: only typed tensors promote.

    A weak type raises the kind (a bare 0.5 with int64 gives float64) and never the width
    (a bare 0.5 with float32 gives float32).
    """
    typed: str | None = None
    weak: str | None = None
    for tensor in types:
        if tensor.weak:
            weak = tensor.dtype if weak is None else promote(weak, tensor.dtype)
        else:
            typed = tensor.dtype if typed is None else promote(typed, tensor.dtype)
    if typed is None:
        assert weak is not None, "result_type of nothing"
        return weak, True
    if weak is None or kind(weak) <= kind(typed):
        return typed, False
    if kind(weak) == 3 and typed in FLOATING:
        return ("complex128" if typed == "float64" else "complex64"), False
    return _WEAK_DEFAULT[kind(weak)], False


def as_floating(dtype: str) -> str:
    """The dtype in which a floating function of `dtype` is computed: itself, or float64."""
    return dtype if is_inexact(dtype) else DEFAULT


def real_of(dtype: str) -> str:
    """The dtype of the real part."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype, dtype)


def complex_of(dtype: str) -> str:
    """The complex dtype that holds a floating dtype: itself, complex64 up to 32 bits, else complex128."""
    return dtype if dtype in COMPLEX else "complex128" if dtype == "float64" else "complex64"


def in_precision(own: str, dtype: str) -> str:
    """What becomes of `own` where floating tensors are computed in `dtype`: complex ones stay complex."""
    if own in FLOATING:
        return dtype
    return complex_of(dtype) if own in COMPLEX else own


def names(dtypes: Sequence[str]) -> str:
    """A list for an error message."""
    return ", ".join(dtypes)
