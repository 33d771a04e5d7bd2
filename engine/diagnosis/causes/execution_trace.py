"""The steps that one run took: the recording itself, or its loops and branches laid out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.diagnosis.causes.infinite import Leaves
from engine.diagnosis.evidence.edge_adjoints import Pullback, Sweep, record_pullbacks
from engine.diagnosis.evidence.interpreter import Values
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.evidence.unroll import UNROLLABLE, Layout
from engine.diagnosis.texts.origin import Culprit, source_of
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction, Tape


@dataclass
class ExecutionTrace:
    """A graph of steps, the names of its slots in full, and as they are called where they stand.

    Safe to share between threads.
    """

    graph: Graphing
    names: Mapping[int, str]
    local: Mapping[int, str]
    layout: Layout | None = None
    _pulled: dict[bool, tuple[Tape, list[Pullback]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def from_layout(cls, layout: Layout, graph: Graphing, names: Mapping[int, str]) -> ExecutionTrace:
        """The course of one run of `graph`, whose own slots have these names."""
        inner = {
            slot: step.origin.node
            for step in layout.steps
            for slot in step.outputs
            if slot not in names and step.origin.node is not None
        }
        steps = tuple(layout.steps)
        return cls(
            Graphing(layout.tape, steps, graph.outputs, graph.rebound, graph.overwritten),
            {**inner, **names},
            {**layout.names, **names},
            layout,
        )

    def sweep(self, values: Values, target: int, sources: Iterable[int], *, masked: bool) -> Sweep:
        """All adjoints for the values of one run."""
        with self._lock:
            recording = self._pulled.get(masked)
            if recording is None:
                recording = record_pullbacks(
                    self.graph.tape, self.graph.steps, target, sources, masked=masked
                )
                self._pulled[masked] = recording
        tape, pullbacks = recording
        sweep = Sweep({**values, **tape.constants}, pullbacks, self.graph.makers)
        sweep.follow(target)
        return sweep

    @cached_property
    def dependences(self) -> Graphing:
        """The graph with what was decided by a predicate depending on it."""
        graph, layout = self.graph, self.layout
        if layout is None or not layout.decided:
            return graph
        return Graphing(graph.tape, layout.dependences, graph.outputs, graph.rebound, graph.overwritten)

    @cached_property
    def leaves(self) -> Leaves:
        """The names of data."""
        tape, readers = self.graph.tape, self.graph.readers
        constants = {slot: self.names[slot] for slot in tape.constants if slot in self.names}
        sources = {
            slot: source_of(self.graph.steps[readers[slot][0]].origin)
            for slot in tape.constants
            if slot in readers
        }
        return Leaves({slot: name for name, slot in tape.inputs.items()}, constants, sources)

    @cached_property
    def expressions(self) -> Expressions:
        """The user's own words for what lies in a slot."""
        return Expressions(self.graph, self.local)

    def with_iteration(self, culprit: Culprit) -> Culprit:
        """A culprit with the iteration in which its step ran; of nested loops of each, outermost first."""
        iteration = None if self.layout is None else self.layout.iteration(culprit.step)
        if iteration is None:
            return culprit
        return replace(culprit, evidence={**culprit.evidence, "iteration": iteration})


def layout_bytes(tape: Tape, steps: Sequence[Instruction]) -> int:
    """At most how many bytes the values inside functions take when all of it is laid out."""
    return sum(_inside(tape, step) for step in steps if step.op.name in UNROLLABLE)


def _inside(tape: Tape, step: Instruction) -> int:
    attributes = step.attributes
    if step.op.name == "cond":
        return max(_of(attributes["then"]), _of(attributes["else"]))
    if step.op.name == "checkpoint":
        return _of(attributes["function"])
    if step.op.name == "while_steps":
        return int(attributes["max_steps"]) * _of(attributes["body"])
    walked = attributes["carry"] if attributes["scanned"] else None
    length = attributes["length"] or 0 if walked is None else tape.types[step.inputs[walked]].shape[0]
    return int(length) * _of(attributes["body"])


def _of(function: Tape) -> int:
    slots = (*function.inputs.values(), *(slot for step in function.instructions for slot in step.outputs))
    return sum(function.types[slot].nbytes for slot in slots) + layout_bytes(function, function.instructions)
