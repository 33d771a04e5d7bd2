"""Why elements of a gradient are zero: where the magnitude vanishes, and where terms cancel.

An element is zero where |g| ≤ 64 eps M. Where M is zero too, some edge let nothing through on every path:
it is an edge at which a magnitude comes in and none goes out. Where M is positive, terms cancelled: in the
sum of several edges, or within the rule of one. What is left of cancelled terms is no zero if it is large
beside the target itself: then it is rounding, and nothing is known of the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.edge_adjoints import Contribution, Pullback, Sweep
from engine.diagnosis.evidence.element_masks import LISTED, Mask, gather, spread, values_at
from engine.diagnosis.evidence.influence import cone
from engine.diagnosis.evidence.structure import Edge
from engine.diagnosis.texts.origin import Culprit, distinct, of_edge

_SIGNS = ("zero_operand", "stationary")
_FLAT = ("saturated", "unselected", "empty_selection")
_NEVER_ZERO = frozenset({"exp", "exp2"})  # ops whose slope is 0 by rounding alone
ENOUGH = 32  # culprits after which a search ends: of a chain of a thousand dead steps the end is enough
CANCELLED = 64  # rounding units of the magnitude below which a sum counts as zero


def zeros(sweep: Sweep, slot: int) -> Mask:
    """The elements of an adjoint that are zero up to rounding."""
    return _cancelled(Contribution(sweep.adjoint(slot), sweep.size(slot)), sweep.unit)


def noise(sweep: Sweep, slot: int) -> Mask:
    """The elements of an adjoint that count as zero beside their terms, and not beside the target.

    Such an element moves the target by more than half of its digits if the variable moves by its own size.
    """
    gradient, values = sweep.adjoint(slot), sweep.values
    if not sweep.pullbacks:
        return np.zeros(gradient.shape, bool)
    last, size = sweep.pullbacks[0].step, _largest(values[slot])
    beside = np.max([size, *(_largest(values[one]) for one in (*last.inputs, *last.outputs))])
    if not np.isfinite(beside):
        return np.zeros(gradient.shape, bool)
    with np.errstate(all="ignore"):
        large = np.abs(gradient) * (size or 1.0) > np.sqrt(sweep.unit) * beside
    return np.asarray(zeros(sweep, slot) & large)


def _largest(value: Array) -> float:
    return float(np.abs(value.astype(np.complex128)).max()) if value.size else 0.0


def _cancelled(contribution: Contribution, unit: float) -> Mask:
    with np.errstate(all="ignore"):
        small = np.abs(contribution.term) <= CANCELLED * unit * contribution.size
    return np.asarray(
        small & np.isfinite(contribution.term)
    )  # an infinite term is no more than its size either


def why_zero(sweep: Sweep, source: int, marked: Mask) -> tuple[Culprit, ...]:
    """The culprits for the marked elements of `source`, which are zero; nearest the target first."""
    if not marked.any():
        return ()
    search = _Search(sweep, cone(sweep.pullbacks, sweep.values, source, marked))
    culprits: list[Culprit] = []
    for pullback in sweep.pullbacks:
        culprits += search.killed(pullback)
        culprits += search.lost_inside(pullback)
        culprits += search.lost_in_sum(pullback)
        if len(culprits) >= ENOUGH:
            break
    if len(culprits) > 1:
        culprits.sort(
            key=lambda culprit: (
                search.is_partial(culprit),
                search.leaves_a_way(culprit, source),
                search.passes_the_other(culprit),
            )
        )
    return distinct(_one_reason(culprits))


def _one_reason(culprits: Sequence[Culprit]) -> Iterator[Culprit]:
    """Inside an op that was expanded only the reasons that say most: a factor of 0 is but their sign."""
    best: dict[str, int] = {}
    for culprit in culprits:
        best[culprit.node] = min(best.get(culprit.node, 2), _says(culprit))
    return (c for c in culprits if c.input is not None or _says(c) <= best[c.node])


def _says(culprit: Culprit) -> int:
    """How little a reason says of an op that was expanded; of any other op each says enough."""
    if culprit.input is not None:
        return 2
    return 0 if culprit.reason in _FLAT else 2 if culprit.reason in _SIGNS else 1


class _Search:
    """The edges between the marked elements and the target, looked at one by one."""

    def __init__(self, sweep: Sweep, masks: dict[int, Mask]) -> None:
        self.sweep = sweep
        self.masks = masks

    def killed(self, pullback: Pullback) -> Iterator[Culprit]:
        """Edges at which a magnitude comes in and none goes out."""
        for edge, dead in self._dead(pullback):
            incoming = self._incoming(edge)
            if not (dead & incoming).any():
                continue
            stuck = dead & incoming & (self._insensitive(pullback)[edge] | self._vanished(pullback, edge))
            if stuck.any():
                yield of_edge(edge, stuck, self._reason(pullback, edge, stuck), self._evidence(edge, stuck))

    def lost_inside(self, pullback: Pullback) -> Iterator[Culprit]:
        """Edges whose rule cancels what comes in: it is no zero there, and all but one goes out."""
        for edge, _ in pullback.answers:
            contribution = self.sweep.contributions[edge]
            mask = self.masks.get(edge.slot)
            if mask is None:
                continue
            lost = mask & (contribution.size > 0) & _cancelled(contribution, self.sweep.unit)
            if lost.any():
                lost = lost & (self._alive(pullback)[edge] > 0)
            if not lost.any():
                continue
            others = self._holds_for_others(pullback, edge)
            reason = (
                (edge.step.op.derivative.zero_reason or "stationary")
                if others[lost].all()
                else "cancellation"
            )
            yield of_edge(edge, lost, reason, self._evidence(edge, lost))

    def lost_in_sum(self, pullback: Pullback) -> Iterator[Culprit]:
        """Slots made by this step, or read first by it, at which the terms of several edges cancel."""
        for slot in {edge.slot for edge, _ in pullback.answers}:
            edges = self.sweep.gradients[slot]
            mask = self.masks.get(slot)
            if mask is None or len(edges) < 2 or edges[-1].step is not pullback.step:
                continue  # looked at once, when the last edge has been gathered
            total = Contribution(self.sweep.adjoints[slot], self.sweep.sizes[slot])
            lost = mask & (total.size > 0) & _cancelled(total, self.sweep.unit)
            alone = [_cancelled(self.sweep.contributions[edge], self.sweep.unit) for edge in edges]
            lost = lost & ~np.logical_and.reduce(alone)
            if lost.any():
                yield from self._terms(edges, lost)

    def is_partial(self, culprit: Culprit) -> bool:
        """Whether other elements of what the culprit reads are alive, so that it is not what settles it."""
        if culprit.edge is None:
            return False
        slot = culprit.edge.slot
        return bool((self.masks[slot] & ~zeros(self.sweep, slot)).any())

    def leaves_a_way(self, culprit: Culprit, source: int) -> bool:
        """Whether there is a way around the culprit, so that something else has to cut that one."""
        reached = {source}
        for pullback in reversed(self.sweep.pullbacks):
            if any(edge.slot in reached and edge is not culprit.edge for edge, _ in pullback.answers):
                reached.update(pullback.step.outputs)
        return not reached.isdisjoint(self.sweep.pullbacks[0].step.outputs)

    def passes_the_other(self, culprit: Culprit) -> bool:
        """Whether it is a branch not taken, while the one taken depends on the variable as well."""
        edge = culprit.edge
        if edge is None or culprit.reason != "unselected" or edge.step.op.family.name != "elementwise":
            return False
        return any(slot in self.masks and slot != edge.slot for slot in edge.step.inputs)

    def _terms(self, edges: Sequence[Edge], lost: Mask) -> Iterator[Culprit]:
        listed = iter(range(LISTED))
        for edge in edges:
            term = self.sweep.contributions[edge].term
            if (term[lost] != 0).any() and next(listed, None) is not None:
                evidence = {**self._evidence(edge, lost), "term": values_at(term.conj(), lost)}
                yield of_edge(edge, lost, "cancellation", evidence)

    def _dead(self, pullback: Pullback) -> Iterator[tuple[Edge, Mask]]:
        for edge, _ in pullback.answers:
            mask = self.masks.get(edge.slot)
            if mask is not None:
                dead = mask & (self.sweep.contributions[edge].size == 0)
                if dead.any():
                    yield edge, dead

    def _incoming(self, edge: Edge) -> Mask:
        """Where a magnitude comes in: element by element where elements correspond."""
        shape = self.sweep.values[edge.slot].shape
        live = [self.sweep.size(slot) != 0 for slot in edge.step.outputs]  # NaN is no zero
        if edge.step.op.family.name == "elementwise":
            return gather(live[0], shape)
        return np.full(shape, any(mask.any() or mask.size == 0 for mask in live))

    def _insensitive(self, pullback: Pullback) -> dict[Edge, Mask]:
        """Where an edge passes nothing on, whatever comes in along the outputs that are alive."""
        outputs = pullback.step.outputs
        ones = [np.full_like(self.sweep.values[s], (self.sweep.size(s) != 0).any()) for s in outputs]
        return {
            edge: contribution.size == 0 for edge, contribution in self.sweep.probe(pullback, ones).items()
        }

    def _vanished(self, pullback: Pullback, edge: Edge) -> Mask:
        """Where an edge would pass something on in wider floats."""
        wide = self.sweep.in_wider_floats(pullback)
        return np.zeros(self.sweep.values[edge.slot].shape, bool) if wide is None else wide[edge].size > 0

    def _reason(self, pullback: Pullback, edge: Edge, stuck: Mask) -> str:
        op = edge.step.op
        insensitive = self._insensitive(pullback)[edge][stuck].all()
        if any(self.sweep.values[slot].size == 0 for slot in edge.step.outputs):
            return "empty_selection"
        if insensitive and op.derivative.zero_reason in ("saturated", "unselected"):
            return op.derivative.zero_reason
        if self._vanished(pullback, edge)[stuck].all():
            return "underflow"
        if op.derivative.zero_reason == "zero_operand" and self._operand_vanished(edge, stuck):
            return "underflow"
        if op.name in _NEVER_ZERO and (self.sweep.values[edge.step.outputs[0]] == 0).any():
            return "underflow"
        return op.derivative.zero_reason or "stationary"

    def _operand_vanished(self, edge: Edge, stuck: Mask) -> bool:
        """Whether the factor that is 0 is so only because it was too small for its dtype."""
        for position, slot in enumerate(edge.step.inputs):
            gone = self.sweep.vanished(slot) if position != edge.position else None
            if gone is None:
                continue
            if edge.step.op.family.name != "elementwise":
                return bool(gone.all())
            if gather(spread(gone, self.sweep.values[edge.step.outputs[0]].shape), stuck.shape)[stuck].all():
                return True
        return False

    def _alive(self, pullback: Pullback) -> dict[Edge, Array]:
        """The sizes that the edges of a step pass on without what had cancelled before it came in."""
        sizes = []
        for slot in pullback.step.outputs:
            arrived = Contribution(self.sweep.adjoint(slot), self.sweep.size(slot))
            sizes.append(np.where(_cancelled(arrived, self.sweep.unit), 0, arrived.size))
        return self.sweep.propagate_sizes(pullback, sizes)

    def _holds_for_others(self, pullback: Pullback, edge: Edge) -> Mask:
        """Where an edge cancels other cotangents as well: then the op is flat there, and no terms met."""
        draw = np.random.default_rng(0)
        others = [_other(draw, self.sweep.values[slot]) for slot in pullback.step.outputs]
        return _cancelled(self.sweep.probe(pullback, others)[edge], self.sweep.unit)

    def _evidence(self, edge: Edge, mask: Mask) -> dict[str, list[object]]:
        return evidence_at(self.sweep, edge, mask)


def _other(draw: np.random.Generator, like: Array) -> Array:
    """A cotangent of mixed signs, of a complex tensor in both parts."""

    def part() -> Array:
        signs = np.where(draw.random(like.shape) < 0.5, -1, 1)
        return np.asarray(draw.uniform(0.5, 1.5, like.shape) * signs)

    return np.asarray(part() + 1j * part() if like.dtype.kind == "c" else part(), like.dtype)


def evidence_at(sweep: Sweep, edge: Edge, mask: Mask) -> dict[str, list[object]]:
    """The values behind elements of what an edge reads: itself, and its fellows where elements correspond."""
    step, shape = edge.step, mask.shape
    evidence: dict[str, Array] = {}
    for position, slot in enumerate(step.inputs):
        value = sweep.values[slot]
        same = step.op.family.name == "elementwise" and np.broadcast_shapes(value.shape, shape) == shape
        if position == edge.position or same:
            name = step.op.input(position).name
            evidence[name if name not in evidence else f"{name}_{position}"] = value
    if sweep.values[step.outputs[0]].shape == shape and step.op.family.name == "elementwise":
        evidence["value"] = sweep.values[step.outputs[0]]
        evidence["cotangent"] = sweep.adjoint(step.outputs[0]).conj()  # as users see it
    return {name: values_at(value, mask) for name, value in evidence.items()}
