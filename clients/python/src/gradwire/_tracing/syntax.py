"""The user's source text as a syntax tree."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

from gradwire._forks import renew_after_fork

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module


class Source:
    """One file's tree, with each node's parent."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.text = text
        self.tree = tree
        self._around: dict[ast.AST, list[Function]] = {}
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

        imports = [n for n in ast.walk(self.tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        self._modules = {
            (alias.asname or alias.name).partition(".")[0]: alias.name for i in imports for alias in i.names
        }

    def is_module(self, node: ast.AST) -> bool:
        """Whether a text is a module, by its name: `gw`, `np.linalg`."""
        return name_of(node).partition(".")[0] in self._modules

    def alias(self, module: str) -> str:
        """What a module is called in this file; its own name if it is not imported as a whole."""
        return next((alias for alias, name in self._modules.items() if name == module), module)

    def functions(self, node: ast.AST) -> list[Function]:
        """The functions around a node, innermost first; the module is the last."""
        if node not in self._around:
            functions: list[Function] = []
            above: ast.AST | None = self.parents.get(node)
            while above is not None:
                if isinstance(above, Function):
                    functions.append(above)
                above = self.parents.get(above)
            self._around[node] = functions
        return self._around[node]

    def node_around(self, span: tuple[int, int, int, int] | None) -> ast.AST | None:
        """The smallest node around a span: first line, first column, last line, last column."""
        if span is None:
            return None
        start, end = span[:2], span[2:]
        best: ast.AST | None = None
        level: list[ast.AST] = [self.tree]
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

    def above(self, node: ast.AST, end: ast.AST) -> Iterator[ast.AST]:
        """The nodes around a node, innermost first, up to `end`, which is left out."""
        above = self.parents.get(node)
        while above is not None and above is not end:
            yield above
            above = self.parents.get(above)

    def is_within(self, node: ast.AST, whole: ast.AST) -> bool:
        """Whether a node is `whole` or a part of it."""
        above: ast.AST | None = node
        while above is not None and above is not whole:
            above = self.parents.get(above)
        return above is whole

    def target(self, node: ast.AST) -> ast.AST | None:
        """The only target of the assignment of an expression; None if there is no such assignment."""
        above = self.parents.get(node)
        return above.targets[0] if isinstance(above, ast.Assign) and len(above.targets) == 1 else None

    def assigned(self, node: ast.AST) -> str:
        """The name that an expression is assigned to, by itself; empty if there is none."""
        above = self.parents.get(node)
        place = None
        if isinstance(above, ast.Tuple | ast.List) and node in above.elts:  # `a, b = one, two`
            place, above = above.elts.index(node), self.parents.get(above)
        if isinstance(above, ast.AnnAssign):
            return name_of(above.target)
        if not isinstance(above, ast.Assign) or len(above.targets) != 1:
            return ""
        target = above.targets[0]
        if place is None:
            return name_of(target)
        parts = target.elts if isinstance(target, ast.Tuple | ast.List) else []
        return name_of(parts[place]) if place < len(parts) else ""

    def segment(self, node: ast.AST) -> str:
        """The text of a node, on one line."""
        return " ".join((ast.get_source_segment(self.text, node) or "").split())


def name_of(node: ast.AST) -> str:
    """A name, or an attribute of one, as text; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = name_of(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def operand(source: Source, node: ast.AST, position: int, count: int) -> ast.AST | None:
    """The part of an op's text that is one of its inputs; None if that is not clear."""
    if count == 2 and isinstance(node, ast.BinOp):
        return (node.left, node.right)[position]
    if count == 2 and isinstance(node, ast.AugAssign):
        return (node.target, node.value)[position]
    if count == 2 and isinstance(node, ast.Compare) and len(node.comparators) == 1:
        return (node.left, node.comparators[0])[position]
    if position == 0 and isinstance(node, ast.UnaryOp):
        return node.operand
    if position == 0 and isinstance(node, ast.Subscript | ast.Attribute):
        return node.value
    return _argument(source, node, position, count) if isinstance(node, ast.Call) else None


def _argument(source: Source, call: ast.Call, position: int, count: int) -> ast.AST | None:
    arguments: list[ast.expr] = list(call.args)
    if isinstance(call.func, ast.Attribute) and not source.is_module(call.func.value):
        arguments.insert(0, call.func.value)  # a method
    if len(arguments) == 1 and isinstance(arguments[0], ast.List | ast.Tuple):
        arguments = arguments[0].elts if len(arguments[0].elts) == count else []
    return arguments[position] if len(arguments) >= count else None


def parse(text: str) -> ast.Module | None:
    """The tree of a text, None if it has none.

    One thread at a time: Python 3.11 counts its recursion for all of them together, and raises SystemError.
    """
    with _parser.lock:
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            return None


class _Parser:
    """Python's parser, for the thread that holds the lock."""

    def __init__(self) -> None:
        self.forked()
        renew_after_fork(self)

    def forked(self) -> None:
        """The thread that held the lock is not there in a child process."""
        self.lock = threading.Lock()


_parser = _Parser()


def read(file: str) -> Source | None:
    """A file's source; None if it cannot be read or parsed."""
    return _source("".join(linecache.getlines(file)))


@functools.lru_cache(64)
def _source(text: str) -> Source | None:
    tree = parse(text)
    return None if tree is None else Source(text, tree)


def _start(node: ast.AST) -> tuple[int, int]:
    decorators = getattr(node, "decorator_list", None)
    if decorators:  # what stands in them comes before the definition's own first line
        node = decorators[0]
    return node.lineno, node.col_offset  # type: ignore[attr-defined]  # it was asked for


def _end(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]  # it was asked for


def definition_of(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """The definition of a function by its text; that of a lambda if its lines have no other one."""
    try:
        tree = parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    if tree is None:
        return None
    kind = ast.Lambda if function.__name__ == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    definitions = [node for node in ast.walk(tree) if isinstance(node, kind)]
    if not definitions or (kind is ast.Lambda and len(definitions) > 1):
        return None
    return definitions[0]
