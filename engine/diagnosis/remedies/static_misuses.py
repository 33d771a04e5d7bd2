"""Likely mistakes that show before any number is there: softmax twice, or logits for probabilities."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from engine.diagnosis.remedies.calls import call_of
from engine.diagnosis.remedies.label_misuses import OF_PROBABILITIES
from engine.diagnosis.remedies.misuses import CODE, misuses_of_table
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import say, write
from engine.ir.tape import Instruction

#: The ops that these mistakes are about: a function without any of them has none.
MISUSED_OPS = frozenset(
    {
        "softmax",
        "log_softmax",
        "logsumexp",
        "sigmoid",
        "sigmoid_cross_entropy",
        "log_sigmoid",
        "softplus",
        "clip",
    }
)


def static_misuses(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """What is likely wrong at some of the steps, each node once; `sources` are the slots that are learned.

    A softmax along the rows of W @ x is meant if W is what is learned.
    """
    entries = list(misuses_of_table(prescriber, steps))
    meant = {caveat.node for caveat, bound in entries if "w" in bound and bound["w"] not in sources}
    found = [caveat for caveat, _ in entries if caveat.node not in meant]
    nodes: set[str | None] = set()
    for caveat in (*found, *_unbounded(prescriber, steps, sources)):
        if caveat.node not in nodes:
            nodes.add(caveat.node)
            yield caveat


def _unbounded(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """A linear function of what is learned given to a loss of probabilities: it takes any value."""
    for step in steps:
        name = step.origin.op or ""
        if step.op.name != "clip" or name not in OF_PROBABILITIES or name == "kl_divergence":
            continue
        node = step.origin.node
        outer = [slot for one in steps if one.origin.node == node for slot in one.inputs]
        slot = next((slot for slot in outer if _is_linear(prescriber, slot, sources)), None)
        if slot is None:
            continue
        call, text = call_of(step), prescriber.expressions.text(slot)
        instead = f"or {OF_PROBABILITIES[name]}({text}) in place of {text}"
        if call is None:
            fix = say(f"Give '{node}' from_logits=True, {instead}")
        else:
            call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
            fix = write(ast.unparse(call), prescriber.expressions.node(step), instead)
        sentence = (
            "{op} at '{node}' takes {text} for probabilities, and it is a linear function, which has any "
            "values: those outside of 0 to 1 are clipped."
        )
        yield Caveat(CODE, node, sentence, {"op": name, "node": str(node), "text": text}, fix)


def _is_linear(prescriber: Prescriber, slot: int, sources: frozenset[int]) -> bool:
    """Whether what lies in a slot is a product with something learned, with or without a bias."""
    step = prescriber.expressions.maker(slot)
    while step is not None and step.op.name in ("reshape", "squeeze", "expand_dims", "getitem"):
        step = prescriber.expressions.maker(step.inputs[0])
    if step is None or step.op.name not in ("add", "subtract", "matmul"):
        return False
    if step.op.name == "matmul":
        return any(slot in sources for slot in step.inputs)
    makers = [prescriber.expressions.maker(slot) for slot in step.inputs]
    products = [one for one in makers if one is not None and one.op.name in ("matmul", "multiply")]
    return any(slot in sources for product in products for slot in product.inputs)
