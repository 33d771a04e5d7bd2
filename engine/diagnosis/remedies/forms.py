"""Expressions of letters, such as `log(maximum(x, 1e-12))`: in the user's words, and recorded to be tried.

A letter is bound to a slot of the tape, or to a word: the text of a literal, such as an axis or a size.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.frontend.record import record
from engine.ir.tape import Tape, Variable

if TYPE_CHECKING:
    from engine.diagnosis.texts.source_text import Expressions

_EXPONENT = re.compile(r"(?<=[0-9])e-0([0-9])\b")  # 1e-06 as it is usually written


@dataclass(frozen=True)
class Form:
    """A text of letters with what they stand for: `slots` on the tape, `words` of literals.

    `names` are texts that the user wrote for slots, where they say more than the slot's own name.
    """

    text: str
    slots: Mapping[str, int] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def render(self, expressions: Expressions) -> str:
        """The text in the user's words."""
        texts = {
            letter: self.names.get(letter) or expressions.text(slot) for letter, slot in self.slots.items()
        }
        return fill(self.text, {**texts, **self.words})

    def record(self, tape: Tape, slots: Mapping[str, int]) -> Variable:
        """Record the text on a tape, its letters bound to `slots` there. Raises EngineError."""
        used = sorted(letter for letter in slots if letter in _names(self.text))
        variables = [tape.variable(slots[letter]) for letter in used]
        graph = _graph(fill(self.text, self.words), tuple(used))
        result = record(
            graph, {letter: v.type for letter, v in zip(used, variables, strict=True)}, graph.outputs
        )
        result.tape.outputs = [result.slot(graph.outputs[0])]
        return tape.inline(result.tape, variables)[0]


@cache
def _names(text: str) -> frozenset[str]:
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


@cache
def _graph(text: str, letters: tuple[str, ...]) -> Graph:
    return parse_program(text, declared={letter: {} for letter in letters})


def fill(text: str, words: Mapping[str, str]) -> str:
    """A text with its letters replaced by expressions, bracketed where that is needed.

    >>> fill("sigmoid(k * x)", {"x": "a - b", "k": "10"})
    'sigmoid(10 * (a - b))'
    >>> fill("sum(x, axis=A)", {"x": "a", "A": "-1"})
    'sum(a, axis=-1)'
    """
    return _EXPONENT.sub(r"e-\1", ast.unparse(_Filler(words).visit(ast.parse(text, mode="eval"))))


class _Filler(ast.NodeTransformer):
    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = words

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """A call: its arguments, never its name; an attribute that is bound to no word is left out."""
        node.args = [self.visit(argument) for argument in node.args]
        keywords = [word for word in node.keywords if self._is_given(word.value)]
        node.keywords = [ast.keyword(word.arg, self.visit(word.value)) for word in keywords]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """A sum without 0 and without a sign behind a sign, and a product without 1."""
        left: ast.expr = self.visit(node.left)
        right: ast.expr = self.visit(node.right)
        if isinstance(node.op, ast.Add | ast.Sub) and _is(right, 0):
            return left
        if isinstance(node.op, ast.Add) and _is(left, 0):
            return right
        if isinstance(node.op, ast.Sub) and _is(left, 0):
            return negate(right)
        positive = without_sign(right) if isinstance(node.op, ast.Add | ast.Sub) else None
        if positive is not None:
            return ast.BinOp(left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), positive)
        if isinstance(node.op, ast.Mult) and _is(left, 1):
            return right
        if isinstance(node.op, ast.Pow | ast.Div) and _is(right, 1):
            return left
        return ast.BinOp(left, node.op, right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """A sign, unless there is one already."""
        operand: ast.expr = self.visit(node.operand)
        return negate(operand) if isinstance(node.op, ast.USub) else ast.UnaryOp(node.op, operand)

    def _is_given(self, value: ast.expr) -> bool:
        return not isinstance(value, ast.Name) or self.words.get(value.id) != ""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A letter, or a name of the language."""
        word = self.words.get(node.id)
        return node if word is None else parse_expression(word)


def _is(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == number


def without_sign(node: ast.expr) -> ast.expr | None:
    """What stands behind the sign of an expression; None for one without a sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        first = without_sign(node.left)
        return None if first is None else ast.BinOp(first, node.op, node.right)
    return None


def negate(node: ast.expr) -> ast.expr:
    """An expression with its sign changed."""
    positive = without_sign(node)
    return ast.UnaryOp(ast.USub(), node) if positive is None else positive


def parse_expression(text: str) -> ast.expr:
    """An expression, or a name that is none in Python as it is."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return ast.Name(text)
