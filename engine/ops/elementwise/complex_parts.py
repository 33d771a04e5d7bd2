"""The parts of complex numbers; on real numbers the identity, zero, and the sign.

Derivatives with respect to complex inputs are refused by the walk as not implemented.
"""

from __future__ import annotations

from typing import Any

from engine.families import elementwise
from engine.op import F


def _real(m: Any, x: Any) -> Any:
    return m.real(x) if m.isdtype(x.dtype, "complex floating") else x


def _imag(m: Any, x: Any) -> Any:
    # a copy: NumPy's answer would look at the memory of x, which may be reused
    return m.asarray(m.imag(x), copy=True) if m.isdtype(x.dtype, "complex floating") else m.zeros_like(x)


def _angle(m: Any, x: Any) -> Any:
    if m.isdtype(x.dtype, "complex floating"):
        return m.atan2(m.imag(x), m.real(x))
    return m.atan2(m.zeros_like(x), x)


real = elementwise(
    "real",
    summary="The real part; of a real number, itself.",
    forward=_real,
    output="real",
    kinds="numeric",
    vjp=lambda g, y, x: g,
    linear_in=frozenset({0}),
    flops=0,
    view=True,
)

imag = elementwise(
    "imag",
    summary="The imaginary part; of a real number, 0.",
    forward=_imag,
    output="real",
    kinds="numeric",
    vjp=lambda g, y, x: F.zeros_like(g),
    linear_in=frozenset({0}),
    flops=0,
    conventions="Of a real number the derivative is 0.",
)

conj = elementwise(
    "conj",
    "conjugate",
    summary="The complex conjugate; of a real number, itself.",
    ufunc="conj",
    kinds="numeric",
    vjp=lambda g, y, x: g,
    linear_in=frozenset({0}),
)

angle = elementwise(
    "angle",
    summary="The argument in radians; of a real number, 0 or pi.",
    forward=_angle,
    output="real",
    vjp=lambda g, y, x: F.zeros_like(g),
    flops=20,
    conventions="Of a real number the derivative is 0, at the jump x = 0 too.",
)
