"""Recording: values become leaves, numbers are baked in, attributes take their form on the wire."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradwire._locations import here
from gradwire._names.json_numbers import named
from gradwire._tracing.caller import caller
from gradwire._tracing.node import Edge, Leaf, Lowered, Op, Scalar, Traced, as_array, recorder
from gradwire._tracing.reads import note_op
from gradwire._tracing.reductions import REDUCTIONS, check_axis, warn_of_reduction
from gradwire.errors import TraceError


def trace(
    op: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    functions: Mapping[str, Lowered] | None = None,
    integer: Sequence[int] = (),
) -> Op:
    """Record one op. Attributes that are None are left to the server's defaults, unless `explicit`.

    At the positions in `integer`, a Python list of integers stays one instead of turning into floats.
    """
    tape = recorder.get()
    edges = tuple([_input(value, k in integer) for k, value in enumerate(inputs)])
    written = _written(op, attributes) if attributes else {}
    node = Op(op, edges, written, here(), tape, functions or {})
    if op in REDUCTIONS:
        warn_of_reduction(node)
    if tape is not None:
        if tape.trail is not None:
            tape.trail.note(node)
        note_op(node, inputs, tape)
    return node


#: By op what to write if one of its attributes is to be a tensor.
_OF_TENSORS = {
    "linspace": "start + (stop - start) * np.linspace(0, 1, n)",
    "logspace": "gw.exp(start + (stop - start) * np.linspace(0, 1, n))",
    "arange": "start + step * np.arange(n)",
    "full": "gw.broadcast_to(tensor, shape)",
    "clip": "gw.minimum(gw.maximum(x, low), high)",
    "leaky_relu": "gw.where(x > 0, x, alpha * x)",
    "elu": "gw.where(x > 0, x, alpha * gw.expm1(x))",
    "huber": "gw.where(gw.abs(e) < delta, e ** 2 / 2, delta * (gw.abs(e) - delta / 2))",
    "std": "gw.sqrt(gw.sum((x - gw.mean(x)) ** 2) / (n - ddof))",
}


def _written(op: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an op in their form on the wire."""
    if "axis" in attributes:
        check_axis(op, attributes["axis"])
    for name, value in attributes.items():
        if isinstance(value, Traced) and op in _OF_TENSORS:
            raise TraceError(
                f"expected a plain value for `{name}` of {op}, got a tensor: it is a setting of the op, "
                f"through which no gradient flows; with tensors write {_OF_TENSORS[op]}"
            )
    return {name: attribute(value) for name, value in attributes.items() if value is not None}


def as_edge(value: Any, *, integer: bool = False) -> Edge:
    """The edge of anything that can be a tensor; arrays are copied."""
    if isinstance(value, Traced):
        return _settled(value._edge())
    if type(value) is tuple:
        _refuse_shape()
    if holds_traced(value):
        return Edge(trace("stack", value))
    if integer and not isinstance(value, np.ndarray | np.generic):
        array = np.array(value)
        return Edge(Leaf(array, place=here()) if array.dtype.kind in "biu" else Leaf(as_array(value)))
    return Edge(Leaf(as_array(value), place=here()))


def _refuse_shape() -> None:
    """Raise TypeError if the caller computes with `x.shape`, a tuple of sizes."""
    expression = caller()
    if expression is None or not isinstance(expression.node, ast.BinOp):
        return
    for side in (expression.node.left, expression.node.right):
        if isinstance(side, ast.Attribute) and side.attr == "shape":
            base = expression.source.segment(side.value)
            raise TypeError(
                f"{base}.shape is a tuple of sizes, and no number: write {base}.shape[0] for the number of "
                f"rows, or {base}.size for that of elements"
            )


class _Null:
    """The None that a caller wrote: it is sent as null."""


_NULL = _Null()


def explicit(value: Any) -> Any:
    """An attribute of which None is not the default: a None was written and is sent."""
    return _NULL if value is None else value


def holds_traced(value: Any) -> bool:
    """Whether a list or tuple, or one inside of it, holds something traced."""
    return isinstance(value, list | tuple) and any(
        isinstance(item, Traced) or holds_traced(item) for item in value
    )


def attribute(value: Any) -> Any:
    """An attribute as JSON: dtypes by name, tuples and arrays as lists, non-finite numbers as strings."""
    if value is None or value is _NULL:
        return None
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return named(value)
    if isinstance(value, np.ndarray | np.generic):
        return attribute(value.tolist())
    if isinstance(value, list | tuple):
        return [attribute(item) for item in value]
    if isinstance(value, Mapping):
        return {key: attribute(item) for key, item in value.items()}
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, type):
        return np.dtype(value).name
    if isinstance(value, Traced):
        raise TraceError(
            "expected a plain value for an attribute, got a tensor; attributes are part of the graph itself, "
            "and no gradient flows through them: give a Python number. Of two tensors the sum is a + b, the "
            "larger gw.maximum(a, b), the mean gw.mean(gw.stack([a, b]), axis=0)"
        )
    raise TypeError(
        f"expected an attribute (number, text, list, dtype), got {type(value).__name__}: {value!r}"
    )


def _input(value: Any, integer: bool) -> Edge | Scalar:
    if type(value) in (int, float, bool):
        return value  # type: ignore[no-any-return]  # the types were just compared
    return as_edge(value, integer=integer)


def _settled(edge: Edge) -> Edge:
    """A fetched value that no tape needs goes on alone, so that long loops do not keep their past."""
    node = edge.node
    if isinstance(node, Op) and node.values and not (node.recorder and node.recorder.needed):
        leaf = node.values.get(edge.index)
        if leaf is not None:
            return Edge(leaf)
    return edge
