"""The calls of both clients, each written once as a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from gradwire._client import requests
from gradwire._client.derivatives import Derivatives
from gradwire._client.function import FunctionLike, resolve
from gradwire._client.options import DiagnoseOptions, EvaluateOptions, GradientOptions, VjpOptions
from gradwire._client.session import Session
from gradwire._tracing.node import Edge, known
from gradwire._tracing.tracer import as_edge
from gradwire._transport.codec import Array, read
from gradwire._transport.driver import D_co, call
from gradwire._transport.flow import Flow, Request
from gradwire.results import Gradients, Pullback, Report


class Calls(Derivatives[D_co]):
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
        **options: Unpack[EvaluateOptions],
    ) -> Flow[dict[str, Array]]:
        """The values of `outputs`, by name; of all outputs where none are named.

        Here and in the other calls, the inputs named in `batch` have a leading axis of N rows, and
        everything answered has one too. With `stabilize`, what overflows or is undefined on the way is
        computed in stable forms (docs/derivatives.md lists them).
        `device` is where to compute: cpu, cuda, cuda:n or auto.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from requests.evaluate(self._session, chosen, inputs, options))

    @call
    def gradient(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[GradientOptions],
    ) -> Flow[Gradients]:
        """The value of a scalar target and its gradients by `wrt`: all floating inputs unless named.

        `unconnected` ("null", "zero", "error") says what a gradient becomes that does not exist;
        `diagnose` ("auto", "full", "off") when reasons are added. With `masked_backward`, nothing is passed
        back to elements that nothing selects, where 0 · inf would be NaN; `warnings` tell where it acted.
        With `return_graph` the answer has `graph`, a document that computes value and gradients again; with
        `receipt` it has `receipt`: what was differentiated, and how it stood up to `check`.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from requests.gradient(self._session, chosen, inputs, options))

    @call
    def vjp(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        cotangents: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[VjpOptions],
    ) -> Flow[Pullback]:
        """Cotangents of outputs pulled back to the inputs; a cotangent that is missing is zero.

        With `cotangent_batch`, every cotangent has a leading axis of K, and so has every answer in `vjp`.
        """
        chosen = resolve(self._session, function, program, graph)
        return (yield from requests.vjp(self._session, chosen, inputs, cotangents, options))

    @call
    def diagnose(
        self,
        function: FunctionLike | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
        **options: Unpack[DiagnoseOptions],
    ) -> Flow[Report]:
        """Why each gradient is what it is: its status, reason, culprits and a fix."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from requests.diagnose(self._session, chosen, inputs, options))

    @call
    def values(self, tensors: Sequence[Any]) -> Flow[list[Array]]:
        """The values of traced tensors, in one request; none where all are known already."""
        edges = [tensor if isinstance(tensor, Edge) else as_edge(tensor) for tensor in tensors]
        yield from requests.fetch(self._session, edges)
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
