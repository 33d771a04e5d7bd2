"""From a question to an answer: a graph, specialised to one signature, as a program that runs.

The `Compiler` records a query, walks it, rewrites and plans it, and keeps the result, so that the same
question with other numbers costs only the run. `Program.run` answers in the shape of the wire format with
arrays as leaves.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.derivatives import DIRECTION, Draft, draft_of, one_row
from engine.derivatives.query import Query, QueryKey
from engine.dtypes import TensorType
from engine.errors import OverLimit, UserError
from engine.frontend.graph import Constant, Graph
from engine.frontend.write import graph_document
from engine.passes import lower, optimize
from engine.queries.alternatives import alternatives
from engine.queries.sparse import Layouts, SparseProgram, most_entries
from engine.runtime import devices
from engine.runtime.cost import Estimate
from engine.runtime.executors.executor import Native, RunnablePlan, executor_for, is_native
from engine.runtime.plan import KEPT_BYTES, KEPT_CONTEXTS, Plan, make_plan
from engine.transforms.vmap import batch

#: Bytes that a value of a program takes with its step, about.
_SLOT_BYTES = 1_500


class Program:
    """One query, planned and bound. `run` may be called from several threads."""

    pattern_bytes = 0  # nothing is kept of a pattern, as a sparse program does

    def __init__(self, bound: RunnablePlan, device: str, draft: Draft, query: Query) -> None:
        types = query.inputs
        self.device = device
        self._bound = bound
        self._returns_graph = query.return_graph
        self._assemble = draft.assemble
        self._exports = draft.exports
        self._rewrites = draft.tape.rewrites if query.stabilize else None
        self._types = {name: np.dtype(types[name].dtype) for name in bound.plan.tape.inputs if name in types}
        self._directions = {
            f"{DIRECTION}{name}": (name, np.dtype(type.dtype)) for name, type in draft.directions.items()
        }

    @property
    def estimate(self) -> Estimate:
        """What one run takes, known before it runs."""
        return self._bound.plan.estimate

    @cached_property
    def nbytes(self) -> int:
        """Bytes that it takes in memory between runs, about."""
        plan = self._bound.plan
        buffers = sum(plan.buffers)
        contexts = buffers * KEPT_CONTEXTS if buffers <= KEPT_BYTES else 0
        constants = sum(np.asarray(constant).nbytes for constant in plan.tape.constants.values())
        return len(plan.tape.types) * _SLOT_BYTES + contexts + constants

    @property
    def is_native(self) -> bool:
        """Whether native code runs it."""
        return is_native(self._bound)

    @property
    def answer_types(self) -> list[TensorType]:
        """The types of the tensors that an answer holds."""
        tape = self._bound.plan.tape
        return [tape.types[slot] for slot in tape.outputs]

    @cached_property
    def rounding(self) -> float:
        """The coarsest relative rounding of any number on the way; 0 where all are whole."""
        inexact = {type.dtype for type in self._bound.plan.tape.types if dtypes.is_inexact(type.dtype)}
        return max((float(np.finfo(dtype).eps) for dtype in inexact), default=0.0)

    def run(
        self, inputs: Mapping[str, Array], directions: Mapping[str, Array] | None = None
    ) -> dict[str, Any]:
        """The answer, for values of the query's types; its arrays are the caller's own.

        `directions` are the cotangents, tangents or vectors.
        """
        values = {name: _of_dtype(inputs[name], dtype) for name, dtype in self._types.items()}
        for key, (name, dtype) in self._directions.items():
            values[key] = _of_dtype((directions or {})[name], dtype)
        answer = self._assemble(self._bound.run(values), values)
        if self._rewrites is not None:
            answer["rewrites"] = self._rewrites
        if self._returns_graph:
            answer["graph"] = self.graph
        return answer

    @cached_property
    def graph(self) -> dict[str, Any]:
        """The program as a graph document that gives the same answer again; of gradients only."""
        tape = self._bound.plan.tape
        return graph_document(tape, {name: tape.outputs[place] for name, place in self._exports.items()})


def _of_dtype(array: Array, dtype: np.dtype[Any]) -> Array:
    if type(array) is np.ndarray and array.dtype is dtype:
        return array
    with np.errstate(over="ignore", invalid="ignore"):  # what a narrower dtype does not hold becomes infinite
        return np.asarray(array, dtype)


class Compiler:
    """Programs by query, the least recently used dropped first. Safe to share between threads.

    `device_memory` is how many bytes of a GPU this process may hold, by default half of it; `kept_bytes`
    bounds the memory of the programs that are kept, about, and a quarter of it that of sparse patterns;
    `native` says where native code is kept and whether this process may make it.
    """

    def __init__(
        self,
        *,
        entries: int = 512,
        device_memory: int | None = None,
        kept_bytes: int = 2**28,
        native: Native | None = None,
    ) -> None:
        self._entries = entries
        self._kept_bytes = kept_bytes
        self._native = native or Native()
        self.nbytes = 0
        self._device_memory = device_memory
        self._programs: OrderedDict[QueryKey, Program] = OrderedDict()
        self._layouts = Layouts(kept_bytes // 4)
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def compile(
        self,
        query: Query,
        *,
        peak_bytes_limit: int | None = None,
        values: Mapping[str, Array] | None = None,
    ) -> Program | SparseProgram:
        """The program that answers `query`.

        Where that asks for a sparse matrix, its pattern is read from the indices among `values`; an index
        without a value may be any. Raises every UserError that the graph or the question earns; OverLimit
        where a run would need more than `peak_bytes_limit` bytes at once, with what would be accepted as its
        hint.
        """
        try:
            return self._compile(query, peak_bytes_limit, values)
        except OverLimit as error:
            if error.estimate is not None and peak_bytes_limit is not None:
                error.hint = self._advice(Estimate(**error.estimate), query, peak_bytes_limit, values)
            raise

    def _advice(
        self, estimate: Estimate, query: Query, limit: int, values: Mapping[str, Array] | None
    ) -> str:
        """What would be accepted instead of a question that takes too much."""

        def takes(smaller: Query) -> Estimate | None:
            try:
                return self._compile(smaller, limit, values).estimate
            except UserError:
                return None

        return alternatives(query, estimate, limit, takes)

    def _compile(
        self, query: Query, peak_bytes_limit: int | None, values: Mapping[str, Array] | None
    ) -> Program | SparseProgram:
        if query.sparse and query.colours is None:
            most = most_entries(peak_bytes_limit)
            layout = self._layouts.find(query, values or {}, most, in_dtype)
            products = self._compile(layout.coloured(query), peak_bytes_limit, None)
            sparse = SparseProgram(query, products, layout)
            _check_limit(sparse.estimate, peak_bytes_limit)
            return sparse
        key = query.key
        with self._lock:
            program = self._programs.get(key)
            if program is not None:
                self._programs.move_to_end(key)
                self.hits += 1
            else:
                self.misses += 1
        if program is None:
            program = make_program(query, peak_bytes_limit, self._device_memory, self._native)
            self._keep(key, program)
        _check_limit(program.estimate, peak_bytes_limit)
        return program

    def _keep(self, key: QueryKey, program: Program) -> None:
        """Keep the program as the newest, if it is not larger than all that may be kept."""
        with self._lock:
            before = self._programs.pop(key, None)
            self.nbytes -= 0 if before is None else before.nbytes
            if program.nbytes > self._kept_bytes:
                return
            self._programs[key] = program
            self.nbytes += program.nbytes
            while len(self._programs) > self._entries or self.nbytes > self._kept_bytes:
                _, dropped = self._programs.popitem(last=False)
                self.nbytes -= dropped.nbytes

    def has(self, query: Query) -> bool:
        """Whether the program is there already, so that compiling costs nothing."""
        with self._lock:
            return query.key in self._programs


def make_program(
    query: Query,
    peak_bytes_limit: int | None = None,
    device_memory: int | None = None,
    native: Native | None = None,
) -> Program:
    """Record, differentiate, rewrite, plan, choose the device and bind, without a cache.

    Raises NotCompiled if native code is asked for that `native` may not make here.
    """
    query = in_dtype(query)
    draft, plan = plan_of(query)
    _check_limit(plan.estimate, peak_bytes_limit)
    device = devices.choose(query.device, plan.tape, plan.estimate, device_memory)
    executor = executor_for(device, device_memory, (native or Native()) if query.compiles else None)
    _check_limit(plan.estimate, executor.memory_limit, f"{device} may give this process ")
    program = Program(executor.bind(plan), device, draft, query)
    _check_limit(program.estimate, peak_bytes_limit)  # native code may hold more than the plan
    return program


def plan_of(query: Query) -> tuple[Draft, Plan]:
    """The draft of a question in its own dtype, and the plan of its tape."""
    row = one_row(query)
    draft = draft_of(row.query)
    tape = draft.tape
    if query.batch:
        tape = batch(lower(tape), row.batched, row.count)
    tape = optimize(tape, fused=not (query.return_graph or query.compiles)) if query.rewrites else lower(tape)
    plan = make_plan(tape)
    if draft.look_bytes:
        peak = plan.estimate.peak_bytes + draft.look_bytes
        plan.estimate = replace(plan.estimate, peak_bytes=peak)
    return draft, plan


def _check_limit(estimate: Estimate, limit: int | None, whose: str = "the limit is ") -> None:
    if limit is not None and estimate.peak_bytes > limit:
        raise OverLimit(
            f"this needs {estimate.peak_bytes:,} bytes at once, and {whose}{limit:,}",
            estimate=estimate.as_dict(),
            hint="use smaller tensors, float32 (`dtype`), or fewer outputs at once",
        )


def in_dtype(query: Query) -> Query:
    """The query with its floating and complex inputs and constants in the precision that it asks for."""
    dtype = query.dtype
    if dtype is None:
        return query
    inputs = {
        name: TensorType(type.shape, dtypes.in_precision(type.dtype, dtype))
        if dtypes.is_inexact(type.dtype)
        else type
        for name, type in query.inputs.items()
    }
    return replace(query, graph=constants_in(query.graph, dtype), inputs=inputs)


def constants_in(graph: Graph, dtype: str) -> Graph:
    """The graph with its typed floating and complex constants in the precision of `dtype`."""
    constants = {
        name: Constant(constant.array.astype(dtypes.in_precision(constant.array.dtype.name, dtype)))
        if not constant.weak and dtypes.is_inexact(constant.array.dtype.name)
        else constant
        for name, constant in graph.constants.items()
    }
    functions = {name: constants_in(function, dtype) for name, function in graph.functions.items()}
    return replace(graph, constants=constants, functions=functions)
