"""Dense tensors from their nonzero entries, as a compressed derivative needs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from engine.dtypes import TensorType
from engine.ir.attributes import SHAPE, Attribute, InputIndex
from engine.ir.cost import Cost
from engine.ir.families import INDEXING, define
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.indexing.basic import POSITION

Shape = tuple[int, ...]


def _infer(types: Sequence[TensorType], *, shape: Shape) -> tuple[TensorType, ...]:
    values = types[0]
    return (TensorType((*values.shape[:-1], *shape), values.dtype),)


def _from_entries(xp: Any, values: Any, places: Any, *, shape: Shape) -> Any:
    lead = values.shape[:-1]
    xp.watch_indices(places, prod(shape))
    answer = xp.zeros((*lead, *shape), dtype=values.dtype)  # a view of it would be copied to be answered
    xp.index_put(xp.reshape(answer, (*lead, prod(shape))), (..., places), values)
    return answer


def _read_back(g: Any, y: Any, values: Any, places: Any, shape: Shape) -> Any:
    flat = g.reshape((*values.shape[:-1], prod(shape)))
    return F.getitem(flat, places, index=(..., InputIndex(1)))


def _batched(op: Any, xs: Sequence[Any], batched: Sequence[bool], n: int, *, shape: Shape) -> Any:
    return None if batched[1] else xs[0].tape.apply(op, xs, {"shape": shape})


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(0, 2 * types[0].nbytes + types[1].nbytes + outputs[0].nbytes)


from_entries = define(
    "from_entries",
    family=INDEXING,
    batch=_batched,
    summary="Zeros of `shape` with `values` at `places`, which number its elements, none of them twice.",
    forward=_from_entries,
    infer=_infer,
    vjp=(_read_back, POSITION),
    kinds=("numeric", "integer"),
    promote=False,
    attributes=(Attribute("shape", SHAPE),),
    cost=_cost,
    linear_in=frozenset({0}),
    internal=True,
    samples=(Sample(((3,), [4, 0, 2]), {"shape": [2, 3]}), Sample(((2, 2), [1, 0]), {"shape": [2]})),
    conventions="The values' other axes stay in front of `shape`.",
)
