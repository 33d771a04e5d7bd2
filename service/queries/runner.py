"""What computes every request: the bytes of a request in, the bytes of its reply out.

The event loop, the threads and the child processes each hold a `QueryRunner` and call the same two steps:
`prepare` (parse, check, decode, specialise, estimate) and `finish` (run, encode). Between them stands the
estimate, by which `tiers.py` chooses where the program runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

from pydantic_core import from_json, to_json

from engine.arrays.types import Array
from engine.derivatives.query import Query, QueryKey
from engine.errors import InternalError, OverLimit, UserError
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.frontend.tensors import Encoding
from engine.ir.budget import BudgetSpent
from engine.queries.compiler import Compiler, Program
from engine.queries.receipt import receipt
from engine.queries.sparse import SparseProgram
from engine.runtime import devices
from engine.runtime.cost import CALL_SECONDS
from engine.runtime.executors.executor import Native, NotCompiled
from service.queries.answer_size import AnswerSize
from service.queries.bound_query import BoundQuery, Likeness, likeness, query_bytes
from service.queries.builder import device_of
from service.queries.kinds import KINDS, Computation, QueryKind
from service.queries.query_request import Bounded, GraphMissing, QueryRequest, TooLargeForTier, require_nodes
from service.storage.lru import Lru
from service.wire import requests
from service.wire.encoding import encode_answer
from service.wire.problems import Problem, Reply, render

SERVER_TIMING = "Server-Timing"
#: Bytes that a decoded function takes for each byte of its text, about.
_GRAPH_BYTES = 12
#: A receipt evaluates the function along shrinking steps for each variable: so many runs, about.
_CHECK_RUNS = 300
#: Writing native code of a node takes so many times what planning it takes.
_NATIVE_COST = 10


@dataclass(slots=True)
class PreparedQuery:
    """A call that is ready to run, and what that will cost.

    `seconds` is the run with the writing of its answer, `held_seconds` the part of it in which no other
    thread can run: Python's own work, not that of NumPy in large arrays. `answer_bytes` are those of its
    tensors.
    """

    program: Program | SparseProgram
    inputs: Mapping[str, Array]
    encoding: Encoding
    safetensors: bool
    seconds: float
    answer_bytes: int = 0
    held_seconds: float = 0.0
    directions: Mapping[str, Array] | None = None
    query: Query | None = None
    receipt_of: Query | None = None
    parsing_s: float = 0.0
    planning_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RunOnDevice:
    """Instead of a reply: the GPU whose process has to compute it."""

    device: str


class _Compiler(Compiler):
    """Leaves native code that this process must not make to a child, which may."""

    def compile(
        self,
        query: Query,
        *,
        peak_bytes_limit: int | None = None,
        values: Mapping[str, Array] | None = None,
    ) -> Program | SparseProgram:
        """The program of a query. Raises TooLargeForTier too."""
        try:
            return super().compile(query, peak_bytes_limit=peak_bytes_limit, values=values)
        except NotCompiled:
            raise TooLargeForTier from None


class QueryRunner:
    """Computes replies to requests; its only state are caches of decoded graphs and of programs."""

    computations: ClassVar[Mapping[str, Computation]] = KINDS

    def __init__(
        self,
        *,
        max_peak_bytes: int,
        graph_cache: int,
        program_cache: int,
        device_memory: int | None = None,
        device: str = devices.CPU,
        max_answer_bytes: int = 2**28,
        cache_bytes: int = 2**28,
        native_folder: str | None = None,
        compiles: bool = True,
    ) -> None:
        self.max_peak_bytes = max_peak_bytes
        self._device = device
        self._max_answer_bytes = max_answer_bytes
        self._sizes: WeakKeyDictionary[Program | SparseProgram, AnswerSize] = WeakKeyDictionary()
        self._graphs: Lru[Any, Graph] = Lru(graph_cache, cache_bytes // 8)
        self._bound: Lru[Likeness, BoundQuery] = Lru(program_cache, cache_bytes // 8)
        #: Queries that were too much for a tier of so many nodes, so that they are not tried there again: to
        #: compile, and to finish because of a diagnosis.
        self._too_large: Lru[QueryKey, int] = Lru(program_cache, cache_bytes // 64)
        self._long_answers: Lru[QueryKey, int] = Lru(program_cache, cache_bytes // 64)
        native = Native(None if native_folder is None else Path(native_folder), compiles)
        self.compiler = _Compiler(
            entries=program_cache, device_memory=device_memory, kept_bytes=cache_bytes // 2, native=native
        )

    def computation(self, call: QueryRequest) -> Computation:
        """The computation that a request asks for."""
        return self.computations[call.kind]

    def answer(self, call: QueryRequest) -> Reply | RunOnDevice:
        """The whole computation. The caller's errors become problems, unexpected ones are raised.

        Returns RunOnDevice if the program wants a GPU that is not this runner's `device`.
        """
        try:
            compute = self.computation(call).compute
            if compute is not None:
                return compute(self, call, None)
            prepared = self.prepare(call)
            if prepared.program.device not in (devices.CPU, self._device):
                return RunOnDevice(prepared.program.device)
            return self.finish(prepared)
        except (UserError, Problem) as error:
            return render(error)

    def prepare(self, call: QueryRequest, most_nodes: int | None = None) -> PreparedQuery:
        """Parse, check, decode and specialise.

        Raises Problem, UserError, and TooLargeForTier if the graph is new and has more than `most_nodes`
        nodes, its functions expanded, or if decoding and recording it takes more than so many usually do.
        """
        if most_nodes is None:
            return self._prepare(call, None)
        with Bounded(most_nodes):
            return self._prepare(call, most_nodes)

    def _prepare(self, call: QueryRequest, most_nodes: int | None) -> PreparedQuery:
        start = perf_counter()
        document, attachments = call.open("inputs")
        bound = self._bound_query(KINDS[call.kind], call, document, attachments)
        inputs = bound.inputs(document, attachments)
        directions = bound.directions(document, attachments)
        query = bound.query(inputs, directions)
        request = bound.request
        if most_nodes is not None:
            self._require_small(query, most_nodes)
        values = {name: tensor.array for name, tensor in inputs.items()}
        parsed = perf_counter()
        try:
            program = self.compiler.compile(query, peak_bytes_limit=self.max_peak_bytes, values=values)
        except BudgetSpent:
            self._too_large.put(query.key, most_nodes or 0, query_bytes(len(query.inputs)))
            raise
        planned = perf_counter()
        encoding = request.encoding or "json"
        prepared = self.prepared(program, values, encoding, call)
        prepared.query = query
        prepared.parsing_s, prepared.planning_s = parsed - start, planned - parsed
        if directions is not None:
            prepared.directions = {name: tensor.array for name, tensor in directions.items()}
        if request.__dict__.get("receipt"):
            prepared.receipt_of = query
            prepared.seconds += program.estimate.seconds * (_CHECK_RUNS - 1)
        return prepared

    def prepared(
        self,
        program: Program | SparseProgram,
        values: Mapping[str, Array],
        encoding: Encoding,
        call: QueryRequest,
    ) -> PreparedQuery:
        """A program with its values, and what running it and writing the answer takes.

        Raises OverLimit if no answer of these types is within the limit.
        """
        size = self._sizes.get(program)
        if size is None:
            size = self._sizes[program] = AnswerSize.of(program.answer_types)
        least = size.least_bytes(encoding, safetensors=call.safetensors)
        if least > self._max_answer_bytes:
            raise self._answer_too_large(f"takes at least {least:,}", encoding, call.safetensors, size)
        writing = size.seconds(encoding, safetensors=call.safetensors)
        occupied = writing + program.estimate.nodes * CALL_SECONDS
        seconds = program.estimate.seconds + writing
        return PreparedQuery(
            program, values, encoding, call.safetensors, seconds, size.tensor_bytes, occupied
        )

    def _answer_too_large(
        self, came: str, encoding: Encoding, safetensors: bool, size: AnswerSize
    ) -> OverLimit:
        forms = ["ask with 'Accept: application/x-safetensors'"] if not safetensors else []
        if forms and encoding != "base64":
            forms.append('with "encoding": "base64"')
        fits = size.least_bytes("base64", safetensors=False) <= self._max_answer_bytes
        if forms and fits:
            hint = f"{', or '.join(forms)}: the tensors are {size.tensor_bytes:,} bytes"
        else:
            hint = "reduce it first, as with sum or mean, or ask for fewer outputs"
        return OverLimit(
            f"the answer {came} bytes, and the limit is {self._max_answer_bytes:,}",
            hint=f"{hint}; the operator may raise GRADWIRE_MAX_ANSWER_BYTES",
        )

    def _require_small(self, query: Query, most_nodes: int) -> None:
        """Raise TooLargeForTier for what is known to be too much for a tier of so many nodes."""
        if len(self._long_answers) and (self._long_answers.get(query.key) or 0) >= most_nodes:
            raise TooLargeForTier
        if not self.compiler.has(query):
            if len(self._too_large) and (self._too_large.get(query.key) or 0) >= most_nodes:
                raise TooLargeForTier
            require_nodes(query.graph, most_nodes // (_NATIVE_COST if query.compiles else 1))

    def finish(self, prepared: PreparedQuery, most_nodes: int | None = None) -> Reply:
        """Run and encode. The reply says in `Server-Timing` what each part took, in milliseconds.

        Raises TooLargeForTier if a diagnosis takes more than recording `most_nodes` nodes, or if the run
        takes much longer than its estimate; the query is not tried in such a tier again.
        """
        if most_nodes is None:
            return self._finish(prepared)
        try:
            with Bounded(most_nodes, prepared.seconds):
                return self._finish(prepared)
        except TooLargeForTier:
            if prepared.query is not None:
                size = query_bytes(len(prepared.query.inputs))
                self._long_answers.put(prepared.query.key, most_nodes, size)
            raise

    def _finish(self, prepared: PreparedQuery) -> Reply:
        start = perf_counter()
        answer = prepared.program.run(prepared.inputs, prepared.directions)
        if prepared.receipt_of is not None:
            answer["receipt"] = receipt(
                prepared.receipt_of,
                prepared.inputs,
                compiler=self.compiler,
                peak_bytes_limit=self.max_peak_bytes,
            )
        ran = perf_counter()
        reply = encode_answer(answer, prepared.encoding, safetensors=prepared.safetensors)
        if len(reply.body) > self._max_answer_bytes:
            size = AnswerSize.of(prepared.program.answer_types)
            came = f"is {len(reply.body):,}"
            raise self._answer_too_large(came, prepared.encoding, prepared.safetensors, size)
        reply.headers[SERVER_TIMING] = (
            f"parse;dur={prepared.parsing_s * 1e3:.3f}, plan;dur={prepared.planning_s * 1e3:.3f}, "
            f"run;dur={(ran - start) * 1e3:.3f}, encode;dur={(perf_counter() - ran) * 1e3:.3f}"
        )
        if isinstance(prepared.program, Program) and prepared.program.is_native:
            reply.headers[SERVER_TIMING] += ', executor;desc="compiled"'
        return reply

    def _bound_query(
        self,
        kind: QueryKind,
        call: QueryRequest,
        document: dict[str, Any],
        attachments: Mapping[str, Array] | None,
    ) -> BoundQuery:
        """What this request has in common with others that differ in their tensors.

        Raises Problem and UserError for what is wrong with its other fields or with its function.
        """
        key = likeness(kind, document, call.graph_id, attachments)
        bound = None if key is None else self._bound.get(key)
        if bound is not None:
            return bound
        request = requests.parse(kind.request, document, function=call.graph_id is None)
        if not isinstance(request, requests.Options):
            raise InternalError(f"queries of kind {call.kind} have no options of a derivative")
        device_of(request)  # before anything is read
        function = cast(requests.Function, request)
        graph = self.graph(call, function, request.__dict__["inputs"] or {}, attachments)
        bound = BoundQuery(kind, graph, request)
        if key is not None:
            own = 0 if call.graph_id is not None else call.json_bytes * _GRAPH_BYTES
            self._bound.put(key, bound, bound.nbytes + own)
        return bound

    def has_decoded(self, graph_id: str | None) -> bool:
        """Whether a published graph need not be decoded again."""
        return graph_id is not None and graph_id in self._graphs

    def keep(self, graph: Graph, size: int) -> None:
        """Remember a decoded graph, whose document has `size` bytes, under its id."""
        self._graphs.put(graph.id, graph, size * _GRAPH_BYTES)

    def forget(self, graph_id: str) -> None:
        """Drop a decoded graph."""
        self._graphs.discard(graph_id)

    def graph(
        self,
        call: QueryRequest,
        request: requests.Function,
        raw_inputs: Mapping[str, Any],
        attachments: Mapping[str, Array] | None,
    ) -> Graph:
        """The graph of the request, from the cache if it was decoded before."""
        key: Any
        size = len(call.graph)
        if call.graph_id is not None:
            key = call.graph_id
        elif request.program is not None:
            key = (request.program, frozenset(raw_inputs))
            size = len(request.program) + sum(map(len, raw_inputs))
        else:
            text = to_json(request.graph) if attachments is None else b""
            key, size = blake2b(text).digest() if text else None, len(text)
        graph = self._graphs.get(key) if key is not None else None
        if graph is not None:
            return graph
        if call.graph_id is not None:
            if not call.graph:
                raise GraphMissing
            graph = decode_graph(from_json(call.graph))
        elif request.program is not None:
            graph = parse_program(request.program, declared=raw_inputs)
        else:
            if request.graph is None:
                raise InternalError("the schema let a request through that has no function")
            graph = decode_graph(request.graph, attachments=attachments)
        if key is not None:
            self._graphs.put(key, graph, size * _GRAPH_BYTES)
        return graph
