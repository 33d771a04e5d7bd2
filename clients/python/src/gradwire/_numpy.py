"""NumPy's functions on traced tensors: by their names, which are names or aliases of the server's ops.

`_ops` fills FUNCTIONS when it is imported. What has no counterpart raises UnsupportedFunction; nothing
is ever fetched and computed here in silence, but for the few functions that answer plain Python values.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradwire.errors import UnsupportedFunction

#: Every name and alias of an op, to the function that records it.
FUNCTIONS: dict[str, Callable[..., Any]] = {}

_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}

#: Functions that answer a Python value or text: they fetch.
_FETCHING = {"allclose", "array_equal", "array_repr", "array_str", "array2string", "shape", "ndim", "size"}

#: Arguments of NumPy's that mean nothing here when left at these values.
_NEUTRAL = {
    "out": None,
    "dtype": None,
    "where": True,
    "initial": np._NoValue,
    "order": "K",
    "casting": "same_kind",
    "subok": True,
    "like": None,
}


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A universal function, or its `reduce`, as a recorded op."""
    name = ufunc.__name__
    if method == "reduce" and name in _REDUCTIONS:
        name = _REDUCTIONS[name]
        options = {"axis": 0, **options}
    elif method != "__call__":
        raise UnsupportedFunction(f"numpy.{name}.{method} is not an op; write it with reductions or indexing")
    return _call(name, f"numpy.{ufunc.__name__}", inputs, options)


def call_function(function: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A function of NumPy's array-function protocol as a recorded op."""
    name = function.__name__
    called = f"{function.__module__}.{name}"
    if name in _FETCHING and function.__module__ == "numpy":
        return function(*[np.asarray(a) if hasattr(a, "_edge") else a for a in args], **options)
    if function.__module__ == "numpy.linalg" and f"linalg_{name}" in FUNCTIONS:
        name = f"linalg_{name}"
    return _call(name, called, args, options)


def _call(name: str, called: str, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    function = FUNCTIONS.get(name)
    if function is None:
        near = difflib.get_close_matches(name, FUNCTIONS, n=3)
        raise UnsupportedFunction(
            f"{called} has no op on the server, so it cannot be traced"
            + (f"; did you mean {' or '.join(f'gradwire.{n}' for n in near)}?" if near else "")
            + "; to compute it here, outside of any gradient, fetch first: tensor.numpy()"
        )
    accepted = inspect.signature(function).parameters
    kept = {key: value for key, value in options.items() if key in accepted or not _neutral(key, value)}
    unknown = [key for key in kept if key not in accepted]
    if unknown:
        raise UnsupportedFunction(
            f"{called}(…, {unknown[0]}=…) cannot be traced: gradwire.{function.__name__} takes "
            f"{', '.join(accepted)}"
        )
    try:
        inspect.signature(function).bind(*args, **kept)
    except TypeError as error:
        raise UnsupportedFunction(
            f"{called}: {error}; gradwire.{function.__name__}{inspect.signature(function)}"
        ) from None
    return function(*args, **kept)


def _neutral(key: str, value: Any) -> bool:
    return key in _NEUTRAL and (value is _NEUTRAL[key] or value is None)
