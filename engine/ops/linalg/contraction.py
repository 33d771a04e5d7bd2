"""The product of two tensors with named axes, lowered to one matrix product.

`contract` is what tensordot and einsum come down to: axes are sorted into those of both that stay
(batch), those of both that are summed, and those of one alone; then a matrix product does the work.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import prod
from typing import Any

from engine import dtypes
from engine.errors import ShapeMismatch
from engine.ir.attributes import CONTRACTION, Attribute
from engine.ir.families import composite
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.shaping.axes import permuted

Labels = tuple[Hashable, ...]


def arranged(x: Any, labels: Labels, order: Labels) -> Any:
    """`x`, whose axes are called `labels`, with its axes in another order."""
    return permuted(x, tuple(labels.index(label) for label in order))


def total(x: Any, labels: Labels, keep: Labels) -> tuple[Any, Labels]:
    """`x` summed over the axes that nobody keeps."""
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    if not axes:
        return x, labels
    return F.sum(x, axis=axes).astype(x.dtype), tuple(label for label in labels if label in keep)


def contract(a: Any, of_a: Labels, b: Any, of_b: Labels, keep: Sequence[Hashable]) -> tuple[Any, Labels]:
    """The product of two tensors, summed over axes that are not in `keep`; labels name axes of one size.

    No label stands twice in one tensor. Answers the product and the labels of its axes.
    """
    a, of_a = total(a, of_a, (*of_b, *keep))
    b, of_b = total(b, of_b, (*of_a, *keep))
    batch = tuple(label for label in of_a if label in of_b and label in keep)
    summed = tuple(label for label in of_a if label in of_b and label not in keep)
    rows = tuple(label for label in of_a if label not in of_b)
    columns = tuple(label for label in of_b if label not in of_a)
    sizes = {**dict(zip(of_b, b.shape, strict=True)), **dict(zip(of_a, a.shape, strict=True))}
    labels = (*batch, *rows, *columns)
    if not summed:
        return _spread(a, of_a, labels) * _spread(b, of_b, labels), labels

    def size(group: Labels) -> int:
        return prod(sizes[label] for label in group)

    outer = tuple(sizes[label] for label in batch)
    by_row = bool(batch) and not rows and not columns and not dtypes.is_complex(a.dtype)
    matrices = bool(batch) and not by_row
    left = arranged(a, of_a, (*batch, *rows, *summed)).reshape(
        (*outer, *((size(rows),) if rows or matrices else ()), size(summed))
    )
    right = arranged(b, of_b, (*batch, *summed, *columns)).reshape(
        (*outer, size(summed), *((size(columns),) if columns or matrices else ()))
    )
    product = F.row_dot(left, right) if by_row else F.matmul(left, right)
    return product.reshape(tuple(sizes[label] for label in labels)), labels


def _spread(x: Any, own: Labels, labels: Labels) -> Any:
    """`x` with axes of size 1 where `labels` names axes that it does not have."""
    order = tuple(label for label in labels if label in own)
    x = arranged(x, own, order)
    sizes = dict(zip(order, x.shape, strict=True))
    return x.reshape(tuple(sizes.get(label, 1) for label in labels))


def _tensordot(x1: Any, x2: Any, *, axes: int | tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    if isinstance(axes, int):
        if axes > min(x1.ndim, x2.ndim):
            raise ShapeMismatch(f"a sum over {axes} axes of shapes {x1.shape} and {x2.shape}")
        axes = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    if len(axes[0]) != len(axes[1]):
        raise ShapeMismatch(f"{len(axes[0])} axes of x1 against {len(axes[1])} of x2: expected as many")
    one = [normalize_axis(axis, x1.ndim) for axis in axes[0]]
    other = [normalize_axis(axis, x2.ndim) for axis in axes[1]]
    if len({*one}) < len(one) or len({*other}) < len(other):
        raise ShapeMismatch(f"the axes {axes} name one axis twice", hint="name each axis once")
    of_x1: list[Hashable] = [("x1", axis) for axis in range(x1.ndim)]
    of_x2: list[Hashable] = [("x2", axis) for axis in range(x2.ndim)]
    for i, j in zip(one, other, strict=True):
        if x1.shape[i] != x2.shape[j]:
            raise ShapeMismatch(
                f"axis {i} of shape {x1.shape} and axis {j} of shape {x2.shape} differ in size",
                hint="axes that are summed together have one size",
            )
        of_x2[j] = of_x1[i]
    keep = [label for label in (*of_x1, *of_x2) if label not in {of_x1[i] for i in one}]
    return contract(x1, tuple(of_x1), x2, tuple(of_x2), keep)[0]


tensordot = composite(
    "tensordot",
    summary="The product of two tensors, summed over pairs of axes.",
    formula=_tensordot,
    kinds="numeric",
    attributes=(
        Attribute("axes", CONTRACTION, 2, "how many last axes of x1 and first of x2, or a list for each"),
    ),
    samples=(
        Sample(((2, 3, 2), (3, 2, 4))),
        Sample(((2, 3), (4,)), {"axes": 0}),
        Sample(((2, 3, 4), (4, 5, 2)), {"axes": [[0, -1], [-1, 0]]}),
        Sample(((3,), (3,)), {"axes": 1}),
        Sample(((2, 3), (3,)), {"axes": [1, 0]}),
    ),
)
