"""Functions of matrices: the exponential, the pseudo-inverse, and what follows from singular values."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.attributes import BOOLEAN, NUMBER, ORDER, Attribute
from engine.ir.families import KEEPDIMS, LINALG, composite, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.linalg.eigen import TALL, WIDE, matrices, svd_cost
from engine.ops.linalg.matmul import adjoint, transposed
from engine.ops.linalg.solving import (
    MATRIX,
    POSITIVE,
    POSITIVE_STACK,
    SINGULAR,
    STACK,
    cubic,
    infer_square,
    square,
)


def _expm_rule(g: Any, y: Any, x: Any) -> Any:
    """The derivative of exp at xᵀ in the direction g: a block of exp [[xᵀ, g], [0, xᵀ]]."""
    back, size = transposed(x), x.shape[-1]
    above = F.concat(back, g, axis=-1)
    below = F.concat(F.zeros_like(x), back, axis=-1)
    whole = F.expm(F.concat(above, below, axis=-2))
    return F.getitem(whole, index=(..., slice(None, size), slice(size, None)))


expm = define(
    "expm",
    "matrix_exp",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The exponential of a square matrix.",
    forward=lambda xp, x: xp.expm(x),
    infer=infer_square,
    kinds="floating",
    vjp=_expm_rule,
    cost=cubic(40, copies=1, matrices=8),
    samples=(Sample((MATRIX,)), Sample((STACK,))),
    conventions="By scaling, squaring and a rational approximation (Al-Mohy and Higham 2009).",
)


def relative(x: Any, rtol: float | None) -> float:
    """The share of the largest singular value below which one counts as 0; the array API's by default."""
    if rtol is None:
        return float(max(x.shape[-2:]) * np.finfo(dtypes.real_of(x.dtype)).eps)
    if not rtol >= 0:
        raise InvalidAttribute(f"expected 0 or more for 'rtol', got {rtol}")
    return rtol


_RTOL = Attribute(
    "rtol",
    NUMBER,
    None,
    "the share of the largest singular value up to which one counts as 0; max(rows, columns) eps when absent",
)


def _pinv(xp: Any, x: Any, *, rtol: float) -> Any:
    u, s, vh = xp.svd(x)
    if not s.shape[-1]:
        return xp.matrix_transpose(x) * 1
    counts = s > xp.max(s, axis=-1, keepdims=True) * rtol
    unknown = xp.isnan(s)  # of a matrix that is not finite
    inverse = xp.where(counts | unknown, 1 / xp.where(counts | unknown, s, 1), 0)
    if xp.isdtype(x.dtype, "complex floating"):
        u, vh = xp.conj(u), xp.conj(vh)
    return xp.matrix_transpose(vh) @ (xp.expand_dims(inverse, axis=-1) * xp.matrix_transpose(u))


def _normalize_pinv(types: Sequence[Any], *, rtol: float | None) -> dict[str, Any]:
    matrices(types[0])
    return {"rtol": relative(types[0], rtol)}


def _infer_pinv(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    *lead, rows, columns = types[0].shape
    return (TensorType((*lead, columns, rows), types[0].dtype),)


def _pinv_rule(g: Any, y: Any, x: Any, rtol: float) -> Any:
    """Golub and Pereyra (1973), for conjugated cotangents; the rank is taken to be constant."""
    gradient = g.conj()
    back, turned = adjoint(y), adjoint(gradient)
    answer = -F.matmul(F.matmul(back, gradient), back)
    one = turned - F.matmul(x, F.matmul(y, turned))  # (1 - x y) gᴴ
    answer = answer + F.matmul(F.matmul(one, y), back)
    other = turned - F.matmul(F.matmul(turned, y), x)  # gᴴ (1 - y x)
    answer = answer + F.matmul(back, F.matmul(y, other))
    return answer.conj()


pinv = define(
    "pinv",
    "pinverse",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The pseudo-inverse of a matrix, by its singular values.",
    forward=_pinv,
    normalize=_normalize_pinv,
    infer=_infer_pinv,
    kinds="floating",
    vjp=_pinv_rule,
    holomorphic=False,
    attributes=(_RTOL,),
    cost=svd_cost(u=2, s=2, vh=1),
    samples=(Sample((TALL,)), Sample((WIDE,), {"rtol": 1e-6}), Sample((STACK,))),
    conventions="The derivative is that among matrices of the same rank. Across a change of the rank there "
    "is none, and values grow without bound towards it.",
)


def _lstsq(x1: Any, x2: Any, *, rtol: float | None) -> Any:
    matrices(x1.type)
    if not x2.ndim or x2.shape[0 if x2.ndim == 1 else -2] != x1.shape[-2]:
        raise ShapeMismatch(
            f"a system of shape {x1.shape}, a right side of shape {x2.shape}: expected {x1.shape[-2]} rows",
            hint="a vector is one right side; a matrix has one in each column",
        )
    return F.matmul(F.pinv(x1, rtol=rtol), x2)


lstsq = composite(
    "lstsq",
    summary="The x of least norm that makes x1 @ x - x2 as small as can be.",
    formula=_lstsq,
    kinds="floating",
    holomorphic=False,
    attributes=(_RTOL,),
    samples=(
        Sample((TALL, (3,))),
        Sample((WIDE, (2, 2)), {"rtol": 1e-6}),
        Sample(([TALL, [[0.3, 1.0], [1.1, 0.2], [-0.7, 0.6]]], (2, 3, 1))),
    ),
    conventions="The solution alone, by the pseudo-inverse; the residual is x1 @ x - x2.",
)


def _matrix_rank(x: Any, *, rtol: float | None) -> Any:
    matrices(x.type)
    s = F.svdvals(x)
    return F.count_nonzero(s > F.max(s, axis=-1, keepdims=True) * relative(x, rtol), axis=-1)


matrix_rank = composite(
    "matrix_rank",
    summary="The number of singular values that are not 0.",
    formula=_matrix_rank,
    kinds="floating",
    holomorphic=False,
    attributes=(_RTOL,),
    samples=(Sample((TALL,)), Sample((POSITIVE,), {"rtol": 0.5}), Sample((STACK,))),
)


def _condition_number(x: Any, *, p: float | str | None) -> Any:
    matrices(x.type)
    if p is None or p in (2, -2):
        s = F.svdvals(x)
        first, last = F.getitem(s, index=(..., 0)), F.getitem(s, index=(..., -1))
        return last / first if p == -2 else first / last
    square(x.type)
    return F.matrix_norm(x, ord=p) * F.matrix_norm(F.inv(x), ord=p)


condition_number = composite(
    "condition_number",
    summary="The condition number of a matrix: the largest singular value over the smallest.",
    formula=_condition_number,
    kinds="floating",
    holomorphic=False,
    attributes=(Attribute("p", ORDER, None, "the norm: 2 when absent; 'fro', 1, -1, 2, -2, ±Infinity"),),
    samples=(Sample((MATRIX,)), Sample((POSITIVE_STACK,), {"p": "fro"}), Sample((MATRIX,), {"p": 1})),
    conventions="NumPy calls it `cond`, which is a branch here. "
    + SINGULAR.replace("gives NaN", "gives Infinity, for other norms than 2 and -2 NaN"),
)


def _matrix_norm(x: Any, *, ord: float | str, keepdims: bool) -> Any:
    matrices(x.type)
    return F.norm(x, ord=ord, axis=(x.ndim - 2, x.ndim - 1), keepdims=keepdims)


matrix_norm = composite(
    "matrix_norm",
    summary="The norm of matrices over the last two axes.",
    formula=_matrix_norm,
    kinds="floating",
    holomorphic=False,
    attributes=(
        Attribute("ord", ORDER, "fro", "'fro', 'nuc', 1, -1, 2, -2, ±Infinity"),
        KEEPDIMS,
    ),
    samples=(
        Sample(((2, 3),)),
        Sample((MATRIX,), {"ord": 2}),
        Sample((STACK,), {"ord": inf, "keepdims": True}),
        Sample((TALL,), {"ord": "nuc"}),
    ),
)


def _solve_triangular(x1: Any, x2: Any, *, lower: bool, unit_diagonal: bool) -> Any:
    square(x1.type)
    triangle = F.tril(x1) if lower else F.triu(x1)
    if unit_diagonal:
        own = F.diag_embed(F.diagonal(triangle, axis1=-2, axis2=-1))
        triangle = triangle - own + made(x1, "eye", n_rows=x1.shape[-1], dtype=x1.dtype)
    return F.solve(triangle, x2)


solve_triangular = composite(
    "solve_triangular",
    summary="The solution x of x1 @ x = x2 for a triangular x1, of which the other triangle is not read.",
    formula=_solve_triangular,
    kinds="floating",
    attributes=(
        Attribute("lower", BOOLEAN, False, "whether the lower triangle is read"),
        Attribute("unit_diagonal", BOOLEAN, False, "take the diagonal for ones"),
    ),
    samples=(
        Sample((MATRIX, (3,))),
        Sample((MATRIX, (3, 2)), {"lower": True}),
        Sample((STACK, (2, 2, 1)), {"lower": True, "unit_diagonal": True}),
    ),
    conventions=f"x2 of one axis is a vector, else a matrix or a stack. {SINGULAR}",
)


def _cholesky_solve(x1: Any, x2: Any, *, upper: bool) -> Any:
    square(x2.type)
    lower = adjoint(F.triu(x2)) if upper else F.tril(x2)
    return F.solve(adjoint(lower), F.solve(lower, x1))


cholesky_solve = composite(
    "cholesky_solve",
    summary="The solution x of l @ lᴴ @ x = x1, with the factor l = x2 of cholesky.",
    formula=_cholesky_solve,
    kinds="floating",
    holomorphic=False,
    attributes=(Attribute("upper", BOOLEAN, False, "the factor is u = lᴴ"),),
    samples=(Sample(((3,), MATRIX)), Sample(((2, 2, 1), STACK), {"upper": True})),
    conventions=f"PyTorch's order: the right side first. {SINGULAR}",
)


def _block_diag(*xs: Any) -> Any:
    blocks = [x.reshape((1,) * (2 - x.ndim) + x.shape) for x in xs]
    if any(block.ndim > 2 for block in blocks):
        raise ShapeMismatch(f"expected matrices, got shapes {[x.shape for x in xs]}")
    width, rows, start = sum(block.shape[1] for block in blocks), [], 0
    for block in blocks:
        behind = width - start - block.shape[1]
        rows.append(F.pad(block, pad_width=((0, 0), (start, behind))))
        start += block.shape[1]
    return F.concat(*rows, axis=0)


block_diag = composite(
    "block_diag",
    summary="Matrices along the diagonal of one, zeros beside them.",
    formula=_block_diag,
    kinds="numeric",
    variadic=True,
    samples=(Sample(((2, 3), (1, 2))), Sample(((2,), (2, 2), ())), Sample(((2, 2),))),
    conventions="Vectors are rows, as in SciPy.",
)
