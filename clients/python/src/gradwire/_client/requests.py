"""The flows behind the calls: each sends one query about a function, and reads the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gradwire._client.answer_warnings import advise_answer
from gradwire._client.findings import finding, with_own_words
from gradwire._client.function import Function, renamed, tensors_for_wire
from gradwire._client.options import DiagnoseOptions, EvaluateOptions, GradientOptions, VjpOptions
from gradwire._client.session import Session, input_values, located
from gradwire._tracing.arithmetic import small_arithmetic
from gradwire._tracing.lower import lower
from gradwire._tracing.node import Edge, known, remember
from gradwire._transport.codec import Array, post, read
from gradwire._transport.flow import Flow
from gradwire.errors import ProblemError
from gradwire.results import Gradients, Pullback, Report

Inputs = Mapping[str, Any] | None


def evaluate(
    session: Session, function: Function, inputs: Inputs, options: EvaluateOptions
) -> Flow[dict[str, Array]]:
    """The values of outputs by name."""
    answer = yield from ask(
        session, "evaluate", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    outputs: dict[str, Array] = answer["outputs"]
    wanted = options.get("outputs")
    if wanted is not None:
        names = [wanted] if isinstance(wanted, str) else wanted
        return {name: outputs[function.output(name)] for name in names}
    return {name: outputs[wire] for name, wire in function.outputs.items()} or outputs


def gradient(
    session: Session, function: Function, inputs: Inputs, options: GradientOptions
) -> Flow[Gradients]:
    """The value of a target, or of several, and gradients by name."""
    answer = yield from ask(
        session, "gradient", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    value, gradients, diagnosis = answer["value"], answer["gradients"], answer.get("diagnosis") or {}
    target = options.get("target")
    if target is not None and not isinstance(target, str):
        value = renamed(value, function.outputs)
        gradients, diagnosis = (
            renamed({t: renamed(g, function.inputs) for t, g in tree.items()}, function.outputs)
            for tree in (gradients, diagnosis)
        )
    else:
        gradients, diagnosis = (renamed(tree, function.inputs) for tree in (gradients, diagnosis))
    rewrites, warnings = tuple(answer.get("rewrites") or ()), answer.get("warnings") or ()
    if isinstance(warnings, Mapping):  # by target
        warnings = [warning for each in warnings.values() for warning in each]
    advise_answer([(one, function.place(one.get("node"))) for one in warnings], function.locate)
    graph, receipt = answer.get("graph"), answer.get("receipt")
    return Gradients(value, gradients, diagnosis, rewrites, tuple(warnings), graph, receipt)


def vjp(
    session: Session, function: Function, inputs: Inputs, cotangents: Inputs, options: VjpOptions
) -> Flow[Pullback]:
    """Cotangents of outputs pulled back to the inputs."""
    by_output = {function.output(name): value for name, value in (cotangents or {}).items()}
    tensors = {
        "inputs": tensors_for_wire(inputs, function),
        "cotangents": tensors_for_wire(by_output, Function()),
    }
    answer = yield from ask(session, "vjp", function, tensors, options)
    outputs = renamed(answer["outputs"], function.outputs)
    return Pullback(outputs, renamed(answer["vjp"], function.inputs))


def diagnose(session: Session, function: Function, inputs: Inputs, options: DiagnoseOptions) -> Flow[Report]:
    """Why each gradient is what it is."""
    answer = yield from ask(
        session, "diagnose", function, {"inputs": tensors_for_wire(inputs, function)}, options
    )
    entries = renamed(answer["variables"], function.inputs)
    findings = [finding(name, entry, function.place, function.input(name)) for name, entry in entries.items()]
    if function.known is not None:
        findings = [with_own_words(each, function.locate) for each in findings]
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
    array = known(edge)
    if array is None:
        array = small_arithmetic(edge)
    if array is None:
        yield from fetch(session, [edge])
        array = known(edge)
    assert array is not None, "it was fetched"
    return array


def ask(
    session: Session,
    kind: str,
    function: Function,
    tensors: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
) -> Flow[Any]:
    """Send one query about a function; options that are None are left to the server's defaults."""
    whole = {**tensors, **for_wire(function, kind, options)}
    sent = {key: value for key, value in whole.items() if value is not None}
    with _placed(function):
        if function.known is not None:
            return (yield from session.ask(kind, function.known, sent))
        return read(
            (yield from session.send(post(f"/v1/{kind}", {**function.fields, **session.placed(sent)})))
        )


#: Kinds that differentiate by `wrt`; if nothing is said, not by what a Python function captured.
_BY_WRT = frozenset(("gradient", "vjp", "jacobian", "hessian", "diagnose", "check"))


def for_wire(function: Function, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the names of the wire in place of the user's own."""
    sent = dict(options)
    for key, rename in (("wrt", function.input), ("batch", function.input), ("outputs", function.output)):
        if (names := sent.get(key)) is not None:
            sent[key] = [rename(name) for name in ([names] if isinstance(names, str) else names)]
    if (target := sent.get("target")) is not None:
        one = isinstance(target, str)
        sent["target"] = function.output(target) if one else [function.output(name) for name in target]
    if sent.get("wrt") is None and function.captured and kind in _BY_WRT:
        sent["wrt"] = list(function.inputs.values())
    return sent


@contextmanager
def _placed(function: Function) -> Iterator[None]:
    try:
        yield
    except ProblemError as error:
        error.place = error.place or function.place(error.node)
        raise
