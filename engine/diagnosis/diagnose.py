"""The examination of one target: structure first, and numbers where a gradient exists and looks wrong.

The numeric half runs the tape as it was recorded, with every value kept, only when it is asked for. What
has to be recorded for it is recorded once, at the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from engine import dtypes
from engine.arrays.types import Array
from engine.diagnosis.causes.execution_trace import ExecutionTrace, layout_bytes
from engine.diagnosis.causes.infinite import why_target
from engine.diagnosis.evidence.interpreter import Values, replay
from engine.diagnosis.evidence.retrace import retrace
from engine.diagnosis.evidence.structure import Finding, Graphing, examine
from engine.diagnosis.evidence.unroll import MOST, MOST_BY_DEFAULT, TooLong, has_functions, lay_out
from engine.diagnosis.look import Inputs, Look
from engine.diagnosis.verdict import Subject, numeric_verdict, structural_verdict
from engine.errors import UserError
from engine.ir.tape import Tape
from engine.passes.dead import dead
from engine.transforms.masks import can_help

LARGEST_LOOK = 256 << 20  # bytes beyond which the numbers of a gradient are not examined unasked
HELD = 6  # arrays of the size of each value: itself, its adjoint and size, what its edges passed on, scratch


@dataclass
class Diagnosis:
    """One target of a recording and the variables asked about; `note` is why it is no target, if so,
    `masked` whether gradients are those of `masked_backward`.

    `names` are the user's names of slots. Safe to share between threads.
    """

    graph: Graphing
    names: Mapping[int, str]
    variables: Mapping[str, int]
    target: str
    slot: int
    note: UserError | None = None
    masked: bool = False
    _findings: dict[str, Finding] = field(default_factory=dict)
    _last: ExecutionTrace | None = None  # the laid out steps of the last look, with what was recorded for it
    _never: set[int] = field(default_factory=set)  # the limits that its steps exceed whatever the inputs

    @cached_property
    def live(self) -> frozenset[str]:
        """The variables that have a gradient."""
        if self.note is not None:
            return frozenset()
        toward = self.graph.toward(self.slot, "gradient")
        types = self.graph.tape.types
        return frozenset(
            name for name, s in self.variables.items() if s in toward and dtypes.is_inexact(types[s].dtype)
        )

    def refuse(self, error: UserError) -> None:
        """Say that a derivative on the way is not there: no variable has a gradient for this reason."""
        for name in self.live:
            self._findings[name] = Finding("blocked", "not_implemented", note=error)

    def finding(self, name: str) -> Finding:
        """What the structure says of a variable."""
        if self.note is not None:
            return Finding("invalid_target", note=self.note)
        result = self._findings.get(name)
        if result is None:
            result = self._findings[name] = examine(self.graph, self.variables[name], name, self.slot)
        return result

    def entry(self, name: str, gradient: Array | None, look: Callable[[], Look | None]) -> dict[str, Any]:
        """The entry of one variable; `look` returns the run, None if it cannot be had."""
        type = self.graph.tape.types[self.variables[name]]
        finding = self.finding(name)
        subject = Subject(name, self.variables[name], self.target, self.slot)
        if finding.status != "ok" or gradient is None:
            run = look() if finding.status == "blocked" and finding.note is None else None
            verdict = structural_verdict(finding, subject, type.dtype, self._plain, run)
            return verdict.entry(self.names, type.shape, gradient)
        run = look()
        names = self.names if run is None else run.trace.names
        return numeric_verdict(finding, subject, gradient, run).entry(names, type.shape, gradient)

    def structural(self, name: str) -> dict[str, Any]:
        """The entry of a variable that has no gradient."""
        return self.entry(name, None, lambda: None)

    @cached_property
    def look_bytes(self) -> int:
        """What `look` holds at once where it is asked for, loops laid out as far as that goes."""
        inside = layout_bytes(self.graph.tape, self.graph.steps)
        return self._plain_bytes + min(HELD * inside, LARGEST_LOOK)

    @cached_property
    def _plain_bytes(self) -> int:
        """The same of the recording as it stands: every value, adjoint and size, what each edge passed on."""
        outputs = (slot for step in self.graph.steps for slot in step.outputs)
        return self._held((*outputs, *self.graph.tape.inputs.values()))

    @cached_property
    def _read_bytes(self) -> int:
        """The same without what nothing reads, such as what was carried into each step of a loop."""
        read = {slot for step in self.graph.steps for slot in step.inputs}
        return self._held((*read, *self.variables.values(), self.slot))

    def _held(self, slots: Iterable[int]) -> int:
        return HELD * sum(self.graph.tape.types[slot].nbytes for slot in slots)

    def look(self, inputs: Inputs, *, full: bool = False) -> Look | None:
        """Run everything again with every value kept.

        Where it was not asked for, it is kept small: None where it takes more than `LARGEST_LOOK` bytes.
        """
        if not full and self._read_bytes > LARGEST_LOOK:
            return None
        try:
            try:
                run = self._trace(self.graph, inputs, full=full)
            except MemoryError:
                raise
            except Exception:  # a line that the target does not need, and that no other run computes
                run = self._trace(self._needed, inputs, full=full)
            if run is None:
                return None
            trace, values = run
            sources = tuple(self.variables[name] for name in sorted(self.live))
            sweep = trace.sweep(values, self.slot, sources, masked=self.masked)
            other = None
            if not self.masked and can_help(trace.graph.steps):
                other = partial(trace.sweep, values, self.slot, sources, masked=True)
            target_culprits = why_target(trace.graph.steps, sweep.values, self.slot, trace.leaves)
            bindings = {name: inputs[name] for name in self.graph.tape.inputs if name in inputs}
            return Look(trace, sweep, target_culprits, self.graph, bindings, self.slot, sources, other)
        except MemoryError:  # the gradient is there all the same: better no reason than no answer
            return None

    def _trace(self, graph: Graphing, inputs: Inputs, *, full: bool) -> tuple[ExecutionTrace, Values] | None:
        """The steps that a run with these inputs takes, and the values of their slots; None for too much."""
        tape, steps = graph.tape, graph.steps
        most = MOST if full else MOST_BY_DEFAULT
        if has_functions(steps) and most not in self._never:
            try:
                return self._laid_out(graph, inputs, most)
            except TooLong as error:
                if error.always:
                    self._never.add(most)
        if not full and self._plain_bytes > LARGEST_LOOK:
            return None
        plain = self._plain if graph is self.graph else ExecutionTrace(graph, self.names, self.names)
        return plain, replay(tape, steps, inputs)

    @cached_property
    def _needed(self) -> Graphing:
        """The recording without the steps that neither the target nor a variable needs."""
        tape = self.graph.tape
        slots = [self.slot, *self.variables.values()]
        steps = dead(Tape(tape.types, instructions=list(self.graph.steps), outputs=slots)).instructions
        present = {*tape.inputs.values(), *tape.constants, *(slot for step in steps for slot in step.outputs)}
        outputs = {name: slot for name, slot in self.graph.outputs.items() if slot in present}
        return replace(self.graph, steps=tuple(steps), outputs=outputs)

    def _laid_out(self, graph: Graphing, inputs: Inputs, most: int) -> tuple[ExecutionTrace, Values]:
        """The steps with loops and branches laid out: those of the last look, if this run takes the same.

        Raises TooLong.
        """
        last = self._last if graph is self.graph else None
        if last is not None and last.layout is not None and len(last.layout.steps) <= most:
            values = retrace(last.layout, inputs)
            if values is not None:
                return last, values
        read = (self.slot, *self.variables.values(), *graph.outputs.values())
        layout = lay_out(graph.tape, graph.steps, inputs, limit=LARGEST_LOOK // HELD, most=most, read=read)
        trace = ExecutionTrace.from_layout(replace(layout, values={}), graph, self.names)
        if graph is self.graph:
            self._last = trace if len(layout.steps) <= MOST_BY_DEFAULT else None
        return trace, layout.values

    @cached_property
    def _plain(self) -> ExecutionTrace:
        return ExecutionTrace(self.graph, self.names, self.names)
