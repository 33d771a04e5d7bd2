"""Why elements of a gradient are NaN or infinite.

Going back from the target, the edge is looked for whose incoming adjoint is finite and whose term is not. If
the values that its rule used are finite, its derivative is to blame; if not, whatever first made them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.diagnosis.causes.nonfinite import Birth, evidence_of, find_births
from engine.diagnosis.causes.zero import ENOUGH, evidence_at
from engine.diagnosis.evidence.edge_adjoints import Pullback, Sweep
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, places, undefined, values_at
from engine.diagnosis.evidence.influence import cone, pull_mask, push_mask
from engine.diagnosis.evidence.structure import Edge
from engine.diagnosis.texts.origin import Culprit, distinct, of_edge, of_step
from engine.ir.tape import Instruction


@dataclass(frozen=True, slots=True)
class Leaves:
    """The names of inputs and constants by slot, and where in the program a constant is first read."""

    inputs: Mapping[int, str]
    constants: Mapping[int, str]
    sources: Mapping[int, Any]

    def culprit(self, birth: Birth, values: Mapping[int, np.ndarray]) -> Culprit:
        """A birth as a culprit: a step, or a leaf by its name."""
        evidence = evidence_of(birth, dict(values))
        if birth.step is not None:
            return of_step(birth.step, birth.mask, birth.reason, evidence)
        name = self.inputs.get(birth.slot) or self.constants.get(birth.slot) or "constant"
        return Culprit(
            node=name,
            op="input" if birth.slot in self.inputs else "constant",
            reason=birth.reason,
            elements=places(birth.mask),
            count=int(birth.mask.sum()),
            evidence=evidence,
            source=self.sources.get(birth.slot),
            slot=birth.slot,
        )


def why_target(
    steps: Sequence[Instruction], values: dict[int, np.ndarray], target: int, leaves: Leaves
) -> tuple[Culprit, ...]:
    """What first made a target that is not finite; nothing for a finite one."""
    wrong = nonfinite(values[target])
    if not wrong.any():
        return ()
    return distinct(leaves.culprit(birth, values) for birth in find_births(steps, values, {target: wrong}))


def why_infinite(
    sweep: Sweep,
    steps: Sequence[Instruction],
    source: int,
    marked: Mask,
    leaves: Leaves,
    target_culprits: Sequence[Culprit] = (),
) -> tuple[Culprit, ...]:
    """The culprits for the marked elements of `source`, which are not finite; nearest the target first.

    Of those that `spoiled` the target, the ones that these elements have a part in come before all others.
    The rest lie beside the way, such as in another term of a sum, and are not to blame.
    """
    masks = cone(sweep.pullbacks, sweep.values, source, marked)
    culprits: list[Culprit] = []
    for pullback in sweep.pullbacks:
        for edge, own in _born(sweep, pullback, masks):
            culprits += _blame(sweep, steps, pullback, edge, own, leaves)
        culprits += _overflown(sweep, pullback, masks)
        if len(culprits) >= ENOUGH:
            break
    nodes = {culprit.node for culprit in culprits}
    shared = [one for one in target_culprits if one.node in nodes or _lies_on_the_way(one, sweep, masks)]
    shared_nodes = {culprit.node for culprit in shared}
    others = distinct(culprit for culprit in culprits if culprit.node not in shared_nodes)
    return (*shared, *others) or tuple(target_culprits)


def _lies_on_the_way(culprit: Culprit, sweep: Sweep, masks: Mapping[int, Mask]) -> bool:
    """Whether a step made something that is not finite of what the masks mark."""
    outputs = () if culprit.step is None else culprit.step.outputs
    return any(bool((masks[slot] & nonfinite(sweep.values[slot])).any()) for slot in outputs if slot in masks)


def _born(sweep: Sweep, pullback: Pullback, masks: Mapping[int, Mask]) -> Iterator[tuple[Edge, Mask]]:
    """Edges with a finite adjoint coming in and another going out."""
    for edge, _ in pullback.answers:
        mask = masks.get(edge.slot)
        if mask is None:
            continue
        own = mask & nonfinite(sweep.contributions[edge].term)
        for slot in edge.step.outputs:
            incoming = nonfinite(sweep.adjoint(slot))
            if incoming.any():
                own = own & ~pull_mask(edge.step, edge.position, slot, incoming, sweep.values)
        if own.any():
            yield edge, own


def _blame(
    sweep: Sweep,
    steps: Sequence[Instruction],
    pullback: Pullback,
    edge: Edge,
    own: Mask,
    leaves: Leaves,
) -> list[Culprit]:
    """The step itself, or the origin of the values that are not finite."""
    wrong = _saved(sweep, edge, own)
    if wrong:
        upto = steps[: _place(steps, edge.step) + 1]
        births = find_births(upto, sweep.values, wrong)
        if births:
            return [leaves.culprit(birth, sweep.values) for birth in births]
    wide = sweep.in_wider_floats(pullback)
    if wide is not None and np.isfinite(wide[edge].term[own]).all():
        reason = "overflow"
    else:  # a cotangent of 0 hides which it is: 0 · inf is NaN, too
        ones = [np.ones_like(sweep.values[slot]) for slot in edge.step.outputs]
        unknown = undefined(sweep.probe(pullback, ones)[edge].term[own]).all()
        reason = "domain" if unknown else "infinite_derivative"
    evidence = {
        **evidence_at(sweep, edge, own),
        "term": values_at(sweep.contributions[edge].term.conj(), own),
    }
    return [of_edge(edge, own, reason, evidence)]


def _saved(sweep: Sweep, edge: Edge, own: Mask) -> dict[int, Mask]:
    """The values that are not finite among those which these elements of what an edge reads meet."""
    step, values = edge.step, sweep.values
    wrong: dict[int, Mask] = {}

    def note(slot: int, met: Mask) -> None:
        mask = met & nonfinite(values[slot])
        if mask.any():
            wrong[slot] = wrong[slot] | mask if slot in wrong else mask

    for output in step.outputs:
        behind = push_mask(step, {edge.position: own}, output, values)
        note(output, behind)
        for position, slot in enumerate(step.inputs):
            note(slot, pull_mask(step, position, output, behind, values))
    return wrong


def _place(steps: Sequence[Instruction], step: Instruction) -> int:
    return next(i for i, other in enumerate(steps) if other is step)


def _overflown(sweep: Sweep, pullback: Pullback, masks: Mapping[int, Mask]) -> Iterator[Culprit]:
    """Slots at which finite terms add up to something that is not."""
    for slot in {edge.slot for edge, _ in pullback.answers}:
        edges = sweep.gradients[slot]
        if slot not in masks or len(edges) < 2 or edges[-1].step is not pullback.step:
            continue
        terms = [sweep.contributions[edge].term for edge in edges]
        own = masks[slot] & nonfinite(sweep.adjoints[slot])
        own &= np.logical_and.reduce([np.isfinite(term) for term in terms])
        if own.any():
            for edge, term in zip(edges, terms, strict=True):
                yield of_edge(edge, own, "overflow", {"term": values_at(term.conj(), own)})
