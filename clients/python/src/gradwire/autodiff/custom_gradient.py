"""`custom_gradient`: a function with a derivative rule of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradwire._locations import here
from gradwire._tracing.lower import lower_function
from gradwire._tracing.node import Edge, Node, Op, Parameter, Recorder, recorder
from gradwire._tracing.subgraph import (
    captured_by,
    expect_functions,
    label_of,
    owned,
    parameter_names,
    traced_once,
)
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import as_edge, trace
from gradwire.autodiff.transformed import Transformed
from gradwire.errors import TraceError


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function its own derivative: `function` returns (result, gradient function).

    As in TensorFlow, the gradient function takes the cotangents of the results, shaped like them, and returns
    those of the arguments in their order, None for zero. Positional arguments are tensors, keyword arguments
    are passed on as they are. Both functions are traced, without values, into sub-graphs of one
    `custom_gradient` node. Tensors and variables that they use from outside are constants to them: their
    gradient through this function is None, and `explain` says that it was stopped. If you need it, pass them
    as arguments. Raises TraceError if the gradient function does not return one cotangent for each argument.
    """
    expect_functions(
        "custom_gradient", "@gw.custom_gradient above a function that returns y, grad", function=function
    )
    return _CustomGradient(function)


class _CustomGradient(Transformed):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, label = self._function, label_of(self._function)
        outer = [as_edge(arg) for arg in args]
        names = parameter_names(function, len(args))
        inside = Recorder()
        parameters = [Parameter(name, here()) for name in names]
        token = recorder.set(inside)
        try:
            with traced_once(function.__name__, parameters):
                answer = function(*[Tensor(Edge(p)) for p in parameters], **kwargs)
            results, rule = _checked(function, answer)
            single = not isinstance(results, tuple | list)
            ys = [as_edge(result) for result in ([results] if single else results)]
            dys = [Parameter(f"d{_result(k, single)}", here()) for k in range(len(ys))]
            with traced_once(f"{function.__name__}'s gradient", [*parameters, *dys]):
                gradients = rule(*[Tensor(Edge(dy)) for dy in dys])
        finally:
            recorder.reset(token)
        dxs = list(gradients) if isinstance(gradients, tuple | list) else [gradients]
        if len(dxs) != len(args):
            raise TraceError(
                f"the gradient function of '{label}' answered {len(dxs)} cotangents for "
                f"{len(args)} arguments; answer one for each, in their order"
            )
        node = _record(label, outer, parameters, ys, dys, dxs, inside)
        tensors = tuple(Tensor(Edge(node, k)) for k in range(len(ys)))
        return tensors[0] if single else tensors


def _record(
    label: str,
    outer: Sequence[Edge],
    parameters: Sequence[Parameter],
    ys: Sequence[Edge],
    dys: Sequence[Parameter],
    dxs: Sequence[Any],
    inside: Recorder,
) -> Op:
    """The node, with captured values as further arguments that no gradient reaches."""
    token = recorder.set(inside)
    try:
        slopes = [_zero(p) if dx is None else as_edge(dx) for dx, p in zip(dxs, parameters, strict=True)]
        whole = lower_function([*parameters, *dys], [*ys, *slopes], inside=inside, label=label)
        captured = captured_by([whole], [len(parameters) + len(dys)])
        nodes = [owned(edge) for edge in captured]
        idle = [_zero(node) for node in nodes]
    finally:
        recorder.reset(token)
    stand_ins = dict(zip(((e.node, e.index) for e in captured), nodes, strict=True))
    forward = lower_function([*parameters, *nodes], ys, inside=inside, label=label, stand_ins=stand_ins)
    results = [Parameter(_result(k, len(ys) == 1)) for k in range(len(ys))]
    backward = lower_function(
        [*parameters, *nodes, *results, *dys],
        [*slopes, *idle],
        inside=inside,
        label=f"{label}_gradient",
        stand_ins=stand_ins | _results(ys, results),
    )
    constants = [
        Edge(trace("stop_gradient", (Tensor(edge),))) for edge in captured
    ]  # None, and never a silent zero
    inputs = [Tensor(edge) for edge in (*outer, *constants)]
    return trace("custom_gradient", inputs, functions={"forward": forward, "backward": backward})


def _zero(parameter: Parameter) -> Edge:
    return Edge(trace("zeros_like", (Tensor(Edge(parameter)),)))


def _results(ys: Sequence[Edge], results: Sequence[Parameter]) -> dict[tuple[Node, int], Node]:
    """What the backward function need not compute again: the results of ops."""
    return {(y.node, y.index): r for y, r in zip(ys, results, strict=True) if isinstance(y.node, Op)}


def _result(k: int, single: bool) -> str:
    return "y" if single else f"y{k + 1}"


def _checked(function: Callable[..., Any], answer: Any) -> tuple[Any, Callable[..., Any]]:
    if not (isinstance(answer, tuple | list) and len(answer) == 2 and callable(answer[1])):
        raise TraceError(
            f"expected '{label_of(function)}' to answer (result, gradient function), got "
            f"{type(answer).__name__}; end it with `return y, grad`"
        )
    return answer[0], answer[1]
