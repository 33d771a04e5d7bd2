"""Losses that have no minimum: the mean of residuals with their signs, and a hinge without a bound."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import bracket
from engine.ir.tape import Instruction

_DEEPEST = 6  # terms and signs between a target and the mean in it


def misuses_of_residuals(prescriber: Prescriber, target: int, sources: Collection[int]) -> Iterator[Caveat]:
    """The mean or the sum of residuals as a target, or as a term of one; `sources` are what is learned."""
    for mean in _means(prescriber, target):
        residual = _past_signs(prescriber, mean.inputs[0])
        if residual is None or residual.op.name != "subtract" or not _is_fit(prescriber, residual, sources):
            continue
        whole, x = prescriber.expressions.node(mean), prescriber.expressions.operand(mean, 0)
        if x not in whole or mean.origin.op != mean.op.name:
            continue
        inner = x.lstrip("-").strip()
        inner = inner[1:-1] if inner.startswith("(") and inner.endswith(")") and x.startswith("-") else inner
        fix = write(
            whole.replace(x, f"{bracket(inner)} ** 2", 1), whole, "each residual counts by its size then"
        )
        words = {"op": mean.op.name, "node": str(mean.origin.node), "residual": x}
        yield Caveat(LIKELY_MISTAKE, mean.origin.node, "signed_residuals", words, fix)


def _means(prescriber: Prescriber, slot: int, depth: int = 0) -> Iterator[Instruction]:
    """The means and sums of more than one number that a slot is, with signs, factors and other terms."""
    step = prescriber.expressions.maker(slot)
    if step is None or depth > _DEEPEST:
        return
    constants = prescriber.expressions.graph.tape.constants
    if step.op.name in ("mean", "sum"):
        if prescriber.type(step.inputs[0]).size > 1 and prescriber.type(step.outputs[0]).size == 1:
            yield step
    elif step.op.name in ("negative", "add", "subtract"):
        for one in step.inputs:
            yield from _means(prescriber, one, depth + 1)
    elif step.op.name in ("multiply", "divide"):
        numbers = [one for one in step.inputs if one in constants]
        if len(numbers) == 1 and (step.op.name == "multiply" or numbers[0] == step.inputs[1]):
            [other] = [one for one in step.inputs if one not in numbers]
            yield from _means(prescriber, other, depth + 1)


def _past_signs(prescriber: Prescriber, slot: int) -> Instruction | None:
    step = prescriber.expressions.maker(slot)
    while step is not None and step.op.name in ("negative", "reshape", "squeeze"):
        step = prescriber.expressions.maker(step.inputs[0])
    return step


def _is_fit(prescriber: Prescriber, residual: Instruction, sources: Collection[int]) -> bool:
    """Whether one side of a difference is computed from what is learned, and the other an input of as many
    elements that is not.
    """
    graph = prescriber.expressions.graph
    learned = {*sources}
    for source in sources:
        learned.update(slot for step in graph.downstream(source) for slot in step.outputs)
    fitted = [slot for slot in residual.inputs if slot in learned and slot in graph.makers]
    data = [slot for slot in residual.inputs if slot not in learned and slot in graph.tape.inputs.values()]
    if len(fitted) != 1 or len(data) != 1:
        return False
    computed = {slot for step in graph.downstream(data[0]) for slot in step.outputs}
    if fitted[0] in computed:
        return False  # x - floor(x / w) * w is no residual of x
    return prescriber.type(data[0]).shape == prescriber.type(fitted[0]).shape
