"""Losses that are given something else than labels and probabilities, in this order."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from engine.diagnosis.remedies.calls import call_of, slot_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.errors import Source
from engine.ir.tape import Instruction

CERTAIN = 1e-7  # the least probability that the losses tell from 0

#: Losses whose y_pred is a probability, with what makes one of a logit.
OF_PROBABILITIES: Mapping[str, str] = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
}
#: Losses that are another function with their arguments the other way round.
_ORDERED = frozenset(
    {*OF_PROBABILITIES, "sigmoid_cross_entropy", "poisson", "mean_absolute_percentage_error"}
)


def misuses_of_losses(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """What is likely wrong with the arguments of each loss."""
    nodes: set[str | None] = set()
    for step in steps:
        name, node = step.origin.op or "", step.origin.node
        if name not in _ORDERED or node in nodes or not isinstance(step.origin.source, Source):
            continue
        nodes.add(node)
        call = call_of(step)
        if call is None or len(call.args) < 2 or isinstance(call.func, ast.Attribute):
            continue
        swap = _swap(prescriber, steps, step, call)
        if swap is not None:
            yield swap
        elif name in OF_PROBABILITIES and not any(word.arg == "from_logits" for word in call.keywords):
            yield from _of_range(prescriber, steps, step, call)


def _swap(
    prescriber: Prescriber, steps: Sequence[Instruction], step: Instruction, call: ast.Call
) -> Caveat | None:
    """The variable comes in by the labels, and not by what is predicted."""
    first, second = (ast.unparse(argument) for argument in call.args[:2])
    slots = [slot_of(prescriber.expressions, steps, step.origin.node, text) for text in (first, second)]
    if prescriber.trial is None or None in slots:
        return None
    source = prescriber.trial.source
    behind = {
        source,
        *(s for later in prescriber.expressions.graph.downstream(source) for s in later.outputs),
    }
    if slots[0] not in behind or slots[1] in behind:
        return None
    new = ast.Call(call.func, [call.args[1], call.args[0], *call.args[2:]], call.keywords)
    fix = write(ast.unparse(new), prescriber.expressions.node(step), "labels come first, then predictions")
    name = prescriber.expressions.text(source)
    words = {"op": str(step.origin.op), "node": str(step.origin.node), "first": first, "second": second}
    return Caveat("likely_mistake", step.origin.node, "labels_second", {**words, "name": name}, fix)


def _of_range(
    prescriber: Prescriber, steps: Sequence[Instruction], step: Instruction, call: ast.Call
) -> Iterator[Caveat]:
    """Logits for probabilities, and probabilities too small to have a slope."""
    name, node = str(step.origin.op), step.origin.node
    written = ast.unparse(call.args[1])
    slot = slot_of(prescriber.expressions, steps, node, written)
    if slot is None:
        return
    words = {"op": name, "node": str(node), "written": written}
    whole = prescriber.expressions.node(step)
    value = np.asarray(prescriber.value(slot))
    made = prescriber.expressions.maker(slot)
    if made is not None and made.op.name == OF_PROBABILITIES[name] and name != "kl_divergence":
        if not (value == value.min()).all() and (value < CERTAIN).any():
            call.args[1] = ast.parse(prescriber.operand_text(made, 0), mode="eval").body
            fix = _from_logits(call, whole, "it is exact in the tails")
            least = {"least": f"{value.min():.3g}"}
            yield Caveat("likely_mistake", node, "faint_probability", {**words, **least}, fix)
        return
    outside = (value < 0) | (value > 1)
    if not outside.any():
        return
    if name == "kl_divergence":
        fix = write(f"{OF_PROBABILITIES[name]}({written})", written, "its outputs are probabilities")
    else:
        fix = _from_logits(call, whole, "it takes logits as they are")
    count = {
        "count": str(int(outside.sum())),
        "size": str(outside.size),
        "example": f"{value[outside].flat[0]:.6g}",
    }
    yield Caveat("likely_mistake", node, "no_probability", {**words, **count}, fix)


def _from_logits(call: ast.Call, whole: str, why: str) -> Fix:
    """The same call, told that it takes logits."""
    call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
    return write(ast.unparse(call), whole, why)
