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
from engine.transforms.vjp import depending_on

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
#: What the table finds inside of those.
_NESTED = frozenset({"softmax", "log_softmax", "sigmoid", "relu"})
#: Activations whose values lie outside of 0 to 1 too.
_ANY_VALUE = frozenset({"relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh"})


def static_misuses(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """What is likely wrong at some of the steps, each node once; `sources` are the slots that are learned.

    A softmax along the rows of W @ x is meant if W is what is learned.
    """
    matching = any(_may_match(prescriber, step) for step in steps)
    entries = list(misuses_of_table(prescriber, steps)) if matching else []
    meant = {caveat.node for caveat, bound in entries if "w" in bound and bound["w"] not in sources}
    found = [caveat for caveat, _ in entries if caveat.node not in meant]
    nodes: set[str | None] = set()
    for caveat in (*found, *_misuses_of_losses(prescriber, steps, sources)):
        if caveat.node not in nodes:
            nodes.add(caveat.node)
            yield caveat


def _may_match(prescriber: Prescriber, step: Instruction) -> bool:
    """Whether an entry of the table may match at a step: a look that costs far less than the table."""
    if step.op.name not in MISUSED_OPS:
        return False
    if step.attributes.get("axis") in (0, (0,)) and len(prescriber.type(step.inputs[0]).shape) > 1:
        return True
    makers = (prescriber.expressions.maker(slot) for slot in step.inputs)
    return any(maker is not None and maker.op.name in _NESTED for maker in makers)


def _misuses_of_losses(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """What losses of probabilities are given in place of probabilities, and labels in that place."""
    graph, expressions = prescriber.expressions.graph, prescriber.expressions
    named = {step.origin.node: step for step in steps if step.origin.op in OF_PROBABILITIES}
    for node, step in named.items():
        own = [one for one in graph.steps if one.origin.node == node]
        made = {slot for one in own for slot in one.outputs}
        predicted = [slot for slot in _behind_clips(own) if slot not in made]
        if step.origin.op == "kl_divergence" or not predicted:
            continue
        if depending_on(graph.tape, graph.steps, sources).isdisjoint(predicted):
            yield _swapped(prescriber, step)
            continue
        for slot in predicted:
            maker = expressions.maker(slot)
            if maker is not None and (maker.op.name in _ANY_VALUE or _is_linear(prescriber, slot, sources)):
                yield _unbounded(prescriber, step, slot)
                break


def _behind_clips(own: Sequence[Instruction]) -> set[int]:
    """The slots that the steps of one loss clip, or compute from to clip them."""
    behind: set[int] = set()
    for one in reversed(own):
        if one.op.name == "clip" or not behind.isdisjoint(one.outputs):
            behind.update(one.inputs)
    return behind


def _swapped(prescriber: Prescriber, step: Instruction) -> Caveat:
    name, node, call = str(step.origin.op), step.origin.node, call_of(step)
    new = f"{name}(y_true, y_pred)"
    if call is not None and len(call.args) > 1:
        call.args[:2] = call.args[1], call.args[0]
        new = ast.unparse(call)
    sentence = (
        "{op} at '{node}' has a constant as its prediction, and labels that depend on what is learned: "
        "its arguments are the wrong way round."
    )
    fix = write(new, prescriber.expressions.node(step), "labels come first")
    return Caveat(CODE, node, sentence, {"op": name, "node": str(node)}, fix)


def _unbounded(prescriber: Prescriber, step: Instruction, slot: int) -> Caveat:
    name, node = str(step.origin.op), step.origin.node
    call, text = call_of(step), prescriber.expressions.text(slot)
    maker = prescriber.expressions.maker(slot)
    is_activation = maker is not None and maker.op.name in _ANY_VALUE
    kind = f"the result of {maker.op.name}" if maker and is_activation else "a linear function"
    instead = f"or {OF_PROBABILITIES[name]}({text}) in place of {text}"
    if call is None:
        fix = say(f"Give '{node}' from_logits=True, {instead}")
    else:
        call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
        fix = write(ast.unparse(call), prescriber.expressions.node(step), instead)
    sentence = (
        "{op} at '{node}' takes {text} for probabilities, and it is {kind}, which has any values: "
        "those outside of 0 to 1 are clipped."
    )
    return Caveat(CODE, node, sentence, {"op": name, "node": str(node), "text": text, "kind": kind}, fix)


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
