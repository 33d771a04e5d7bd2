"""The user's source text as a syntax tree: which expression a frame is evaluating."""

from __future__ import annotations

import ast
import functools
import linecache
from types import CodeType, FrameType

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module


class Source:
    """One file's tree, with each node's parent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    def functions(self, node: ast.AST) -> list[Function]:
        """The functions around a node, innermost first; the module is the last."""
        found: list[Function] = []
        above: ast.AST | None = self.parents.get(node)
        while above is not None:
            if isinstance(above, Function):
                found.append(above)
            above = self.parents.get(above)
        return found

    def segment(self, node: ast.AST) -> str:
        """The text of a node, on one line."""
        return " ".join((ast.get_source_segment(self.text, node) or "").split())


@functools.lru_cache(64)
def _parsed(text: str) -> Source | None:
    try:
        return Source(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


_found: dict[tuple[int, int], tuple[CodeType, Source | None, ast.AST | None]] = {}
_MOST = 4096


def expression(frame: FrameType) -> tuple[Source, ast.AST] | None:
    """The expression or statement that a frame is evaluating; None if its source is not to be had."""
    code, at = frame.f_code, frame.f_lasti
    key = (id(code), at)  # the entry keeps the code, so that its id stays its own
    if key not in _found:
        if len(_found) >= _MOST:
            _found.clear()
        source = _parsed("".join(linecache.getlines(code.co_filename, frame.f_globals)))
        node = None if source is None else _at(source, _span(code, at))
        _found[key] = (code, source, node)
    _, source, node = _found[key]
    return None if source is None or node is None else (source, node)


def _span(code: CodeType, at: int) -> tuple[int, int, int, int] | None:
    position = next((p for k, p in enumerate(code.co_positions()) if k == at // 2), None)
    if position is None:
        return None
    line, end_line, column, end_column = position
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, column, end_line, end_column


def _at(source: Source, span: tuple[int, int, int, int] | None) -> ast.AST | None:
    """The smallest node around a span."""
    if span is None:
        return None
    start, end = span[:2], span[2:]
    best: ast.AST | None = None
    level: list[ast.AST] = [source.tree]
    while level:
        node = level.pop()
        if not isinstance(node, ast.Module):
            if not hasattr(node, "lineno"):
                level.extend(ast.iter_child_nodes(node))
                continue
            if not (_start(node) <= start and end <= _end(node)):
                continue
            best = node
            level = []
        level.extend(ast.iter_child_nodes(node))
    return best


def _start(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]  # it was asked for


def _end(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]  # it was asked for
