"""Warnings on a gradient that exists: what is true of it and easily overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.diagnosis.causes.broadcasts import RESHAPE, broadcasts
from engine.diagnosis.causes.cotangents import ignored_cotangents, ignoring_output
from engine.diagnosis.causes.zero import noise, why_zero, zeros
from engine.diagnosis.evidence.edge_adjoints import Pullback, Sweep
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, places
from engine.diagnosis.evidence.structure import Edge, Finding, Graphing
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.messages import because, describe
from engine.diagnosis.texts.origin import Culprit, of_cut
from engine.diagnosis.texts.source_text import bracket
from engine.errors import Origin
from engine.ir.tape import Instruction

VANISHING, EXPLODING = 1e-8, 1e8


def masked_caveat(origin: Origin, acted: Mask) -> Caveat:
    """That `masked_backward` acted at a node, and on which elements."""
    words = {
        "op": origin.op or "the step",
        "node": str(origin.node),
        "count": str(int(acted.sum())),
        "size": str(acted.size),
        "places": ", ".join(map(str, places(acted)[:3])),
    }
    return Caveat("masked", origin.node, "masked_elements" if acted.ndim else "masked", words)


def structural_warnings(finding: Finding, name: str, target: str) -> Iterator[Caveat]:
    """Cuts that lose a part of a gradient that exists."""
    for edge in finding.partial:
        words = {"name": name, "target": target, "cut": describe(edge)}
        yield Caveat("partial_path", edge.step.origin.node, "partial_path", words)


def numeric_warnings(
    sweep: Sweep,
    source: int,
    name: str,
    target: str,
    target_culprits: Sequence[Culprit],
    cuts: Callable[[Mask], Sequence[Edge]],
    graph: Graphing,
    prescriber: Prescriber | None = None,
) -> Iterator[Caveat]:
    """What the values say; `spoiled` is what made the target itself NaN or infinite, `cuts` says which cuts
    lose a part of the gradient of some elements, `graph` is what was run.
    """
    gradient = sweep.adjoint(source)
    path = list(_between(sweep.pullbacks, source))
    finite = not nonfinite(gradient).any()
    zero = zeros(sweep, source) if finite else np.zeros(gradient.shape, bool)
    if finite and target_culprits:
        words = {"target": target, "because": because(target_culprits[0], prescriber)}
        yield Caveat("nonfinite_target", target_culprits[0].node, "nonfinite_target", words)
    lost = noise(sweep, source) if finite else zero
    if finite and (lost.any() or not zero.all()):
        yield from _zeros(sweep, source, zero, lost, name, cuts, prescriber)
        yield from _dead_paths(sweep, path, source)
        yield from _scale(sweep, path, source, name)
    yield from _kinks(sweep, path)
    yield from _masked(sweep, path)
    steps = [pullback.step for pullback, _ in path]
    yield from broadcasts(
        steps,
        graph,
        lambda slot: sweep.values[slot].shape,
        lambda step: column(step, [sweep.values[slot].ndim for slot in step.inputs], prescriber),
    )
    yield from ignored_cotangents(steps)


def _between(pullbacks: Sequence[Pullback], source: int) -> Iterator[tuple[Pullback, list[Edge]]]:
    """The steps from `source` to the target, and the edges on the way, in forward order."""
    reached = {source}
    for pullback in reversed(pullbacks):
        edges = [edge for edge, _ in pullback.answers if edge.slot in reached]
        if edges:
            reached.update(pullback.step.outputs)
            yield pullback, edges


def _zeros(
    sweep: Sweep,
    source: int,
    zero: Mask,
    lost: Mask,
    name: str,
    cuts: Callable[[Mask], Sequence[Edge]],
    prescriber: Prescriber | None,
) -> Iterator[Caveat]:
    size = sweep.size(source)
    words = {"name": name, "size": str(zero.size)}
    cancelled = int((zero & (size > 0)).sum())
    if cancelled:
        culprits = why_zero(sweep, source, zero & (size > 0))
        node = culprits[0].node if culprits else None
        yield Caveat("cancellation", node, "cancellation", {**words, "count": str(cancelled)})
    zero = zero & ~lost
    if zero.any():
        culprits = why_zero(sweep, source, zero)
        if not culprits or _is_unread(culprits[0]):  # unless another step reads them, and cuts them off
            shapes = sweep.values
            culprits = (*(of_cut(edge, shapes[edge.slot].shape) for edge in cuts(zero)), *culprits)
        words["count"] = str(int(zero.sum()))
        if not culprits:
            yield Caveat("partial_zero", None, "partial_zero", words)
            return
        words["because"] = because(culprits[0], prescriber)
        yield Caveat("partial_zero", culprits[0].node, "partial_zero_because", words)


def _is_unread(culprit: Culprit) -> bool:
    """Whether a culprit only says that a step takes other elements than these."""
    moves = culprit.step is not None and culprit.step.op.family.name in ("indexing", "shaping")
    return moves and culprit.reason == "unselected"


def _dead_paths(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], source: int) -> Iterator[Caveat]:
    alive = {
        edge.step.origin.node for _, edges in path for edge in edges if sweep.contributions[edge].size.any()
    }
    for pullback, edges in path:
        arrives = any((sweep.size(slot) > 0).any() for slot in pullback.step.outputs)
        for edge in edges:
            dead = (
                arrives
                and sweep.contributions[edge].size.size > 0
                and not sweep.contributions[edge].size.any()
            )
            expanded = edge.step.op.name != edge.step.origin.op  # the op as a whole may well pass something
            if (
                dead
                and ignoring_output(edge.step) is None
                and not (expanded and edge.step.origin.node in alive)
            ):
                step = edge.step
                words = {"op": step.origin.op or step.op.name, "node": str(step.origin.node)}
                yield Caveat("dead_path", step.origin.node, "dead_path", words)


def _scale(
    sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], source: int, name: str
) -> Iterator[Caveat]:
    """Very small or very large against the target's own cotangent, which is 1."""
    gradient = np.abs(sweep.adjoint(source)).astype(np.float64)
    if 0 < gradient.sum() < VANISHING:
        node = _steepest(sweep, path, shrinks=True)
        yield _of_scale("vanishing", node, name, float(gradient.max()))
    elif gradient.max() > EXPLODING:
        node = _steepest(sweep, path, shrinks=False)
        yield _of_scale("exploding", node, name, float(gradient.max()))


def _of_scale(code: str, node: str | None, name: str, size: float) -> Caveat:
    return Caveat(code, node, code, {"name": name, "size": f"{size:.1e}", "node": str(node)})


def _steepest(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], *, shrinks: bool) -> str | None:
    """The node at which the size of the adjoint changes most."""
    ratios: dict[str | None, float] = {}
    for pullback, edges in path:
        before = sum(_total(sweep.size(slot)) for slot in pullback.step.outputs)
        after = sum(_total(sweep.contributions[edge].size) for edge in edges)
        if before > 0 and after > 0:
            node = pullback.step.origin.node
            ratios[node] = ratios.get(node, 1.0) * (after / before)
    if not ratios:
        return None
    return min(ratios, key=lambda n: ratios[n]) if shrinks else max(ratios, key=lambda n: ratios[n])


def _total(size: Array) -> float:
    return float(size.astype(np.float64).sum())


def _kinks(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]]) -> Iterator[Caveat]:
    for pullback, _ in path:
        step = pullback.step
        if step.op.derivative.nonsmooth_at is None or not (sweep.size(step.outputs[0]) > 0).any():
            continue
        operands = [sweep.values[slot] for slot in step.inputs]
        with np.errstate(all="ignore"):
            hit = np.asarray(
                step.op.derivative.nonsmooth_at(arrays.numpy_namespace(), *operands, **step.attributes)
            )
        if hit.shape == sweep.size(step.outputs[0]).shape:
            hit = hit & (sweep.size(step.outputs[0]) > 0)
        if hit.any():
            words = {
                "op": step.origin.op or step.op.name,
                "node": str(step.origin.node),
                "count": str(int(hit.sum())),
                "size": str(hit.size),
                "convention": step.op.conventions,
            }
            sentence = "kink_convention" if step.op.conventions else "kink"
            yield Caveat("kink", step.origin.node, sentence, words)


def _masked(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]]) -> Iterator[Caveat]:
    for _, edges in path:
        for edge in edges:
            acted = sweep.acted.get(edge)
            if acted is not None and acted.any():
                yield masked_caveat(edge.step.origin, acted)


def column(step: Instruction, ndims: Sequence[int], prescriber: Prescriber | None) -> Fix:
    """How to make the flat one of the operands a column; `ndims` are their axes."""
    if prescriber is None:
        return RESHAPE
    text = prescriber.operand_text(step, list(ndims).index(1))
    return write(f"{bracket(text)}[:, None]", text, "both are columns then; or flatten the other one")
