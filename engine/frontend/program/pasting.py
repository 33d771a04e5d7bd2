"""Cures as text to paste: what is written in place of what, and syntax nodes as text."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass

Replacement = ast.expr | ast.stmt | Sequence[ast.stmt]


def write_instead(new: str, old: str, why: str = "") -> str:
    """The one form of hints that are pasted: why, and `new` in place of `old`."""
    return f"{why}: write `{new}` instead of `{old}`" if why else f"write `{new}` instead of `{old}`"


@dataclass(frozen=True, slots=True)
class Cure:
    """A hint that is pasted: why, and `new` in place of `old`."""

    new: str
    old: str
    why: str


def read_instead(hint: str) -> Cure | None:
    """The cure that a hint was written with by `write_instead`; None if it has none."""
    match = _CURE.search(hint)
    return None if match is None else Cure(match[2], match[3], (match[1] or "").strip())


_CURE = re.compile(r"(?:(.*?): )?\bwrite `(.*?)` instead of `(.*?)`", re.DOTALL)


def changed_lines(old: str, new: str) -> tuple[str, str]:
    """The lines of `new` that differ from those of `old`, and theirs."""
    before, after = old.splitlines(), new.splitlines()
    while before and after and before[-1] == after[-1]:
        before.pop(), after.pop()
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return "\n".join(after[same:]), "\n".join(before[same:])


def replaced(statement: ast.stmt, node: ast.AST, by: Replacement) -> ast.stmt:
    """A copy of a statement with `by` in place of `node`, a part of it."""
    return copy.deepcopy(statement, {id(node): by})


def unparsed(by: Replacement) -> str:
    """The text of an expression, or of statements, one a line."""
    statements = [by] if isinstance(by, ast.AST) else by
    return "\n".join(_one_line(ast.unparse(ast.fix_missing_locations(statement))) for statement in statements)


def _one_line(text: str) -> str:
    """`def f(x):` and its return on one line, if that is all there is."""
    lines = text.split("\n")
    return f"{lines[0]} {lines[1].strip()}" if len(lines) == 2 and lines[0].startswith("def ") else text


def bracketed(by: Replacement) -> str:
    """The same, in brackets if what stands beside it could bind closer."""
    text = unparsed(by)
    may_alias = isinstance(by, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Tuple)
    return f"({text})" if may_alias else text
