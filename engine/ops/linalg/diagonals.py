"""Diagonals and triangles of matrices; the adjoint of reading a diagonal adds to one in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange, ShapeMismatch
from engine.ir import batch_rules, dependence_rules
from engine.ir.attributes import AXIS, INT, Attribute
from engine.ir.derivative import Accumulate
from engine.ir.families import LINALG, SHAPING, composite, define
from engine.ir.op import Op
from engine.ir.samples import Sample
from engine.ir.shapes import normalize_axis
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.shaping.axes import permuted
from engine.ops.shaping.common import copied

_K = Attribute("k", INT, 0, "above the main diagonal when positive, below when negative")
_OFFSET = Attribute("offset", INT, 0, "above the main diagonal when positive, below when negative")


def _matrices(x: Any) -> None:
    if x.ndim < 2:
        raise ShapeMismatch(
            f"expected a matrix or a stack of matrices, got shape {x.shape}",
            hint="diag makes a matrix of a vector",
        )


def _length(shape: tuple[int, ...], offset: int) -> int:
    rows, columns = shape[-2:]
    return max(0, min(rows + min(offset, 0), columns - max(offset, 0)))


def _normalize(types: Sequence[Any], **places: int) -> dict[str, Any]:
    """The diagonal's place; the first one outside the matrix for all that are further out."""
    _matrices(types[0])
    rows, columns = types[0].shape[-2:]
    return {name: min(max(place, -rows), columns) for name, place in places.items()}


# -- reading and adding ------------------------------------------------------------------------------


def _on_diagonal(xp: Any, x: Any, offset: int) -> tuple[Any, ...]:
    """The index of the diagonal of the last two axes."""
    along = xp.arange(_length(x.shape, offset))
    return (..., along - min(offset, 0), along + max(offset, 0))


def _infer_read(types: Sequence[TensorType], *, offset: int) -> tuple[TensorType, ...]:
    x = types[0]
    return (TensorType((*x.shape[:-2], _length(x.shape, offset)), x.dtype),)


read_diagonal = define(
    "read_diagonal",
    family=LINALG,
    batch=batch_rules.trailing,
    dependence=dependence_rules.moved,
    summary="The diagonal of the last two axes.",
    forward=lambda xp, x, *, offset: xp.linalg.diagonal(x, offset=offset),
    normalize=_normalize,
    infer=_infer_read,
    vjp=lambda g, y, x, offset: Accumulate(lambda total: F.add_diagonal(total, g, offset=offset)),
    kinds="any",
    attributes=(_OFFSET,),
    cost=copied,
    view=True,
    linear_in=frozenset({0}),
    zero_reason="unselected",
    internal=True,
    samples=(Sample(((2, 3),)), Sample(((2, 3, 3),), {"offset": -1}), Sample(((2, 3),), {"offset": 5})),
)


def _add_diagonal(xp: Any, x: Any, values: Any, *, offset: int) -> Any:
    return xp.index_add(x, _on_diagonal(xp, x, offset), values)


add_diagonal = define(
    "add_diagonal",
    family=LINALG,
    batch=batch_rules.trailing,
    dependence=dependence_rules.added("read_diagonal"),
    summary="x with `values` added to the diagonal of the last two axes.",
    forward=_add_diagonal,
    normalize=_normalize,
    infer=lambda types, **_: (types[0],),
    vjp=(
        lambda g, y, x, values, offset: g,
        lambda g, y, x, values, offset: F.read_diagonal(g, offset=offset),
    ),
    attributes=(_OFFSET,),
    cost=copied,
    in_place=True,
    linear_in=frozenset({0, 1}),
    internal=True,
    samples=(Sample(((2, 3), (2,))), Sample(((2, 3, 3), (2, 2)), {"offset": -1})),
)


# -- public names ------------------------------------------------------------------------------------


def _diagonal(x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    _matrices(x)
    first, second = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    if first == second:
        raise IndexOutOfRange(f"axis1 and axis2 are both {first}", hint="a diagonal lies between two axes")
    rest = (axis for axis in range(x.ndim) if axis not in (first, second))
    return F.read_diagonal(permuted(x, (*rest, first, second)), offset=offset)


_AXES = (Attribute("axis1", AXIS, 0), Attribute("axis2", AXIS, 1))

diagonal = composite(
    "diagonal",
    summary="The elements whose indices along two axes differ by `offset`, along a new last axis.",
    formula=_diagonal,
    attributes=(_OFFSET, *_AXES),
    samples=(
        Sample(((3, 3),)),
        Sample(((2, 4),), {"offset": 1}),
        Sample(((2, 3, 4),), {"axis1": 2, "axis2": 0, "offset": -1}),
    ),
    conventions="Axes 0 and 1 as in NumPy; the array API takes the last two.",
)

trace = composite(
    "trace",
    summary="The sum of a diagonal.",
    formula=lambda x, *, offset, axis1, axis2: F.sum(
        F.diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1
    ),
    kinds="numeric",
    attributes=(_OFFSET, *_AXES),
    samples=(Sample(((3, 3),)), Sample(((2, 3, 4),), {"axis1": -2, "axis2": -1, "offset": 1})),
    conventions="Axes 0 and 1 as in NumPy; the array API takes the last two.",
)


def _diag_embed(x: Any, *, offset: int) -> Any:
    if x.ndim == 0:
        raise ShapeMismatch("expected a vector or a stack of vectors, got a scalar")
    size = x.shape[-1] + abs(offset)
    blank = made(x, "zeros", shape=(*x.shape[:-1], size, size), dtype=x.dtype)
    return F.add_diagonal(blank, x, offset=offset)


diag_embed = composite(
    "diag_embed",
    "matrix_diag",
    summary="Matrices of zeros with the last axis of x on a diagonal.",
    formula=_diag_embed,
    kinds="numeric",
    attributes=(_OFFSET,),
    samples=(Sample(((3,),)), Sample(((2, 3),), {"offset": 1}), Sample(((2,),), {"offset": -2})),
)


def _diag(x: Any, *, k: int) -> Any:
    if x.ndim not in (1, 2):
        raise ShapeMismatch(
            f"expected a vector or a matrix, got shape {x.shape}",
            hint="for stacks: diagonal reads, diag_embed makes matrices",
        )
    return F.diag_embed(x, offset=k) if x.ndim == 1 else F.diagonal(x, offset=k)


diag = composite(
    "diag",
    summary="The diagonal matrix of a vector, the diagonal of a matrix.",
    formula=_diag,
    kinds="numeric",
    attributes=(_K,),
    samples=(Sample(((3,),)), Sample(((3, 2),)), Sample(((2,),), {"k": 1}), Sample(((3, 3),), {"k": -1})),
)


def _triangle(name: str, summary: str) -> Op:
    return define(
        name,
        batch=batch_rules.trailing,
        family=SHAPING,
        summary=summary,
        forward=lambda xp, x, *, k: getattr(xp, name)(x, k=k),
        normalize=_normalize,
        infer=lambda types, **_: (TensorType(types[0].shape, types[0].dtype),),
        vjp=lambda g, y, x, k: getattr(F, name)(g, k=k),
        kinds="any",
        attributes=(_K,),
        cost=copied,
        linear_in=frozenset({0}),
        zero_reason="unselected",
        samples=(Sample(((3, 3),)), Sample(((2, 3, 4),), {"k": 1}), Sample(((3, 2),), {"k": -1})),
    )


tril = _triangle("tril", "The elements on and below a diagonal, zeros above it.")
triu = _triangle("triu", "The elements on and above a diagonal, zeros below it.")
