"""Indexing, and its adjoints, which add into one array in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.attributes import INDEX, Attribute
from engine.dtypes import TensorType
from engine.families import INDEXING, define, moved
from engine.indices import arrays_of, is_view, normalize_index, shape_of
from engine.op import Accumulate, Cost, Cut, F, Sample

_POSITION = Cut("nondifferentiable", "to_integer", "an index is an integer")


def _cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    return Cost(0, moved(types[1:], outputs) + outputs[0].nbytes)


def _normalize(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> dict[str, Any]:
    return {"index": normalize_index(index, types[0].shape, types[1:])}


def _infer_getitem(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> tuple[TensorType, ...]:
    return (TensorType(shape_of(index, types[0].shape, types[1:]), types[0].dtype),)


def _getitem_rule(g: Any, y: Any, x: Any, *indices: Any, index: tuple[Any, ...]) -> Accumulate:
    return Accumulate(lambda total: F.index_add(total, g, *indices, index=index))


getitem = define(
    "getitem",
    "slice",
    family=INDEXING,
    summary="x[index], as in NumPy: integers, slices, new axes, '...', lists and tensors of integers.",
    forward=lambda xp, x, *indices, index: x[arrays_of(xp, index, indices)],
    normalize=_normalize,
    infer=_infer_getitem,
    vjp=(_getitem_rule, _POSITION),
    kinds=("any", "index"),
    promote=(True, False),
    variadic=True,
    minimum=0,
    attributes=(Attribute("index", INDEX),),
    cost=_cost,
    view=lambda *, index: is_view(index),
    linear_in=frozenset({0}),
    samples=(
        Sample(((4, 3),), {"index": [1]}),
        Sample(((4, 3),), {"index": [{"start": 3, "stop": None, "step": -2}, None, 0]}),
        Sample(((4, 3),), {"index": [[0, 0, 2]]}),
        Sample(((4, 3),), {"index": ["...", [True, False, True]]}),
    ),
    conventions="An element that is read twice gets both gradients.",
)


def _index_add(xp: Any, x: Any, values: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    return xp.index_add(x, arrays_of(xp, index, indices), values)


def _normalize_add(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> dict[str, Any]:
    return {"index": normalize_index(index, types[0].shape, types[2:])}


index_add = define(
    "index_add",
    family=INDEXING,
    summary="x with `values` added at the places of an index; repeated places add up.",
    forward=_index_add,
    normalize=_normalize_add,
    infer=lambda types, **_: (types[0],),
    vjp=(
        lambda g, y, x, values, *indices, index: g,
        lambda g, y, x, values, *indices, index: F.getitem(g, *indices, index=index),
        _POSITION,
    ),
    kinds=("numeric", "numeric", "index"),
    promote=(True, True, False),
    variadic=True,
    minimum=0,
    attributes=(Attribute("index", INDEX),),
    cost=_cost,
    in_place=True,
    linear_in=frozenset({0, 1}),
    internal=True,
    samples=(
        Sample(((4, 3), (3,)), {"index": [1]}),
        Sample(((4, 3), (3, 3)), {"index": [[0, 0, 2]]}),
    ),
)
