"""How ops take a leading batch axis: the rules that families and records share.

A rule is `rule(op, xs, batched, n, **attributes)`: the inputs, which of them carry a leading axis of size
`n`, and the attributes as they were recorded without it. It records the op for all rows at once and
returns its outputs with the axis in front, or None if this case has to be mapped row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from engine.dtypes import TensorType
from engine.ir.table import F


def stacked(x: Any, batched: bool, n: int) -> Any:
    """`x` with the batch axis, repeated where it has none."""
    return x if batched else x.broadcast_to((n, *x.shape))


def rank(x: Any, batched: bool) -> int:
    """The number of axes of one row."""
    return int(x.ndim) - int(batched)


def aligned(x: Any, batched: bool, axes: int) -> Any:
    """`x` so that it broadcasts in rows of `axes` axes: new axes go behind the batch axis."""
    missing = axes - rank(x, batched)
    if not batched or missing == 0:
        return x
    return x.reshape((x.shape[0], *(1,) * missing, *x.shape[1:]))


def elementwise(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, **attributes: Any) -> Any:
    """Rows broadcast against each other."""
    axes = max(rank(x, b) for x, b in zip(xs, batched, strict=True))
    rows = [aligned(x, b, axes) for x, b in zip(xs, batched, strict=True)]
    return rows[0].tape.apply(op, rows, attributes)


def along_axis(
    op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, axis: Any, **attributes: Any
) -> Any:
    """An op along `axis`: every input gets the batch axis, every axis moves by one."""
    if axis is None:
        return _flattened(op, xs[0], n, attributes) if len(xs) == 1 else None
    moved = tuple(a + 1 for a in axis) if isinstance(axis, tuple) else axis + 1
    rows = [stacked(x, b, n) for x, b in zip(xs, batched, strict=True)]
    return rows[0].tape.apply(op, rows, {**attributes, "axis": moved})


def _flattened(op: Any, x: Any, n: int, attributes: dict[str, Any]) -> Any:
    """An op on all elements of a row in their order, in the shape that it has for one row."""
    row = TensorType(x.shape[1:], x.dtype)
    answer = x.tape.apply(op, [x.reshape((n, row.size))], {**attributes, "axis": 1})
    (type,) = op.infer([row], axis=None, **attributes)
    return answer.reshape((n, *type.shape))


def trailing(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, **attributes: Any) -> Any:
    """An op on the last axes that passes leading ones through."""
    rows = [stacked(x, b, n) for x, b in zip(xs, batched, strict=True)]
    return rows[0].tape.apply(op, rows, attributes)


def static(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, **attributes: Any) -> Any:
    """An op that reads only the shape: each row gives the same."""
    (x,) = xs
    row = x.tape.constant(0, x.dtype).broadcast_to(x.shape[1:])  # there may be no rows to take one from
    return stacked(row.tape.apply(op, [row], attributes), False, n)


def to_shape(
    op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, shape: tuple[int, ...], **_: Any
) -> Any:
    """reshape, broadcast_to and sum_to: the shape gets the batch axis; rows are aligned first."""
    (x,) = xs
    if op.name == "broadcast_to":
        return aligned(x, True, len(shape)).broadcast_to((n, *shape))
    if op.name == "sum_to":
        extra = (1,) * (rank(x, True) - len(shape))
        return x.tape.apply(op, [x], {"shape": (n, *extra, *shape)}).reshape((n, *shape))
    return x.reshape((n, *shape))


def padded_attribute(name: str, first: Any) -> Any:
    """The rule of an op whose attribute `name` has an entry for each axis: the batch axis gets `first`."""

    def rule(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, **attributes: Any) -> Any:
        return xs[0].tape.apply(op, xs, {**attributes, name: (first, *attributes[name])})

    return rule


def tiled(
    op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, repetitions: tuple[int, ...]
) -> Any:
    """The batch axis is not repeated; missing axes and missing repetitions are ones, as in NumPy."""
    axes = max(rank(xs[0], True), len(repetitions))
    ones = (1,) * (1 + axes - len(repetitions))
    return F.tile(aligned(xs[0], True, axes), repetitions=(*ones, *repetitions))


def permuted(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, axes: tuple[int, ...]) -> Any:
    """The batch axis stays in front."""
    return F.permute_dims(xs[0], axes=(0, *(a + 1 for a in axes)))


def product(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int) -> Any:
    """The matrix product of rows; one product for all rows where one side is shared by them."""
    (x1, x2), (first, second) = xs, batched
    r1, r2 = rank(x1, first), rank(x2, second)
    if first and not second and r1 == 1 and r2 <= 2:
        return F.matmul(x1, x2)
    if first and not second and r2 <= 2:
        flat = x1.reshape((prod(x1.shape[:-1]), x1.shape[-1]))
        answer = F.matmul(flat, x2)
        return answer.reshape((*x1.shape[:-1], *answer.shape[1:]))
    if second and not first and r2 == 1 and r1 == 2:
        return F.matmul(x2, F.permute_dims(x1))
    x1 = F.expand_dims(x1, axis=-2) if r1 == 1 else x1
    x2 = F.expand_dims(x2, axis=-1) if r2 == 1 else x2
    axes = max(rank(x1, first), rank(x2, second))
    answer = F.matmul(aligned(x1, first, axes), aligned(x2, second, axes))
    dropped = [axis for axis, vector in ((-2, r1 == 1), (-1, r2 == 1)) if vector]
    return F.squeeze(answer, axis=dropped) if dropped else answer
