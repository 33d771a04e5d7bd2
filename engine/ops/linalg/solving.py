"""Inverses, linear systems, factors and powers of square matrices.

A singular matrix, or one without a Cholesky factor, gives NaN, so that a stack of matrices is not
lost with one of them; the diagnosis then names the op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import DtypeMismatch, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.attributes import BOOLEAN, INT, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.families import LINALG, composite, define
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.linalg.matmul import adjoint, transposed

SINGULAR = "A singular matrix gives NaN."

# Well away from singular, and their eigenvalues away from each other.
MATRIX = [[2.0, -0.5, 0.3], [0.4, 1.5, -0.2], [-0.6, 0.1, 1.2]]
STACK = [[[2.0, 0.5], [-0.3, 1.0]], [[-1.0, 0.2], [0.7, 1.5]]]
POSITIVE = [[2.0, 0.3, -0.4], [0.3, 1.5, 0.2], [-0.4, 0.2, 1.8]]
POSITIVE_STACK = [[[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.2], [-0.2, 1.5]]]


def square(x: TensorType) -> None:
    """Raise unless `x` is a square matrix or a stack of them, in a dtype that LAPACK has."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeMismatch(
            f"expected square matrices, got shape {x.shape}", hint="the last two axes have to be of one size"
        )
    if x.dtype == "float16":
        raise DtypeMismatch("expected float32 or wider, got float16", hint="convert it with astype first")


def infer_square(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    """The shape of a stack of square matrices."""
    square(types[0])
    return (TensorType(types[0].shape, types[0].dtype),)


def cubic(flops: float, *, copies: int = 0, matrices: int = 0) -> Callable[..., Cost]:
    """The cost of a factorisation: `flops` times n³ for each matrix, `copies` of the whole stack, and what
    LAPACK works on: `matrices`, of one size, since it takes one of the stack after the other.
    """

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
        x = types[0]
        scratch = copies * x.nbytes + matrices * ITEMSIZE[x.dtype] * x.shape[-1] ** 2
        return Cost(int(flops * x.size * x.shape[-1]), moved(types, outputs), scratch)

    return cost


inv = define(
    "inv",
    "inverse",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The inverse of a square matrix.",
    forward=lambda xp, x: xp.inv(x),
    infer=infer_square,
    kinds="floating",
    vjp=lambda g, y, x: -F.matmul(F.matmul(transposed(y), g), transposed(y)),
    cost=cubic(2, matrices=2),
    samples=(Sample((MATRIX,)), Sample((STACK,))),
    conventions=f"{SINGULAR} To solve a linear system use solve.",
)


def _infer_solve(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    a, b = types
    square(a)
    rows = b.shape[0] if b.ndim == 1 else b.shape[-2] if b.ndim else None
    if rows != a.shape[-1]:
        raise ShapeMismatch(
            f"a system of shape {a.shape} with a right side of shape {b.shape}: expected {a.shape[-1]} rows",
            hint="a vector is one right side; a matrix has one in each column",
        )
    if b.ndim == 1:
        return (TensorType((*a.shape[:-2], rows), a.dtype),)
    return (TensorType((*broadcast(a.shape[:-2], b.shape[:-2]), rows, b.shape[-1]), a.dtype),)


def _by_matrix(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    back = F.solve(transposed(x1), _column(g, x2))
    return -F.matmul(back, transposed(_column(y, x2)))


def _by_right_side(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    back = F.solve(transposed(x1), _column(g, x2))
    return F.squeeze(back, axis=-1) if x2.ndim == 1 else back


def _column(v: Any, x2: Any) -> Any:
    """An answer of solve as a matrix of columns."""
    return F.expand_dims(v, axis=-1) if x2.ndim == 1 else v


def _batched_solve(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int) -> Any:
    """All systems as one stack; vectors become columns, since a stack of vectors reads as a matrix."""
    a, b = (batch_rules.stacked(x, has_rows, n) for x, has_rows in zip(xs, batched, strict=True))
    vectors = b.ndim == 2
    b = F.expand_dims(b, axis=-1) if vectors else b
    axes = max(a.ndim, b.ndim) - 1
    answer = F.solve(batch_rules.aligned(a, True, axes), batch_rules.aligned(b, True, axes))
    return F.squeeze(answer, axis=-1) if vectors else answer


def _solve_cost(types: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
    """LAPACK overwrites a copy of one system after the other, right side included."""
    plain = cubic(2 / 3, matrices=1)(types, outputs)
    a, b = types
    column = b.shape[-1] if b.ndim > 1 else 1
    return replace(plain, workspace=plain.workspace + ITEMSIZE[b.dtype] * a.shape[-1] * column)


solve = define(
    "solve",
    family=LINALG,
    batch=_batched_solve,
    summary="The solution x of x1 @ x = x2, without an inverse.",
    forward=lambda xp, x1, x2: xp.solve(x1, x2),
    infer=_infer_solve,
    kinds="floating",
    vjp=(_by_matrix, _by_right_side),
    cost=_solve_cost,
    linear_in=frozenset({1}),
    samples=(
        Sample((MATRIX, (3,))),
        Sample((MATRIX, (3, 2))),
        Sample((STACK, (2, 3))),
        Sample((STACK, (2,))),
    ),
    conventions=f"x2 of one axis is a vector, else a matrix or a stack. {SINGULAR}",
)


def _half_diagonal(x: Any) -> Any:
    """The lower triangle with the diagonal halved: what of a symmetric change a factor takes."""
    return (F.tril(x) + F.tril(x, k=-1)) * 0.5


def _cholesky_rule(g: Any, y: Any, x: Any, upper: bool) -> Any:
    """Murray, Differentiation of the Cholesky decomposition (2016), equation 10, symmetrised.

    Of complex matrices it holds for conjugated cotangents, so ours is the formula of the conjugate of L.
    """
    factor, g = (transposed(y), adjoint(g)) if upper else (y.conj(), g)
    back = adjoint(factor)
    inner = _half_diagonal(F.matmul(back, F.tril(g)))
    half = F.solve(back, inner)
    whole = adjoint(F.solve(back, adjoint(half)))
    return (whole + adjoint(whole)) * 0.5


cholesky = define(
    "cholesky",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The triangular factor L of a positive definite matrix x = L Lᵀ, of a complex one x = L Lᴴ.",
    forward=lambda xp, x, *, upper: xp.cholesky(x, upper),
    infer=infer_square,
    kinds="floating",
    vjp=_cholesky_rule,
    holomorphic=False,
    attributes=(Attribute("upper", BOOLEAN, False, "the factor U = Lᵀ (Lᴴ) instead"),),
    cost=cubic(1 / 3, copies=1, matrices=1),
    samples=(Sample((POSITIVE,)), Sample((POSITIVE_STACK,), {"upper": True})),
    conventions="Of the symmetric part (x + xᵀ) / 2, of a complex matrix the Hermitian one. A matrix that is "
    "not positive definite gives NaN.",
)


def _matrix_power(x: Any, *, n: int) -> Any:
    square(x.type)
    if n < 0:
        x, n = F.inv(x), -n
    answer = None
    while n:
        if n % 2:
            answer = x if answer is None else F.matmul(answer, x)
        n //= 2
        if n:
            x = F.matmul(x, x)
    return (
        made(x, "eye", n_rows=x.shape[-1], dtype=x.dtype).broadcast_to(x.shape) if answer is None else answer
    )


matrix_power = composite(
    "matrix_power",
    summary="A square matrix times itself, n times; of the inverse for negative n.",
    formula=_matrix_power,
    kinds="numeric",
    attributes=(Attribute("n", INT),),
    samples=(
        Sample((MATRIX,), {"n": 5}),
        Sample((STACK,), {"n": -2}),
        Sample((MATRIX,), {"n": 0}),
        Sample((MATRIX,), {"n": 1}),
    ),
    conventions=SINGULAR,
)
