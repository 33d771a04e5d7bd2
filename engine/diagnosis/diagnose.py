"""The examination of one target: structure first, and numbers where a gradient exists and looks wrong.

The numeric half runs the tape as it was recorded, with every value kept, only when it is asked for. What
has to be recorded for it is recorded once, at the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.diagnosis.causes.execution_trace import ExecutionTrace, laid_out_bytes
from engine.diagnosis.causes.infinite import why_infinite, why_target
from engine.diagnosis.causes.warnings import Warning, caveat, numeric_warnings, structural_warnings
from engine.diagnosis.causes.zero import why_zero, zeros
from engine.diagnosis.entry import Verdict
from engine.diagnosis.evidence.element_masks import nonfinite
from engine.diagnosis.evidence.influence import cuts_met
from engine.diagnosis.evidence.interpreter import Values, replay
from engine.diagnosis.evidence.structure import Edge, Finding, Graphing, Reach, examine
from engine.diagnosis.evidence.surroundings import Surroundings
from engine.diagnosis.evidence.unroll import MOST, MOST_UNASKED, TooLong, has_functions, lay_out
from engine.diagnosis.look import Inputs, Look, led_by, status_of
from engine.diagnosis.remedies.misuses import CODE as MISUSE
from engine.diagnosis.remedies.prescription import Found, Prescriber
from engine.diagnosis.remedies.rest import cure_at_rest, cure_of_idle, cure_of_warnings
from engine.diagnosis.texts.fixes import structural_fix
from engine.diagnosis.texts.messages import (
    idle_message,
    numeric_message,
    structural_message,
    told_around,
    unread_message,
)
from engine.diagnosis.texts.origin import Culprit, distinct, of_cut, of_step
from engine.errors import UserError
from engine.ir.tape import Instruction
from engine.transforms.masks import can_help

LARGEST_LOOK = 256 << 20  # bytes beyond which the numbers of a gradient are not examined unasked
HELD = 6  # arrays of the size of each value: itself, its adjoint and size, what its edges passed on, scratch
_AT_REST = frozenset({"stationary", "cancellation", "zero_operand"})
_TRIED = ("Write ", "Begin ", "Train ")  # how cures begin that have been tried
_MASKED = "Or ask with `masked_backward`: nothing selects the elements that are not finite."


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
        known = self._findings.get(name)
        if known is None:
            known = self._findings[name] = examine(self.graph, self.variables[name], name, self.slot)
        return known

    def entry(self, name: str, gradient: Array | None, look: Callable[[], Look | None]) -> dict[str, Any]:
        """The entry of one variable; `look` answers the numbers, None where they cannot be had."""
        type = self.graph.tape.types[self.variables[name]]
        finding = self.finding(name)
        if finding.status != "ok" or gradient is None:
            seen = look() if finding.status == "blocked" and finding.note is None else None
            return self._structural(finding, name, type.dtype, seen).entry(self.names, type.shape, gradient)
        looked = look()
        names = self.names if looked is None else looked.course.names
        return self._numeric(finding, name, gradient, looked).entry(names, type.shape, gradient)

    def structural(self, name: str) -> dict[str, Any]:
        """The entry of a variable that has no gradient."""
        return self.entry(name, None, lambda: None)

    @cached_property
    def look_bytes(self) -> int:
        """What `look` holds at once where it is asked for, loops laid out as far as that goes."""
        inside = laid_out_bytes(self.graph.tape, self.graph.steps)
        return self._plain_bytes + min(HELD * inside, LARGEST_LOOK)

    @cached_property
    def _plain_bytes(self) -> int:
        """The same of the recording as it stands: every value, adjoint and size, what each edge passed on."""
        made = (slot for step in self.graph.steps for slot in step.outputs)
        return self._held((*made, *self.graph.tape.inputs.values()))

    @cached_property
    def _read_bytes(self) -> int:
        """The same without what nothing reads, such as what was carried into each step of a loop."""
        read = {slot for step in self.graph.steps for slot in step.inputs}
        return self._held((*read, *self.variables.values(), self.slot))

    def _held(self, slots: Iterable[int]) -> int:
        return HELD * sum(self.graph.tape.types[slot].nbytes for slot in slots)

    def look(self, inputs: Inputs, *, asked: bool = False) -> Look | None:
        """Run everything again with every value kept.

        Where it was not asked for, it is kept small: None where it takes more than `LARGEST_LOOK` bytes.
        """
        if not asked and self._read_bytes > LARGEST_LOOK:
            return None
        try:
            found = self._course(inputs, asked=asked)
            if found is None:
                return None
            course, values = found
            sources = [self.variables[name] for name in self.live]
            sweep = course.sweep(values, self.slot, sources, masked=self.masked)
            other = None
            if not self.masked and can_help(course.graph.steps):
                other = partial(course.sweep, values, self.slot, sources, masked=True)
            spoiled = why_target(course.graph.steps, sweep.values, self.slot, course.leaves)
            given = {name: inputs[name] for name in self.graph.tape.inputs if name in inputs}
            return Look(course, sweep, spoiled, self.graph, given, self.slot, other)
        except MemoryError:  # the gradient is there all the same: better no reason than no answer
            return None

    def _course(self, inputs: Inputs, *, asked: bool) -> tuple[ExecutionTrace, Values] | None:
        """The steps that a run with these inputs takes, and the values of their slots; None for too much."""
        tape, steps = self.graph.tape, self.graph.steps
        if has_functions(steps):
            most = MOST if asked else MOST_UNASKED
            try:
                read = (self.slot, *self.variables.values(), *self.graph.outputs.values())
                layout = lay_out(tape, steps, inputs, limit=LARGEST_LOOK // HELD, most=most, read=read)
                return ExecutionTrace.laid_out(layout, self.graph, self.names), layout.values
            except TooLong:
                pass
        if not asked and self._plain_bytes > LARGEST_LOOK:
            return None
        return self._plain, replay(tape, steps, inputs)

    @cached_property
    def _plain(self) -> ExecutionTrace:
        return ExecutionTrace(self.graph, self.names, self.names)

    def _structural(self, finding: Finding, name: str, dtype: str, look: Look | None = None) -> Verdict:
        fix = None
        if look is not None:
            prescriber = look.prescriber(self.variables[name], plain=self._plain)
            fix = prescriber.softened([edge.step for edge in finding.cuts])
        return Verdict(
            finding.status,
            finding.reason,
            _as_culprits(finding.cuts, self.graph),
            finding.path,
            structural_message(finding, name, self.target, dtype),
            fix or structural_fix(finding, name, self.target, self._plain.expressions),
        )

    def _numeric(self, finding: Finding, name: str, gradient: Array, look: Look | None) -> Verdict:
        slot = self.variables[name]
        if look is None:
            status = status_of(gradient, gradient == 0)
            message = numeric_message(status, (), finding, name, self.target)
            caveats = structural_warnings(finding, name, self.target)
            return Verdict(status, None, (), finding.path, message, None, _once(caveats))
        graph = look.course.graph
        if look.course.layout is not None:  # seen from outside of loops no path is cut in them
            finding = replace(finding, partial=examine(graph, slot, name, self.slot).partial)
        prescriber = look.prescriber(slot)
        status, culprits = self._culprits(slot, gradient, look)
        warnings = _once(
            (
                *structural_warnings(finding, name, self.target),
                *numeric_warnings(
                    look.sweep,
                    slot,
                    name,
                    self.target,
                    look.spoiled,
                    lambda zero: cuts_met(graph, look.sweep.values, slot, zero, finding.partial),
                    graph,
                    prescriber,
                ),
            )
        )
        mistakes = look.misuses(prescriber)
        warnings = (*warnings, *(caveat(MISUSE, one.node, f"{one.message} {one.cure}") for one in mistakes))
        if status == "zero" and not culprits and look.course.layout is not None:
            graph = look.course.dependences
            inside = examine(graph, slot, "", self.slot)  # from outside of loops there seemed to be a path
            reach = Reach(graph, slot, self.slot)
            cuts = sorted(inside.cuts, key=reach.steers)
            culprits = tuple(map(look.course.placed, _as_culprits(cuts, graph)))
            idle = look.idle()
            if inside.status == "disconnected" or idle is not None:
                return self._unread(inside, idle, finding.path, name, look, warnings)
        said = look.said(culprits, prescriber, status)
        if said is not None:
            culprits = led_by(said, culprits, graph.tape.types[said.step.outputs[0]].shape)
        reason = culprits[0].reason if culprits else None
        around = look.surroundings(name) if status == "zero" and reason in _AT_REST and said is None else None
        fix = self._fix(status, culprits, said, around, name, look, prescriber)
        if status == "zero" and culprits:
            fix = next((one.cure for one in mistakes if one.node == culprits[0].node), fix)
        if status == "ok":
            fix = cure_of_warnings(warnings, [mistake.cure for mistake in mistakes]) or fix
        if status in ("nan", "inf") and look.masking_helps(slot):
            fix = f"{fix or ''} {_MASKED}".strip()
        words = None if said is None else prescriber.says(said)
        message = numeric_message(status, culprits, finding, name, self.target, prescriber, words)
        if around is not None:
            message = f"{message} {told_around(around, name, self.target)}"
        path = _path_through(graph, slot, self.slot, culprits) or finding.path
        return Verdict(status, reason, culprits, path, message, fix, warnings)

    def _unread(
        self,
        inside: Finding,
        idle: Instruction | None,
        path: tuple[int, ...],
        name: str,
        look: Look,
        warnings: tuple[Warning, ...],
    ) -> Verdict:
        """The verdict on what no step reads as the loops ran; `idle` is a loop that took none."""
        if idle is not None:
            whole = np.ones(look.course.graph.tape.types[idle.outputs[0]].shape, bool)
            blamed = (of_step(idle, whole, "constant", {}),)
            message, fix = idle_message(idle, name, self.target), cure_of_idle(idle)
            reason = "constant" if inside.cuts else inside.reason
            return Verdict("zero", reason, blamed, path, message, fix, warnings)
        culprits = tuple(map(look.course.placed, _as_culprits(inside.cuts, look.course.dependences)))
        told = structural_fix(inside, name, self.target, look.course.expressions)
        message = unread_message(inside, name, self.target)
        return Verdict("zero", inside.reason, culprits, path, message, told, warnings)

    def _fix(
        self,
        status: str,
        culprits: tuple[Culprit, ...],
        said: Found | None,
        around: Surroundings | None,
        name: str,
        look: Look,
        prescriber: Prescriber,
    ) -> str | None:
        """What to do about the first culprit, and about a target that is not finite beside it."""
        fix = None
        if said is not None:
            fix = prescriber.cure_said(said)
        elif culprits:
            if culprits[0].reason in _AT_REST:
                fix = cure_at_rest(around, culprits[0], name, self.target, prescriber)
            fix = fix or look.cure(culprits[0], prescriber)
        if not look.spoiled or status not in ("ok", "zero"):
            return fix
        beside = look.cure(look.spoiled[0], prescriber)
        if fix is None or beside is None or culprits[0].reason == "stationary":
            return beside or fix
        return fix if fix.startswith(_TRIED) else f"{fix} Of the value: {beside}"

    def _culprits(self, slot: int, gradient: Array, look: Look) -> tuple[str, tuple[Culprit, ...]]:
        sweep, course = look.sweep, look.course
        status = status_of(gradient, zeros(sweep, slot))
        found: tuple[Culprit, ...] = ()
        if status in ("nan", "inf"):
            wrong = nonfinite(sweep.adjoint(slot))
            found = why_infinite(sweep, course.graph.steps, slot, wrong, course.leaves, look.spoiled)
        elif status == "zero":
            found = why_zero(sweep, slot, np.ones(gradient.shape, bool))
        return status, tuple(map(course.placed, found))


def _path_through(
    graph: Graphing, source: int, target: int, culprits: tuple[Culprit, ...]
) -> tuple[int, ...]:
    """A path from the variable to the target that crosses the first culprit that lies on one."""
    reach = Reach(graph, source, target)
    for culprit in culprits:
        if culprit.step is None or not reach.leads(culprit.step, "value"):
            continue
        edges = [culprit.edge] if culprit.edge else _edges_of(culprit)
        for edge in edges:
            if edge.slot in reach.value:
                return reach.through(source, edge, target)
    return ()


def _edges_of(culprit: Culprit) -> list[Edge]:
    assert culprit.step is not None
    return [Edge(culprit.step, position) for position in range(len(culprit.step.inputs))]


def _as_culprits(cuts: Iterable[Edge], graph: Graphing) -> tuple[Culprit, ...]:
    """Each node that cuts once, though a loop comes to it in every step."""
    return distinct(of_cut(edge, graph.tape.types[edge.slot].shape) for edge in cuts)


def _once(warnings: Iterable[Warning]) -> tuple[Warning, ...]:
    """Each code and node once, the first of them."""
    kept: dict[tuple[str, str | None], Warning] = {}
    for warning in warnings:
        kept.setdefault((warning["code"], warning["node"]), warning)
    return tuple(kept.values())
