"""Eigenvalues and eigenvectors of Hermitian matrices, and singular values and vectors.

Vectors are unique up to their sign, or their phase if they are complex. Here the element of the largest
magnitude of each eigenvector, and of each left singular vector, is real and positive. So the vectors are the
same on every machine, and they have a derivative. Where two values are equal, their vectors are any basis of
one space: the derivative of the vectors does not exist there and is NaN, and that of the values depends on
the basis, unless the target treats equal values alike.

The rules are those of Giles (2008) and of Townsend (2016) for conjugated cotangents, with the phase fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from engine import dtypes
from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import DtypeMismatch, ShapeMismatch
from engine.ir import batch_rules
from engine.ir.cost import Cost, moved
from engine.ir.derivative import JOINT
from engine.ir.families import LINALG, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.linalg.matmul import adjoint
from engine.ops.linalg.solving import POSITIVE, POSITIVE_STACK, cubic, square

_HERMITIAN = "Of the symmetric part (x + xᵀ) / 2, of a complex matrix the Hermitian one."
_EQUAL = (
    "Where values are equal the vectors' derivative is NaN; the values' one holds if the target treats equal "
    "values alike."
)
_SIGN = "The element of largest magnitude of each vector is positive."
TALL = [[1.2, 0.3], [-0.4, 0.9], [0.5, -1.1]]
WIDE = [[1.2, -0.4, 0.5], [0.3, 0.9, -1.1]]


def _hermitian(xp: Any, x: Any) -> Any:
    turned = xp.matrix_transpose(x)
    return (x + (xp.conj(turned) if xp.isdtype(x.dtype, "complex floating") else turned)) / 2


def _largest(xp: Any, v: Any) -> Any:
    """The element of the largest magnitude in each column, along the last but one axis."""
    place = xp.expand_dims(xp.argmax(xp.abs(v), axis=-2), axis=-2)
    return xp.take_along_axis(v, place, axis=-2)


def _phase(xp: Any, v: Any) -> Any:
    """What each column is multiplied by, so that its largest element is positive."""
    if not v.shape[-2]:
        return xp.ones((*v.shape[:-2], 1, v.shape[-1]), dtype=v.dtype)
    pivot = _largest(xp, v)
    if xp.isdtype(v.dtype, "complex floating"):
        size = xp.abs(pivot)
        return xp.conj(pivot / xp.where(size == 0, 1, size))
    return xp.where(pivot < 0, -xp.ones_like(pivot), xp.ones_like(pivot))


def _eigh(xp: Any, x: Any) -> tuple[Any, Any]:
    w, v = xp.eigh(_hermitian(xp, x))
    return w, v * _phase(xp, v)


def _infer_eigh(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    square(types[0])
    x = types[0]
    return TensorType(x.shape[:-1], dtypes.real_of(x.dtype)), TensorType(x.shape, x.dtype)


def _without_phase(gradients: Sequence[Any], vectors: Sequence[Any]) -> Any:
    """The gradient of the first vectors without what fixing their phase adds to it.

    The vectors turn together, so that the first ones' largest elements stay real.
    """
    g, v = gradients[0], vectors[0]
    if not dtypes.is_complex(v.dtype):
        return g
    real = dtypes.real_of(v.dtype)
    pivot = F.one_hot(F.argmax(F.abs(v), axis=-2), num_classes=v.shape[-2], axis=-2, dtype=real)
    size = F.sum(pivot * v.real(), axis=-2, keepdims=True)
    turn = sum(
        F.imag(F.sum(w.conj() * h, axis=-2, keepdims=True)) for h, w in zip(gradients, vectors, strict=True)
    )
    return g - F.complex(F.zeros_like(turn), turn / size) * pivot.astype(v.dtype)


def _over(inner: Any, distances: Any) -> Any:
    """Off the diagonal inner / distances, and 0 on it; not finite where values are equal."""
    diagonal = made(inner, "eye", n_rows=inner.shape[-1], dtype="bool")
    return F.where(diagonal, 0, inner / F.where(diagonal, 1, distances))


def _is_unused(g: Any, outputs: int) -> bool:
    """Whether a cotangent is the zeros that the walk has just recorded for an output that nothing uses.

    Values may be equal where their vectors are not used: nothing is divided then.
    """
    tape = g.tape
    for step in tape.instructions[-outputs:]:
        if g.slot in step.outputs and step.op.name == "broadcast_to":
            zero = tape.constants.get(step.inputs[0])
            return zero is not None and not zero.any()
    return False


def _column(w: Any) -> Any:
    return F.expand_dims(w, axis=-1)


def _row(w: Any) -> Any:
    return F.expand_dims(w, axis=-2)


def _eigh_rule(gs: Any, ys: Any, x: Any) -> list[Any]:
    w, v = ys
    values_alone = _is_unused(gs[1], 2)  # asked before anything is recorded
    inner = F.diag_embed(gs[0]).astype(v.dtype)
    if not values_alone:
        gradient = _without_phase([gs[1].conj()], [v])
        inner = inner + _over(F.matmul(adjoint(v), gradient), (_row(w) - _column(w)).astype(v.dtype))
    whole = F.matmul(F.matmul(v, inner), adjoint(v))
    return [((whole + adjoint(whole)) * 0.5).conj()]


def _equal(xp: Any, w: Any) -> Any:
    """Where neighbours in order are equal."""
    return w[..., 1:] == w[..., :-1]


def _eigen_cost(copies: int) -> Callable[..., Cost]:
    """LAPACK's divide and conquer, `copies` of the stack, and the values before they are looked at."""

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
        plain = cubic(9, copies=copies, matrices=3)(types, outputs)
        return replace(plain, workspace=plain.workspace + outputs[0].nbytes)

    return cost


eigh = define(
    "eigh",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The eigenvalues of a Hermitian matrix in ascending order, and its eigenvectors in columns.",
    forward=_eigh,
    infer=_infer_eigh,
    kinds="floating",
    vjp=JOINT,
    pullback=_eigh_rule,
    holomorphic=False,
    outputs=("eigenvalues", "eigenvectors"),
    nonsmooth_at=lambda xp, x: _equal(xp, _eigh(xp, x)[0]),
    cost=_eigen_cost(2),
    samples=(Sample((POSITIVE,)), Sample((POSITIVE_STACK,))),
    conventions=f"{_HERMITIAN} {_SIGN} {_EQUAL}",
)


def _eigvalsh_rule(g: Any, y: Any, x: Any) -> Any:
    _, v = F.eigh(x)
    whole = F.matmul(v * _row(g).astype(v.dtype), adjoint(v))
    return whole.conj()


eigvalsh = define(
    "eigvalsh",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The eigenvalues of a Hermitian matrix in ascending order.",
    forward=lambda xp, x: _eigh(xp, x)[0],
    infer=lambda types: _infer_eigh(types)[:1],
    kinds="floating",
    vjp=_eigvalsh_rule,
    holomorphic=False,
    nonsmooth_at=lambda xp, x: _equal(xp, _eigh(xp, x)[0]),
    cost=_eigen_cost(3),
    samples=(Sample((POSITIVE,)), Sample((POSITIVE_STACK,))),
    conventions=f"{_HERMITIAN} {_EQUAL}",
)


# -- singular values ---------------------------------------------------------------------------------


def matrices(x: Any) -> None:
    """Raise unless `x` is a matrix or a stack of them, in a dtype that LAPACK has."""
    if x.ndim < 2:
        raise ShapeMismatch(
            f"expected a matrix or a stack of matrices, got shape {x.shape}",
            hint="reshape gives a vector a second axis",
        )
    if x.dtype == "float16":
        raise DtypeMismatch("expected float32 or wider, got float16", hint="convert it with astype first")


def _infer_svd(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    matrices(types[0])
    *lead, rows, columns = types[0].shape
    dtype, few = types[0].dtype, min(rows, columns)
    return (
        TensorType((*lead, rows, few), dtype),
        TensorType((*lead, few), dtypes.real_of(dtype)),
        TensorType((*lead, few, columns), dtype),
    )


def _svd(xp: Any, x: Any) -> tuple[Any, Any, Any]:
    u, s, vh = xp.svd(x)
    phase = _phase(xp, u)
    back = xp.conj(phase) if xp.isdtype(x.dtype, "complex floating") else phase
    return u * phase, s, xp.matrix_transpose(back) * vh


def svd_cost(u: int = 0, s: int = 0, vh: int = 0, x: int = 0) -> Callable[..., Cost]:
    """LAPACK's divide and conquer, one matrix after the other; so many copies of the factors and of x."""

    def cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
        *lead, rows, columns = types[0].shape
        few, size = min(rows, columns), ITEMSIZE[types[0].dtype]
        copies = u * rows * few + s * few + vh * few * columns + x * rows * columns
        scratch = size * (4 * few * few + 3 * rows * columns + 8 * max(rows, columns))
        return Cost(14 * types[0].size * few, moved(types, outputs), scratch + prod(lead) * size * copies)

    return cost


def _svd_rule(gs: Any, ys: Any, x: Any) -> list[Any]:
    u, s, vh = ys
    values_alone = _is_unused(gs[0], 3) and _is_unused(gs[2], 3)  # asked before anything is recorded
    answer = F.matmul(u * _row(gs[1]).astype(u.dtype), vh)
    if not values_alone:
        answer = answer + _by_vectors(gs[0].conj(), F.matrix_transpose(gs[2]), u, s, vh)
    return [answer.conj()]


def _by_vectors(by_u: Any, by_v: Any, u: Any, s: Any, vh: Any) -> Any:
    """What the gradients of both kinds of vectors add."""
    v = adjoint(vh)
    by_u = _without_phase([by_u, by_v], [u, v])
    rows, columns, few = u.shape[-2], vh.shape[-1], s.shape[-1]
    one = s.astype(u.dtype)
    distances = ((_row(s) - _column(s)) * (_row(s) + _column(s))).astype(u.dtype)
    left, right = F.matmul(adjoint(u), by_u), F.matmul(vh, by_v)
    inner = _over(left - adjoint(left), distances) * _row(one)
    inner = inner + _column(one) * _over(right - adjoint(right), distances)
    if dtypes.is_complex(u.dtype):
        turn = F.imag(F.diagonal(left, axis1=-2, axis2=-1)) / s
        inner = inner + F.diag_embed(F.complex(F.zeros_like(turn), turn))
    answer = F.matmul(F.matmul(u, inner), vh)
    if rows > few:
        answer = answer + F.matmul((by_u - F.matmul(u, left)) / _row(one), vh)
    if columns > few:
        answer = answer + F.matmul(u, adjoint((by_v - F.matmul(v, right)) / _row(one)))
    return answer


svd = define(
    "svd",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The thin singular value decomposition: u, s in descending order, and vh with x = u * s @ vh.",
    forward=_svd,
    infer=_infer_svd,
    kinds="floating",
    vjp=JOINT,
    pullback=_svd_rule,
    holomorphic=False,
    outputs=("u", "s", "vh"),
    nonsmooth_at=lambda xp, x: _equal(xp, xp.svd(x)[1]),
    cost=svd_cost(u=1, s=2, vh=1),
    samples=(
        Sample((TALL,)),
        Sample((WIDE,)),
        Sample(([POSITIVE, [[0.5, 2.0, 0.1], [1.0, -0.3, 0.4], [0.2, 0.1, -1.3]]],)),
    ),
    conventions=f"The thin factors, NumPy's full_matrices=False. {_SIGN} {_EQUAL}",
)


def _svdvals_rule(g: Any, y: Any, x: Any) -> Any:
    u, _, vh = F.svd(x)
    return F.matmul(u * _row(g).astype(u.dtype), vh).conj()


svdvals = define(
    "svdvals",
    family=LINALG,
    batch=batch_rules.trailing,
    summary="The singular values of a matrix in descending order.",
    forward=lambda xp, x: xp.svd(x)[1],
    infer=lambda types: _infer_svd(types)[1:2],
    kinds="floating",
    vjp=_svdvals_rule,
    holomorphic=False,
    nonsmooth_at=lambda xp, x: _equal(xp, xp.svd(x)[1]),
    cost=svd_cost(u=1, vh=1, x=1),
    samples=(Sample((TALL,)), Sample((WIDE,)), Sample((POSITIVE_STACK,))),
    conventions=f"{_EQUAL} The derivative of a value of 0 is that of one of its sides.",
)
