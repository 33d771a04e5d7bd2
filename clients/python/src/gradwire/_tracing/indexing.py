"""What stands between brackets, as the `index` attribute of `getitem`.

Integers, slices, new axes, `...` and Python lists are part of the graph; arrays and tensors of integers
travel as inputs, so that other indices do not make another graph. Masks are always part of the graph,
since the shape of the result hangs on them.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gradwire._tracing.node import Traced
from gradwire._tracing.tracer import attribute


def index_attribute(key: Any, first: int = 1) -> tuple[list[Any], list[Any]]:
    """The wire's form of an index, and the tensors it refers to as `{"input": k}`, from `first` on."""
    tensors: list[Any] = []
    index = [_item(item, tensors, first) for item in (key if isinstance(key, tuple) else (key,))]
    return index, tensors


def _item(item: Any, tensors: list[Any], first: int) -> Any:
    if item is None:
        return None
    if item is Ellipsis:
        return "..."
    if isinstance(item, slice):
        bounds = {"start": item.start, "stop": item.stop, "step": item.step}
        return {name: None if bound is None else operator.index(bound) for name, bound in bounds.items()}
    if isinstance(item, bool | np.bool_):
        raise IndexError("a bare boolean is no index; expected integers, slices, None, ..., lists or tensors")
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, list):
        item = (
            item
            if any(isinstance(part, Traced) for part in item)
            else np.array(item, int if not item else None)
        )
        if isinstance(item, np.ndarray) and item.dtype.kind in "biu":
            return attribute(item)
    if isinstance(item, np.ndarray) and item.dtype.kind == "b":
        return attribute(item)
    if isinstance(item, Traced | list) or (isinstance(item, np.ndarray) and item.dtype.kind in "iu"):
        tensors.append(item)
        return {"input": first + len(tensors) - 1}
    described = f"an array of {item.dtype}" if isinstance(item, np.ndarray) else repr(item)
    raise IndexError(f"expected integers, slices, None, ..., lists or tensors as an index, got {described}")
