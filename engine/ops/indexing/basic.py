"""Indexing as NumPy does it, and writing at an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.arrays.numpy import FEW_SLICES
from engine.dtypes import TensorType
from engine.errors import ShapeMismatch
from engine.ir import dependence_rules
from engine.ir.attributes import INDEX, Attribute
from engine.ir.cost import Cost, moved
from engine.ir.derivative import Accumulate
from engine.ir.families import INDEXING, define
from engine.ir.indices import arrays_of, axis_of_slices, is_view, normalize_index, selects_once, shape_of
from engine.ir.no_gradient import NoGradient
from engine.ir.samples import Sample
from engine.ir.table import F
from engine.ops.creation import made
from engine.ops.indexing import batches

POSITION = NoGradient("nondifferentiable", "to_integer", "an index is an integer")


def selected_cost(types: Sequence[TensorType], outputs: Sequence[TensorType], **_: Any) -> Cost:
    """Only what is selected is read and written."""
    return Cost(0, moved(types[1:], outputs) + outputs[0].nbytes)


def _added_cost(
    types: Sequence[TensorType], outputs: Sequence[TensorType], *, index: tuple[Any, ...]
) -> Cost:
    """Whole slices are added as a product with a sparse matrix: of the values in rows, into rows. Single
    elements need no scratch.
    """
    x, values, *indices = types
    plain = selected_cost(types, outputs)
    places = TensorType(shape_of(index, x.shape, indices), x.dtype)
    axis = axis_of_slices(index, x.shape)
    count = 0 if axis is None or not x.size else places.size * x.shape[axis] // x.size
    if x.ndim < 2 or count < FEW_SLICES:
        return Cost(places.size, plain.bytes)
    rows = 0 if axis == 0 and values.shape == places.shape else places.nbytes
    return Cost(places.size, plain.bytes, rows + min(places.nbytes, x.nbytes) + 24 * count)


def _normalize(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> dict[str, Any]:
    return {"index": normalize_index(index, types[0].shape, types[1:])}


def _infer_getitem(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> tuple[TensorType, ...]:
    return (TensorType(shape_of(index, types[0].shape, types[1:]), types[0].dtype),)


def _getitem_rule(g: Any, y: Any, x: Any, *indices: Any, index: tuple[Any, ...]) -> Accumulate:
    return Accumulate(lambda total: F.index_add(total, g, *indices, index=index))


def _getitem(xp: Any, x: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    places = arrays_of(xp, index, indices, x.shape)
    axis = axis_of_slices(index, x.shape)
    if axis is not None and places[axis].dtype == xp.int64:
        return xp.take(x, places[axis], axis=axis)  # faster than by an index array, and in C order
    return x[places]


def _prepared_read(xp: Any, *, index: tuple[Any, ...]) -> Any:
    if not is_view(index):
        return None
    return lambda x, *indices: x[index]  # index tensors may come that no place of the index reads


getitem = define(
    "getitem",
    "slice",
    batch=batches.read,
    family=INDEXING,
    summary="x[index], as in NumPy: integers, slices, new axes, '...', lists and tensors of integers.",
    forward=_getitem,
    prepare=_prepared_read,
    normalize=_normalize,
    infer=_infer_getitem,
    vjp=(_getitem_rule, POSITION),
    kinds=("any", "index"),
    promote=(True, False),
    variadic=True,
    minimum=0,
    attributes=(Attribute("index", INDEX),),
    cost=selected_cost,
    view=lambda *, index: is_view(index),
    linear_in=frozenset({0}),
    zero_reason="unselected",
    samples=(
        Sample(((4, 3),), {"index": [1]}),
        Sample(((4, 3),), {"index": [{"start": 3, "stop": None, "step": -2}, None, 0]}),
        Sample(((4, 3),), {"index": [[0, 0, 2]]}),
        Sample(((3,), [2, 0]), {"index": [{"input": 1}, None]}),
        Sample(((4, 3),), {"index": ["...", [True, False, True]]}),
        Sample(((4, 3), [3, -1, 3]), {"index": [{"input": 1}]}),
        Sample(((2, 4, 3), [[0, 1], [1, 1]], [2, 0]), {"index": [{"input": 1}, {"start": 1}, {"input": 2}]}),
        Sample(((4, 3),), {"index": [{"start": 4}, -1]}),
        Sample(((),), {"index": [None, "..."]}),
    ),
    conventions="An element that is read twice gets both gradients.",
)


# -- writing -----------------------------------------------------------------------------------------


def _fills(shape: tuple[int, ...], places: tuple[int, ...]) -> bool:
    pairs = zip(reversed(shape), reversed(places), strict=False)
    return len(shape) <= len(places) and all(size in (1, place) for size, place in pairs)


def _normalize_write(types: Sequence[TensorType], *, index: tuple[Any, ...]) -> dict[str, Any]:
    x, values, *indices = types
    index = normalize_index(index, x.shape, indices)
    places = shape_of(index, x.shape, indices)
    if not _fills(values.shape, places):
        raise ShapeMismatch(
            f"values of shape {values.shape} do not fill the places of shape {places}",
            hint="values have the shape of x[index], or one that broadcasts to it",
        )
    return {"index": index}


def _index_add(xp: Any, x: Any, values: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    return xp.index_add(x, arrays_of(xp, index, indices, x.shape), values)


def _prepared_add(xp: Any, *, index: tuple[Any, ...]) -> Any:
    if not is_view(index):
        return None

    def add(x: Any, values: Any, *indices: Any) -> Any:
        x[index] += values
        return x

    return add


index_add = define(
    "index_add",
    batch=batches.write,
    dependence=dependence_rules.added("getitem"),
    family=INDEXING,
    summary="x with `values` added at an index; repeated indices add up.",
    forward=_index_add,
    prepare=_prepared_add,
    normalize=_normalize_write,
    infer=lambda types, **_: (types[0],),
    vjp=(
        lambda g, y, x, values, *indices, index: g,
        lambda g, y, x, values, *indices, index: F.getitem(g, *indices, index=index),
        POSITION,
    ),
    kinds=("numeric", "numeric", "index"),
    promote=(True, True, False),
    variadic=True,
    minimum=0,
    attributes=(Attribute("index", INDEX),),
    cost=_added_cost,
    in_place=True,
    linear_in=frozenset({0, 1}),
    samples=(
        Sample(((4, 3), (3,)), {"index": [1]}),
        Sample(((4, 3), (3, 3)), {"index": [[0, 0, 2]]}),
        Sample(((4, 3), (2, 1), [3, -1]), {"index": [{"input": 1}]}),
        Sample(((2, 3), (2,), [1, 1], [2, 2]), {"index": [{"input": 1}, {"input": 2}]}),
    ),
    conventions="NumPy's np.add.at(x, index, values), as a new tensor.",
)


def _index_set(xp: Any, x: Any, values: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    return xp.index_put(x, arrays_of(xp, index, indices, x.shape), values)


def _pull_to_tensor(g: Any, y: Any, x: Any, values: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    return F.index_set(g, 0, *indices, index=index)


def _pull_to_values(g: Any, y: Any, x: Any, values: Any, *indices: Any, index: tuple[Any, ...]) -> Any:
    back = F.getitem(g, *indices, index=index)
    if selects_once(index):
        return back
    # where a place is written twice, the value written last owns it: write tickets, and see whose are left
    tickets = made(g, "arange", start=back.size).reshape(back.shape)
    nobody = F.full_like(g, fill_value=-1, dtype="int64")
    owners = F.getitem(F.index_set(nobody, tickets, *indices, index=index), *indices, index=index)
    return F.where(owners.equals(tickets), back, 0)


index_set = define(
    "index_set",
    "index_update",
    batch=batches.write,
    family=INDEXING,
    summary="x with `values` at an index.",
    forward=_index_set,
    normalize=_normalize_write,
    infer=lambda types, **_: (types[0],),
    vjp=(_pull_to_tensor, _pull_to_values, POSITION),
    kinds=("any", "any", "index"),
    promote=(True, True, False),
    variadic=True,
    minimum=0,
    attributes=(Attribute("index", INDEX),),
    cost=selected_cost,
    in_place=True,
    linear_in=frozenset({0, 1}),
    zero_reason="unselected",
    samples=(
        Sample(((4, 3), (3,)), {"index": [1]}),
        Sample(((4, 3), ()), {"index": [{"start": 1, "stop": 3}, 0]}),
        Sample(((4, 3), (3, 3)), {"index": [[0, 0, 2]]}),
        Sample(((4, 3), (2, 1), [3, -1]), {"index": [{"input": 1}]}),
    ),
    conventions="x[index] = values, as a new tensor. Of several values for one element the last one counts.",
)
