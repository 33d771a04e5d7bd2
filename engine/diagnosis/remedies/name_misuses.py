"""Formulas that names beside them contradict: the pH of a natural logarithm, a half-life without a 2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.ir.tape import Instruction

#: The ops that these mistakes are about.
OPS_OF_NAMES = frozenset({"log", "exp"})
_DECADES = re.compile(r"^(?:pH|pOH|pKa|pKb|d[bB]m?|decibels?|\w+_d[bB]m?)$")
_HALVES = re.compile(r"^(?:t_?)?half(?:_?life|_?time)?$", re.IGNORECASE)
_SCALES = frozenset({"negative", "multiply", "divide", "add", "subtract", "identity"})
_DEEPEST = 4  # steps between a logarithm and the value that has a name


def misuses_of_names(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """What is likely wrong with a logarithm or an exponential, by the names beside it."""
    for step in steps:
        if step.origin.op != step.op.name:
            continue
        if step.op.name == "log":
            yield from _natural(prescriber, step)
        elif step.op.name == "exp":
            yield from _half_life(prescriber, step)


def _natural(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """The natural logarithm of something whose name is that of a decadic one."""
    graph, names = prescriber.expressions.graph, prescriber.expressions.names
    slot, constants = step.outputs[0], graph.tape.constants
    for _ in range(_DEEPEST):
        name = names.get(slot) or ""
        if _DECADES.search(name):
            x = prescriber.expressions.operand(step, 0)
            fix = write(f"log10({x})", prescriber.expressions.node(step), "log is the natural logarithm")
            words = {"node": str(step.origin.node), "name": name}
            yield Caveat(LIKELY_MISTAKE, step.origin.node, "natural_logarithm", words, fix)
            return
        readers = [graph.steps[place] for place in graph.readers.get(slot, ())]
        if len(readers) != 1 or readers[0].op.name not in _SCALES:
            return
        others = [one for one in readers[0].inputs if one != slot]
        if any(one not in constants for one in others):
            return
        slot = readers[0].outputs[0]


def _half_life(prescriber: Prescriber, step: Instruction) -> Iterator[Caveat]:
    """exp(-t / half), which is a life time's decay."""
    inputs = {slot: name for name, slot in prescriber.expressions.graph.tape.inputs.items()}
    quotient = prescriber.expressions.maker(step.inputs[0])
    if quotient is not None and quotient.op.name == "negative":
        quotient = prescriber.expressions.maker(quotient.inputs[0])
    if quotient is None or quotient.op.name != "divide":
        return
    name = inputs.get(quotient.inputs[1], "")
    above = prescriber.expressions.maker(quotient.inputs[0])
    if above is not None and above.op.name == "negative":
        above = prescriber.expressions.maker(above.inputs[0])
    if not _HALVES.search(name) or (above is not None and above.op.name in ("multiply", "log")):
        return
    x, whole = prescriber.expressions.operand(step, 0), prescriber.expressions.node(step)
    fix = write(f"exp(log(2) * ({x}))", whole, "half is left then after one half-life")
    yield Caveat(
        LIKELY_MISTAKE, step.origin.node, "half_life", {"node": str(step.origin.node), "name": name}, fix
    )
