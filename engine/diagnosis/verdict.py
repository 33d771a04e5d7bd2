"""The verdict on one gradient: from the structure alone, and from the numbers of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.causes.execution_trace import ExecutionTrace
from engine.diagnosis.causes.infinite import why_infinite
from engine.diagnosis.causes.warnings import numeric_warnings, structural_warnings
from engine.diagnosis.causes.zero import noise, why_zero, zeros
from engine.diagnosis.entry import Verdict
from engine.diagnosis.evidence.element_masks import nonfinite
from engine.diagnosis.evidence.influence import losing_cuts
from engine.diagnosis.evidence.structure import Edge, Finding, Graphing, Reach, examine
from engine.diagnosis.evidence.surroundings import Surroundings
from engine.diagnosis.look import Look, lead_with, status_of
from engine.diagnosis.remedies.matching import Candidate
from engine.diagnosis.remedies.plain_truths import bounds_taken, far_argument
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.rest import fix_at_rest, fix_of_idle
from engine.diagnosis.remedies.structural_fixes import structural_fix
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.messages import (
    idle_message,
    numeric_message,
    structural_message,
    surroundings_sentence,
    unread_message,
)
from engine.diagnosis.texts.origin import Culprit, distinct, of_cut, of_step
from engine.ir.tape import Instruction

_AT_REST = frozenset({"stationary", "cancellation", "zero_operand"})


@dataclass(frozen=True, slots=True)
class Subject:
    """The variable and the target of a verdict, by name and by slot."""

    name: str
    source: int
    target: str
    slot: int


def structural_verdict(
    finding: Finding, subject: Subject, dtype: str, trace: ExecutionTrace, look: Look | None
) -> Verdict:
    """The verdict on a gradient that does not exist; `trace` is the recording as it stands."""
    fix = None
    if look is not None:
        prescriber = look.prescriber(subject.source, plain=trace)
        fix = prescriber.soften([edge.step for edge in finding.cuts])
    name, target = subject.name, subject.target
    return Verdict(
        finding.status,
        finding.reason,
        _as_culprits(finding.cuts, trace.graph),
        finding.path,
        structural_message(finding, name, target, dtype),
        fix or structural_fix(finding, name, target, trace.expressions),
    )


def numeric_verdict(finding: Finding, subject: Subject, gradient: Array, look: Look | None) -> Verdict:
    """The verdict on a gradient that exists; without a `look` it knows its values alone."""
    if look is not None:
        return _Numeric(subject, gradient, look, _with_inner_cuts(finding, subject, look)).verdict()
    status = status_of(gradient, gradient == 0)
    message = numeric_message(status, (), finding, subject.name, subject.target)
    warnings = _once(structural_warnings(finding, subject.name, subject.target))
    return Verdict(status, None, (), finding.path, message, None, warnings)


def _with_inner_cuts(finding: Finding, subject: Subject, look: Look) -> Finding:
    """The finding with the cuts inside of loops, which are no paths from outside."""
    if look.trace.layout is None:
        return finding
    inside = examine(look.trace.graph, subject.source, subject.name, subject.slot)
    return replace(finding, partial=inside.partial)


@dataclass
class _Numeric:
    """A gradient that exists, and the run that made it."""

    subject: Subject
    gradient: Array
    look: Look
    finding: Finding

    def __post_init__(self) -> None:
        self.prescriber: Prescriber = self.look.prescriber(self.subject.source)
        self.graph: Graphing = self.look.trace.graph

    def verdict(self) -> Verdict:
        """What is wrong with it, and what to do."""
        look, name, target = self.look, self.subject.name, self.subject.target
        status, culprits = self._culprits()
        mistakes = look.misuses(self.prescriber)
        warnings = (*self._warnings(), *mistakes)
        if status == "zero" and not culprits and look.trace.layout is not None:
            inside, culprits = self._inner_cuts()
            idle = look.idle()
            if inside.status == "disconnected" or idle is not None:
                return self._unread(inside, idle, warnings)
        mistake = look.known_mistake(culprits, self.prescriber, status)
        if mistake is not None:
            shape = self.graph.tape.types[mistake.step.outputs[0]].shape
            culprits = lead_with(mistake, culprits, shape)
        reason = culprits[0].reason if culprits else None
        around = (
            look.surroundings(name) if status == "zero" and reason in _AT_REST and mistake is None else None
        )
        fix = self._fix(status, culprits, mistake, around) or self._fix_of_noise(status)
        fix = self._beside(fix, status, culprits, mistakes, warnings)
        text = None if mistake is None else self.prescriber.mistake_text(mistake)
        message = numeric_message(status, culprits, self.finding, name, target, self.prescriber, text)
        if around is not None:
            message = f"{message} {surroundings_sentence(around, name, target)}"
        path = _path_through(self.graph, self.subject, culprits) or self.finding.path
        return Verdict(status, reason, culprits, path, message, fix, warnings)

    def _culprits(self) -> tuple[str, tuple[Culprit, ...]]:
        sweep, trace, source = self.look.sweep, self.look.trace, self.subject.source
        status = status_of(self.gradient, zeros(sweep, source) & ~noise(sweep, source))
        culprits: tuple[Culprit, ...] = ()
        if status in ("nan", "inf"):
            wrong = nonfinite(sweep.adjoint(source))
            culprits = why_infinite(
                sweep, trace.graph.steps, source, wrong, trace.leaves, self.look.target_culprits
            )
        elif status == "zero":
            culprits = why_zero(sweep, source, np.ones(self.gradient.shape, bool))
        return status, tuple(map(trace.with_iteration, culprits))

    def _fix_of_noise(self, status: str) -> Fix | None:
        """What to write instead of a difference of which rounding is all that is left."""
        lost = noise(self.look.sweep, self.subject.source)
        if status != "ok" or not lost.any():
            return None
        blamed = why_zero(self.look.sweep, self.subject.source, lost)
        mistake = self.look.known_mistake(blamed, self.prescriber, "zero")
        if mistake is not None:
            return self.prescriber.fix_of_mistake(mistake)
        steps = (culprit.step for culprit in blamed if culprit.step is not None)
        remedies = (self.prescriber.remedy_for(step, "cancellation") for step in steps)
        return next((one for one in remedies if one is not None), None)

    def _warnings(self) -> tuple[Caveat, ...]:
        look, source, name, target = self.look, self.subject.source, self.subject.name, self.subject.target
        return _once(
            (
                *structural_warnings(self.finding, name, target),
                *numeric_warnings(
                    look.sweep,
                    source,
                    name,
                    target,
                    look.target_culprits,
                    lambda zero: losing_cuts(
                        self.graph, look.sweep.values, source, zero, self.finding.partial
                    ),
                    self.graph,
                    self.prescriber,
                ),
            )
        )

    def _inner_cuts(self) -> tuple[Finding, tuple[Culprit, ...]]:
        """What cuts inside of loops; from outside of them there seemed to be a path."""
        graph, source, slot = self.look.trace.dependences, self.subject.source, self.subject.slot
        inside = examine(graph, source, "", slot)
        cuts = sorted(inside.cuts, key=Reach(graph, source, slot).steers)
        return inside, tuple(map(self.look.trace.with_iteration, _as_culprits(cuts, graph)))

    def _unread(self, inside: Finding, idle: Instruction | None, warnings: tuple[Caveat, ...]) -> Verdict:
        """The verdict on what no step reads as the loops ran; `idle` is a loop that took none."""
        name, target, trace = self.subject.name, self.subject.target, self.look.trace
        if idle is not None:
            whole = np.ones(trace.graph.tape.types[idle.outputs[0]].shape, bool)
            culprits: tuple[Culprit, ...] = (of_step(idle, whole, "constant", {}),)
            message, fix = idle_message(idle, name, target), fix_of_idle(idle)
            reason = "constant" if inside.cuts else inside.reason
            return Verdict("zero", reason, culprits, self.finding.path, message, fix, warnings)
        culprits = tuple(map(trace.with_iteration, _as_culprits(inside.cuts, trace.dependences)))
        message = unread_message(inside, name, target)
        unread = structural_fix(inside, name, target, trace.expressions)
        return Verdict("zero", inside.reason, culprits, self.finding.path, message, unread, warnings)

    def _fix(
        self,
        status: str,
        culprits: tuple[Culprit, ...],
        mistake: Candidate | None,
        around: Surroundings | None,
    ) -> Fix | None:
        """What to do about the first culprit, and about a target that is not finite beside it."""
        fix, look = None, self.look
        if mistake is not None:
            fix = self.prescriber.fix_of_mistake(mistake)
        elif culprits:
            if culprits[0].reason in _AT_REST:
                names = (self.subject.name, self.subject.target)
                fix = far_argument(self.prescriber, culprits)
                if fix is None and around == "flat":
                    fix = bounds_taken(self.prescriber, culprits[0], *names)
                fix = fix or fix_at_rest(around, culprits[0], *names, self.prescriber)
            fix = fix or look.fix(culprits[0], self.prescriber)
        if not look.target_culprits or status not in ("ok", "zero"):
            return fix
        beside = look.fix(look.target_culprits[0], self.prescriber)
        if fix is None or beside is None or culprits[0].reason == "stationary":
            return beside or fix
        return fix if fix.is_pasted else fix.with_fix("of_value", beside)

    def _beside(
        self,
        fix: Fix | None,
        status: str,
        culprits: tuple[Culprit, ...],
        mistakes: tuple[Caveat, ...],
        warnings: tuple[Caveat, ...],
    ) -> Fix | None:
        """The fix of a likely mistake, where one explains more; and that masks would help."""
        if status == "zero" and culprits:
            loose = fix is None or not fix.is_pasted
            of_node = (one.fix for one in mistakes if loose or one.node == culprits[0].node)
            return next((one for one in of_node if one is not None), fix)
        if status == "ok":
            meant = ("likely_mistake", "broadcast")
            of_warnings = (one.fix for code in meant for one in warnings if one.code == code)
            return next((one for one in of_warnings if one is not None), fix)
        if status in ("nan", "inf") and self.look.masking_helps(self.subject.source):
            return Fix("masked_backward") if fix is None else fix.with_note("masked")
        return fix


def _path_through(graph: Graphing, subject: Subject, culprits: tuple[Culprit, ...]) -> tuple[int, ...]:
    """A path from the variable to the target that crosses the first culprit that lies on one."""
    reach = Reach(graph, subject.source, subject.slot)
    for culprit in culprits:
        if culprit.step is None or not reach.leads(culprit.step, "value"):
            continue
        edges = [culprit.edge] if culprit.edge else _edges_of(culprit)
        for edge in edges:
            if edge.slot in reach.value:
                return reach.through(subject.source, edge, subject.slot)
    return ()


def _edges_of(culprit: Culprit) -> list[Edge]:
    assert culprit.step is not None
    return [Edge(culprit.step, position) for position in range(len(culprit.step.inputs))]


def _as_culprits(cuts: Iterable[Edge], graph: Graphing) -> tuple[Culprit, ...]:
    """Each node that cuts once, though a loop comes to it in every step."""
    return distinct(of_cut(edge, graph.tape.types[edge.slot].shape) for edge in cuts)


def _once(warnings: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """Each code and node once, the first of them."""
    unique: dict[tuple[str, str | None], Caveat] = {}
    for warning in warnings:
        unique.setdefault((warning.code, warning.node), warning)
    return tuple(unique.values())
