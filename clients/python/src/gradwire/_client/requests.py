"""The flows behind the calls: a function, its inputs and a question, put to a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradwire._client.findings import finding, with_own_words
from gradwire._client.function import Function, renamed, tensors_for_wire
from gradwire._client.session import Session, input_values, located
from gradwire._tracing.arithmetic import small_arithmetic
from gradwire._tracing.lower import lower
from gradwire._tracing.node import Edge, known, remember
from gradwire._transport.codec import Array, post, read
from gradwire._transport.flow import Flow
from gradwire.errors import ProblemError
from gradwire.results import Gradients, Pullback, Report

Names = Sequence[str] | str | None
Options = Mapping[str, Any]


def evaluate(
    session: Session, function: Function, inputs: Mapping[str, Any] | None, outputs: Names, options: Options
) -> Flow[dict[str, Array]]:
    """The values of outputs by name."""
    wanted = None if outputs is None else [outputs] if isinstance(outputs, str) else list(outputs)
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "outputs": None if wanted is None else [function.output(name) for name in wanted],
    }
    answer = yield from ask(session, "evaluate", function, {**body, **options})
    found: dict[str, Array] = answer["outputs"]
    if wanted is not None:
        return {name: found[function.output(name)] for name in wanted}
    return {name: found[wire] for name, wire in function.outputs.items()} or found


def gradient(
    session: Session,
    function: Function,
    inputs: Mapping[str, Any] | None,
    wrt: Names,
    target: Names,
    options: Options,
) -> Flow[Gradients]:
    """The value of a target, or of several, and gradients by name."""
    several = target is not None and not isinstance(target, str)
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "target": [function.output(t) for t in target or ()] if several else output(function, target),
        "wrt": wrt_names(function, wrt),
    }
    answer = yield from ask(session, "gradient", function, {**body, **options})
    value, gradients, diagnosis = answer["value"], answer["gradients"], answer.get("diagnosis") or {}
    if several:
        value = renamed(value, function.outputs)
        gradients, diagnosis = (
            renamed({t: renamed(g, function.inputs) for t, g in tree.items()}, function.outputs)
            for tree in (gradients, diagnosis)
        )
    else:
        gradients, diagnosis = (renamed(tree, function.inputs) for tree in (gradients, diagnosis))
    rewrites, warnings = tuple(answer.get("rewrites") or ()), answer.get("warnings") or ()
    if isinstance(warnings, Mapping):  # by target
        warnings = [one for told in warnings.values() for one in told]
    asked_for = answer.get("graph"), answer.get("receipt")
    return Gradients(value, gradients, diagnosis, rewrites, tuple(warnings), *asked_for)


def vjp(
    session: Session,
    function: Function,
    inputs: Mapping[str, Any] | None,
    cotangents: Mapping[str, Any] | None,
    wrt: Names,
    outputs: Names,
    options: Options,
) -> Flow[Pullback]:
    """Cotangents of outputs pulled back to the inputs."""
    pulled = {function.output(name): value for name, value in (cotangents or {}).items()}
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "cotangents": tensors_for_wire(pulled, Function()),
        "wrt": wrt_names(function, wrt),
        "outputs": chosen_outputs(function, outputs),
    }
    answer = yield from ask(session, "vjp", function, {**body, **options})
    outputs_found = renamed(answer["outputs"], function.outputs)
    return Pullback(outputs_found, renamed(answer["vjp"], function.inputs))


def diagnose(
    session: Session,
    function: Function,
    inputs: Mapping[str, Any] | None,
    wrt: Names,
    target: str | None,
    options: Options,
) -> Flow[Report]:
    """Why each gradient is what it is."""
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "wrt": wrt_names(function, wrt),
        "target": output(function, target),
    }
    answer = yield from ask(session, "diagnose", function, {**body, **options})
    entries = renamed(answer["variables"], function.inputs)
    findings = [finding(name, entry, function.place, function.input(name)) for name, entry in entries.items()]
    if function.known is not None:
        findings = [with_own_words(told, function.locate) for told in findings]
    return Report(answer["value"], tuple(findings), tuple(answer.get("rewrites") or ()))


def fetch(session: Session, edges: Sequence[Edge]) -> Flow[None]:
    """Make the values of `edges` known, in one request for those that are not."""
    unknown = [edge for edge in edges if known(edge) is None]
    if not unknown:
        return
    lowered = lower(unknown)
    outputs = tuple(dict.fromkeys(lowered.roots))
    entry = session.known(lowered, outputs)
    document = entry.document
    with located(lowered, document):
        answer = yield from session.ask("evaluate", entry, {"inputs": input_values(lowered, document)})
    for edge, ref in zip(unknown, lowered.roots, strict=True):
        remember(edge, answer["outputs"][document.name(ref)])


def value(session: Session, edge: Edge) -> Flow[Array]:
    """What a tensor holds; fetched where it is neither known nor quickly computed here."""
    found = known(edge)
    if found is None:
        found = small_arithmetic(edge)
    if found is None:
        yield from fetch(session, [edge])
        found = known(edge)
    assert found is not None, "it was fetched"
    return found


def output(function: Function, name: str | Sequence[str] | None) -> str | None:
    """The name on the wire of a target."""
    return function.output(name) if isinstance(name, str) else None


def wrt_names(function: Function, wrt: Names) -> list[str] | None:
    """What is differentiated by; where nothing is said, what a Python function captured is left out."""
    if wrt is None:
        return list(function.inputs.values()) if function.captured else None
    return [function.input(name) for name in ([wrt] if isinstance(wrt, str) else wrt)]


def rows(function: Function, batch: Names) -> list[str] | None:
    """The names on the wire of the inputs that have rows."""
    if batch is None:
        return None
    return [function.input(name) for name in ([batch] if isinstance(batch, str) else batch)]


def chosen_outputs(function: Function, outputs: Names) -> list[str] | None:
    """The names on the wire of the outputs asked for; None for all."""
    if outputs is None:
        return None
    return [function.output(name) for name in ([outputs] if isinstance(outputs, str) else outputs)]


def ask(session: Session, kind: str, function: Function, body: Mapping[str, Any]) -> Flow[Any]:
    """One question about a function; what is None is left to the server's defaults."""
    sent = {key: value for key, value in body.items() if value is not None}
    with _placed(function):
        if function.known is not None:
            return (yield from session.ask(kind, function.known, sent))
        return read(
            (yield from session.send(post(f"/v1/{kind}", {**function.fields, **session.placed(sent)})))
        )


@contextmanager
def _placed(function: Function) -> Iterator[None]:
    try:
        yield
    except ProblemError as error:
        error.place = error.place or function.place(error.node)
        raise
