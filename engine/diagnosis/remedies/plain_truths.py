"""What is to be said plainly, as anything to paste would hide it: impossible data, units, idle bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.remedies.range_remedies import BRACKETS
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit
from engine.ir.tape import Instruction

FAR = 1e4  # the size of an exponent beyond which it is the units that are wrong, and no range
_LISTED = 3
_LOGARITHMS = frozenset({"log", "log2", "log10"})
_BOUNDS = frozenset({"maximum", "minimum", "fmax", "fmin"})


def zero_divisor(prescriber: Prescriber, step: Instruction) -> Fix | None:
    """The input that is 0 and a divisor, if a logarithm is taken of the exponential of the quotient."""
    if step.op.name == "divide":
        return _divisor_of_exponent(prescriber, step)
    if step.op.name not in _LOGARITHMS:
        return None
    exponential = next((one for one in _behind(prescriber, step.inputs[0]) if one.op.name == "exp"), None)
    if exponential is None:
        return None
    argument = exponential.inputs[0]
    if not np.isneginf(prescriber.value(argument)).any():
        return None
    for quotient in _behind(prescriber, argument):
        if quotient.op.name != "divide" or not (prescriber.value(quotient.inputs[1]) == 0).any():
            continue
        words = _zero_input(prescriber, quotient)
        if words is not None:
            return Fix("zero_divisor", words)
    return None


def _divisor_of_exponent(prescriber: Prescriber, quotient: Instruction) -> Fix | None:
    """The input that is 0 and the divisor in an exponential, which tends to 0 as the divisor does."""
    graph, behind = prescriber.expressions.graph, set(quotient.outputs)
    exponentials: list[Instruction] = []
    for later in graph.downstream(quotient.outputs[0]):
        if later.op.family.name != "elementwise" or behind.isdisjoint(later.inputs):
            continue
        if later.op.name == "exp":
            exponentials.append(later)
        else:
            behind.update(later.outputs)
    if not any(np.isneginf(prescriber.value(one.inputs[0])).any() for one in exponentials):
        return None
    words = _zero_input(prescriber, quotient)
    return None if words is None else Fix("zero_divisor_of_exp", words)


def _zero_input(prescriber: Prescriber, quotient: Instruction) -> dict[str, str] | None:
    """The input that makes a divisor 0, which no variable has a part in, and where."""
    divisor = quotient.inputs[1]
    cause = prescriber.causes.of_zero(divisor, np.asarray(prescriber.value(divisor) == 0))
    inputs = prescriber.expressions.graph.tape.inputs.values()
    if cause is None or cause.leaf is None or cause.leaf not in inputs or prescriber.depends(cause.leaf):
        return None
    zeros = np.argwhere(prescriber.value(cause.leaf) == 0)
    place = f" at element {zeros[0].tolist()}" if zeros.size and zeros[0].size else ""
    name = prescriber.expressions.text(cause.leaf)
    return {"name": name, "place": place, "node": prescriber.expressions.node(quotient)}


def _behind(prescriber: Prescriber, slot: int) -> list[Instruction]:
    """The steps behind a slot that act element by element, the nearest first."""
    steps: list[Instruction] = []
    ahead, visited = [slot], {slot}
    while ahead:
        step = prescriber.expressions.graph.makers.get(ahead.pop(0))
        if step is None or step.op.family.name != "elementwise":
            continue
        steps.append(step)
        for one in step.inputs:
            if one not in visited:
                visited.add(one)
                ahead.append(one)
    return steps


def far_argument(prescriber: Prescriber, culprits: Sequence[Culprit]) -> Fix | None:
    """The argument of an exponential that is so far below 0 that its units are wrong."""
    for culprit in culprits:
        step = culprit.step
        if step is None or step.op.name != "exp" or culprit.reason != "underflow":
            continue
        value = prescriber.value(step.inputs[0])
        least = float(value.min())
        bracketed = prescriber.remedy_for(step, "underflow", BRACKETS)
        if bracketed is not None:
            return bracketed
        if -np.inf < least < -FAR:
            x, node = prescriber.expressions.operand(step, 0), prescriber.expressions.node(step)
            return Fix("far_argument", {"x": x, "value": f"{least:.6g}", "node": node})
    return None


def bounds_taken(prescriber: Prescriber, culprit: Culprit, name: str, target: str) -> Fix | None:
    """The bounds behind a culprit that are taken at every element, so that no value close by counts."""
    graph, constants = prescriber.expressions.graph, prescriber.expressions.graph.tape.constants
    if culprit.step is None or prescriber.trial is None:
        return None
    behind = {slot for one in _behind(prescriber, culprit.step.outputs[0]) for slot in one.outputs}
    limits: dict[str, float] = {}
    for step in graph.downstream(prescriber.trial.source):
        bounds = [s for s in step.inputs if s in constants and constants[s].size == 1]
        if step.op.name not in _BOUNDS or len(bounds) != 1 or behind.isdisjoint(step.outputs):
            continue
        number = float(constants[bounds[0]].real.item())
        others = [prescriber.value(slot) for slot in step.inputs if slot != bounds[0]]
        below = step.op.name in ("maximum", "fmax")
        if all(((value < number) if below else (value > number)).all() for value in others):
            limits[prescriber.expressions.node(step)] = number
    if not limits:
        return None
    numbers = sorted(set(limits.values()))
    words = {"nodes": " and ".join([*limits][:_LISTED]), "bound": " or ".join(f"{n:g}" for n in numbers)}
    return Fix("bounds_taken", {**words, "name": name, "target": target})
