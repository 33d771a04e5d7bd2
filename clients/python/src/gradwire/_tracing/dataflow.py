"""Where a plain value that was read may go, by the text of the user's functions.

Plain numbers cannot be followed: `math.exp(w)` is a new one. So the names that a read value may reach are
looked up in the source of the function that read it, in any order of its statements, and in its caller's
where it is returned. Attributes of objects, globals that another function sets, and code without a source
are not followed.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import numpy as np

from gradwire._tracing.caller import expression_in
from gradwire._tracing.syntax import Function, Source, name_of, operand

#: Calls whose answer holds nothing of the number that they take.
_TEXT = {"print", "str", "repr", "format", "len", "isinstance", "type", "bool"}

_MUTATORS = {"append", "appendleft", "add", "extend", "fill", "insert", "put", "setdefault", "update"}

_PLAIN = (int, float, complex, np.ndarray, np.generic, list, tuple, dict)


class Flow:
    """What a value read in one function may reach there: names, and the function's own answer."""

    def __init__(self, source: Source, function: Function, read: ast.AST) -> None:
        self.function = function
        self.read = read
        self.names: set[str] = set()
        self.returned = False
        self._source = source
        self._held: dict[ast.AST, tuple[bool, list[str]]] = {}
        self._leave(read)
        if isinstance(read, ast.Subscript) and isinstance(read.ctx, ast.Store):  # `array[k] = tensor`
            self.names.update(_targets(read))
        steps = list(_assignments(function))
        before = -1
        while before != len(self.names):
            before = len(self.names)
            for value, targets in steps:
                if self._named(value):
                    self.names.update(targets)
        if not self.returned:
            answers = (n for n in ast.walk(function) if isinstance(n, ast.Return | ast.Yield))
            self.returned = any(n.value is not None and self._named(n.value) for n in answers)

    def reaches(self, node: ast.AST, frame: FrameType) -> bool:
        """Whether an expression of a frame holds the value: the read itself, or a name with a plain value."""
        if node not in self._held:
            parts = list(ast.walk(node))
            names = [name for part in parts if (name := name_of(part)) in self.names]
            self._held[node] = (self.read in parts, names)
        read, names = self._held[node]
        return read or any(_is_plain(name, frame) for name in names)

    def _leave(self, node: ast.AST) -> None:
        """From the read up to its statement: the targets that it is assigned to on the way."""
        parents = self._source.parents
        while node is not self.function and node in parents:
            above = parents[node]
            if isinstance(above, ast.Call) and _is_text(above):
                return
            if isinstance(above, ast.FormattedValue | ast.If | ast.While | ast.Assert | ast.Compare):
                return
            if isinstance(above, ast.Return | ast.Yield) or above is self.function:
                self.returned = True
            for value, targets in _assigned(above):
                if any(part is self.read for part in ast.walk(value)):
                    self.names.update(targets)
            node = above

    def _named(self, node: ast.AST) -> bool:
        return any(name_of(part) in self.names for part in ast.walk(node))


def flows(frames: Sequence[FrameType]) -> Iterator[Flow]:
    """The flows of a value that is being read now, from the innermost frame on, as far as it is returned."""
    for frame in frames:
        expression = expression_in(frame)
        if expression is None:
            return
        flow = _flow(expression.source, expression.node)
        yield flow
        if not flow.returned:
            return


@functools.lru_cache(4096)
def _flow(source: Source, read: ast.AST) -> Flow:
    functions = source.functions(read)
    return Flow(source, functions[0] if functions else source.tree, read)


def operands(frame: FrameType, position: int, count: int) -> tuple[list[Function], list[ast.AST]] | None:
    """The text of one input of the op that a frame is recording, and the functions around it.

    If it is not clear which part of the text is that input, or `count` is 0, these are all that it may be.
    """
    expression = expression_in(frame)
    if expression is None:
        return None
    source, node = expression.source, expression.node
    part = operand(source, node, position, count) if count else None
    parts = [node] if part is None else [part]
    if part is None and isinstance(node, ast.Call):
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
    return source.functions(node), parts


def own_name(part: ast.AST, frame: FrameType) -> bool:
    """Whether a text speaks of names that the frame's own function binds."""
    names = {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
    return bool(names & set(frame.f_code.co_varnames))


def _assignments(function: Function) -> Iterator[tuple[ast.AST, list[str]]]:
    for node in ast.walk(function):
        yield from _assigned(node)


def _assigned(node: ast.AST) -> Iterator[tuple[ast.AST, list[str]]]:
    """(value, names that it goes to) of one statement or expression."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.NamedExpr):
        if node.value is not None:
            yield node.value, _targets(node.target)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.iter, _targets(node.target)
    elif isinstance(node, ast.withitem):
        if node.optional_vars is not None:
            yield node.context_expr, _targets(node.optional_vars)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _MUTATORS
        and (holder := name_of(node.func.value))
    ):
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield argument, [holder]


def _pairs(target: ast.AST, value: ast.AST) -> Iterator[tuple[ast.AST, list[str]]]:
    """An assignment, or one for each name of `a, b = 1.0, 2.0`."""
    both = isinstance(target, ast.Tuple | ast.List), isinstance(value, ast.Tuple | ast.List)
    if all(both) and len(target.elts) == len(value.elts):  # type: ignore[attr-defined]  # both have them
        for one, other in zip(target.elts, value.elts, strict=True):  # type: ignore[attr-defined]
            yield from _pairs(one, other)
    else:
        yield value, _targets(target)


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Tuple | ast.List):
        return [name for item in node.elts for name in _targets(item)]
    if isinstance(node, ast.Starred | ast.Subscript):
        return _targets(node.value)
    name = name_of(node)
    return [name] if name else []


def _is_text(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in _TEXT


def _is_plain(name: str, frame: FrameType) -> bool:
    """Whether a name has a plain value now: a number, an array, or a collection."""
    first, *rest = name.split(".")
    value: Any = frame.f_locals.get(first, frame.f_globals.get(first))
    for attribute in rest:
        value = getattr(value, "__dict__", {}).get(attribute)
    return isinstance(value, _PLAIN)
