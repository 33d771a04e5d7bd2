"""Python functions as sub-graphs of a node: traced without values, what they capture listed.

A function is run once on parameters, under a recorder of its own. Whatever it reads that this recorder
has not made, a tensor from outside or an array, becomes a further input, so that gradients reach it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from gradwire._locations import here
from gradwire._tracing.lower import lower_function
from gradwire._tracing.node import Edge, Leaf, Lowered, Node, Parameter, Recorder, recorder
from gradwire._tracing.scopes import scope
from gradwire._tracing.structure import leaves, rebuild
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import as_edge


@dataclass(frozen=True, slots=True)
class Body:
    """A function that was run: its parameters, what it answered, and that as edges (None left out)."""

    parameters: Sequence[Node]
    answer: Any
    roots: Sequence[Edge]
    label: str


def expect_functions(name: str, example: str, **arguments: Any) -> None:
    """Raise TypeError for an argument of gw.<name> that is no function; `example` is how it is called."""
    for argument, function in arguments.items():
        if not callable(function):
            hint = "; to choose among values write gw.where" if name == "cond" else ""
            kind = "None" if function is None else type(function).__name__
            raise TypeError(
                f"expected a function as `{argument}` of gw.{name}, got {kind}: write {example}{hint}"
            )


@contextmanager
def recording(tape: Recorder | None) -> Iterator[None]:
    """Inside, `tape` is who records."""
    token = recorder.set(tape)
    try:
        yield
    finally:
        recorder.reset(token)


def run(function: Callable[..., Any], *arguments: Any, inside: Recorder) -> Body:
    """Run `function` on parameters in the structures of `arguments`."""
    names = parameter_names(function, len(arguments))
    every: list[Parameter] = []
    placeholders = []
    for name, argument in zip(names, arguments, strict=True):
        parameters = [
            Parameter(name, here(), label_of(function)) for leaf in leaves(argument) if leaf is not None
        ]
        placeholders.append(_placed(argument, parameters))
        every.extend(parameters)
    with recording(inside), traced_once(getattr(function, "__name__", "function"), every):
        answer = function(*placeholders)
        roots = [as_edge(leaf) for leaf in leaves(answer) if leaf is not None]
    return Body(every, answer, roots, label_of(function))


def run_closed(function: Callable[..., Any], *arguments: Any) -> tuple[Body, Lowered, list[Edge]]:
    """Run `function` alone: its body, that as a function of a graph, and the edges it captured."""
    inside = Recorder()
    body = run(function, *arguments, inside=inside)
    (lowered,), captured = close([body], inside)
    return body, lowered, captured


def traced_once(label: str, parameters: Sequence[Parameter]) -> AbstractContextManager[None]:
    """Inside, a function is traced on parameters without values, none of which may be read."""
    return scope("gradwire", label, [(p.name, Edge(p)) for p in parameters], values=False)


def rebuilt(answer: Any, tensors: Sequence[Any]) -> Any:
    """`answer` with other things in the places of its leaves; None stays None."""
    remaining = iter(tensors)
    return rebuild(answer, iter([None if leaf is None else next(remaining) for leaf in leaves(answer)]))


def close(bodies: Sequence[Body], inside: Recorder) -> tuple[list[Lowered], list[Edge]]:
    """Bodies as functions that take, after their own parameters, all that any of them captured."""
    lowered = [lower_function(b.parameters, b.roots, inside=inside, label=b.label) for b in bodies]
    captured = captured_by(lowered, [len(b.parameters) for b in bodies])
    if len(bodies) == 1 or not captured:
        return lowered, captured
    shared = [owned(edge) for edge in captured]
    stand_ins: dict[tuple[Node, int], Node] = {
        (edge.node, edge.index): parameter for edge, parameter in zip(captured, shared, strict=True)
    }
    closed = [
        lower_function([*b.parameters, *shared], b.roots, inside=inside, label=b.label, stand_ins=stand_ins)
        for b in bodies
    ]
    return closed, captured


def captured_by(lowered: Sequence[Lowered], own: Sequence[int]) -> list[Edge]:
    """The edges from outside that functions read, each once; `own[k]` inputs of function k are its own."""
    captures: dict[tuple[Node, int], Edge] = {}
    for function, count in zip(lowered, own, strict=True):
        for item in function.items[count:]:
            if item.op is None:
                edge = item.source or Edge(item.node)
                captures.setdefault((edge.node, edge.index), edge)
    return list(captures.values())


def tensors(edges: Sequence[Edge]) -> list[Tensor]:
    """Edges as what can be recorded."""
    return [Tensor(edge) for edge in edges]


def owned(edge: Edge) -> Parameter:
    """A parameter in place of something from outside."""
    name = edge.node.name if isinstance(edge.node, Leaf | Parameter) else None
    return Parameter(name or "captured", edge.node.place)


def parameter_names(function: Callable[..., Any], count: int) -> list[str]:
    """What a function calls its first `count` positional parameters; x1, x2, … where it does not say."""
    code = getattr(function, "__code__", None)
    if type(function) is FunctionType and not function.__dict__ and code is not None:
        named = list(code.co_varnames[: code.co_argcount])
    else:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (named + [f"x{k + 1}" for k in range(len(named), count)])[:count]


def _placed(argument: Any, parameters: Sequence[Parameter]) -> Any:
    return rebuilt(argument, [Tensor(Edge(parameter)) for parameter in parameters])


def label_of(function: Callable[..., Any]) -> str:
    """What a function is called in graphs and messages; a lambda, or one without a name, is a "function"."""
    name = getattr(function, "__name__", "function")
    return "function" if name == "<lambda>" else name
