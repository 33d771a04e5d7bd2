"""The faces of a compiled program that executors give out: of a query, and of a training step."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.runtime.executors.compiled.cache import ObjectCache
from engine.runtime.executors.compiled.memory import aligned
from engine.runtime.executors.compiled.program import CompiledProgram, Values
from engine.runtime.executors.failures import no_memory
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.runtime.plan import KEPT_BYTES, KEPT_CONTEXTS, Plan

_COPIED = 16 << 10  # bytes of an input or output up to which a copy costs less than a pointer


class CompiledPlan:
    """A query's plan as native code; `run` may be called from several threads at once."""

    def __init__(
        self,
        plan: Plan,
        objects: ObjectCache | None = None,
        *,
        compiles: bool = True,
        verify: bool = False,
    ) -> None:
        program = self._program = CompiledProgram(plan, None, objects, compiles=compiles, verify=verify)
        program.bind_steps()
        tape, nodes = plan.tape, program.nodes
        entries = program.code.entries
        self._pointed = {  # inputs that are read where they lie
            name: slot for name, slot in tape.inputs.items() if tape.types[slot].nbytes > _COPIED
        }
        used = set(entries) | {nodes.views[slot].root for slot in (*tape.outputs, *program.numpy_slots)}
        copied = {n: s for n, s in tape.inputs.items() if n not in self._pointed and s in used}
        self._copied = list(copied.items())
        roots = [nodes.views[slot].root for slot in tape.outputs]
        self._results = {  # outputs that are written where the caller gets them
            slot: (tape.types[slot].shape, np.dtype(tape.types[slot].dtype))
            for slot, root in zip(tape.outputs, roots, strict=True)
            if self._is_whole(slot, root) and roots.count(root) == 1 and tape.types[slot].nbytes > _COPIED
        }
        self._result_roots = {slot: nodes.views[slot].root for slot in self._results}
        foreign = {*self._pointed.values(), *self._result_roots.values()}
        self._arena = program.arena(foreign, [slot for _, slot in self._copied])
        direct = program.numpy_slots | set(tape.outputs) - set(self._results)
        self._moving = [slot for slot in direct if nodes.views[slot].root in foreign]
        self._still = [slot for slot in direct if nodes.views[slot].root not in foreign]
        self._contexts: deque[_Context] = deque(maxlen=KEPT_CONTEXTS)
        self._errstate = bool(program.numpy_slots)
        peak = self._arena.size + 64 + sum(t.nbytes for t in map(tape.types.__getitem__, tape.outputs))
        peak += sum(tape.types[slot].nbytes for slot in (*tape.inputs.values(), *tape.constants))
        estimate = plan.estimate
        self.plan = replace(plan, estimate=replace(estimate, peak_bytes=max(estimate.peak_bytes, peak)))

    def _is_whole(self, slot: int, root: int) -> bool:
        """Whether a slot is all of memory that the program has results for it."""
        nodes = self._program.nodes
        view = nodes.views[slot]
        if root in nodes.external or not view.is_dense or view.offset:
            return False
        return view.size == prod(nodes.views[root].shape)

    def run(self, inputs: Mapping[str, Any]) -> list[Array]:
        """The outputs, in the tape's order, for arrays in the dtypes and shapes of the signature.

        Raises IndexOutOfRange, OverLimit (no memory), or what a kernel refuses, each at the user's node.
        """
        program = self._program
        try:
            context = self._contexts.pop()
        except IndexError:
            context = self._context()
        cells = context.cells
        for name, slot in self._copied:
            cells[slot][...] = inputs[name]
        results: dict[int, Array] = {}
        if self._pointed or self._results:
            results = self._point(context, inputs)
        if not self._errstate:
            program.run(context.pointer, context.values)
        else:
            with np.errstate(all="ignore"):
                program.run(context.pointer, context.values)
        values = context.values
        answers = [
            results[slot] if slot in results else values[slot].copy() for slot in program.plan.tape.outputs
        ]
        for slot in self._moving:
            values[slot] = None
        if self._arena.size <= KEPT_BYTES:
            self._contexts.append(context)
        return answers

    def _point(self, context: _Context, inputs: Mapping[str, Any]) -> dict[int, Array]:
        """Put the addresses of large inputs and outputs into the table; returns the outputs."""
        program = self._program
        entries, table = program.code.entries, context.table
        memory: dict[int, Array] = {}
        for name, slot in self._pointed.items():
            array = np.require(inputs[name], requirements=("C", "A"))
            memory[slot] = array
        results: dict[int, Array] = {}
        try:
            for slot, (shape, dtype) in self._results.items():
                results[slot] = memory[self._result_roots[slot]] = np.empty(shape, dtype)
        except MemoryError:
            raise no_memory(program.plan, arrays.numpy_namespace().place) from None
        for root, array in memory.items():
            if root in entries:
                table[entries[root]] = array.ctypes.data
        for slot in self._moving:
            context.values[slot] = program.view(slot, memory[program.nodes.views[slot].root])
        context.held = memory
        return results

    def _context(self) -> _Context:
        program, arena = self._program, self._arena
        try:
            return _Context(program, np.empty(arena.size + 64, np.uint8), arena.offsets, self._still)
        except MemoryError:
            raise no_memory(program.plan, arrays.numpy_namespace().place) from None


class _Context:
    """Memory for one run at a time: the arena, the table of pointers, and arrays over them."""

    def __init__(
        self, program: CompiledProgram, memory: Any, offsets: Mapping[int, int], slots: list[int]
    ) -> None:
        nodes, entries = program.nodes, program.code.entries
        block = aligned(memory, memory.size - 64)
        self._memory = memory
        self.table = np.zeros(max(1, len(entries)), np.uint64)
        self.pointer = self.table.ctypes.data
        self.cells: dict[int, Array] = {}
        for root, offset in offsets.items():
            view = nodes.views[root]
            dtype = np.dtype(view.dtype)
            part = block[offset : offset + view.size * dtype.itemsize]
            self.cells[root] = part.view(dtype).reshape(view.shape)
        self.cells.update(program.constants)
        for root, array in self.cells.items():
            if root in entries:
                self.table[entries[root]] = array.ctypes.data
        self.values: Values = {slot: program.view(slot, self.cells[nodes.views[slot].root]) for slot in slots}
        self.held: Any = None


class CompiledResidentPlan:
    """A plan as native code over the arrays `inputs`, which each run reads and, by donations, writes.

    `donated` maps output slots to the input slots whose memory they take over. Intermediate values are in
    `scratch`, or in memory of its own if that is None. Only one run at a time, also of the plans that share
    scratch.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        scratch: ScratchPool | None = None,
        objects: ObjectCache | None = None,
        *,
        compiles: bool = True,
        verify: bool = False,
    ) -> None:
        self.plan = plan
        program = self._program = CompiledProgram(plan, donated, objects, compiles=compiles, verify=verify)
        program.bind_steps()
        tape, nodes = plan.tape, program.nodes
        arena = program.arena(set())
        memory = (scratch or ScratchPool(arrays.numpy_namespace())).take([arena.size + 64])[0]
        context = self._context = _Context(program, memory, arena.offsets, [])
        cells, entries = context.cells, program.code.entries
        for name, slot in tape.inputs.items():
            cells[slot] = inputs[name]
        for root, source in program.homes.items():
            cells[root] = cells[source]
        for root, array in cells.items():
            if root in entries:
                if not array.flags.carray and not (array.flags.c_contiguous and array.flags.aligned):
                    raise ValueError(f"input {root} does not lie in C order")
                context.table[entries[root]] = array.ctypes.data
        slots = program.numpy_slots | set(tape.outputs)
        context.values = {slot: program.view(slot, cells[nodes.views[slot].root]) for slot in slots}
        self._answers = [context.values[slot] for slot in tape.outputs if slot not in donated]
        self._moved = [
            (context.values[output], cells[source])
            for output, source in donated.items()
            if nodes.views[output].root not in program.homes
        ]
        self._single = program.single

    @property
    def copied(self) -> int:
        """How many donated outputs could not be written in place and are copied after a run."""
        return len(self._moved)

    def run(self) -> list[Array]:
        """One run; returns the outputs that are not donated, in the tape's order.

        Raises IndexOutOfRange or what a kernel refuses, at the user's node; donated-to inputs are then as
        far as the run came.
        """
        context = self._context
        if self._single is not None:
            self._single(context.pointer)
        else:
            with np.errstate(all="ignore"):
                self._program.run(context.pointer, context.values)
        answers = [value.copy() for value in self._answers]
        for place, value in [(place, value.copy()) for value, place in self._moved]:
            place[...] = value
        return answers
