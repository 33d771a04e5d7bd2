"""Logarithms of probabilities that are picked by an index: the logarithm first, and then the index."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.diagnosis.remedies.forms import parse_expression
from engine.diagnosis.texts.fix import Fix, write
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

_ARRANGING = frozenset(
    [
        "getitem",
        "gather",
        "take",
        "take_along_axis",
        "pick_class",
        "reshape",
        "squeeze",
        "expand_dims",
        "diagonal",
    ]
)


def indexed_softmax(step: Instruction, expressions: Expressions) -> Fix | None:
    """What to write for log(exp(x)[i] / sum(exp(x))), of which `step` is a part: log_softmax(x)[i]."""
    for log in (step, *expressions.graph.downstream(step.outputs[0])):
        if log.op.name == "log":
            fix = _of_log(log, expressions)
            if fix is not None:
                return fix
    return None


def _of_log(log: Instruction, expressions: Expressions) -> Fix | None:
    arranged: list[Instruction] = []
    quotient = _through(log.inputs[0], expressions, arranged)
    if quotient is None or quotient.op.name != "divide":
        return None
    above = _through(quotient.inputs[0], expressions, arranged)
    below = _through(quotient.inputs[1], expressions, [])
    if above is None or below is None or (above.op.name, below.op.name) != ("exp", "sum") or not arranged:
        return None
    summed = expressions.maker(below.inputs[0])
    x, axes = above.inputs[0], below.attributes["axis"]
    if summed is None or summed.op.name != "exp" or len(axes) != 1:
        return None
    if not expressions.matcher.is_same(summed.inputs[0], x):
        return None
    last = axes[0] == expressions.graph.tape.types[x].ndim - 1
    inner = f"log_softmax({expressions.text(x)}{'' if last else f', axis={axes[0]}'})"
    written = rearrange(arranged, inner, expressions)
    if written is None:
        return None
    fix = write(written, expressions.node(log), "it can neither overflow nor underflow")
    return fix.with_note("on_request")


def _through(slot: int, expressions: Expressions, arranged: list[Instruction]) -> Instruction | None:
    """What makes a slot, behind indexing and reshaping, which are noted."""
    maker = expressions.maker(slot)
    while maker is not None and maker.op.name in _ARRANGING:
        arranged.append(maker)
        maker = expressions.maker(maker.inputs[0])
    return maker


def rearrange(steps: Sequence[Instruction], inner: str, expressions: Expressions) -> str | None:
    """The indexing that `steps` do, the outermost first, of another expression; None where it has no text."""
    written = inner
    for step in reversed(steps):
        if step.origin.op != step.op.name and step.origin.op not in _ARRANGING:
            return None
        try:
            node = ast.parse(expressions.node(step), mode="eval").body
        except SyntaxError:
            return None
        new = parse_expression(written)
        if isinstance(node, ast.Subscript):
            node.value = new
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node.func.value = new
        elif isinstance(node, ast.Call) and node.args:
            node.args[0] = new
        else:
            return None
        written = ast.unparse(node)
    return written
