"""Products of vectors and matrices under NumPy's names, each a formula over matmul and multiply."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from engine import dtypes
from engine.errors import ShapeMismatch
from engine.ir.attributes import AXIS, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast, normalize_axis
from engine.ir.table import F


def _dot(x1: Any, x2: Any) -> Any:
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    if x2.ndim <= 2:
        return F.matmul(x1, x2)
    return F.tensordot(x1, x2, axes=((x1.ndim - 1,), (x2.ndim - 2,)))


dot = composite(
    "dot",
    summary="The inner product of vectors, the product of matrices; in general over x1's last axis.",
    formula=_dot,
    kinds="numeric",
    samples=(
        Sample(((3,), (3,))),
        Sample(((2, 3), (3, 4))),
        Sample(((), (2, 3))),
        Sample(((2, 3), (3,))),
        Sample(((2, 3), (2, 3, 2))),
    ),
    conventions="NumPy's dot: for stacks of matrices use matmul.",
)


def _vecdot(x1: Any, x2: Any, *, axis: int) -> Any:
    one, other = normalize_axis(axis, x1.ndim), normalize_axis(axis, x2.ndim)
    if x1.shape[one] != x2.shape[other]:
        raise ShapeMismatch(f"vectors of {x1.shape[one]} and {x2.shape[other]} elements: expected as many")
    x1, x2 = (
        F.moveaxis(x1.conj(), source=one, destination=-1),
        F.moveaxis(x2, source=other, destination=-1),
    )
    if x1.ndim == 1 and x2.ndim == 1:
        return F.matmul(x1, x2)
    return F.sum(x1 * x2, axis=-1) if dtypes.is_complex(x1.dtype) else F.row_dot(x1, x2)


vecdot = composite(
    "vecdot",
    summary="The inner product of vectors along an axis, the other axes broadcast.",
    formula=_vecdot,
    holomorphic=False,
    kinds="numeric",
    attributes=(Attribute("axis", AXIS, -1),),
    samples=(
        Sample(((2, 3), (2, 3))),
        Sample(((3,), (3,))),
        Sample(((2, 3), (3,))),
        Sample(((3, 2), (3, 2)), {"axis": 0}),
    ),
    conventions="Of complex tensors the first is conjugated.",
)

vdot = composite(
    "vdot",
    summary="The inner product of two tensors' elements, taken as vectors.",
    formula=lambda x1, x2: F.matmul(x1.conj().reshape((x1.size,)), x2.reshape((x2.size,))),
    holomorphic=False,
    kinds="numeric",
    samples=(Sample(((2, 3), (2, 3))), Sample(((3,), (3,)))),
    conventions="Of complex tensors the first is conjugated.",
)


def _inner(x1: Any, x2: Any) -> Any:
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return F.tensordot(x1, x2, axes=((x1.ndim - 1,), (x2.ndim - 1,)))


inner = composite(
    "inner",
    summary="The sum of products over the last axes of both.",
    formula=_inner,
    kinds="numeric",
    samples=(Sample(((3,), (3,))), Sample(((2, 3), (4, 3))), Sample(((), (3,)))),
)

outer = composite(
    "outer",
    summary="Every element of x1 times every element of x2, as a matrix.",
    formula=lambda x1, x2: x1.reshape((x1.size, 1)) * x2.reshape((1, x2.size)),
    kinds="numeric",
    samples=(Sample(((2,), (3,))), Sample(((2, 2), (3,)))),
)


def _kron(x1: Any, x2: Any) -> Any:
    ndim = max(x1.ndim, x2.ndim)
    a = (*(1,) * (ndim - x1.ndim), *x1.shape)
    b = (*(1,) * (ndim - x2.ndim), *x2.shape)
    blocks = x1.reshape(tuple(size for s in a for size in (s, 1))) * x2.reshape(
        tuple(size for s in b for size in (1, s))
    )
    return blocks.reshape(tuple(s * t for s, t in zip(a, b, strict=True)))


kron = composite(
    "kron",
    summary="Kronecker's product: x2 in blocks, one scaled by each element of x1.",
    formula=_kron,
    kinds="numeric",
    samples=(Sample(((2, 3), (2, 2))), Sample(((2,), (2, 2))), Sample(((2,), (3,)))),
)


def _cross(x1: Any, x2: Any, *, axis: int | None) -> Any:
    shape = broadcast(x1.shape, x2.shape)
    place = normalize_axis(-1 if axis is None else axis, len(shape))
    if shape[place] != 3 or any(
        x.ndim < len(shape) - place or x.shape[place - len(shape)] != 3 for x in (x1, x2)
    ):
        raise ShapeMismatch(
            f"shapes {x1.shape} and {x2.shape} have no 3 elements along axis {axis}",
            hint="vectors of two elements need a third of 0",
        )
    x1, x2 = x1.broadcast_to(shape), x2.broadcast_to(shape)

    def turned(x: Any, shift: int) -> Any:
        return F.roll(x, shift=-shift, axis=place)

    return turned(x1, 1) * turned(x2, 2) - turned(x1, 2) * turned(x2, 1)


cross = composite(
    "cross",
    summary="The cross product of vectors of three elements along an axis.",
    formula=_cross,
    kinds="numeric",
    attributes=(Attribute("axis", AXIS, -1, "null: the last axis", nullable=True),),
    samples=(Sample(((3,), (3,))), Sample(((2, 3), (3,))), Sample(((3, 2), (3, 2)), {"axis": 0})),
)


_SEARCHED = 64  # factors among which the cheapest order is looked for; of more, from left to right


def _multi_dot(*xs: Any) -> Any:
    """The cheapest order of products, by the textbook's dynamic programme over sub-chains."""
    for position, x in enumerate(xs):
        if x.ndim != 2 and not (x.ndim == 1 and position in (0, len(xs) - 1)):
            raise ShapeMismatch(
                f"expected a matrix for input {position}, got shape {x.shape}",
                hint="only the first and the last may be vectors",
            )
    if len(xs) > _SEARCHED:
        return reduce(F.matmul, xs)
    sizes = _chain_sizes(xs)
    count = len(xs)
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        if i == j:
            return xs[i]
        k = best[i, j][1]
        return F.matmul(product(i, k), product(k + 1, j))

    return product(0, count - 1)


def _chain_sizes(xs: Sequence[Any]) -> list[int]:
    """Rows of the first, then the columns of each; a vector is a row in front and a column at the end."""
    first, last = xs[0].shape, xs[-1].shape
    rows = 1 if len(first) == 1 else first[0]
    columns = [x.shape[-1] for x in xs[:-1]]
    return [rows, *columns, 1 if len(last) == 1 else last[-1]]


multi_dot = composite(
    "multi_dot",
    summary="The product of a chain of matrices, in the cheapest order.",
    formula=_multi_dot,
    kinds="numeric",
    variadic=True,
    joins=True,
    minimum=2,
    samples=(
        Sample(((2, 3), (3, 4), (4, 2))),
        Sample(((3,), (3, 4), (4, 2), (2,))),
        Sample(((2, 3), (3, 2))),
    ),
)
