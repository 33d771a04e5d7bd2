"""NumPy's functions on traced tensors: by their names, which are names or aliases of the server's ops.

`functions` has the ops by their names. What has no counterpart raises UnsupportedFunction; nothing
is ever fetched and computed here in silence, but for the few functions that answer plain Python values.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradwire._names.counterparts import PACKAGE
from gradwire._names.missing import INSTEAD, advice
from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.node import Traced
from gradwire._tracing.reads import may_read
from gradwire.errors import UnsupportedFunction

_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}

#: Functions that answer one boolean, by which a program branches: they fetch.
_BRANCHING = {"allclose", "array_equal", "array_equiv", "iscomplexobj", "isrealobj"}

#: Functions that answer text or a shape: they fetch, and nothing of the value leaves.
_DESCRIBING = {"array_repr", "array_str", "array2string", "shape", "ndim", "size"}

#: Functions of NumPy's that share their name with an op and mean something else.
_OTHERS = {"identity", "select"}

_RENAMED = {"a_min": "min", "a_max": "max", "indices_or_sections": "sections", "reps": "repetitions"}

#: Options of universal functions that mean nothing when left at these values.
_NEUTRAL = {"out": None, "dtype": None, "where": True, "initial": np._NoValue, "order": "K", "subok": True}


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A universal function, or its `reduce`, as a recorded op."""
    if not _of_numpy(ufunc):
        raise UnsupportedFunction(
            f"{ufunc.__name__} is not NumPy's nor SciPy's, so nothing is known of what it computes; write it "
            "with gradwire's functions, or fetch first: tensor.numpy()"
        )
    called = f"numpy.{ufunc.__name__}"
    attributes = {k: v for k, v in options.items() if not (k in _NEUTRAL and v is _NEUTRAL[k])}
    if method == "__call__":
        return _record(ufunc.__name__, called, inputs, attributes)
    if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
        return _record(_REDUCTIONS[ufunc.__name__], f"{called}.reduce", inputs, {"axis": 0, **attributes})
    raise UnsupportedFunction(f"{called}.{method} is not an op; write it with reductions or indexing")


def _of_numpy(ufunc: Any) -> bool:
    """Whether it is the function that NumPy or SciPy has under its name, and not one of the user's own."""
    modules = (sys.modules.get(name) for name in ("numpy", "numpy._core.umath", "scipy.special"))
    return any(getattr(module, ufunc.__name__, None) is ufunc for module in modules)


def call_function(function: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A function of NumPy's array-function protocol as a recorded op."""
    name, module = function.__name__, function.__module__
    called = f"{module}.{name}"
    if name in _BRANCHING | _DESCRIBING and module == "numpy":
        if name in _BRANCHING:
            for argument in (*args, *options.values()):
                if isinstance(argument, Traced):
                    may_read(argument._edge(), f"{called}()", branch=True)
        return function(*map(_fetched, args), **{key: _fetched(value) for key, value in options.items()})
    op = FUNCTIONS.get(name)
    if op is not None:
        args, options = _translate(function, op, args, options)
    if name in ("argmax", "argmin"):
        options = {"axis": None, **options}  # an op's default is the last axis
    return _record(name, called, args, options)


def _fetched(value: Any) -> Any:
    return value._value() if isinstance(value, Traced) else value


def _translate(
    function: Any, op: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Arguments in the order and under the names of NumPy, in those of the op.

    The op's parameters without a default are bound by position, the others by name; what is left at
    NumPy's own default is dropped.
    """
    theirs, ours = _parameters(function), _parameters(op)
    if theirs is None or ours is None or any(p.kind is p.VAR_POSITIONAL for p in ours):
        return args, options
    needed = sum(p.default is p.empty for p in ours)
    arguments = {**{p.name: value for p, value in zip(theirs, args, strict=False)}, **options}
    positional, named = [], {}
    for k, parameter in enumerate(theirs):
        if parameter.name in arguments:
            value = arguments.pop(parameter.name)
            if k < needed:
                positional.append(value)
            elif not (value is parameter.default or value is np._NoValue):
                named[_RENAMED.get(parameter.name, parameter.name)] = value
    return positional, {**named, **arguments}


@functools.cache
def _parameters(function: Any) -> tuple[inspect.Parameter, ...] | None:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def _record(name: str, called: str, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    if options.get("out") is not None:
        raise UnsupportedFunction(
            f"{called} cannot write what it computes of tensors into an array, as `out=` and "
            "`array += tensor` ask; write `array = array + tensor`, or gradwire.stack of a list of tensors"
        )
    function = None if name in _OTHERS else FUNCTIONS.get(name)
    if function is None:
        text = advice(name, (PACKAGE, INSTEAD))
        meant = f"; {text}" if text else ""
        raise UnsupportedFunction(
            f"{called} has no op on the server, so it cannot be traced{meant}; "
            "to compute it here, outside of any gradient, fetch first: tensor.numpy()"
        )
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        raise UnsupportedFunction(
            f"{called} cannot be traced with these arguments: {error}; "
            f"gradwire.{function.__name__} takes {', '.join(signature.parameters)}"
        ) from None
    return function(*args, **options)
