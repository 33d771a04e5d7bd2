"""Warnings on a gradient that exists: what is true of it and easily overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.diagnosis.causes.broadcasts import broadcasts
from engine.diagnosis.causes.zero import why_zero, zeros
from engine.diagnosis.evidence.edge_adjoints import Pullback, Sweep
from engine.diagnosis.evidence.element_masks import Mask, nonfinite, places
from engine.diagnosis.evidence.structure import Edge, Finding, Graphing
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.messages import because, described
from engine.diagnosis.texts.origin import Culprit, of_cut
from engine.diagnosis.texts.source_text import bracketed
from engine.errors import Origin
from engine.ir.tape import Instruction

VANISHING, EXPLODING = 1e-8, 1e8

Warning = dict[str, Any]


def caveat(code: str, node: str | None, message: str) -> Warning:
    """A warning as it goes on the wire."""
    return {"code": code, "node": node, "message": message}


def masked_warning(origin: Origin, acted: Mask) -> Warning:
    """That `masked_backward` acted at a node, and on which elements."""
    first = ", ".join(map(str, places(acted)[:3]))
    return caveat(
        "masked",
        origin.node,
        f"masked_backward took as 0 what {origin.op or 'the step'} at '{origin.node}' passes back at "
        f"{int(acted.sum())} of {acted.size} elements, which nothing selects"
        + (f": {first}." if acted.ndim else "."),
    )


def structural_warnings(finding: Finding, name: str, target: str) -> Iterator[Warning]:
    """Cuts that lose a part of a gradient that exists."""
    for edge in finding.partial:
        yield caveat(
            "partial_path",
            edge.step.origin.node,
            f"One path from '{name}' to '{target}' carries no gradient: {described(edge)}.",
        )


def numeric_warnings(
    sweep: Sweep,
    source: int,
    name: str,
    target: str,
    spoiled: Sequence[Culprit],
    cuts: Callable[[Mask], Sequence[Edge]],
    graph: Graphing,
    prescriber: Prescriber | None = None,
) -> Iterator[Warning]:
    """What the values say; `spoiled` is what made the target itself NaN or infinite, `cuts` says which cuts
    lose a part of the gradient of some elements, `graph` is what was run.
    """
    gradient = sweep.adjoint(source)
    path = list(_between(sweep.pullbacks, source))
    finite = not nonfinite(gradient).any()
    zero = zeros(sweep, source) if finite else np.zeros(gradient.shape, bool)
    if finite and spoiled:
        yield caveat(
            "nonfinite_target",
            spoiled[0].node,
            f"The gradient is finite and '{target}' is not: {because(spoiled[0], prescriber)}.",
        )
    if finite and not zero.all():
        yield from _zeros(sweep, source, zero, name, cuts, prescriber)
        yield from _dead_paths(sweep, path, source)
        yield from _scale(sweep, path, source, name)
    yield from _kinks(sweep, path)
    yield from _masked(sweep, path)
    yield from broadcasts(
        [pullback.step for pullback, _ in path],
        graph,
        lambda slot: sweep.values[slot].shape,
        lambda step: _column(step, sweep.values[step.inputs[0]].ndim, prescriber),
    )


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
    name: str,
    cuts: Callable[[Mask], Sequence[Edge]],
    prescriber: Prescriber | None,
) -> Iterator[Warning]:
    size = sweep.size(source)
    cancelled = int((zero & (size > 0)).sum())
    if cancelled:
        culprits = why_zero(sweep, source, zero & (size > 0))
        yield caveat(
            "cancellation",
            culprits[0].node if culprits else None,
            f"{cancelled} of {zero.size} elements of the gradient of '{name}' are terms that cancel: what is "
            "left is rounding.",
        )
    if zero.any():
        culprits = why_zero(sweep, source, zero)
        if not culprits or _is_unread(culprits[0]):  # unless another step reads them, and cuts them off
            shapes = sweep.values
            culprits = (*(of_cut(edge, shapes[edge.slot].shape) for edge in cuts(zero)), *culprits)
        message = f"{int(zero.sum())} of {zero.size} elements of the gradient of '{name}' are zero"
        yield caveat(
            "partial_zero",
            culprits[0].node if culprits else None,
            f"{message}: {because(culprits[0], prescriber)}." if culprits else f"{message}.",
        )


def _is_unread(culprit: Culprit) -> bool:
    """Whether a culprit only says that a step takes other elements than these."""
    moves = culprit.step is not None and culprit.step.op.family.name in ("indexing", "shaping")
    return moves and culprit.reason == "unselected"


def _dead_paths(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], source: int) -> Iterator[Warning]:
    alive = {edge.step.origin.node for _, edges in path for edge in edges if sweep.passed[edge].size.any()}
    for pullback, edges in path:
        arrives = any((sweep.size(slot) > 0).any() for slot in pullback.step.outputs)
        for edge in edges:
            dead = arrives and sweep.passed[edge].size.size > 0 and not sweep.passed[edge].size.any()
            expanded = edge.step.op.name != edge.step.origin.op  # the op as a whole may well pass something
            if dead and not (expanded and edge.step.origin.node in alive):
                step = edge.step
                yield caveat(
                    "dead_path",
                    step.origin.node,
                    f"One path carries nothing: {step.origin.op or step.op.name} at '{step.origin.node}' "
                    "passes no gradient on for any element.",
                )


def _scale(
    sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], source: int, name: str
) -> Iterator[Warning]:
    """Very small or very large against the target's own cotangent, which is 1."""
    gradient = np.abs(sweep.adjoint(source)).astype(np.float64)
    if 0 < gradient.sum() < VANISHING:
        step = _steepest(sweep, path, shrinks=True)
        message = f"The gradient of '{name}' is at most {gradient.max():.1e}: it shrinks most at '{step}'."
        yield caveat("vanishing", step, message)
    elif gradient.max() > EXPLODING:
        step = _steepest(sweep, path, shrinks=False)
        message = f"The gradient of '{name}' reaches {gradient.max():.1e}: it grows most at '{step}'."
        yield caveat("exploding", step, message)


def _steepest(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]], *, shrinks: bool) -> str | None:
    """The node at which the size of the adjoint changes most."""
    ratios: dict[str | None, float] = {}
    for pullback, edges in path:
        before = sum(_total(sweep.size(slot)) for slot in pullback.step.outputs)
        after = sum(_total(sweep.passed[edge].size) for edge in edges)
        if before > 0 and after > 0:
            node = pullback.step.origin.node
            ratios[node] = ratios.get(node, 1.0) * (after / before)
    if not ratios:
        return None
    return min(ratios, key=lambda n: ratios[n]) if shrinks else max(ratios, key=lambda n: ratios[n])


def _total(size: Array) -> float:
    return float(size.astype(np.float64).sum())


def _kinks(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]]) -> Iterator[Warning]:
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
            place = f"{step.origin.op or step.op.name} at '{step.origin.node}'"
            convention = f" {step.op.conventions.split('. ')[0].rstrip('.')}." if step.op.conventions else ""
            yield caveat(
                "kink",
                step.origin.node,
                f"{place} has a kink at {int(hit.sum())} of {hit.size} elements.{convention}",
            )


def _masked(sweep: Sweep, path: Sequence[tuple[Pullback, list[Edge]]]) -> Iterator[Warning]:
    for _, edges in path:
        for edge in edges:
            acted = sweep.acted.get(edge)
            if acted is not None and acted.any():
                yield masked_warning(edge.step.origin, acted)


def _column(step: Instruction, ndim: int, prescriber: Prescriber | None) -> str:
    """How to make the flat one of two operands a column."""
    if prescriber is None:
        return "Reshape one of them."
    text = prescriber.written(step, 0 if ndim == 1 else 1)
    return f"Write {bracketed(text)}[:, None] for {text}, or flatten the other one."
