"""The calls of both clients, each written once as a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradwire._codec import Array, post, read
from gradwire._driver import D_co, Driven, call
from gradwire._findings import finding
from gradwire._flow import Flow, Request
from gradwire._function import (
    Function,
    FunctionLike,
    names_for_wire,
    resolve,
    tensors_for_wire,
)
from gradwire._lower import lower
from gradwire._node import Edge, known, remember
from gradwire._session import Session, input_values, located
from gradwire._trace import as_edge
from gradwire.errors import ProblemError
from gradwire.results import Gradients, Pullback, Report

if TYPE_CHECKING:
    from collections.abc import Iterator


class Calls(Driven[D_co]):
    """Everything a client asks of a server about one function.

    A function is a program's text, a graph document, or a Python function whose parameters are the
    inputs; the keywords `program` and `graph` say it by name. Inputs are NumPy arrays, which keep their
    dtype, or Python numbers and lists, which take the dtype that the function declares, else float64.
    Answers hold NumPy arrays. All raise ProblemError with the server's words, NoAnswer where nobody
    answers, and TraceError where a Python function cannot be traced.
    """

    def __init__(self, driver: D_co, session: Session) -> None:
        super().__init__(driver)
        self._session = session

    @call
    def evaluate(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        outputs: Sequence[str] | str | None = None,
        dtype: str | None = None,
        optimize: bool | None = None,
    ) -> Flow[dict[str, Array]]:
        """The values of `outputs`, by name; of all outputs where none are named."""
        chosen = resolve(self._session, function, program, graph)
        return (
            yield from evaluate(
                self._session, chosen, inputs, outputs, {"dtype": dtype, "optimize": optimize}
            )
        )

    @call
    def gradient(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        wrt: Sequence[str] | str | None = None,
        target: Sequence[str] | str | None = None,
        unconnected: str | None = None,
        diagnose: str | None = None,
        dtype: str | None = None,
        optimize: bool | None = None,
    ) -> Flow[Gradients]:
        """The value of a scalar target and its gradients by `wrt`: all floating inputs unless named.

        `unconnected` ("null", "zero", "error") says what a gradient becomes that does not exist;
        `diagnose` ("auto", "full", "off") when reasons are added.
        """
        chosen = resolve(self._session, function, program, graph)
        options = {"unconnected": unconnected, "diagnose": diagnose, "dtype": dtype, "optimize": optimize}
        return (yield from gradient(self._session, chosen, inputs, wrt, target, options))

    @call
    def vjp(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        cotangents: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        wrt: Sequence[str] | str | None = None,
        outputs: Sequence[str] | str | None = None,
        dtype: str | None = None,
        optimize: bool | None = None,
    ) -> Flow[Pullback]:
        """Cotangents of outputs pulled back to the inputs; a cotangent that is missing is zero."""
        chosen = resolve(self._session, function, program, graph)
        options = {"dtype": dtype, "optimize": optimize}
        return (yield from vjp(self._session, chosen, inputs, cotangents, wrt, outputs, options))

    @call
    def diagnose(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        wrt: Sequence[str] | str | None = None,
        target: str | None = None,
    ) -> Flow[Report]:
        """Why each gradient is what it is: its status, reason, culprits and a fix."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from diagnose(self._session, chosen, inputs, wrt, target))

    @call
    def values(self, tensors: Sequence[Any]) -> Flow[list[Array]]:
        """The values of traced tensors, in one request; none where all are known already."""
        edges = [tensor if isinstance(tensor, Edge) else as_edge(tensor) for tensor in tensors]
        yield from fetch(self._session, edges)
        return [value for edge in edges if (value := known(edge)) is not None]

    @call
    def ops(self) -> Flow[list[dict[str, Any]]]:
        """Every op of the server: name, aliases, signature, summary, differentiability."""
        listed: dict[str, Any] = read((yield from self._session.send(Request("GET", "/v1/ops"))))
        return list(listed["ops"])

    @call
    def op(self, name: str) -> Flow[dict[str, Any]]:
        """One op by name or alias, with its conventions and an example; raises UnknownOp."""
        described: dict[str, Any] = read((yield from self._session.send(Request("GET", f"/v1/ops/{name}"))))
        return described

    @call
    def health(self) -> Flow[dict[str, Any]]:
        """The server's word that it is up; raises NoAnswer where it is not."""
        answer = read((yield from self._session.send(Request("GET", "/healthz"))))
        return answer if isinstance(answer, dict) else {"status": answer}


def evaluate(
    session: Session,
    function: Function,
    inputs: Mapping[str, Any] | None,
    outputs: Any,
    options: Mapping[str, Any],
) -> Flow[dict[str, Array]]:
    """The flow behind `Client.evaluate` and `PublishedGraph.evaluate`."""
    body = {"inputs": tensors_for_wire(inputs, function), "outputs": names_for_wire(outputs, function)}
    answer = yield from _ask(session, "evaluate", function, {**body, **options})
    found: dict[str, Array] = answer["outputs"]
    if outputs is not None:
        wanted = [outputs] if isinstance(outputs, str) else outputs
        return {name: found[function.input(name)] for name in wanted}
    return {name: found[wire] for name, wire in function.outputs.items()} or found


def gradient(
    session: Session, function: Function, inputs: Any, wrt: Any, target: Any, options: Mapping[str, Any]
) -> Flow[Gradients]:
    """The flow behind `Client.gradient` and `PublishedGraph.gradient`."""
    chosen = function.input(target) if isinstance(target, str) else names_for_wire(target, function)
    body = {"inputs": tensors_for_wire(inputs, function), "target": chosen}
    body["wrt"] = names_for_wire(wrt if wrt is not None else list(function.inputs) or None, function)
    answer = yield from _ask(session, "gradient", function, {**body, **options})
    return Gradients(answer["value"], answer["gradients"], answer.get("diagnosis") or {})


def vjp(
    session: Session,
    function: Function,
    inputs: Any,
    cotangents: Any,
    wrt: Any,
    outputs: Any,
    options: Mapping[str, Any],
) -> Flow[Pullback]:
    """The flow behind `Client.vjp` and `PublishedGraph.vjp`."""
    pulled = {function.input(name): value for name, value in (cotangents or {}).items()}
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "cotangents": tensors_for_wire(pulled, Function()),
        "wrt": names_for_wire(wrt, function),
        "outputs": names_for_wire(outputs, function),
    }
    answer = yield from _ask(session, "vjp", function, {**body, **options})
    labels = {wire: name for name, wire in function.outputs.items()}
    return Pullback({labels.get(name, name): v for name, v in answer["outputs"].items()}, answer["vjp"])


def diagnose(session: Session, function: Function, inputs: Any, wrt: Any, target: str | None) -> Flow[Report]:
    """The flow behind `Client.diagnose` and `PublishedGraph.diagnose`."""
    body = {
        "inputs": tensors_for_wire(inputs, function),
        "wrt": names_for_wire(wrt, function),
        "target": None if target is None else function.input(target),
    }
    answer = yield from _ask(session, "diagnose", function, body)
    findings = [finding(name, entry, function.place) for name, entry in answer["variables"].items()]
    return Report(answer["value"], tuple(findings))


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


def _ask(session: Session, kind: str, function: Function, body: Mapping[str, Any]) -> Flow[Any]:
    sent = {key: value for key, value in body.items() if value is not None}
    with _placed(function):
        if function.known is not None:
            return (yield from session.ask(kind, function.known, sent))
        return read((yield from session.send(post(f"/v1/{kind}", {**function.fields, **sent}))))


@contextmanager
def _placed(function: Function) -> Iterator[None]:
    try:
        yield
    except ProblemError as error:
        error.place = error.place or function.place(error.node)
        raise
