"""Factors of matrices: QR, and LU with partial pivoting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.ir import batch_rules
from engine.ir.derivative import JOINT
from engine.ir.families import LINALG, composite, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.linalg.eigen import TALL, WIDE, matrices, svd_cost
from engine.ops.linalg.matmul import adjoint
from engine.ops.linalg.solving import MATRIX, STACK, cubic, square


def _infer_qr(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    x = types[0]
    matrices(x)
    *lead, rows, columns = x.shape
    few = min(rows, columns)
    return TensorType((*lead, rows, few), x.dtype), TensorType((*lead, few, columns), x.dtype)


def _right_divided(x: Any, upper: Any) -> Any:
    """X R⁻ᴴ of an upper triangular R."""
    return adjoint(F.solve(upper, adjoint(x)))


def _tall_qr_rule(gs: Any, ys: Any, x: Any) -> list[Any]:
    """Of conjugated cotangents; the diagonal of R stays real (Walter and Lehmann 2010)."""
    q, r = ys
    by_q, by_r = gs[0].conj(), F.triu(gs[1].conj())
    inner = F.matmul(by_r, adjoint(r)) - F.matmul(adjoint(q), by_q)
    upper = F.triu(inner, k=1)
    diagonal = F.diag_embed(F.diagonal(inner, axis1=-2, axis2=-1).real()).astype(q.dtype)
    symmetric = upper + adjoint(upper) + diagonal
    return [_right_divided(by_q + F.matmul(q, symmetric), r).conj()]


tall_qr = define(
    "tall_qr",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="QR of matrices that have as many rows as columns, or more.",
    forward=lambda xp, x: xp.qr(x),
    infer=_infer_qr,
    kinds="floating",
    vjp=JOINT,
    pullback=_tall_qr_rule,
    holomorphic=False,
    outputs=("q", "r"),
    cost=svd_cost(s=1, x=1),
    internal=True,
    samples=(Sample((TALL,)), Sample((STACK,))),
)


def _qr(x: Any) -> tuple[Any, Any]:
    matrices(x.type)
    rows, columns = x.shape[-2:]
    if rows >= columns:
        return F.tall_qr(x)  # type: ignore[no-any-return]  # a pair
    q, r = F.tall_qr(F.getitem(x, index=(..., slice(None, rows))))
    rest = F.matmul(adjoint(q), F.getitem(x, index=(..., slice(rows, None))))
    return q, F.concat(r, rest, axis=-1)


qr = composite(
    "qr",
    summary="Orthonormal columns q and an upper triangular r with x = q @ r.",
    formula=_qr,
    kinds="floating",
    holomorphic=False,
    outputs=("q", "r"),
    samples=(Sample((TALL,)), Sample((WIDE,)), Sample((STACK,))),
    conventions="The thin factors, NumPy's mode='reduced'; signs are LAPACK's. If columns of x depend on "
    "each other the derivative is NaN.",
)


def _infer_lu(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    square(types[0])
    return (TensorType(types[0].shape, types[0].dtype),) * 3


def _lu_rule(gs: Any, ys: Any, x: Any) -> list[Any]:
    p, lower, upper = ys
    by_l, by_u = gs[1].conj(), gs[2].conj()
    inner = F.tril(F.matmul(adjoint(lower), by_l), k=-1) + F.triu(F.matmul(by_u, adjoint(upper)))
    middle = F.solve(adjoint(lower), _right_divided(inner, upper))
    return [F.matmul(p, middle).conj()]


lu = define(
    "lu",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The permutation p, the unit lower triangle l and the upper triangle u with x = p @ l @ u.",
    forward=lambda xp, x: xp.lu(x),
    infer=_infer_lu,
    kinds="floating",
    vjp=JOINT,
    pullback=_lu_rule,
    outputs=("p", "l", "u"),
    cost=cubic(2 / 3, copies=3, matrices=3),
    samples=(Sample((MATRIX,)), Sample((STACK,)), Sample(([[0.5, 2.0], [1.0, -0.3]],))),
    conventions="Of square matrices, with rows exchanged as LAPACK does. p carries no gradient.",
)
