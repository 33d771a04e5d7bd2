"""Determinants, differentiable at singular matrices as well.

With x = U S Vᴴ, det x = det U · det Vᴴ · Π s. The first two derivatives of Π s leave out one and two of
the singular values, so nothing is divided by a value that may be zero. The determinant of complex matrices
is holomorphic, so its derivatives are those of the real formulas, with the conjugates that U and V need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir import batch_rules
from engine.ir.derivative import JOINT
from engine.ir.families import LINALG, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.linalg.matmul import transposed
from engine.ops.linalg.solving import MATRIX, STACK, cubic, infer_square, square


def _infer_det(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    square(types[0])
    return (TensorType(types[0].shape[:-2], types[0].dtype),)


def _scaling(g: Any) -> Any:
    """A cotangent of one number a matrix, so that it scales matrices."""
    return g.reshape((*g.shape, 1, 1))


det = define(
    "det",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The determinant of a square matrix.",
    forward=lambda xp, x: xp.linalg.det(x),
    infer=_infer_det,
    kinds="floating",
    vjp=lambda g, y, x: _scaling(g) * F.cofactor(x),
    cost=cubic(2 / 3, matrices=1),
    samples=(
        Sample((MATRIX,)),
        Sample((STACK,)),
        Sample(([[1.0, 1.0], [1.0, 1.0]],)),
        Sample(([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.5, -1.0, 2.0]],)),
    ),
    conventions="At a singular matrix the derivative is the transposed adjugate, not 0; the third is NaN.",
)


def _decomposed(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """U, s, Vᴴ and det U · det Vᴴ, which has magnitude 1."""
    u, s, vh = xp.svd(x)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return u, s, vh, xp.expand_dims(sign, axis=(-2, -1))


def _products_of_others(xp: Any, s: Any) -> Any:
    """For each element of the last axis the product of the others."""

    def before(x: Any) -> Any:
        return xp.cumulative_prod(x, axis=-1, include_initial=True)[..., :-1]

    return before(s) * xp.flip(before(xp.flip(s, axis=-1)), axis=-1)


def _cofactor(xp: Any, x: Any) -> Any:
    u, s, vh, sign = _decomposed(xp, x)
    u, vh = _conjugate(xp, u), _conjugate(xp, vh)  # x⁻ᵀ of U S Vᴴ
    return sign * ((u * xp.expand_dims(_products_of_others(xp, s), axis=-2)) @ vh)


def _conjugate(xp: Any, x: Any) -> Any:
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


cofactor = define(
    "cofactor",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The derivative of the determinant: the transposed adjugate.",
    forward=_cofactor,
    infer=infer_square,
    kinds="floating",
    vjp=lambda g, y, x: F.det_curvature(x, g),
    cost=cubic(22, copies=3, matrices=5),
    internal=True,
    samples=(Sample((MATRIX,)), Sample((STACK,))),
)


def _det_curvature(xp: Any, x: Any, h: Any) -> Any:
    u, s, vh, sign = _decomposed(xp, x)
    one = xp.eye(s.shape[-1], dtype=s.dtype)
    # row i leaves out s_i, column j of it s_j besides; leaving out one value twice has no meaning
    others = _products_of_others(xp, xp.where(one == 1, one, xp.expand_dims(s, axis=-2))) * (1 - one)
    back, ahead = _conjugate(xp, u), _conjugate(xp, vh)
    turned = xp.matrix_transpose(back) @ h @ xp.matrix_transpose(ahead)
    on_diagonal = others @ xp.expand_dims(xp.linalg.diagonal(turned), axis=-1)
    return sign * (back @ (on_diagonal * one - others * xp.matrix_transpose(turned)) @ ahead)


def _third_derivative(g: Any, y: Any, x: Any, h: Any) -> Any:
    """Of the third derivative only the part that a regular matrix has: Jacobi's formula, differentiated."""
    inverse = F.inv(x)
    by_h, by_g = F.matmul(inverse, h), F.matmul(inverse, g)
    h_inverse, g_inverse = F.matmul(by_h, inverse), F.matmul(by_g, inverse)
    inner = (
        (_trace(by_h) * _trace(by_g) - _trace(F.matmul(by_h, by_g))) * inverse
        - _trace(by_g) * h_inverse
        - _trace(by_h) * g_inverse
        + F.matmul(by_h, g_inverse)
        + F.matmul(by_g, h_inverse)
    )
    return _scaling(F.det(x)) * transposed(inner)


def _trace(x: Any) -> Any:
    return _scaling(F.trace(x, axis1=-2, axis2=-1))


det_curvature = define(
    "det_curvature",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The second derivative of the determinant at x, applied to h.",
    forward=_det_curvature,
    infer=infer_square,
    kinds="floating",
    vjp=(_third_derivative, lambda g, y, x, h: F.det_curvature(x, g)),
    cost=cubic(30, copies=3, matrices=5),
    linear_in=frozenset({1}),
    internal=True,
    samples=(Sample((MATRIX, (3, 3))), Sample((STACK, (2, 2, 2)))),
)


def _infer_slogdet(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    (sign,) = _infer_det(types)
    return sign, TensorType(sign.shape, dtypes.real_of(sign.dtype))


def _slogdet_rule(gs: Any, ys: Any, x: Any) -> list[Any]:
    """With t = tr(x⁻¹ dx) the logarithm moves by Re t, and a complex sign by i Im t times itself."""
    coefficient = gs[1]
    if dtypes.is_complex(x.dtype):
        coefficient = coefficient - 1j * (1j * gs[0] * ys[0]).real()
    return [_scaling(coefficient) * transposed(F.inv(x))]


slogdet = define(
    "slogdet",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The sign of the determinant, and the logarithm of its magnitude.",
    forward=lambda xp, x: tuple(xp.linalg.slogdet(x)),
    infer=_infer_slogdet,
    kinds="floating",
    vjp=JOINT,
    pullback=_slogdet_rule,
    holomorphic=False,
    outputs=("sign", "logabsdet"),
    cost=cubic(2 / 3, matrices=1),
    samples=(Sample((MATRIX,)), Sample((STACK,))),
    conventions="The sign of a real matrix carries no gradient, that of a complex one, det / |det|, does. A "
    "singular matrix has sign 0 and logarithm -Infinity.",
)
