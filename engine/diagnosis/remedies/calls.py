"""The call that a step was written as, and the slots of its arguments."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from engine.diagnosis.texts.source_text import Expressions
from engine.errors import Source
from engine.ir.tape import Instruction


def call_of(step: Instruction) -> ast.Call | None:
    """The user's call behind a step; None for anything else, and for nodes of a graph, which have no text."""
    source = step.origin.source
    if not isinstance(source, Source):
        return None
    try:
        node = ast.parse(source.text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.Call) else None


def slot_of(
    expressions: Expressions, steps: Sequence[Instruction], node: str | None, written: str
) -> int | None:
    """The slot that a node reads and that is written so."""
    own = [step for step in steps if step.origin.node == node]
    outputs = {slot for step in own for slot in step.outputs}
    for step in own:
        for slot in step.inputs:
            if slot in outputs:
                continue
            text = expressions.text(slot)
            try:
                same = ast.unparse(ast.parse(text, mode="eval").body) == written
            except SyntaxError:
                same = False
            if same:
                return slot
    return None
