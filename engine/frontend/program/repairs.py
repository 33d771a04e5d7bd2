"""Repairs of text that is no program: rules, tried in turn, and kept if the text can be parsed with them.

So a hint that comes from here is always text of the language.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from engine.frontend.program.rules import DOUBLES, GUESSES, SURE, keyword_rules, rules_of_inputs

_MOST: Final = 20_000  # characters of a text that is repaired
#: A run at each character of which a rule would begin anew.
_LONG: Final = re.compile(r"[ \t]{300}|\w{300}")
Predicate = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Repair:
    """A text that can be parsed in place of one that cannot."""

    why: str
    text: str


def repair(
    text: str, parses: Predicate, compiles: Predicate, ranks: Mapping[str, int] | None = None
) -> Repair | None:
    """The first repair after which the text compiles, or else the first after which it can be parsed.

    `ranks` are the inputs by name, with the number of axes of each.
    """
    if len(text) > _MOST or _LONG.search(text):
        return None
    base, reasons = text, []
    products = any(re.fullmatch(r"[dD]\d{1,3}", name) for name in ranks or {})
    for rule in (*rules_of_inputs(ranks or {}), *SURE):
        if rule is DOUBLES and products:
            continue
        changed = rule.change(base)
        if changed != base:
            base = changed
            reasons.append(rule.why)
    base = _logic(base)
    if reasons and parses(base):
        return Repair("; ".join(reasons), base)
    result: Repair | None = None
    for start in dict.fromkeys((base, text)):
        for rule in (*GUESSES, *keyword_rules(start)):
            changed = rule.change(start)
            if changed == start or not parses(changed):
                continue
            repaired = Repair("; ".join([*(reasons if start is base else []), rule.why]), changed)
            if compiles(changed):
                return repaired
            result = result or repaired
    return result


def _logic(text: str) -> str:
    """The text with & | ~ instead of `and`, `or` and `not`, in the statements that hold them."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    lines = text.split("\n")
    for statement in reversed(tree.body):
        worded = [n for n in ast.walk(statement) if isinstance(n, ast.BoolOp | ast.Not)]
        if worded and statement.lineno == statement.end_lineno and text.isascii():
            line = lines[statement.lineno - 1]
            new = ast.unparse(_Logic().visit(statement))
            lines[statement.lineno - 1] = (
                line[: statement.col_offset] + new + line[statement.end_col_offset :]
            )
    return "\n".join(lines)


class _Logic(ast.NodeTransformer):
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        operator = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        return reduce(lambda left, right: ast.BinOp(left, operator, right), node.values)

    def visit_Not(self, node: ast.Not) -> ast.unaryop:
        return ast.Invert()
