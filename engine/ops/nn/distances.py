"""Distances between all pairs of rows. Where two rows are equal, a distance has derivative 0."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidAttribute, ShapeMismatch
from engine.ir.attributes import NUMBER, Attribute
from engine.ir.families import composite
from engine.ir.json_numbers import INFINITY
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made

_ORD = Attribute("ord", NUMBER, 2, f"the norm of a difference, positive; {INFINITY}: the largest")


def _norm(difference: Any, ord: float) -> Any:
    if not ord > 0:
        raise InvalidAttribute(f"expected a positive 'ord', got {ord}")
    return F.vector_norm(difference, ord=ord, axis=-1)


def _cdist(x1: Any, x2: Any, *, ord: float) -> Any:
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeMismatch(
            f"rows of shapes {x1.shape} and {x2.shape}", hint="both are matrices whose rows are as long"
        )
    return _norm(F.expand_dims(x1, axis=-2) - F.expand_dims(x2, axis=-3), ord)


cdist = composite(
    "cdist",
    summary="The distance of each row of x1 from each row of x2.",
    formula=_cdist,
    kinds="real_floating",
    attributes=(_ORD,),
    samples=(
        Sample(((2, 3), (4, 3))),
        Sample(((2, 2, 3), (1, 3)), {"ord": 1}),
        Sample(((2, 3), (2, 3)), {"ord": INFINITY}),
    ),
    conventions="Differences are formed one by one, so that near rows lose no digits.",
)


def _pairs(x: Any, n: int) -> tuple[Any, Any]:
    """Of `n` rows, the first and the second of each pair, in order; computed in the run, whatever n is."""

    def begin(row: Any) -> Any:
        """How many pairs come before those whose first is `row`."""
        return F.floor_divide(row * (2 * n - 1 - row), 2)

    pair = made(x, "arange", start=n * (n - 1) // 2)
    root = F.sqrt(((2 * n - 1) ** 2 - 8 * pair).astype("float64"))
    first = F.floor((2 * n - 1 - root) / 2).astype("int64")
    # The root is rounded, so that the row may be one off; whole numbers say which it is.
    first = first - F.greater(begin(first), pair).astype("int64")
    first = first + F.less_equal(begin(first + 1), pair).astype("int64")
    return first, pair - begin(first) + first + 1


def _pdist(x: Any, *, ord: float) -> Any:
    if x.ndim < 2:
        raise ShapeMismatch(f"rows of shape {x.shape}", hint="a matrix has rows")
    first, second = _pairs(x, x.shape[-2])
    return _norm(F.take(x, first, axis=-2) - F.take(x, second, axis=-2), ord)


pdist = composite(
    "pdist",
    summary="The distances between the rows of x, each pair once: (0, 1), (0, 2), ..., (1, 2), ...",
    formula=_pdist,
    kinds="real_floating",
    attributes=(_ORD,),
    samples=(Sample(((4, 3),)), Sample(((2, 3, 2),), {"ord": 3})),
)
