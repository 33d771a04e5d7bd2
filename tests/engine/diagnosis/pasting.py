"""Puts a fix that is an expression into its program, in place of what it replaces."""

from __future__ import annotations

import ast
import re

STILL = (
    "Its gradient is 0 at these values all the same",
    "That alone is not enough",
    "Every other cut on the way has to go as well",
)
_WRITE = re.compile(r"(?:^|: )Write (.+?) for (.+?)(?:: |\.(?: |$)|, unless |, if |, or )")
_SEVERAL = re.compile(r"[Ww]rite (.+?) for (.+?)(?=; write |$)")
_BEGIN = re.compile(r"^Begin with (.+?): ")
_TRAIN = re.compile(r"^Train on (.+?) instead: ")


def pasted(program: str, fix: str) -> str | None:
    """The program with the fix in it; None for a fix in words alone."""
    begun = _BEGIN.search(fix)
    if begun is not None:
        return f"{begun[1]}\n{program}"
    trained = _TRAIN.search(fix)
    if trained is not None:
        return _with_target(program, trained[1])
    if "; write " in fix:
        return _all_of(program, _SEVERAL.findall(fix.partition(": ")[0]))
    for written in _WRITE.finditer(fix):
        changed = _replaced(program, written[1].split(" or ")[0], written[2])
        if changed is not None:
            return changed
    return None


def _all_of(program: str, edits: list[tuple[str, str]]) -> str | None:
    """The program with every edit in it, the longest old text first; None if one does not fit."""
    for new, old in sorted(edits, key=lambda edit: -len(edit[1])):
        changed = _replaced(program, new, old)
        if changed is None:
            return None
        program = changed
    return program


def _with_target(program: str, text: str) -> str:
    tree = ast.parse(program)
    last = tree.body[-1]
    assert isinstance(last, ast.Expr | ast.Assign)
    last.value = ast.parse(text, mode="eval").body
    return ast.unparse(tree)


def _replaced(program: str, new: str, old: str) -> str | None:
    """Every expression `old` as `new`; None where there is none, or either is no expression."""
    try:
        after, before = (ast.parse(text, mode="eval").body for text in (new, old))
    except SyntaxError:
        return None
    tree = ast.parse(program)
    swap = _Swap(ast.dump(before), after)
    tree = swap.visit(tree)
    return ast.unparse(tree) if swap.count else None


class _Swap(ast.NodeTransformer):
    def __init__(self, before: str, after: ast.expr) -> None:
        self.before, self.after, self.count = before, after, 0

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """A node, or what replaces it."""
        if isinstance(node, ast.expr) and ast.dump(node) == self.before:
            self.count += 1
            return self.after
        return super().generic_visit(node)
