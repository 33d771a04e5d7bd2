"""Complex numbers and their parts. Of real numbers they are the identity, zero, or the sign.

None of these is holomorphic. A cotangent g of y moves the target by Re(Σ g dy): the real part passes g on as
it is, the imaginary part -ig, the conjugate turns it into its own.
"""

from __future__ import annotations

from typing import Any

from engine import dtypes
from engine.ir.families import elementwise
from engine.ir.shapes import cast_back
from engine.ir.table import F
from engine.ops.elementwise.arithmetic import POLE


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
    holomorphic=False,
    flops=0,
    view=True,
)

imag = elementwise(
    "imag",
    summary="The imaginary part; of a real number, 0.",
    forward=_imag,
    output="real",
    kinds="numeric",
    vjp=lambda g, y, x: g * -1j if dtypes.is_complex(x.dtype) else F.zeros_like(g),
    linear_in=frozenset({0}),
    holomorphic=False,
    flops=0,
    conventions="Of a real number the derivative is 0.",
)

conj = elementwise(
    "conj",
    "conjugate",
    summary="The complex conjugate; of a real number, itself.",
    ufunc="conj",
    kinds="numeric",
    vjp=lambda g, y, x: g.conj(),
    linear_in=frozenset({0}),
    holomorphic=False,
)

angle = elementwise(
    "angle",
    summary="The argument in radians; of a real number, 0 or pi.",
    forward=_angle,
    output="real",
    vjp=lambda g, y, x: F.divide_no_nan(g, x) * -1j if dtypes.is_complex(x.dtype) else F.zeros_like(g),
    holomorphic=False,
    flops=20,
    domain=POLE,
    conventions="Of a real number the derivative is 0, at the jump x = 0 too; at the complex number 0, too.",
    nonsmooth_at=lambda xp, x: x == 0,
)


def _direction_rule(g: Any, y: Any, x: Any) -> Any:
    """Y moves at right angles to itself: dy = (dx - y² conj(dx)) / 2|x|."""
    across = g - g.conj() * F.square(y.conj())
    return F.divide_no_nan(0.5 * across, F.abs(x))


direction = elementwise(
    "direction",
    summary="x / |x|, and 0 where x is 0: what sign is of a complex number.",
    ufunc="sign",
    vjp=_direction_rule,
    holomorphic=False,
    flops=4,
    domain=POLE,
    internal=True,
    conventions="The derivative where x is 0 is 0.",
    nonsmooth_at=lambda xp, x: x == 0,
)


complex = elementwise(
    "complex",
    summary="The complex number x1 + i x2, of its real and imaginary parts.",
    forward=lambda m, x1, x2: m.complex_of(x1, x2),
    output="complex",
    kinds="real_floating",
    vjp=(
        lambda g, y, x1, x2: cast_back(g, x1),
        lambda g, y, x1, x2: cast_back(g * 1j, x2),
    ),
    linear_in=frozenset({0, 1}),
    holomorphic=False,
    conventions="float32 parts make complex64, float64 parts complex128.",
)
