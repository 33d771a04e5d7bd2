"""Keywords that functions of other libraries have, and those of this package have not, each with its cure."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gradwire._names.missing import Table, advice

P = ParamSpec("P")
T = TypeVar("T")

_POSITIONS = "argnums takes positions, counted from 0: argnums=1 for the second argument"
_EAGER = "leave it out: a derivative can be differentiated again, gw.grad(gw.grad(f))"
_WHOLE = "leave it out: the server plans the computation of all rows or columns"

#: What JAX, PyTorch, TensorFlow and Autograd call options of transformations.
TRANSFORMATIONS: Table = {
    **dict.fromkeys(("argnum", "argnames", "wrt", "inputs", "sources", "static_argnums"), _POSITIONS),
    **dict.fromkeys(("create_graph", "retain_graph", "persistent", "strict"), _EAGER),
    **dict.fromkeys(("vectorize", "strategy", "chunk_size", "randomness", "axis_size", "axis_name"), _WHOLE),
    "allow_unused": "give unconnected_gradients='zero' for zeros in place of None",
    "holomorphic": "leave it out: gw.jacobian differentiates complex functions, gw.grad real ones",
    "allow_int": "leave it out, and pass value.astype(float): integers carry no gradient",
    "reduce_axes": "leave it out",
    "in_dims": "it is called in_axes",
    "in_dim": "it is called in_axes",
    "out_dims": "it is called out_axes",
    "aux": "it is called has_aux",
    "return_value": "gw.value_and_grad(f) returns the value too",
}


def refusing_foreign(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a transformation: a keyword of another library's is refused with what to write instead."""
    allowed = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]

    @functools.wraps(function)
    def checked(*args: P.args, **keywords: P.kwargs) -> T:
        for name in keywords:
            if name not in allowed:
                text = advice(name, (TRANSFORMATIONS,), allowed, "it takes")
                raise TypeError(f"gw.{function.__name__} has no keyword '{name}'; {text}")
        return function(*args, **keywords)

    return checked
