"""Scaled dot-product attention (Vaswani et al. 2017), and tables of vectors read and pooled by integers."""

from __future__ import annotations

import math
from typing import Any

from engine.errors import DtypeMismatch, ShapeMismatch, WrongArity
from engine.ir.attributes import BOOLEAN, INT, NUMBER, Attribute, choice
from engine.ir.derivative import JOINT
from engine.ir.families import composite
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.shapes import broadcast
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.linalg.matmul import transposed


def _attention(query: Any, key: Any, value: Any, *mask: Any, causal: bool, scale: float | None) -> Any:
    if len(mask) > 1:
        raise WrongArity(f"expected one mask at most, got {len(mask)}")
    shapes = [x.shape for x in (query, key, value)]
    if min(map(len, shapes)) < 2 or shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2]:
        raise ShapeMismatch(
            f"queries, keys and values of shapes {shapes[0]}, {shapes[1]} and {shapes[2]}",
            hint="(..., heads, length, depth): queries and keys have one depth, keys and values one length",
        )
    heads = 1
    if query.ndim > 2 and key.ndim > 2 and key.shape[-3] > 1 and query.shape[-3] != key.shape[-3]:
        heads, rest = divmod(query.shape[-3], key.shape[-3])
        if rest or value.ndim < 3 or value.shape[-3] != key.shape[-3]:
            raise ShapeMismatch(
                f"{query.shape[-3]} heads of queries, {key.shape[-3]} of keys",
                hint="heads of keys and values are shared by as many heads of queries each",
            )
        query = query.reshape((*query.shape[:-3], key.shape[-3], heads, *query.shape[-2:]))
        key, value = F.expand_dims(key, axis=-3), F.expand_dims(value, axis=-3)
    depth = query.shape[-1]
    scores = F.matmul(query * (1 / math.sqrt(max(depth, 1)) if scale is None else scale), transposed(key))
    grouped = scores.shape
    if heads > 1:
        scores = scores.reshape((*grouped[:-4], grouped[-4] * heads, *grouped[-2:]))
    scores = _masked(scores, mask, causal)
    visible = F.any(F.greater(scores, -math.inf), axis=-1, keepdims=True)
    weights = F.where(visible, F.softmax(F.where(visible, scores, 0), axis=-1), 0)
    if heads > 1:
        weights = weights.reshape(grouped)
    y = F.matmul(weights, value)
    return y.reshape((*y.shape[:-4], y.shape[-4] * heads, *y.shape[-2:])) if heads > 1 else y


def _masked(scores: Any, mask: tuple[Any, ...], causal: bool) -> Any:
    """The scores with what is masked at minus infinity."""
    for one in mask:
        if one.dtype.startswith("complex"):
            raise DtypeMismatch(
                f"a mask of dtype {one.dtype}", hint="a mask is boolean, or real numbers added to the scores"
            )
        if broadcast(one.shape, scores.shape) != scores.shape:
            raise ShapeMismatch(
                f"a mask of shape {one.shape} for scores of shape {scores.shape}",
                hint="it broadcasts to (..., heads, queries, keys)",
            )
        scores = F.where(one, scores, -math.inf) if one.dtype == "bool" else scores + one.astype(scores.dtype)
    if causal:
        queries, keys = scores.shape[-2:]
        rows = made(scores, "arange", start=queries).reshape((queries, 1))
        scores = F.where(F.less_equal(made(scores, "arange", start=keys), rows), scores, -math.inf)
    return scores


scaled_dot_product_attention = composite(
    "scaled_dot_product_attention",
    "dot_product_attention",
    summary="softmax(query @ key.mT * scale) @ value, with a mask.",
    formula=_attention,
    vjp=(JOINT, JOINT, JOINT, JOINT),
    kinds=("real_floating", "real_floating", "real_floating", "any"),
    promote=(True, True, True, False),
    variadic=True,
    minimum=0,
    attributes=(
        Attribute("causal", BOOLEAN, False, "whether no query sees a key behind its own place"),
        Attribute("scale", NUMBER, None, "1 / sqrt(depth) when absent"),
    ),
    samples=(
        Sample(((2, 3), (4, 3), (4, 2))),
        Sample(((1, 4, 2, 3), (1, 2, 3, 3), (1, 2, 3, 1)), {"causal": True, "scale": 0.7}),
        Sample(((2, 2), (3, 2), (3, 2), [[0.5, -1.0, 0.0]])),
    ),
    conventions="(..., heads, length, depth), as in PyTorch; Keras has the heads behind the length. A "
    "boolean mask is true where a key is seen, another is added to the scores. A query that sees no key "
    "gives zeros. "
    "Fewer heads of keys and values are shared by groups of heads of queries.",
)

_MODES = ("sum", "mean", "max")


def _embedding_bag(indices: Any, table: Any, *, mode: str, padding_idx: int | None) -> Any:
    if not indices.ndim or table.ndim != 2:
        raise ShapeMismatch(
            f"indices of shape {indices.shape} into a table of shape {table.shape}",
            hint="a bag is the last axis of the indices, and a vector a row of the table",
        )
    if indices.shape[-1] == 0:
        raise ShapeMismatch("a bag has no indices", hint="padding_idx names an index that does not count")
    rows = F.gather(table, indices, axis=0)
    if padding_idx is None:
        return getattr(F, mode)(rows, axis=-2)
    own = padding_idx % table.shape[0] if table.shape[0] else padding_idx
    counts = F.expand_dims(F.logical_not(F.remainder(indices, max(table.shape[0], 1)).equals(own)), axis=-1)
    number = F.sum(counts, axis=-2)
    if mode == "max":
        best = F.max(F.where(counts, rows, -math.inf), axis=-2)
        return F.where(number.equals(0), 0, best)
    total = F.sum(F.where(counts, rows, 0), axis=-2)
    return total if mode == "sum" else total / F.maximum(number, 1).astype(total.dtype)


embedding_bag = composite(
    "embedding_bag",
    summary="The sum, the mean or the largest of the rows of a table at the integers of each bag.",
    formula=_embedding_bag,
    vjp=(NoGradient("nondifferentiable", "to_integer", "an index is an integer"), JOINT),
    kinds=("integer", "real_floating"),
    promote=False,
    attributes=(
        Attribute("mode", choice(*_MODES), "mean", "what is taken of a bag's rows"),
        Attribute("padding_idx", INT, None, "an index that does not count; a bag of it alone gives zeros"),
    ),
    samples=(
        Sample(([[0, 2], [1, 1]], (3, 2))),
        Sample(([[0, 2, 1], [1, 0, 1]], (4, 2)), {"mode": "sum", "padding_idx": 1}),
        Sample(([[3, 2], [1, -1]], (4, 2)), {"mode": "max"}),
    ),
    conventions="A bag is the last axis of the indices. Equal largest elements share the gradient.",
)
