"""Ops with several outputs, whose number the client has to know when it records them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradwire._node import Edge
from gradwire._numpy import FUNCTIONS
from gradwire._trace import as_edge, trace
from gradwire._variadic import arguments
from gradwire.tensor import Tensor

__all__ = ["broadcast_arrays", "meshgrid", "split", "unbind", "unstack"]


def broadcast_arrays(*xs: Any) -> tuple[Tensor, ...]:
    """The tensors broadcast against each other."""
    arrays, _ = arguments(xs, {}, ())
    return _record("broadcast_arrays", arrays, len(arrays), {})


def meshgrid(*xs: Any, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Coordinate tensors of vectors; `indexing` is "xy" or "ij"."""
    arrays, attributes = arguments(xs, {"indexing": indexing}, ("indexing",))
    return _record("meshgrid", arrays, len(arrays), attributes)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """The parts of x along an axis: a number of equal ones, or cut at the given places."""
    count = sections if isinstance(sections, int) else len(sections) + 1
    return _record("split", (x,), count, {"sections": sections, "axis": axis})


def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of x along an axis, without that axis; fetches x where its shape is not known yet."""
    tensor = Tensor(as_edge(x))
    return _record("unstack", (tensor,), tensor.shape[axis], {"axis": axis})


unbind = unstack


def _record(op: str, inputs: Sequence[Any], outputs: int, attributes: dict[str, Any]) -> tuple[Tensor, ...]:
    node = trace(op, inputs, attributes)
    return tuple(Tensor(Edge(node, k)) for k in range(outputs))


FUNCTIONS.update({name: globals()[name] for name in __all__})
