"""The table of likely mistakes behind a gradient that is there: patterns that are valid and seldom meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.diagnosis.remedies.table import Remedy, Scene
from engine.errors import Source
from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound

if TYPE_CHECKING:
    from engine.diagnosis.remedies.prescription import Prescriber

CODE = "likely_mistake"
CERTAIN = 1e-7  # the least probability that the losses tell from 0


@dataclass(frozen=True, slots=True)
class Misuse:
    """What is likely wrong at a node, and what to write instead."""

    node: str | None
    message: str
    cure: str


def _over_samples(scene: Scene, step: Instruction, bound: Bound) -> bool:
    """Whether it runs along the first axis of a matrix of more than one row."""
    shape = scene.type(bound["x"]).shape
    axes = (bound["A"],) if isinstance(bound["A"], int) else tuple(bound["A"])
    return len(shape) == 2 and axes == (0,) and min(shape) > 1


_TWICE = (
    *(
        f"{outer}({inner}, axis=B)"
        for outer in ("softmax", "log_softmax", "logsumexp")
        for inner in ("softmax(x, axis=A)", "sigmoid(x)")
    ),
    "logsumexp(softmax(x, axis=A), axis=B, keepdims=K)",
    "softmax(log_softmax(x, axis=A), axis=B)",
)
_TWICE_SIGMOID = (
    "sigmoid(sigmoid(x))",
    "sigmoid(softmax(x, axis=A))",
    "sigmoid_cross_entropy(y, sigmoid(x))",
    "sigmoid_cross_entropy(y, softmax(x, axis=A))",
    "log_sigmoid(sigmoid(x))",
    "softplus(sigmoid(x))",
)
_NONE: frozenset[str] = frozenset()

#: `says` is the message; the cure is "Write {x} for" the inner node, or `plain`.
TABLE: Sequence[Remedy] = (
    Remedy(
        _TWICE,
        _NONE,
        says="it takes a softmax of {inner}, which are probabilities already: its outputs differ little, "
        "and it learns slowly",
    ),
    Remedy(
        _TWICE_SIGMOID,
        _NONE,
        says="it takes a sigmoid of {inner}, which is a probability already: it stays between 0.5 and 0.73",
    ),
    Remedy(
        ("sigmoid(relu(x))", "sigmoid_cross_entropy(y, relu(x))"),
        _NONE,
        says="it takes a sigmoid of {inner}, which is never negative: it stays above 0.5",
    ),
    *(
        Remedy(
            (f"{op}(matmul(x, w), axis=A)", f"{op}(matmul(x, w) + b, axis=A)"),
            _NONE,
            says="it runs along axis 0, the rows of {x}; classes are along the last axis",
            plain="Write {call} for {node}.",
            when=_over_samples,
        )
        for op in ("softmax", "log_softmax")
    ),
)

#: Losses whose y_pred is a probability, with the least and the greatest one.
_OF_PROBABILITIES: Mapping[str, str] = {
    "binary_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "kl_divergence": "softmax",
}
#: By reduction how it chooses, and the op on two operands.
_CHOOSES = {"max": ("largest", "larger", "maximum"), "min": ("smallest", "smaller", "minimum")}


def misuses(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Misuse]:
    """What is likely wrong at some of the steps, each node once."""
    told: set[str | None] = set()
    for misuse in (
        *_of_table(prescriber, steps),
        *_of_losses(prescriber, steps),
        *_of_texts(prescriber, steps),
    ):
        if misuse.node not in told:
            told.add(misuse.node)
            yield misuse


def _of_table(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Misuse]:
    expressions = prescriber.expressions
    for found in prescriber.found(TABLE, steps):
        remedy, step = found.remedy, found.step
        assert isinstance(remedy, Remedy)
        inner = next((one for one in found.covers[1:]), step)
        x = found.bound["x"]
        if expressions.node(inner) == expressions.node(step) and not remedy.plain:
            continue  # both belong to one node, as within a loss
        whole = expressions.node(inner)
        texts = {"inner": whole, "x": expressions.text(x), "node": expressions.node(step)}
        texts["call"] = f"{step.op.name}({expressions.operand(step, 0)})"
        message = remedy.says.format(**texts)
        cure = remedy.plain.format(**texts) or f"Write {texts['x']} for {whole}: the logits are wanted there."
        yield Misuse(step.origin.node, f"{step.origin.op} at '{step.origin.node}': {message}.", cure)


def _of_losses(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Misuse]:
    """Logits given to a loss of probabilities."""
    seen: set[str | None] = set()
    for step in steps:
        name, node = step.origin.op or "", step.origin.node
        if name not in _OF_PROBABILITIES or node in seen or not isinstance(step.origin.source, Source):
            continue
        seen.add(node)
        call = _call(step)
        if call is None or len(call.args) < 2:
            continue
        if any(word.arg == "from_logits" for word in call.keywords):
            continue
        written = ast.unparse(call.args[1])
        slot = _slot_of(prescriber, steps, node, written)
        if slot is None:
            continue
        value = np.asarray(prescriber.value(slot))
        made = prescriber.expressions.maker(slot)
        if made is not None and made.op.name == _OF_PROBABILITIES[name] and name != "kl_divergence":
            if not (value == value.min()).all() and (value < CERTAIN).any():
                call.args[1] = ast.parse(prescriber.written(made, 0), mode="eval").body
                call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
                whole = prescriber.expressions.node(step)
                yield Misuse(
                    node,
                    f"{name} at '{node}' takes probabilities down to {value.min():.3g}, which count as 1e-7, "
                    "where the slope is 0; from logits it is exact.",
                    f"Write {ast.unparse(call)} for {whole}: it is exact in the tails.",
                )
            continue
        outside = (value < 0) | (value > 1)
        if not outside.any():
            continue
        if name == "kl_divergence":
            cure = f"Write {_OF_PROBABILITIES[name]}({written}) for {written} in it."
        else:
            call.keywords.append(ast.keyword("from_logits", ast.Constant(True)))
            whole = prescriber.expressions.node(step)
            cure = f"Write {ast.unparse(call)} for {whole}: it takes logits as they are."
        yield Misuse(
            node,
            f"{name} at '{node}' takes {written} for probabilities, and {int(outside.sum())} of "
            f"{outside.size} lie outside of 0 to 1, such as {value[outside].flat[0]:.6g}: they are clipped.",
            cure,
        )


def _of_texts(prescriber: Prescriber, steps: Sequence[Instruction]) -> Iterator[Misuse]:
    """max(x, 0), whose 0 is an axis."""
    for step in steps:
        if step.op.name not in _CHOOSES or step.origin.op != step.op.name:
            continue
        call = _call(step)
        if call is None or isinstance(call.func, ast.Attribute) or len(call.args) < 2:
            continue
        if not isinstance(call.args[1], ast.Constant) or call.args[1].value != 0:
            continue
        x = ast.unparse(call.args[0])
        most, more, op = _CHOOSES[step.op.name]
        node = step.origin.node
        yield Misuse(
            node,
            f"{step.op.name} at '{node}' is the {most} element along axis 0: the 0 is an axis, and no "
            "number to compare with.",
            f"Write {op}({x}, 0) for {prescriber.expressions.node(step)}: it is the {more} one of both.",
        )


def _call(step: Instruction) -> ast.Call | None:
    source = step.origin.source
    if not isinstance(source, Source):
        return None
    try:
        node = ast.parse(source.text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.Call) else None


def _slot_of(
    prescriber: Prescriber, steps: Sequence[Instruction], node: str | None, written: str
) -> int | None:
    """The slot that a node reads and that is written so."""
    own = [step for step in steps if step.origin.node == node]
    made = {slot for step in own for slot in step.outputs}
    for step in own:
        for slot in step.inputs:
            if slot in made:
                continue
            text = prescriber.expressions.text(slot)
            try:
                same = ast.unparse(ast.parse(text, mode="eval").body) == written
            except SyntaxError:
                same = False
            if same:
                return slot
    return None
