"""The one pure function behind every call: the bytes of a request in, the bytes of its answer out.

The event loop, the threads and the child processes each hold a `QueryRunner` and call the same two steps:
`prepare` (parse, check, decode, specialise, estimate) and `finish` (run, encode). Between them stands the
estimate, by which `tiers.py` chooses where to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal, Self

import numpy.typing as npt
from pydantic_core import from_json, to_json

from engine.derivatives.query import Query
from engine.errors import InvalidDocument, UserError
from engine.frontend.decode import decode_graph
from engine.frontend.function_checks import expanded_size
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.frontend.tensors import Encoding
from engine.queries.check import check
from engine.queries.compiler import Compiler, Program
from engine.queries.estimate import estimate
from engine.queries.receipt import receipt
from engine.queries.sparse import SparseProgram
from engine.runtime import devices
from service.queries.builder import (
    build_query,
    declared_types,
    decode_directions,
    decode_inputs,
    device_of,
    floating,
)
from service.storage.lru import Lru
from service.wire import requests
from service.wire import safetensors as safetensors_io
from service.wire.body import Media
from service.wire.encoding import encode_answer, json_reply
from service.wire.json_reader import parse_object
from service.wire.problems import Problem, Reply, render

Array = npt.NDArray[Any]
Kind = Literal[
    "evaluate",
    "gradient",
    "vjp",
    "jvp",
    "jacobian",
    "hessian",
    "hvp",
    "gnvp",
    "diagnose",
    "estimate",
    "check",
    "publish",
    "expand",
    "submit",
    "parameters",
    "predict",
]

#: Calls that are no question to one program: each has a method of its own.
IMMEDIATE: frozenset[Kind] = frozenset({"publish", "estimate", "check", "expand", "submit", "parameters"})

MODELS: Mapping[Kind, type[requests.Function]] = {
    "evaluate": requests.Evaluate,
    "gradient": requests.Gradient,
    "vjp": requests.Vjp,
    "jvp": requests.Jvp,
    "jacobian": requests.Jacobian,
    "hessian": requests.Hessian,
    "hvp": requests.Hvp,
    "gnvp": requests.Gnvp,
    "diagnose": requests.Diagnose,
    "estimate": requests.Estimate,
    "check": requests.Check,
    "publish": requests.Publish,
}

#: Seconds to turn one element into JSON and back, measured with benchmarks/http_latency.py's machine.
_JSON_ELEMENT_S = 1.5e-7
#: A receipt evaluates the function along shrinking steps for each variable: so many runs, about.
_CHECK_RUNS = 300


class TooLargeForTier(Exception):
    """The function has more nodes than may be recorded where this was tried."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A request without HTTP: what is asked, its body, and the published graph if the URL names one.

    For kinds that are about jobs, `document` is what the server adds to the body.
    """

    kind: Kind
    body: bytes
    media: Media = "json"
    safetensors: bool = False
    graph_id: str | None = None
    document: bytes = b""

    def head(self) -> dict[str, Any]:
        """Everything but the two blobs, as JSON-able data."""
        return {
            "kind": self.kind,
            "media": self.media,
            "safetensors": self.safetensors,
            "graph_id": self.graph_id,
        }

    @classmethod
    def from_head(cls, head: Mapping[str, Any], body: bytes, document: bytes) -> Self:
        """The call that `head` came from."""
        return cls(body=body, document=document, **head)


@dataclass(slots=True)
class PreparedQuery:
    """A call that is ready to run, and what that will cost."""

    program: Program | SparseProgram
    inputs: Mapping[str, Array]
    encoding: Encoding
    safetensors: bool
    seconds: float
    directions: Mapping[str, Array] | None = None
    receipt_of: Query | None = None


@dataclass(frozen=True, slots=True)
class RunOnDevice:
    """Instead of an answer: the GPU whose process has to be asked."""

    device: str


class QueryRunner:
    """Answers calls; it keeps decoded graphs and specialised programs, and no other state."""

    def __init__(
        self,
        *,
        max_peak_bytes: int,
        graph_cache: int,
        program_cache: int,
        device_memory: int | None = None,
        device: str = devices.CPU,
    ) -> None:
        self._max_peak_bytes = max_peak_bytes
        self._device = device
        self._graphs: Lru[Any, Graph] = Lru(graph_cache)
        self.compiler = Compiler(entries=program_cache, device_memory=device_memory)

    def answer(self, call: QueryRequest) -> Reply | RunOnDevice:
        """Everything at once; the caller's errors come back as problems, ours are raised.

        Elsewhere where the program wants a GPU that is not this calculator's `device`.
        """
        try:
            if call.kind in IMMEDIATE:
                return self.immediate(call)
            prepared = self.prepare(call)
            if prepared.program.device not in (devices.CPU, self._device):
                return RunOnDevice(prepared.program.device)
            return self.finish(prepared)
        except (UserError, Problem) as error:
            return render(error)

    def prepare(self, call: QueryRequest, most_nodes: int | None = None) -> PreparedQuery:
        """Parse, check, decode and specialise. Raises Problem and UserError.

        Larger where the function is new and, its functions expanded, has more than `most_nodes`.
        """
        text, attachments = opened(call)
        document = parse_object(text)
        request = requests.parse(MODELS[call.kind], document, function=call.graph_id is None)
        assert isinstance(request, requests.Options)
        device_of(request)  # before the tensors are read
        given = getattr(request, "inputs", None) or {}
        graph = self._graph(call, request, given, attachments)
        inputs = decode_inputs(graph, given, attachments, request.batch or ())
        directions = decode_directions(call.kind, request, attachments)
        query = build_query(call.kind, graph, request, inputs, directions)
        if most_nodes is not None and expanded_size(graph) > most_nodes and not self.compiler.known(query):
            raise TooLargeForTier
        values = {name: tensor.array for name, tensor in inputs.items()}
        program = self.compiler.compile(query, peak_bytes_limit=self._max_peak_bytes, values=values)
        encoding = request.encoding or "json"
        elements = sum(array.size for array in values.values())
        prepared = self.prepared(program, values, encoding, elements, call)
        if directions is not None:
            prepared.directions = {name: tensor.array for name, tensor in directions.items()}
        if getattr(request, "receipt", None):
            prepared.receipt_of = query
            prepared.seconds += program.estimate.seconds * (_CHECK_RUNS - 1)
        return prepared

    def prepared(
        self,
        program: Program | SparseProgram,
        values: Mapping[str, Array],
        encoding: Encoding,
        elements: int,
        call: QueryRequest,
    ) -> PreparedQuery:
        """A program with its values; JSON of `elements` numbers has a cost of its own."""
        listed = 0 if call.safetensors or encoding == "base64" else elements
        seconds = program.estimate.seconds + listed * _JSON_ELEMENT_S
        return PreparedQuery(program, values, encoding, call.safetensors, seconds)

    def finish(self, prepared: PreparedQuery) -> Reply:
        """Run and encode."""
        answer = prepared.program.run(prepared.inputs, prepared.directions)
        if prepared.receipt_of is not None:
            answer["receipt"] = receipt(
                prepared.receipt_of,
                prepared.inputs,
                compiler=self.compiler,
                peak_bytes_limit=self._max_peak_bytes,
            )
        return encode_answer(answer, prepared.encoding, safetensors=prepared.safetensors)

    def immediate(self, call: QueryRequest, most_nodes: int | None = None) -> Reply:
        """The answer of a call of `IMMEDIATE`. Raises Problem and UserError, and Larger as `prepare` does."""
        if call.kind == "check":
            return self.check(call)
        return self.publish(call) if call.kind == "publish" else self.estimate(call, most_nodes)

    def check(self, call: QueryRequest) -> Reply:
        """Whether the derivatives of a function are right at a point."""
        text, attachments = opened(call)
        request = requests.parse(requests.Check, parse_object(text), function=call.graph_id is None)
        device_of(request)  # the check itself is made on the CPU, as its digits are what is checked
        if request.batch:
            raise InvalidDocument(
                "a check is of one point, and `batch` names rows of several",
                path="$.batch",
                hint="check one row, without `batch`",
            )
        given = request.inputs or {}
        graph = self._graph(call, request, given, attachments)
        inputs = {name: tensor.array for name, tensor in decode_inputs(graph, given, attachments).items()}
        return json_reply(
            check(
                graph,
                inputs,
                target=request.target,
                wrt=request.wrt,
                seed=request.seed or 0,
                dtype=floating(request.dtype),
                optimize=request.optimize is not False,
                stabilize=bool(request.stabilize),
                compiler=self.compiler,
                peak_bytes_limit=self._max_peak_bytes,
            )
        )

    def estimate(self, call: QueryRequest, most_nodes: int | None = None) -> Reply:
        """What a function would take, from the types of its inputs alone."""
        text, _ = opened(call)
        request = requests.parse(requests.Estimate, parse_object(text), function=call.graph_id is None)
        given = request.inputs or {}
        graph = self._graph(call, request, given, None)
        if most_nodes is not None and expanded_size(graph) > most_nodes:
            raise TooLargeForTier
        query = build_query("evaluate", graph, request, {}, None)
        return json_reply(estimate(replace(query, inputs=declared_types(graph, given))))

    def publish(self, call: QueryRequest) -> Reply:
        """Decode a function and answer two lines of JSON: its summary, and its canonical document.

        Two lines, so that storing a document of megabytes needs no second look into it.
        """
        text, attachments = opened(call)
        request = requests.parse(requests.Publish, parse_object(text))
        graph = self._graph(call, request, {}, attachments)
        self._graphs.put(graph.id, graph)
        return Reply(200, b"\n".join((to_json(summary(graph)), to_json(graph.document()))))

    def forget(self, graph_id: str) -> None:
        """Drop a decoded graph."""
        self._graphs.discard(graph_id)

    def _graph(
        self,
        call: QueryRequest,
        request: requests.Function,
        given: Mapping[str, Any],
        attachments: Mapping[str, Array] | None,
    ) -> Graph:
        """The graph of the call, from the cache where it was met before."""
        key: Any
        if call.graph_id is not None:
            key = call.graph_id
        elif request.program is not None:
            key = (request.program, frozenset(given))
        else:
            key = blake2b(to_json(request.graph)).digest() if attachments is None else None
        graph = self._graphs.get(key) if key is not None else None
        if graph is not None:
            return graph
        if call.graph_id is not None:
            graph = decode_graph(from_json(call.document))
        elif request.program is not None:
            graph = parse_program(request.program, declared=given)
        else:
            assert request.graph is not None, "the schema lets one function through"
            graph = decode_graph(request.graph, attachments=attachments)
        if key is not None:
            self._graphs.put(key, graph)
        return graph


def summary(graph: Graph) -> dict[str, Any]:
    """What `POST /v1/graphs` answers about a graph."""
    inputs: dict[str, dict[str, Any]] = {}
    for name, spec in graph.inputs.items():
        fields = {"shape": None if spec.shape is None else list(spec.shape), "dtype": spec.dtype}
        inputs[name] = {field: value for field, value in fields.items() if value is not None}
    return {"id": graph.id, "inputs": inputs, "outputs": list(graph.outputs), "nodes": len(graph.nodes)}


def opened(call: QueryRequest) -> tuple[bytes, Mapping[str, Array] | None]:
    """The JSON text of a body and the arrays beside it."""
    if call.media == "json":
        return call.body, None
    return safetensors_io.unpack(call.body)
