"""The examination of one target: structure first, and numbers where a gradient exists and looks wrong.

The numeric half runs the tape as it was recorded, with every value kept, only when it is asked for. What
has to be recorded for it is recorded once, at the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from engine.diagnosis.evidence.edge_adjoints import Sweep
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, undefined
from engine.diagnosis.evidence.influence import cuts_met
from engine.diagnosis.evidence.interpreter import Values, replay
from engine.diagnosis.evidence.structure import Edge, Finding, Graphing, Reach, examine
from engine.diagnosis.evidence.surroundings import Surroundings, surroundings
from engine.diagnosis.evidence.unroll import MOST, MOST_UNASKED, TooLong, has_functions, lay_out
from engine.diagnosis.remedies.misuses import CODE as MISUSE
from engine.diagnosis.remedies.misuses import Misuse, misuses
from engine.diagnosis.remedies.prescription import Found, Prescriber
from engine.diagnosis.remedies.rest import cure_at_rest, cure_of_idle, cure_of_warnings
from engine.diagnosis.remedies.table import Remedy
from engine.diagnosis.remedies.trial import Trial
from engine.diagnosis.texts.fixes import numeric_fix, structural_fix
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

Inputs = Mapping[str, Array]


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
            if inside.status == "disconnected":
                message = unread_message(inside, name, self.target)
                fix = structural_fix(inside, name, self.target, look.course.expressions)
                idle = look.idle()
                if idle is not None:
                    culprits = (
                        of_step(idle, np.ones(graph.tape.types[idle.outputs[0]].shape, bool), "constant", {}),
                    )
                    message = f"{message} {idle_message(idle)}"
                    fix = cure_of_idle(idle)
                return Verdict(status, inside.reason, culprits, finding.path, message, fix, warnings)
        said = look.said(culprits, prescriber, status)
        if said is not None:
            culprits = _led_by(said, culprits, graph.tape.types[said.step.outputs[0]].shape)
        reason = culprits[0].reason if culprits else None
        around = look.surroundings(name) if status == "zero" and reason in _AT_REST and said is None else None
        fix = None
        if said is not None:
            fix = prescriber.cure_said(said)
        elif culprits:
            if reason in _AT_REST:
                fix = cure_at_rest(around, culprits[0], name, self.target, prescriber)
            fix = fix or look.cure(culprits[0], prescriber)
        if status == "ok":
            fix = cure_of_warnings(warnings, [mistake.cure for mistake in mistakes])
        if look.spoiled and status in ("ok", "zero"):
            beside = look.cure(look.spoiled[0], prescriber)
            if fix is None:
                fix = beside
            elif beside is not None and not fix.startswith(_TRIED):
                fix = f"{fix} Of the value: {beside}"
        if status in ("nan", "inf") and look.masking_helps(slot):
            fix = f"{fix or ''} {_MASKED}".strip()
        words = None if said is None else prescriber.says(said)
        message = numeric_message(status, culprits, finding, name, self.target, prescriber, words)
        if around is not None:
            message = f"{message} {told_around(around, name, self.target)}"
        path = _path_through(graph, slot, self.slot, culprits) or finding.path
        return Verdict(status, reason, culprits, path, message, fix, warnings)

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


@dataclass(frozen=True, slots=True)
class Look:
    """One run: its course, all adjoints, what made the target NaN or infinite, all adjoints with masks."""

    course: ExecutionTrace
    sweep: Sweep
    spoiled: tuple[Culprit, ...]
    graph: Graphing
    inputs: Inputs
    target: int
    masked: Callable[[], Sweep] | None = None

    def prescriber(self, source: int, plain: ExecutionTrace | None = None) -> Prescriber:
        """Who looks for cures for the variable in the slot `source`, in the `plain` course if it is given."""
        course = plain or self.course
        trial = Trial(course.graph.tape, course.graph.steps, self.inputs, source, self.target)
        return Prescriber(course.expressions, self.sweep.values, trial)

    def said(self, culprits: Sequence[Culprit], prescriber: Prescriber, status: str) -> Found | None:
        """A mistake that is known, between the variable and the target."""
        if status == "zero":
            steps = [pullback.step for pullback in self.sweep.pullbacks]
            steps += prescriber.behind_factor(culprits[0]) if culprits else []
        else:
            steps = [culprit.step for culprit in culprits[:1] if culprit.step is not None]
        return prescriber.said(steps, culprits)

    def misuses(self, prescriber: Prescriber) -> tuple[Misuse, ...]:
        """What is valid and likely a mistake, on the way to the target."""
        graph = self.course.graph
        toward = graph.toward(self.target, "any")
        steps = [step for step in graph.steps if any(slot in toward for slot in step.outputs)]
        return tuple(misuses(prescriber, steps)) if len(steps) <= MOST_UNASKED else ()

    def surroundings(self, name: str) -> Surroundings | None:
        """What the target does near the values of a variable."""
        graph = self.graph
        return surroundings(graph.tape, graph.steps, self.inputs, name, self.target)

    def idle(self) -> Instruction | None:
        """The last loop that took no step."""
        values = self.sweep.values
        for step in reversed(self.graph.steps):
            if step.op.name == "while_steps" and not values[step.outputs[step.attributes["carry"]]]:
                return step
            if step.op.name == "scan_loop":
                given = step.attributes
                length = values[step.inputs[given["carry"]]].shape[0] if given["scanned"] else given["length"]
                if not length:
                    return step
        return None

    def cure(self, culprit: Culprit, prescriber: Prescriber) -> str | None:
        """What to do about a culprit."""
        vanished = culprit.reason == "domain" and self._has_vanished(culprit)
        return numeric_fix(culprit, prescriber, taken=self._is_taken(culprit), vanished=vanished)

    def _has_vanished(self, culprit: Culprit) -> bool:
        """Whether something that a culprit reads is 0 only because it was too small for its dtype."""
        slots = () if culprit.step is None else culprit.step.inputs
        gone = (self.sweep.vanished(slot) for slot in slots)
        return any(mask is not None and bool(mask.any()) for mask in gone)

    def _is_taken(self, culprit: Culprit) -> bool:
        """Whether the choice behind a culprit takes every one of its elements that is listed."""
        chosen = None if culprit.step is None else self.course.expressions.selector(culprit.step)
        if chosen is None:
            return False
        where, at = chosen
        values, places = self.sweep.values, [tuple(place) for place in culprit.elements]
        shape = values[where.outputs[0]].shape
        taken = np.broadcast_to(values[where.inputs[0]] == (at == 1), shape)
        fits = all(len(place) == len(shape) and np.all(np.less(place, shape)) for place in places)
        return all(taken[place] for place in places) if places and fits else bool(taken.all())

    def masking_helps(self, slot: int) -> bool:
        """Whether `masked_backward` would give a finite gradient."""
        return self.masked is not None and not nonfinite(self.masked().adjoint(slot)).any()


def status_of(gradient: Array, zero: Mask) -> str:
    """`nan`, `inf`, `zero` or `ok`, by the values of a gradient and which of them count as zero."""
    if undefined(gradient).any():
        return "nan"
    if np.isinf(gradient).any():
        return "inf"
    return "zero" if gradient.size and zero.all() else "ok"


def _edges_of(culprit: Culprit) -> list[Edge]:
    assert culprit.step is not None
    return [Edge(culprit.step, position) for position in range(len(culprit.step.inputs))]


def _as_culprits(cuts: Iterable[Edge], graph: Graphing) -> tuple[Culprit, ...]:
    """Each node that cuts once, though a loop comes to it in every step."""
    return distinct(of_cut(edge, graph.tape.types[edge.slot].shape) for edge in cuts)


def _led_by(found: Found, culprits: tuple[Culprit, ...], shape: tuple[int, ...]) -> tuple[Culprit, ...]:
    """The culprits with the step of a known mistake in front."""
    remedy, node = found.remedy, found.step.origin.node
    assert isinstance(remedy, Remedy)
    covered = [step.origin.node for step in found.covers] if remedy.reason is None else [node]
    known = next((culprit for culprit in culprits if culprit.node in covered), None)
    if known is None:
        whole = np.ones(shape, bool)
        known = of_step(found.step, whole, remedy.reason or culprits[0].reason, {})
    elif remedy.reason is not None:
        known = replace(known, reason=remedy.reason)
    return (known, *(culprit for culprit in culprits if culprit.node != known.node))


def _once(warnings: Iterable[Warning]) -> tuple[Warning, ...]:
    """Each code and node once, the first of them."""
    kept: dict[tuple[str, str | None], Warning] = {}
    for warning in warnings:
        kept.setdefault((warning["code"], warning["node"]), warning)
    return tuple(kept.values())
