"""Ops written by hand: their number of outputs hangs on their arguments, or they take an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.indexing import index_attribute
from gradwire._tracing.tensor import Tensor, record, record_many
from gradwire._tracing.tracer import as_edge, explicit

__all__ = [
    "broadcast_arrays",
    "index_add",
    "index_set",
    "index_update",
    "meshgrid",
    "split",
    "unbind",
    "unstack",
]


def broadcast_arrays(*xs: Any) -> tuple[Tensor, ...]:
    """The tensors broadcast against each other."""
    return record_many("broadcast_arrays", xs, len(xs), {})


def meshgrid(*xs: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate tensors of vectors; `indexing` is "xy" or "ij"."""
    return record_many("meshgrid", xs, len(xs), {"indexing": indexing})


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of x along an axis: a number of equal ones, or cut at the given places."""
    count = sections if isinstance(sections, int) else len(sections) + 1
    return record_many("split", (x,), count, {"sections": sections, "axis": explicit(axis)})


def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, without that axis; fetches x where its shape is not known yet."""
    tensor = Tensor(as_edge(x))
    return record_many("unstack", (tensor,), tensor.shape[axis], {"axis": axis})


unbind = unstack


def index_add(x: Any, values: Any, index: Any) -> Tensor:
    """X with `values` added at the places of `index`, as in `x[index]`; repeated places add up."""
    places, tensors = index_attribute(index, first=2)
    return record("index_add", (x, values, *tensors), {"index": places})


def index_set(x: Any, values: Any, index: Any) -> Tensor:
    """X with `values` at the places of `index`, as in `x[index]`."""
    places, tensors = index_attribute(index, first=2)
    return record("index_set", (x, values, *tensors), {"index": places})


index_update = index_set

FUNCTIONS.update({name: globals()[name] for name in __all__})
