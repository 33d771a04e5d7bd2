"""A question's function on a tape, in stable forms where the question asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from engine.derivatives.query import Query
from engine.diagnosis import source_of
from engine.frontend.record import Recording, record
from engine.ir.tape import Tape
from engine.passes.stabilize import Applied, stabilize


def recorded(query: Query, needed: Iterable[str]) -> Recording:
    """The function with what is `needed`; raises what `record` does.

    With `stabilize`, the tape says under `rewrites` what was rewritten. What is differentiated by stays on
    every path, also where it is a node inside an expression that could be rewritten.
    """
    if not query.stabilize:
        return record(query.graph, query.inputs, needed)
    applied: list[Applied] = []

    def rewrite(tape: Tape) -> Tape:
        stable = stabilize(tape)
        applied.extend(stable.applied)
        return stable.tape

    recording = record(query.graph, query.inputs, needed, rewrite=rewrite)
    moved = {*(query.wrt or ()), *(query.tangents or ()), *(query.vectors or ())}
    variables = [recording.slot(name) for name in moved if name.partition(":")[0] in recording.slots]
    stable = stabilize(recording.tape, variables)
    slots = {name: tuple(map(stable.slot, own)) for name, own in recording.slots.items()}
    reports = [_report(one) for one in (*applied, *stable.applied)]
    # the body of a function is rewritten for each call, so that one rewrite may be reported several times
    stable.tape.rewrites = [one for k, one in enumerate(reports) if one not in reports[:k]]
    return replace(recording, tape=stable.tape, slots=slots)


def _report(applied: Applied) -> dict[str, Any]:
    """A rewrite as the response lists it."""
    rewrite, origin = applied.rewrite, applied.origin
    return {
        "rewrite": rewrite.name,
        "node": origin.node,
        "op": origin.op,
        "before": applied.before,
        "after": rewrite.advice,
        "source": source_of(origin),
    }
