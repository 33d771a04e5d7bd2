"""Published graphs: functions that live on the server under the hash of their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Unpack
from urllib.parse import quote

from gradwire._client import products, requests
from gradwire._client.function import Function, FunctionLike, resolve
from gradwire._client.options import (
    CheckOptions,
    DiagnoseOptions,
    EstimateOptions,
    EvaluateOptions,
    GnvpOptions,
    GradientOptions,
    HessianOptions,
    HvpOptions,
    JacobianOptions,
    JvpOptions,
    VjpOptions,
)
from gradwire._client.session import Known, Session
from gradwire._tracing.document import Document
from gradwire._transport.codec import Array, post, read
from gradwire._transport.driver import D_co, Driven, call
from gradwire._transport.flow import Flow, Request
from gradwire.errors import TraceError
from gradwire.results import (
    Check,
    GaussNewtonProduct,
    Gradients,
    Hessian,
    HessianProduct,
    Jacobian,
    Pullback,
    Pushforward,
    Report,
)


class Graphs(Driven[D_co]):
    """The graphs of a server: publish, get, list, delete."""

    def __init__(self, driver: D_co, session: Session) -> None:
        super().__init__(driver)
        self._session = session

    @call
    def publish(
        self,
        function: FunctionLike | None = None,
        *,
        program: str | None = None,
        graph: Mapping[str, Any] | None = None,
    ) -> Flow[PublishedGraph[D_co]]:
        """Publish a function and return a handle to call it by; publishing twice has no further effect.

        A Python function must take every array as a parameter; otherwise TraceError is raised.
        """
        chosen = resolve(self._session, function, program, graph)
        if chosen.captured:
            places = {name: chosen.place(name) for name in chosen.captured}
            listed = ", ".join(f"'{name}'" + (f", {at}" if at else "") for name, at in places.items())
            raise TraceError(
                f"the function uses values from outside ({listed}); a published function has no values of "
                "its own, so make every array a parameter, or leave gw.function out: tapes and gw.grad "
                "record plain functions, which may use variables"
            )
        if chosen.known is not None:
            described = yield from self._session.publish(chosen.known)
            return PublishedGraph(self._driver, self._session, chosen, described)
        described = read((yield from self._session.send(post("/v1/graphs", chosen.fields, tensors=False))))
        return (yield from _handle(self, described, chosen.fields.get("graph")))

    @call
    def get(self, id: str) -> Flow[PublishedGraph[D_co]]:
        """Return the handle of a published graph; raises GraphNotFound."""
        described = read((yield from self._session.send(Request("GET", f"/v1/graphs/{id}"))))
        return (yield from _handle(self, described, described.get("graph")))

    @call
    def list(self) -> Flow[list[dict[str, Any]]]:
        """Return every published graph: id, inputs, outputs, number of nodes."""
        summaries: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = read((yield from self._session.send(Request("GET", f"/v1/graphs{cursor}"))))
            summaries.extend(page["graphs"])
            if not page.get("next_cursor"):
                return summaries
            cursor = f"?cursor={quote(page['next_cursor'])}"

    @call
    def delete(self, id: str) -> Flow[None]:
        """Delete a published graph; raises GraphNotFound."""
        yield from self._session.send(Request("DELETE", f"/v1/graphs/{id}"))


class PublishedGraph(Driven[D_co], Generic[D_co]):
    """A function on the server; calls send numbers only.

    If the server has lost it, it is published again automatically. Called like a function, it takes its
    inputs by name or in their order and returns its output (several: a dict of them).
    """

    def __init__(
        self, driver: D_co, session: Session, function: Function, described: Mapping[str, Any]
    ) -> None:
        super().__init__(driver)
        self._session = session
        self._function = function
        self._described = described

    @property
    def id(self) -> str:
        """The hash of the graph's canonical form: `sha256:…`."""
        return str(self._described["id"])

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in their order."""
        return tuple(self._function.inputs or self._described["inputs"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(self._function.outputs or self._described["outputs"])

    @property
    def nodes(self) -> int:
        """How many nodes the graph has."""
        return int(self._described["nodes"])

    @call
    def __call__(self, *args: Any, **inputs: Any) -> Flow[Any]:
        """The output for these inputs; a dict if there are several outputs."""
        values = bind(self.inputs, args, inputs)
        outputs = yield from requests.evaluate(self._session, self._function, values, {})
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    @call
    def evaluate(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[EvaluateOptions]
    ) -> Flow[dict[str, Array]]:
        """Return the values of `outputs` by name; see Client.evaluate."""
        return (yield from requests.evaluate(self._session, self._function, inputs, options))

    @call
    def gradient(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[GradientOptions]
    ) -> Flow[Gradients]:
        """Return the value of the target and its gradients; see Client.gradient."""
        return (yield from requests.gradient(self._session, self._function, inputs, options))

    @call
    def vjp(
        self,
        inputs: Mapping[str, Any] | None = None,
        cotangents: Mapping[str, Any] | None = None,
        **options: Unpack[VjpOptions],
    ) -> Flow[Pullback]:
        """Return the outputs and the vector-Jacobian products; see Client.vjp."""
        return (yield from requests.vjp(self._session, self._function, inputs, cotangents, options))

    @call
    def jvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        tangents: Mapping[str, Any] | None = None,
        **options: Unpack[JvpOptions],
    ) -> Flow[Pushforward]:
        """Return the outputs and the Jacobian-vector products; see Client.jvp."""
        return (yield from products.jvp(self._session, self._function, inputs, tangents, options))

    @call
    def jacobian(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[JacobianOptions]
    ) -> Flow[Jacobian]:
        """Return the derivative of every output by every input of `wrt`; see Client.jacobian."""
        return (yield from products.jacobian(self._session, self._function, inputs, options))

    @call
    def hessian(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[HessianOptions]
    ) -> Flow[Hessian]:
        """Return second derivatives of a scalar target; see Client.hessian."""
        return (yield from products.hessian(self._session, self._function, inputs, options))

    @call
    def hvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        **options: Unpack[HvpOptions],
    ) -> Flow[HessianProduct]:
        """Return the Hessian of a scalar target times vectors; see Client.hvp."""
        return (yield from products.hvp(self._session, self._function, inputs, vectors, options))

    @call
    def gnvp(
        self,
        inputs: Mapping[str, Any] | None = None,
        vectors: Mapping[str, Any] | None = None,
        **options: Unpack[GnvpOptions],
    ) -> Flow[GaussNewtonProduct]:
        """Return Jᵀ J of the outputs times vectors; see Client.gnvp."""
        return (yield from products.gnvp(self._session, self._function, inputs, vectors, options))

    @call
    def diagnose(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[DiagnoseOptions]
    ) -> Flow[Report]:
        """Return why each gradient is what it is; see Client.diagnose."""
        return (yield from requests.diagnose(self._session, self._function, inputs, options))

    @call
    def check(self, inputs: Mapping[str, Any] | None = None, **options: Unpack[CheckOptions]) -> Flow[Check]:
        """Test the derivatives at a point; see Client.check."""
        return (yield from products.check(self._session, self._function, inputs, options))

    @call
    def estimate(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[EstimateOptions]
    ) -> Flow[dict[str, Any]]:
        """Return the cost of a call before anything runs; see Client.estimate."""
        return (yield from products.estimate(self._session, self._function, inputs, options))

    def __repr__(self) -> str:
        return f"PublishedGraph({self.id[:19]}…: {', '.join(self.inputs)} → {', '.join(self.outputs)})"


def bind(names: Sequence[str], args: Sequence[Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Positional and named inputs by name; raises TypeError as a function would."""
    if len(args) > len(names):
        raise TypeError(f"expected at most {len(names)} inputs ({', '.join(names)}), got {len(args)}")
    positional = dict(zip(names, args, strict=False))
    twice = positional.keys() & inputs.keys()
    if twice:
        raise TypeError(f"the input '{min(twice)}' was given twice")
    return {**positional, **inputs}


def _handle(
    graphs: Graphs[D_co], described: Mapping[str, Any], graph: Mapping[str, Any] | None
) -> Flow[PublishedGraph[D_co]]:
    """A handle of a graph given as a document or program; its text is kept, should it be needed again."""
    if graph is None:
        whole = read((yield from graphs._session.send(Request("GET", f"/v1/graphs/{described['id']}"))))
        graph = whole["graph"]
    sent = Known(Document(dict(graph), ()), id=described["id"])
    return PublishedGraph(graphs._driver, graphs._session, Function(known=sent), described)
