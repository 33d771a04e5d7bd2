"""What the kit takes from cupyx."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import numpy as np
from cupy.linalg import state

ADDED = ("int32", "uint32", "uint64", "float16", "float32", "float64")
COMPARED = ("int32", "uint32", "uint64", "float32", "float64")


def scatter_add(a: Any, slices: Any, value: Any) -> None:
    a.scatter(slices, value, np.add, ADDED)


def scatter_max(a: Any, slices: Any, value: Any) -> None:
    a.scatter(slices, value, np.maximum, COMPARED)


@contextmanager
def errstate(*, divide: Any = None, over: Any = None, under: Any = None, invalid: Any = None,
             linalg: Any = None) -> Any:  # fmt: skip
    before = getattr(state, "linalg", "ignore")
    state.linalg = linalg or before
    try:
        yield
    finally:
        state.linalg = before
