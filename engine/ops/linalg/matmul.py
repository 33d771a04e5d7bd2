"""The matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.cost import Cost, moved
from engine.ir.families import LINALG, define
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast
from engine.ir.table import F


def _infer_matmul(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    a, b = types[0].shape, types[1].shape
    if not a or not b:
        raise ShapeMismatch(
            f"a product of shapes {a} and {b}: a scalar has no axis to sum over",
            hint="use multiply for scalars",
        )
    inner = (a[-1], b[-2] if len(b) > 1 else b[-1])
    if inner[0] != inner[1]:
        raise ShapeMismatch(
            f"inner dimensions differ, {a} and {b}",
            hint=f"the last axis of x1 ({inner[0]}) has to equal the first of x2's last two ({inner[1]})",
        )
    batch = broadcast(a[:-2], b[:-2])
    return (TensorType((*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ())), types[0].dtype),)


def _matmul_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(2 * outputs[0].size * types[0].shape[-1], moved(types, outputs))


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    axes = list(range(x.ndim))
    axes[-2:] = axes[-1], axes[-2]
    return F.permute_dims(x, axes=axes)


def adjoint(x: Any) -> Any:
    """The conjugated transpose of the last two axes; of real matrices the transpose."""
    return transposed(x.conj())


def _as_matrices(g: Any, x1: Any, x2: Any) -> tuple[Any, Any, Any]:
    """Vectors as matrices of one row (x1) or one column (x2), as the product sees them."""
    if x2.ndim == 1:
        g, x2 = F.expand_dims(g, axis=-1), F.expand_dims(x2, axis=-1)
    if x1.ndim == 1:
        g, x1 = F.expand_dims(g, axis=-2), F.expand_dims(x1, axis=-2)
    return g, x1, x2


def _by_left(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    G, _, B = _as_matrices(g, x1, x2)
    answer = F.matmul(G, transposed(B))
    return F.sum_to(answer, shape=(1, x1.shape[0])).reshape(x1.shape) if x1.ndim == 1 else answer


def _by_right(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    G, A, _ = _as_matrices(g, x1, x2)
    if x2.ndim <= 2 and A.ndim > 2:  # one product over all the batches instead of one each, then a sum
        rows = prod(A.shape[:-1])
        A, G = A.reshape((rows, A.shape[-1])), G.reshape((rows, G.shape[-1]))
    answer = F.matmul(transposed(A), G)
    return F.sum_to(answer, shape=(x2.shape[0], 1)).reshape(x2.shape) if x2.ndim == 1 else answer


matmul = define(
    "matmul",
    family=LINALG,
    batch=batch_rules.product,
    dependence=dependence_rules.product,
    summary="The matrix product over the last two axes, broadcasting the others; vectors as in NumPy.",
    forward=lambda xp, x1, x2: xp.matmul(x1, x2),
    lowering=lambda k, x1, x2: k.matmul(x1, x2),
    infer=_infer_matmul,
    vjp=(_by_left, _by_right),
    kinds="numeric",
    cost=_matmul_cost,
    ufunc="matmul",
    linear_in=frozenset({0}),
    bilinear=True,
    zero_reason="zero_operand",
    samples=(
        Sample(((2, 3), (3, 4))),
        Sample(((3,), (3,))),
        Sample(((3,), (3, 2))),
        Sample(((2, 3), (3,))),
        Sample(((2, 2, 3), (3, 2))),
        Sample(((3,), (2, 3, 4))),
        Sample(((2, 1, 2, 3), (4, 3, 2))),
        Sample(((2, 4, 3), (3,))),
        Sample(((2, 0), (0, 3))),
        Sample(((2, 3, 0), (0, 3))),
    ),
)


def _infer_row_dot(types: Sequence[TensorType], **_: Any) -> tuple[TensorType, ...]:
    if not types[0].shape or not types[1].shape or types[0].shape[-1] != types[1].shape[-1]:
        raise ShapeMismatch(
            f"expected rows of as many elements, got the shapes {types[0].shape} and {types[1].shape}",
            hint="the last axes of both have the same size, and the others broadcast",
        )
    return (TensorType(broadcast(types[0].shape, types[1].shape)[:-1], types[0].dtype),)


row_dot = define(
    "row_dot",
    family=LINALG,
    summary="The inner products of rows: the sum of x1 * x2 over the last axis, which both have.",
    forward=lambda xp, x1, x2: xp.vecdot(x1, x2),
    infer=_infer_row_dot,
    vjp=(
        lambda g, y, x1, x2: F.expand_dims(g, axis=-1) * x2,
        lambda g, y, x1, x2: F.expand_dims(g, axis=-1) * x1,
    ),
    batch=batch_rules.elementwise,
    dependence=dependence_rules.rows,
    kinds="real",
    cost=_matmul_cost,
    linear_in=frozenset({0}),
    bilinear=True,
    zero_reason="zero_operand",
    internal=True,
    samples=(Sample(((2, 3), (2, 3))), Sample(((3,), (2, 3))), Sample(((2, 1, 3), (4, 3)))),
)
