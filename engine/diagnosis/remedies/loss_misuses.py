"""Losses that are given something else than labels and probabilities, in this order.

`misuses_by_value` knows what every slot holds, and `misuses_by_recording` the recording alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from engine.diagnosis.remedies.calls import call_of, slot_of
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, say, write
from engine.errors import Source
from engine.ir.tape import Instruction
from engine.transforms.vjp import depending_on

CERTAIN = 1e-7  # the least probability that the losses tell from 0

#: Losses that are another function with their arguments the other way round; if y_pred is a probability, with
#: what makes one of a logit.
LOSSES: Mapping[str, str | None] = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
    "sigmoid_cross_entropy": None,
    "poisson": None,
    "mean_absolute_percentage_error": None,
}
_RATES = "poisson"
#: Activations whose values may be negative.
_NEGATIVE = frozenset(
    {"leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "log", "log_softmax", "log_sigmoid", "negative"}
)
#: Activations whose values lie outside of 0 to 1 too.
_ANY_VALUE = frozenset(
    {
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "tanh",
        "log_softmax",
        "log_sigmoid",
        "log",
        "softplus",
    }
)


# -- by the values -----------------------------------------------------------------------------------


def misuses_by_value(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Caveat]:
    """What is likely wrong with the arguments of each loss, by the values that they have."""
    nodes: set[str | None] = set()
    for step in steps:
        name, node = step.origin.op or "", step.origin.node
        if name not in LOSSES or node in nodes or not isinstance(step.origin.source, Source):
            continue
        nodes.add(node)
        call = call_of(step)
        if call is None or len(call.args) < 2 or isinstance(call.func, ast.Attribute):
            continue
        swap = _swap_by_value(prescriber, steps, step, call)
        if swap is not None:
            yield swap
        elif LOSSES[name] and not any(word.arg == "from_logits" for word in call.keywords):
            yield from _of_range(prescriber, steps, step, call)


def _swap_by_value(
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
    fix = write(_swapped(call), prescriber.expressions.node(step), "labels come first, then predictions")
    name = prescriber.expressions.text(source)
    words = {"op": str(step.origin.op), "node": str(step.origin.node), "first": first, "second": second}
    return Caveat(LIKELY_MISTAKE, step.origin.node, "labels_second", {**words, "name": name}, fix)


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
    maker = prescriber.expressions.maker(slot)
    if maker is not None and maker.op.name == LOSSES[name] and name != "kl_divergence":
        if not (value == value.min()).all() and (value < CERTAIN).any():
            call.args[1] = ast.parse(prescriber.operand_text(maker, 0), mode="eval").body
            fix = _from_logits(call, whole, "it is exact in the tails")
            least = {"least": f"{value.min():.3g}"}
            yield Caveat(LIKELY_MISTAKE, node, "faint_probability", {**words, **least}, fix)
        return
    outside = (value < 0) | (value > 1)
    if not outside.any():
        return
    if name == "kl_divergence":
        fix = write(f"{LOSSES[name]}({written})", written, "its outputs are probabilities")
    else:
        fix = _from_logits(call, whole, "it takes logits as they are")
    count = {
        "count": str(int(outside.sum())),
        "size": str(outside.size),
        "example": f"{value[outside].flat[0]:.6g}",
    }
    yield Caveat(LIKELY_MISTAKE, node, "no_probability", {**words, **count}, fix)


# -- by the recording -------------------------------------------------------------------------------


def misuses_by_recording(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: frozenset[int]
) -> Iterator[Caveat]:
    """What is likely wrong with the arguments of losses of probabilities, whatever their values.

    `sources` are the slots that are learned.
    """
    graph, expressions = prescriber.expressions.graph, prescriber.expressions
    named = {
        step.origin.node: step
        for step in steps
        if LOSSES.get(step.origin.op or "") or step.origin.op == _RATES
    }
    for node, step in named.items():
        own = [one for one in graph.steps if one.origin.node == node]
        outputs = {slot for one in own for slot in one.outputs}
        predicted = [slot for slot in _behind_clips(own) if slot not in outputs]
        if not predicted:
            continue
        learned = depending_on(graph.tape, graph.steps, sources)
        if step.origin.op in (_RATES, "kl_divergence"):  # of which the labels may be clipped too
            wrong = [
                slot for slot in predicted if slot in learned and _may_be_negative(prescriber, slot, sources)
            ]
            yield from (_not_positive(prescriber, step, slot) for slot in wrong[:1])
            continue
        if learned.isdisjoint(predicted):
            yield _swap_by_recording(prescriber, step)
            continue
        for slot in predicted:
            maker = expressions.maker(slot)
            if maker is not None and (maker.op.name in _ANY_VALUE or _is_linear(prescriber, slot, sources)):
                yield _unbounded(prescriber, step, slot)
                break


def _may_be_negative(prescriber: Prescriber, slot: int, sources: frozenset[int]) -> bool:
    """Whether what lies in a slot is a linear function of what is learned, or takes negative values."""
    maker = prescriber.expressions.maker(slot)
    return maker is not None and (maker.op.name in _NEGATIVE or _is_linear(prescriber, slot, sources))


def _not_positive(prescriber: Prescriber, step: Instruction, slot: int) -> Caveat:
    name, node, text = str(step.origin.op), step.origin.node, prescriber.expressions.text(slot)
    function = "exp" if name == _RATES else str(LOSSES[name])
    call = call_of(step)
    if call is not None and len(call.args) > 1:
        call.args[1] = ast.parse(f"{function}({ast.unparse(call.args[1])})", mode="eval").body
        why = f"what {function} returns is positive"
        fix = write(ast.unparse(call), prescriber.expressions.node(step), why)
    else:
        fix = say(f"Write {function}({text}) in place of {text}")
    what = "rates" if name == _RATES else "probabilities"
    words = {"op": name, "node": str(node), "text": text, "what": what}
    return Caveat(LIKELY_MISTAKE, node, "negative_prediction", words, fix)


def _behind_clips(own: Sequence[Instruction]) -> set[int]:
    """The slots that the steps of one loss clip, or compute from to clip them."""
    behind: set[int] = set()
    for one in reversed(own):
        if one.op.name == "clip" or not behind.isdisjoint(one.outputs):
            behind.update(one.inputs)
    return behind


def _swap_by_recording(prescriber: Prescriber, step: Instruction) -> Caveat:
    name, node, call = str(step.origin.op), step.origin.node, call_of(step)
    new = _swapped(call) if call is not None and len(call.args) > 1 else f"{name}(y_true, y_pred)"
    fix = write(new, prescriber.expressions.node(step), "labels come first")
    return Caveat(LIKELY_MISTAKE, node, "constant_prediction", {"op": name, "node": str(node)}, fix)


def _unbounded(prescriber: Prescriber, step: Instruction, slot: int) -> Caveat:
    name, node = str(step.origin.op), step.origin.node
    call, text = call_of(step), prescriber.expressions.text(slot)
    maker = prescriber.expressions.maker(slot)
    is_activation = maker is not None and maker.op.name in _ANY_VALUE
    kind = f"the result of {maker.op.name}" if maker and is_activation else "a linear function"
    instead = f"or {LOSSES[name]}({text}) in place of {text}"
    if call is None:
        fix = say(f"Give '{node}' from_logits=True, {instead}")
    else:
        fix = _from_logits(call, prescriber.expressions.node(step), instead)
    words = {"op": name, "node": str(node), "text": text, "kind": kind}
    return Caveat(LIKELY_MISTAKE, node, "unbounded_prediction", words, fix)


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


# -- calls written anew ------------------------------------------------------------------------------


def _swapped(call: ast.Call) -> str:
    """The same call with its first two arguments the other way round."""
    return ast.unparse(ast.Call(call.func, [call.args[1], call.args[0], *call.args[2:]], call.keywords))


def _from_logits(call: ast.Call, whole: str, why: str) -> Fix:
    """The same call, told that it takes logits."""
    call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
    return write(ast.unparse(call), whole, why)
