"""The user's own words for what lies in a slot, for cures that can be pasted."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.diagnosis.evidence.structure import Graphing
from engine.errors import Origin, Source
from engine.ir.table import TABLE
from engine.ir.tape import Instruction
from engine.passes.stabilize import Match, offers
from engine.passes.stable import Matcher

_LONGEST = 60  # characters of a graph's nodes written into each other
_DEEPEST = 3  # nodes of a graph written into each other
_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "pow": "**",
    "matmul": "@",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}


@dataclass(frozen=True)
class Expressions:
    """What makes and reads each slot of a recording, and how the user writes it."""

    graph: Graphing
    names: Mapping[int, str]

    @cached_property
    def matcher(self) -> Matcher:
        """All steps, to be searched for patterns."""
        matcher = Matcher(self.graph.tape)
        for step in self.graph.steps:
            matcher.learn(step)
        return matcher

    def node(self, step: Instruction) -> str:
        """The user's node that a step belongs to, as it was written; a node of a graph by its name."""
        source = step.origin.source
        return on_one_line(source.text) if isinstance(source, Source) else f"'{step.origin.node}'"

    @cached_property
    def offers(self) -> Sequence[Match]:
        """The rewrites to stable forms that apply."""
        return tuple(offers(self.graph.tape, self.graph.steps))

    def text(self, slot: int) -> str:
        """A name the user gave, or the expression behind a node that has none; a constant as its number."""
        return self._text(slot, 0)

    def is_assigned(self, slot: int) -> bool:
        """Whether the user gave a slot a name by which other nodes read it."""
        return not is_unnamed(self.names.get(slot))

    def operand(self, step: Instruction, position: int) -> str:
        """What a step reads, as it is written there: inside a function in the function's own names."""
        own = step.origin.op == step.op.name
        return (own and _write(step.origin, position)) or self.text(step.inputs[position])

    def argument(self, step: Instruction) -> str:
        """The first argument of the user's node, which may have been expanded into steps such as this."""
        return _write(step.origin, 0) or self.text(step.inputs[0])

    def _text(self, slot: int, depth: int) -> str:
        constant = self.graph.tape.constants.get(slot)
        if constant is not None and constant.ndim == 0:
            return _number(constant)
        name, step = self.names.get(slot), self.maker(slot)
        if step is None or not is_unnamed(name):
            return name or "x"
        whole = step.origin.op == step.op.name or name == step.origin.node
        if isinstance(step.origin.source, Source):
            return on_one_line(step.origin.source.text) if whole else name or "x"
        rendered = self._rendered(step, depth) if step.origin.op == step.op.name else None
        return name or "x" if rendered is None or len(rendered) > _LONGEST else rendered

    def _rendered(self, step: Instruction, depth: int) -> str | None:
        """A simple node of a graph, which has no text, as it would be written."""
        plain = step.op.family.name == "elementwise" and not step.attributes
        if not (plain or step.op.name == "matmul") or depth == _DEEPEST:
            return None
        operands = [self._text(slot, depth + 1) for slot in step.inputs]
        if step.op.name not in _SIGNS:
            return f"{step.op.name}({', '.join(operands)})"
        return f" {_SIGNS[step.op.name]} ".join(map(bracket, operands))

    def maker(self, slot: int) -> Instruction | None:
        """The step that makes a slot; casts and copies are looked through."""
        step = self.graph.makers.get(slot)
        while step is not None and step.op.name in ("identity", "astype"):
            before = self.graph.makers.get(step.inputs[0])
            if before is None:
                return step
            step = before
        return step

    def selector(self, step: Instruction) -> tuple[Instruction, int] | None:
        """The first `where` behind a step, and at which of its values the step comes in."""
        behind = set(step.outputs)
        for later in self.graph.downstream(step.outputs[0]):
            if later.op.name == "where":
                for position in (1, 2):
                    if later.inputs[position] in behind and later.inputs[0] not in behind:
                        return later, position
            if later.op.family.name != "elementwise":
                return None
            behind.update(later.outputs)
        return None


def names_in(origin: Origin) -> frozenset[str]:
    """The names that a node's text reads; none of a graph's node."""
    if not isinstance(origin.source, Source):
        return frozenset()
    try:
        tree = ast.parse(origin.source.text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def on_one_line(text: str) -> str:
    """What was written over several lines as one."""
    if "\n" not in text:
        return text
    try:
        return ast.unparse(ast.parse(text.strip(), mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return " ".join(text.split())


def bracket(text: str) -> str:
    """An expression as a factor or an exponent: in brackets unless it is a name, a number or a call."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    return text if isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute) else f"({text})"


def _number(constant: Any) -> str:
    """A scalar constant; a complex one without an imaginary part as its real part."""
    value = constant.item()
    return f"{value.real if isinstance(value, complex) and value.imag == 0 else value:g}"


def is_unnamed(name: str | None) -> bool:
    """Whether a slot has no name but one that an op was given by itself."""
    if name is None:
        return True
    last = name.split("/")[-1]
    op, _, number = last.rpartition("_")
    return last == "result" or (number.isdigit() and op in TABLE)


def _write(origin: Origin, position: int) -> str | None:
    """The operand at `position` in the text of a node that is a call or a sign; None where it is neither."""
    if not isinstance(origin.source, Source):
        return None
    written = on_one_line(origin.source.text)
    try:
        node = ast.parse(written, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call):
        parts = [*([node.func.value] if isinstance(node.func, ast.Attribute) else []), *node.args]
    if position >= len(parts) or isinstance(parts[position], ast.Starred):
        return None
    return ast.get_source_segment(written, parts[position])
