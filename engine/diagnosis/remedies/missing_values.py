"""Data with NaN in a mean or a sum: the terms that they belong to left out, and not counted."""

from __future__ import annotations

import re

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Edit, Fix
from engine.errors import Source
from engine.ir.tape import Instruction

#: By reduction what it comes to without the masked terms t, with the mask m.
_REDUCED = {"mean": "sum(where({m}, {t}, 0)) / sum({m})", "sum": "sum(where({m}, {t}, 0))"}
_WHY = "what is missing neither adds to the result nor counts; a number in its place would count as measured"


def without_missing(prescriber: Prescriber, slot: int) -> Fix | None:
    """The first reduction of elements computed from the data in `slot`, with what is not finite left out."""
    name = prescriber.expressions.text(slot)
    reduction = _reduction(prescriber, slot)
    if reduction is None or not name.isidentifier() or not isinstance(reduction.origin.source, Source):
        return None
    node, terms = prescriber.expressions.node(reduction), prescriber.expressions.operand(reduction, 0)
    mask, clean = f"isfinite({name})", f"where(isfinite({name}), {name}, 0)"
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
    edits: list[Edit] = []
    if not word.search(terms):
        reader = _first_reader(prescriber, slot)
        text = None if reader is None else prescriber.expressions.node(reader)
        if text is None or not word.search(text):
            return None
        edits.append(Edit(word.sub(clean, text), text))
    whole = _REDUCED[reduction.op.name].format(m=mask, t=word.sub(clean, terms))
    edits.append(Edit(whole, node))
    return Fix("write", {"why": _WHY}, tuple(edits))


def _reduction(prescriber: Prescriber, slot: int) -> Instruction | None:
    """The mean or the sum of everything that is computed element by element from a slot, and of its shape."""
    shape = prescriber.type(slot).shape
    results = {slot}
    for step in prescriber.expressions.graph.downstream(slot):
        if results.isdisjoint(step.inputs):
            continue
        if step.op.name in _REDUCED and step.origin.op == step.op.name:
            same = prescriber.type(step.inputs[0]).shape == shape
            return step if same and prescriber.type(step.outputs[0]).size == 1 else None
        if step.op.family.name != "elementwise":
            return None
        results.update(step.outputs)
    return None


def _first_reader(prescriber: Prescriber, slot: int) -> Instruction | None:
    graph = prescriber.expressions.graph
    places = graph.readers.get(slot, ())
    return graph.steps[places[0]] if len(places) == 1 else None
