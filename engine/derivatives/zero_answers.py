"""Warnings of derivatives that come out as zero because nothing of them is left: no path, or no curvature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from engine.derivatives.derivative_nodes import recorded
from engine.derivatives.draft import Draft, Inputs, Values, unique, wrt_slots
from engine.derivatives.gradients import user_names
from engine.derivatives.query import Query
from engine.diagnosis import Graphing, Zero, render_caveat, why_zero_derivative

#: How derivatives are called, and their order.
_KINDS = {
    "hessian": ("The Hessian", 2),
    "hvp": ("The product with the Hessian", 2),
    "jacobian": ("The Jacobian", 1),
    "vjp": ("The product with the Jacobian", 1),
    "jvp": ("The product with the Jacobian", 1),
    "gnvp": ("The product with the Jacobian", 1),
}


def with_zero_warnings(query: Query, draft: Draft) -> Draft:
    """The draft with `warnings` in its answer for each derivative that is zero without being meant to be.

    What a recording shows of it is looked at when the first zero comes.
    """
    if query.kind not in _KINDS or query.sparse or query.diagnose == "off":
        return draft
    warnings_by_zeros: dict[tuple[Zero, ...], list[dict[str, Any]]] = {}

    def assemble(values: Values, inputs: Inputs) -> dict[str, Any]:
        answer = draft.assemble(values, inputs)
        zeros = tuple(_zeros(query, answer))
        if zeros and zeros not in warnings_by_zeros:
            warnings_by_zeros[zeros] = _warnings(query, zeros)
        return (
            {**answer, "warnings": warnings_by_zeros[zeros]} if zeros and warnings_by_zeros[zeros] else answer
        )

    return replace(draft, assemble=assemble)


def _zeros(query: Query, answer: dict[str, Any]) -> Iterator[Zero]:
    what, order = _KINDS[query.kind]
    derivatives = answer[query.kind]
    if query.kind in ("hessian", "hvp"):
        (target,) = query.chosen_targets()
        for name, blocks in derivatives.items():
            each = blocks.values() if isinstance(blocks, dict) else (blocks,)
            if all(_is_zero(block) for block in each):
                yield Zero(what, order, target, name)
    elif query.kind == "jacobian":
        for output, blocks in derivatives.items():
            for name, block in blocks.items():
                if _is_zero(block):
                    yield Zero(what, order, output, name)
    elif query.kind == "jvp":
        yield from (
            Zero(what, order, output, name)
            for output, value in derivatives.items()
            if _is_zero(value)
            for name in query.tangents or ()
        )
    else:
        outputs = query.chosen_outputs()
        yield from (
            Zero(what, order, output, name)
            for name, value in derivatives.items()
            if _is_zero(value)
            for output in outputs
        )


def _is_zero(value: Any) -> bool:
    return bool(np.size(value)) and not np.any(value)


def _warnings(query: Query, zeros: tuple[Zero, ...]) -> list[dict[str, Any]]:
    targets = unique(*(zero.target for zero in zeros))
    recording = recorded(query, unique(*targets, *(query.wrt or ())))
    tape = recording.tape
    graph = Graphing(tape, tuple(tape.instructions), {}, query.graph.rebound)
    names = user_names(recording)
    variables = wrt_slots(query, recording)
    entries: dict[tuple[str, str | None], dict[str, Any]] = {}
    for zero in zeros:
        source = variables.get(zero.variable)
        if source is None:
            continue
        caveat = why_zero_derivative(graph, names, zero, recording.slot(zero.target), source)
        if caveat is not None and (query.kind == "jacobian" or caveat.sentence != "zero_by_flat_side"):
            entries.setdefault((caveat.code, caveat.node), render_caveat(caveat))
    return list(entries.values())
