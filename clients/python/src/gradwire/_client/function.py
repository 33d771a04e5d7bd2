"""What `client.evaluate(...)` and its like take as a function: a program, a graph document, or Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradwire._client.session import Known, Session, input_values, locate, place_of
from gradwire._locations import Place, here
from gradwire._tracing.lower import lower_function
from gradwire._tracing.node import Edge, Lowered, Parameter, Traced, as_array
from gradwire._tracing.subgraph import label_of, traced_once
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.tracer import as_edge
from gradwire._transport.codec import Declared

FunctionLike = str | Mapping[str, Any] | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class KnownPlaces:
    """The user's lines by the names of a graph's nodes."""

    places: Mapping[str, Place] = field(default_factory=dict)

    def __call__(self, name: str | None) -> Place | None:
        """The line behind a node's name in an answer, `name:0` or what is inside of its function too."""
        return self.places.get((name or "").partition(":")[0].partition("/")[0])


@dataclass(frozen=True, slots=True)
class Function:
    """A function ready to be sent: plain fields of the body, or a graph that the session keeps.

    `outputs` maps what a Python function's results are called to the names in its graph, `inputs` its
    parameters likewise; `captured` are the values it took from outside of itself.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    known: Known | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    captured: Mapping[str, Declared] = field(default_factory=dict)
    place: Callable[[str | None], Place | None] = KnownPlaces()
    locate: Callable[[str], tuple[Lowered, Sequence[str], int] | None] = lambda name: None

    def __reduce__(self) -> Any:
        names = () if self.known is None else self.known.document.names
        places = {name: place for name in names if (place := self.place(name)) is not None}
        return Function, (
            self.fields,
            self.known,
            self.inputs,
            self.outputs,
            self.captured,
            KnownPlaces(places),
        )

    def input(self, name: str) -> str:
        """The name on the wire of an input."""
        return self.inputs.get(name, name)

    def output(self, name: str) -> str:
        """The name on the wire of an output."""
        return self.outputs.get(name) or self.input(name)


def resolve(
    session: Session, function: FunctionLike | None, program: str | None, graph: Mapping[str, Any] | None
) -> Function:
    """The one function among the three ways to give it; raises TypeError otherwise."""
    functions = [f for f in (function, program, graph) if f is not None]
    if len(functions) != 1:
        raise TypeError(
            f"expected exactly one function (a program, a graph or a Python function), got {len(functions)}"
        )
    chosen = functions[0]
    if isinstance(chosen, str):
        return Function({"program": chosen})
    if isinstance(chosen, Mapping):
        return Function({"graph": dict(chosen)})
    if callable(chosen):
        return trace_function(session, chosen)
    raise TypeError(f"expected a program, a graph or a Python function, got {type(chosen).__name__}")


def trace_function(session: Session, function: Callable[..., Any]) -> Function:
    """Run a Python function once on parameters without values; see `parameters_of` for which."""
    names = parameters_of(function)
    parameters = [Parameter(name, here(), label_of(function)) for name in names]
    with traced_once(label_of(function), parameters):
        results = function(*[Tensor(Edge(parameter)) for parameter in parameters])
        labelled = label(results)
        edges = [as_edge(result) for result in labelled.values()]
    lowered = lower_function(parameters, edges, inside=None, label=label_of(function))
    graph = session.known(lowered, tuple(dict.fromkeys(lowered.roots)))
    document = graph.document
    return Function(
        known=graph,
        inputs={name: document.names[k] for k, name in enumerate(names)},
        outputs={name: document.name(ref) for name, ref in zip(labelled, lowered.roots, strict=True)},
        captured=input_values(lowered, document, skip=len(parameters)),
        place=lambda name: place_of(name, lowered, document),
        locate=lambda name: locate(name, lowered, document.names),
    )


def parameters_of(function: Callable[..., Any]) -> list[str]:
    """The parameters that become inputs: all without a default; those with one keep it, baked in."""
    names = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"expected named parameters to trace, got *{parameter.name} in {function!r}")
        if parameter.default is parameter.empty:
            if parameter.kind is parameter.KEYWORD_ONLY:
                raise TypeError(f"expected a default for the keyword-only parameter '{parameter.name}'")
            names.append(parameter.name)
    return names


def label(results: Any) -> dict[str, Any]:
    """What a function's results are called: its own keys, `result_0`, …, or `result` for a single one."""
    if isinstance(results, Mapping):
        return {str(key): result for key, result in results.items()}
    if isinstance(results, tuple | list):
        return {f"result_{k}": result for k, result in enumerate(results)}
    return {"result": results}


def tensors_for_wire(values: Mapping[str, Any] | None, function: Function) -> dict[str, Any]:
    """Named values for a body: arrays typed, Python numbers and lists as they are."""
    inputs = {function.input(name): _for_wire(value) for name, value in (values or {}).items()}
    return {**function.captured, **inputs}


def renamed(answer: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """An answer by names of the wire, by the user's own; `names` leads the other way."""
    own = {wire: name for name, wire in names.items()}
    return {own.get(name, name): value for name, value in answer.items()}


def _for_wire(value: Any) -> Any:
    if isinstance(value, Traced):
        return np.asarray(value)
    if isinstance(value, np.ndarray | np.generic | complex):
        return as_array(value)
    return value
