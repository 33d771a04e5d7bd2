"""One run looked at: what made the target, who looks for fixes, what the target does close by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.causes.execution_trace import ExecutionTrace
from engine.diagnosis.causes.value_warnings import value_warnings, value_watches
from engine.diagnosis.evidence.edge_adjoints import Sweep
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, undefined
from engine.diagnosis.evidence.structure import Graphing
from engine.diagnosis.evidence.surroundings import Surroundings, surroundings
from engine.diagnosis.evidence.unroll import MOST_BY_DEFAULT
from engine.diagnosis.remedies.always_same import always_the_same
from engine.diagnosis.remedies.factors import steps_behind
from engine.diagnosis.remedies.matching import Candidate
from engine.diagnosis.remedies.misuses import misuses
from engine.diagnosis.remedies.numeric_fixes import numeric_fix
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.table import Remedy
from engine.diagnosis.remedies.trial import Trial
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit, of_step
from engine.ir.tape import Instruction

Inputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Look:
    """One run: its trace, all adjoints, what made the target NaN or infinite, all adjoints with masks.

    `sources` are the slots of all variables that are asked about.
    """

    trace: ExecutionTrace
    sweep: Sweep
    target_culprits: tuple[Culprit, ...]
    graph: Graphing
    inputs: Inputs
    target: int
    sources: tuple[int, ...] = ()
    masked: Callable[[], Sweep] | None = None

    def prescriber(self, source: int, plain: ExecutionTrace | None = None) -> Prescriber:
        """Who looks for fixes for the variable in the slot `source`, in the `plain` trace if it is given."""
        trace = plain or self.trace
        graph = trace.graph
        trial = Trial(graph.tape, graph.steps, self.inputs, source, self.target, self.sources)
        return Prescriber(trace.expressions, self.sweep.values, trial)

    def known_mistake(
        self, culprits: Sequence[Culprit], prescriber: Prescriber, status: str
    ) -> Candidate | None:
        """A mistake that is known, between the variable and the target."""
        if status == "zero":
            steps = [pullback.step for pullback in self.sweep.pullbacks]
            steps += steps_behind(prescriber, culprits[0]) if culprits else []
        else:
            steps = [culprit.step for culprit in culprits[:1] if culprit.step is not None]
        return prescriber.known_mistake(steps, culprits)

    def misuses(self, prescriber: Prescriber) -> tuple[Caveat, ...]:
        """What is valid and likely a mistake, on the way to the target."""
        graph = self.trace.graph
        toward = graph.toward(self.target, "any")
        steps = [step for step in graph.steps if any(slot in toward for slot in step.outputs)]
        if len(steps) > MOST_BY_DEFAULT:
            return ()
        watches = value_watches(graph, self.sources, self.target, prescriber.expressions.names)
        caveats = value_warnings(watches, lambda slot: np.asarray(self.sweep.values[slot]))
        return (*misuses(prescriber, steps), *always_the_same(prescriber, steps), *caveats)

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
                attributes = step.attributes
                length = (
                    values[step.inputs[attributes["carry"]]].shape[0]
                    if attributes["scanned"]
                    else attributes["length"]
                )
                if not length:
                    return step
        return None

    def fix(self, culprit: Culprit, prescriber: Prescriber) -> Fix | None:
        """What to do about a culprit."""
        vanished = culprit.reason == "domain" and self._has_vanished(culprit)
        chosen = self._is_chosen(culprit)
        return numeric_fix(culprit, prescriber, is_chosen=chosen, has_vanished=vanished)

    def _has_vanished(self, culprit: Culprit) -> bool:
        """Whether something that a culprit reads is 0 only because it was too small for its dtype."""
        slots = () if culprit.step is None else culprit.step.inputs
        gone = (self.sweep.vanished(slot) for slot in slots)
        return any(mask is not None and bool(mask.any()) for mask in gone)

    def _is_chosen(self, culprit: Culprit) -> bool:
        """Whether the choice behind a culprit takes every one of its elements that is listed."""
        chosen = None if culprit.step is None else self.trace.expressions.selector(culprit.step)
        if chosen is None:
            return False
        where, at = chosen
        values, places = self.sweep.values, [tuple(place) for place in culprit.elements]
        shape = values[where.outputs[0]].shape
        takes = np.broadcast_to(values[where.inputs[0]] == (at == 1), shape)
        fits = all(len(place) == len(shape) and np.all(np.less(place, shape)) for place in places)
        return all(takes[place] for place in places) if places and fits else bool(takes.all())

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


def lead_with(
    candidate: Candidate, culprits: tuple[Culprit, ...], shape: tuple[int, ...]
) -> tuple[Culprit, ...]:
    """The culprits with the step of a known mistake in front."""
    remedy, node = candidate.remedy, candidate.step.origin.node
    assert isinstance(remedy, Remedy)
    covered = [step.origin.node for step in candidate.covers] if remedy.reason is None else [node]
    leader = next((culprit for culprit in culprits if culprit.node in covered), None)
    if leader is None:
        whole = np.ones(shape, bool)
        leader = of_step(candidate.step, whole, remedy.reason or culprits[0].reason, {})
    elif remedy.reason is not None:
        leader = replace(leader, reason=remedy.reason)
    return (leader, *(culprit for culprit in culprits if culprit.node != leader.node))
