"""`root` and `fixed_point`: equations solved on the server, differentiated by implicit differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradwire._node import Edge, Recorder
from gradwire._subgraph import close, run, tensors
from gradwire._trace import trace
from gradwire.errors import TraceError
from gradwire.tensor import Tensor

__all__ = ["fixed_point", "root"]


def root(
    function: Callable[[Any], Any], start: Any, tolerance: float | None = None, max_steps: int | None = None
) -> Tensor:
    """The x near `start` where `function(x)` is 0; x and function(x) are arrays of one shape.

    Gradients reach what the function uses from outside; the start has no influence on them. Running out
    of `max_steps` is an error.
    """
    return _solved("root", function, start, tolerance, max_steps)


def fixed_point(
    function: Callable[[Any], Any], start: Any, tolerance: float | None = None, max_steps: int | None = None
) -> Tensor:
    """The x that `function(x)` leaves as it is, by repeating it from `start`; see root."""
    return _solved("fixed_point", function, start, tolerance, max_steps)


def _solved(
    op: str, function: Callable[[Any], Any], start: Any, tolerance: float | None, max_steps: int | None
) -> Tensor:
    inside = Recorder()
    body = run(function, start, inside=inside)
    if len(body.parameters) != 1 or len(body.roots) != 1 or isinstance(body.answer, list | tuple | dict):
        raise TraceError(f"expected '{body.label}' to take and to answer one array; join several into one")
    (lowered,), captured = close([body], inside)
    attributes = {"tolerance": tolerance, "max_steps": max_steps}
    inputs = [start, *tensors(captured)]
    return Tensor(Edge(trace(op, inputs, attributes, functions={"function": lowered})))
