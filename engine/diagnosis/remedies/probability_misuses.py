"""Logarithms that a cross-entropy takes of numbers that are no probabilities: the activation is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, write
from engine.ir.tape import Instruction
from engine.transforms.vjp import depending_on

_LOGS = frozenset({"log", "log2", "log10"})
#: Bounds and small numbers that keep a logarithm finite, and make no probability of what they bound.
_GUARDS = frozenset({"clip", "maximum", "minimum", "add"})
_SMALL = 1e-2
_SHAPING = frozenset({"reshape", "squeeze", "expand_dims", "getitem", "permute_dims"})
_ANY_VALUE = frozenset({"relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh"})
_PICKS = frozenset({"getitem", "gather", "take_along_axis"})


def missing_probabilities(
    prescriber: Prescriber, steps: Sequence[Instruction], sources: Iterable[int]
) -> Iterator[Caveat]:
    """A linear function, or an activation without bounds, whose logarithm a cross-entropy takes.

    `sources` are the slots that are learned.
    """
    if not any(step.op.name in _LOGS for step in steps):
        return
    graph = prescriber.expressions.graph
    learned: frozenset[int] | None = None
    warned: set[int] = set()
    for step in steps:
        if step.op.name not in _LOGS or step.origin.op != step.op.name:
            continue
        p = _unguarded(prescriber, step.inputs[0])
        if p in warned or _kind(prescriber, p) is None:
            continue
        if learned is None:
            learned = frozenset(depending_on(graph.tape, graph.steps, sources))
        fix = missing_activation(prescriber, p) if p in learned else None
        if fix is None:
            continue
        warned.add(p)
        words = {"op": step.op.name, "node": str(step.origin.node), "p": prescriber.expressions.text(p)}
        words["kind"] = str(_kind(prescriber, p))
        kind = "no_probability_in_logs" if _has_complement(prescriber, p) else "no_softmax_in_log"
        yield Caveat(LIKELY_MISTAKE, step.origin.node, kind, words, fix)


def missing_activation(prescriber: Prescriber, p: int) -> Fix | None:
    """The activation that makes probabilities of what lies in a slot whose logarithm is taken, if it is none.

    A sigmoid if log(1 - p) is taken too; a softmax if the logarithm is weighed by data or picked by an index,
    and nothing else reads p, as the mean of a Poisson distribution is.
    """
    p = _unguarded(prescriber, p)
    maker = prescriber.expressions.maker(p)
    if maker is None or _kind(prescriber, p) is None:
        return None
    whole = prescriber.expressions.node(maker)
    if whole.startswith("'"):  # a node of a graph, which has no text
        whole = prescriber.expressions.text(p)
    inner = prescriber.expressions.operand(maker, 0) if maker.op.name in _ANY_VALUE else whole
    if _has_complement(prescriber, p):
        return write(f"sigmoid({inner})", whole, "a sigmoid is between 0 and 1")
    type = prescriber.type(p)
    if len(type.shape) > 1 and type.shape[-1] > 1 and _is_of_classes(prescriber, p):
        axis = "" if len(type.shape) == 2 else ", axis=-1"
        return write(f"softmax({inner}{axis})", whole, "the rows of a softmax are positive, and add up to 1")
    return None


def _kind(prescriber: Prescriber, p: int) -> str | None:
    """What makes any numbers of a slot; None if it is something else."""
    step = prescriber.expressions.maker(p)
    while step is not None and step.op.name in _SHAPING:
        step = prescriber.expressions.maker(step.inputs[0])
    if step is None:
        return None
    if step.op.name in _ANY_VALUE:
        return f"the result of {step.op.name}"
    if step.op.name == "matmul":
        return "a linear function"
    if step.op.name in ("add", "subtract"):
        makers = [prescriber.expressions.maker(slot) for slot in step.inputs]
        if any(one is not None and one.op.name == "matmul" for one in makers):
            return "a linear function"
        products = [one for one in makers if one is not None and one.op.name == "multiply"]
        inputs = set(prescriber.expressions.graph.tape.inputs.values())
        if any(inputs.issuperset(product.inputs) for product in products):
            return "a linear function"
    return None


def _unguarded(prescriber: Prescriber, slot: int) -> int:
    """What a slot holds without bounds, and without a small number that is added."""
    constants = prescriber.expressions.graph.tape.constants
    for _ in range(3):
        step = prescriber.expressions.maker(slot)
        if step is None or step.op.name not in _GUARDS:
            return slot
        rest = [one for one in step.inputs if one not in constants]
        numbers = [float(np.abs(constants[one]).max(initial=0)) for one in step.inputs if one in constants]
        if len(rest) != 1 or (step.op.name == "add" and (not numbers or max(numbers) > _SMALL)):
            return slot
        slot = rest[0]
    return slot


def _has_complement(prescriber: Prescriber, p: int) -> bool:
    """Whether the logarithm of 1 - p is taken somewhere."""
    for later in _readers(prescriber, p):
        one_less = (
            later.op.name == "subtract"
            and _unguarded(prescriber, later.inputs[1]) == p
            and _is_one(prescriber, later)
        )
        name = "log1p" if later.op.name == "negative" else "log" if one_less else ""
        if name and any(step.op.name == name for step in _guarded_readers(prescriber, later.outputs[0])):
            return True
    return False


def _is_one(prescriber: Prescriber, step: Instruction) -> bool:
    """Whether a difference begins with 1, perhaps and a little more."""
    constant = prescriber.expressions.graph.tape.constants.get(step.inputs[0])
    return constant is not None and constant.size == 1 and abs(float(constant.real.item()) - 1) < _SMALL


def _readers(prescriber: Prescriber, slot: int) -> list[Instruction]:
    """The steps that read a slot, itself or bounded."""
    graph = prescriber.expressions.graph
    listed: list[Instruction] = []
    ahead = [slot]
    while ahead:
        for place in graph.readers.get(ahead.pop(), ()):
            step = graph.steps[place]
            if step.op.name in ("identity", "astype") or _unguarded(prescriber, step.outputs[0]) == slot:
                ahead.append(step.outputs[0])
            listed.append(step)
    return listed


def _guarded_readers(prescriber: Prescriber, slot: int) -> list[Instruction]:
    return [step for step in _readers(prescriber, slot) if step.op.name not in _GUARDS]


def _is_of_classes(prescriber: Prescriber, p: int) -> bool:
    """Whether only logarithms read p, and what they give is weighed by data or picked by an index."""
    graph = prescriber.expressions.graph
    readers = _guarded_readers(prescriber, p)
    if not readers or any(step.op.name not in _LOGS for step in readers):
        return False
    inputs = set(graph.tape.inputs.values()) | set(graph.tape.constants)
    for log in readers:
        out = log.outputs[0]
        for step in _guarded_readers(prescriber, out):
            weighed = step.op.name == "multiply" and all(
                slot == out or slot in inputs or _is_negated(prescriber, slot, inputs) for slot in step.inputs
            )
            if weighed or step.op.name in _PICKS:
                return True
    return False


def _is_negated(prescriber: Prescriber, slot: int, inputs: set[int]) -> bool:
    step = prescriber.expressions.maker(slot)
    return step is not None and step.op.name == "negative" and step.inputs[0] in inputs
