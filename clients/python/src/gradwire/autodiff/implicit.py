"""`root` and `fixed_point`: equations solved on the server, differentiated by implicit differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from gradwire._tracing.node import Edge, Recorder
from gradwire._tracing.subgraph import close, expect_functions, run, tensors
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import trace
from gradwire.errors import TraceError

__all__ = ["fixed_point", "root"]

Method = Literal["auto", "dense", "krylov"]


def root(
    function: Callable[[Any], Any],
    start: Any,
    tolerance: float | None = None,
    max_steps: int | None = None,
    *,
    method: Method | None = None,
    linear_tolerance: float | None = None,
    linear_steps: int | None = None,
    bandwidth: int | None = None,
) -> Tensor:
    """Return the x near `start` with `function(x)` = 0; x and function(x) are arrays of one shape.

    The result is differentiable with respect to what the function uses from outside, but not with respect to
    the start. Exceeding `max_steps` is an error, OverLimit. `method` says how linear systems with the
    Jacobian are solved: "dense" by factorising it, "krylov" by GMRES, which only multiplies by it, "auto" by
    the number of unknowns. GMRES takes at most `linear_steps` products, to a relative residual of
    `linear_tolerance`. `bandwidth`, the distance from the diagonal within which the Jacobian has entries,
    preconditions it.
    """
    linear = _linear(method, linear_tolerance, linear_steps, bandwidth)
    return _solved("root", function, start, {"tolerance": tolerance, "max_steps": max_steps, **linear})


def fixed_point(
    function: Callable[[Any], Any],
    start: Any,
    tolerance: float | None = None,
    max_steps: int | None = None,
    *,
    anderson: int | None = None,
    method: Method | None = None,
    linear_tolerance: float | None = None,
    linear_steps: int | None = None,
    bandwidth: int | None = None,
) -> Tensor:
    """Return the x with `function(x)` = x, by iterating it from `start`; see root.

    `anderson` mixes that many past steps into the next one, which needs fewer steps. The options for linear
    systems concern the derivative.
    """
    linear = _linear(method, linear_tolerance, linear_steps, bandwidth)
    attributes = {"tolerance": tolerance, "max_steps": max_steps, "anderson": anderson, **linear}
    return _solved("fixed_point", function, start, attributes)


def _linear(
    method: Method | None, tolerance: float | None, steps: int | None, bandwidth: int | None
) -> dict[str, Any]:
    return {
        "method": method,
        "linear_tolerance": tolerance,
        "linear_steps": steps,
        "bandwidth": bandwidth,
    }


def _solved(op: str, function: Callable[[Any], Any], start: Any, attributes: dict[str, Any]) -> Tensor:
    expect_functions(op, f"gw.{op}(lambda x: gw.cos(x), start)", function=function)
    inside = Recorder()
    body = run(function, start, inside=inside)
    if len(body.parameters) != 1 or len(body.roots) != 1 or isinstance(body.answer, list | tuple | dict):
        raise TraceError(f"expected '{body.label}' to take and to answer one array; join several into one")
    (lowered,), captured = close([body], inside)
    inputs = [start, *tensors(captured)]
    return Tensor(Edge(trace(op, inputs, attributes, functions={"function": lowered})))
