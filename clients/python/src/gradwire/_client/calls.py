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
    """The calls of a client on one function.

    A function is a program's text, a graph document, or a Python function whose parameters are the inputs;
    the keywords `program` and `graph` name the first two. Inputs are NumPy arrays, which keep their dtype, or
    Python numbers and lists, which take the dtype that the function declares, otherwise float64. Results hold
    NumPy arrays.

    All calls raise ProblemError with the server's message, NoAnswer if the server cannot be reached, and
    TraceError if a Python function cannot be traced.
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
        """Return the values of `outputs` by name; without `outputs`, of all outputs.

        Here and in the other calls, the inputs named in `batch` have a leading axis of N rows, and so has
        every array of the result. `dtype` is the floating dtype to compute in, `device` the place: cpu, cuda,
        cuda:n or auto. With `stabilize`, expressions that overflow or are undefined are computed in stable
        forms (docs/stable.md lists them).
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
        """Return the value of a scalar target and its gradients with respect to `wrt`.

        `wrt` defaults to all floating inputs; each gradient has the shape of its input. `unconnected`
        ("null", "zero", "error") says what stands for a gradient that does not exist, `diagnose` ("auto",
        "full", "off") when reasons are added. With `masked_backward`, elements that nothing selects get no
        gradient, where 0 · inf would be NaN; `warnings` lists the nodes at which that changed a number. With
        `return_graph` the result has `graph`, a document that computes value and gradients again. With
        `receipt` it has `receipt`: what was differentiated, and the tests of `check`.
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
        """Return the outputs and the vector-Jacobian products with `cotangents`, one for each input in `wrt`.

        `cotangents` are arrays shaped like the outputs; a missing one is zero. With `cotangent_batch`, every
        cotangent has a leading axis of K, and so has every product.
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
        """Return why each gradient is what it is: its status, reason, culprits and a fix."""
        chosen = resolve(self._session, function, program, graph)
        return (yield from requests.diagnose(self._session, chosen, inputs, options))

    @call
    def values(self, tensors: Sequence[Any]) -> Flow[list[Array]]:
        """Return the values of traced tensors in one request, or in none if all are known already."""
        edges = [tensor if isinstance(tensor, Edge) else as_edge(tensor) for tensor in tensors]
        yield from requests.fetch(self._session, edges)
        return [value for edge in edges if (value := known(edge)) is not None]

    @call
    def ops(self) -> Flow[list[dict[str, Any]]]:
        """Return every op of the server: name, aliases, signature, summary, differentiability."""
        listed: dict[str, Any] = read((yield from self._session.send(Request("GET", "/v1/ops"))))
        return list(listed["ops"])

    @call
    def op(self, name: str) -> Flow[dict[str, Any]]:
        """Return one op by name or alias, with its conventions and an example; raises UnknownOp."""
        described: dict[str, Any] = read((yield from self._session.send(Request("GET", f"/v1/ops/{name}"))))
        return described

    @call
    def health(self) -> Flow[dict[str, Any]]:
        """Return the server's health document; raises NoAnswer if the server cannot be reached."""
        answer = read((yield from self._session.send(Request("GET", "/healthz"))))
        return answer if isinstance(answer, dict) else {"status": answer}
