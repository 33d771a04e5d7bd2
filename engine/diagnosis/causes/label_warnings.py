"""Class indices that are multiplied with probabilities, or subtracted from them, as if they were one-hot."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import write
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction
from engine.transforms.vjp import depending_on

Told = Callable[..., Caveat | None]
_LABELS = re.compile(r"^(?:y|t)(?:$|_)|label|class|target|true|digit|categor|idx|index", re.IGNORECASE)
_LARGEST = 1 << 16  # labels beyond which they are not looked at


def class_indices(
    expressions: Expressions, steps: Sequence[Instruction], sources: Collection[int]
) -> Iterator[tuple[tuple[int, ...], Told]]:
    """The labels that meet the classes of a softmax element by element; `sources` are what is learned."""
    types, learned = expressions.graph.tape.types, None
    for step in steps:
        if step.op.name not in ("multiply", "subtract", "squared_difference"):
            continue
        for place in (0, 1):
            probabilities, labels = step.inputs[place], step.inputs[1 - place]
            if not _is_of_softmax(expressions, probabilities):
                continue
            rows, classes = types[probabilities].shape
            flat, column = (classes,), (rows, 1)
            if types[labels].shape not in (flat, column) or not classes > 2 or types[labels].size > _LARGEST:
                continue
            if learned is None:
                learned = depending_on(expressions.graph.tape, expressions.graph.steps, sources)
            if labels not in learned:
                yield (labels,), _told(expressions, step, place, classes)


def _is_of_softmax(expressions: Expressions, slot: int) -> bool:
    """Whether a slot is a softmax of rows along their last axis, or its logarithm."""
    step = expressions.maker(slot)
    if step is not None and step.op.name in ("log", "clip", "maximum"):
        step = expressions.maker(step.inputs[0])
    if step is not None and step.op.name in ("clip", "maximum", "add"):
        step = expressions.maker(step.inputs[0])
    if step is None or step.op.name not in ("softmax", "log_softmax"):
        return False
    return len(expressions.graph.tape.types[slot].shape) == 2 and step.attributes.get("axis") in (
        1,
        (1,),
        -1,
        (-1,),
    )


def _only_reader(expressions: Expressions, step: Instruction) -> Instruction | None:
    """The mean over all rows and classes that alone reads a product."""
    graph = expressions.graph
    read = [graph.steps[place] for place in graph.readers.get(step.outputs[0], ())]
    if step.op.name != "multiply" or len(read) != 1 or read[0].op.name != "mean":
        return None
    return read[0] if graph.tape.types[read[0].outputs[0]].size == 1 else None


def _told(expressions: Expressions, step: Instruction, place: int, classes: int) -> Told:
    slot = step.inputs[1 - place]
    cast = expressions.graph.makers.get(slot)
    while cast is not None and cast.op.name == "astype" and cast.origin.op != "astype":
        slot, cast = cast.inputs[0], expressions.graph.makers.get(cast.inputs[0])

    def tell(labels: Array) -> Caveat | None:
        if labels.ndim != expressions.graph.tape.types[slot].ndim or not labels.size:
            return None  # rows of a batch
        name = expressions.text(slot)
        whole = bool((labels == np.round(labels)).all() and labels.min() >= 0 and labels.max() < classes)
        if not whole or labels.max() < 2 or not (labels.min() == 0 or _LABELS.search(name)):
            return None
        flat = name if labels.ndim == 1 else f"{name}[:, 0]"
        type = expressions.graph.tape.types[slot]
        indices = f"astype({flat}, int64)" if dtypes.is_inexact(type.dtype) else flat
        new = f"one_hot({indices}, {classes})"
        operands = [expressions.operand(step, 0), expressions.operand(step, 1)]
        old = expressions.node(step)
        sign = {"multiply": "*", "subtract": "-"}.get(step.op.name)
        operands[1 - place] = new
        by = f" {sign} ".join(operands) if sign else f"squared_difference({', '.join(operands)})"
        why = "each row has a 1 at its class then, and is summed over its classes; "
        why += "sparse_categorical_crossentropy takes the indices themselves"
        reader = _only_reader(expressions, step)
        if reader is not None and old in expressions.node(reader):
            inner = expressions.operand(reader, 0).replace(old, by)
            old, by = expressions.node(reader), f"mean(sum({inner}, axis=1))"
        words = {"op": step.op.name, "node": str(step.origin.node), "labels": name}
        words |= {"along": "the columns" if labels.ndim == 1 else "every column"}
        fix = write(by, old, why)
        return Caveat(LIKELY_MISTAKE, step.origin.node, "class_indices", words, fix)

    return tell
