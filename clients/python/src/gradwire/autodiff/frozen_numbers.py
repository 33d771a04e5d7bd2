"""Plain numbers from outside that a published function reads: they are constants of its graph.

Globals, variables of an enclosing function, attributes and items are looked up once when the function is
published, and again at each call: one that has changed is told, since the graph keeps the old number.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.subgraph import label_of
from gradwire._tracing.syntax import definition_of, name_of
from gradwire.errors import ReadWarning

_NUMBERS = (bool, int, float, complex, str, np.number, np.bool_)
_DEEPEST = 3  # functions that call each other
_MOST = 200  # names
_ABSENT = object()


class FrozenNumbers:
    """The numbers that a function reads from outside, as they were when it was published."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._label = label_of(function)
        self._arguments = _arguments(function)
        self._found = dict(list(_numbers(function, _DEEPEST, set()))[:_MOST])
        self._numbers = {text: look() for text, look in self._found.items()}

    def note_traced(self) -> None:
        """The function has run, for its graph: warn of a number that it changes itself, as a counter."""
        for text, look in self._found.items():
            before, now = self._numbers[text], look()
            if now is _ABSENT or before is _ABSENT or _same(before, now):
                continue
            self._numbers[text] = now
            warn(
                ReadWarning,
                f"'{self._label}' changes '{text}', from {before!r} to {now!r}, and runs only once, when it "
                "is published: later calls neither change it nor see it change. Change it outside, and "
                + self._cure(text),
                ("frozen number", self._label, text),
            )

    def _cure(self, text: str) -> str:
        words = [word for word in re.findall(r"[A-Za-z_]\w*", text) if word != "self"]
        arguments = ", ".join([*self._arguments, words[-1] if words else "number"])
        signature = (
            f"lambda {arguments}: ..." if self._label == "function" else f"def {self._label}({arguments})"
        )
        return f"make it a parameter, {signature}, given with each call; or leave gw.function out"

    def warn_of_changes(self) -> None:
        """Warn, once for each name and line of a call, of a number that is another one now."""
        for text, look in self._found.items():
            before, now = self._numbers[text], look()
            if now is _ABSENT or before is _ABSENT or _same(before, now):
                continue
            warn(
                ReadWarning,
                f"'{text}' was {before!r} when '{self._label}' was published, and is {now!r} now: the "
                f"published function keeps {before!r}, which is a constant of its graph; {self._cure(text)}",
                ("frozen number", self._label, text),
            )


def _same(before: Any, now: Any) -> bool:
    if isinstance(before, float) and isinstance(now, float) and math.isnan(before) and math.isnan(now):
        return True
    return type(before) is type(now) and bool(before == now)


def _arguments(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ["x"]


Look = Callable[[], Any]


def _numbers(function: Callable[..., Any], depth: int, visited: set[int]) -> Iterator[tuple[str, Look]]:
    """The names, attributes and items in a function's text that are numbers, and how to look each up.

    Functions of the same module that it calls are read too.
    """
    plain = inspect.unwrap(function)
    own = getattr(plain, "__self__", None)
    plain = getattr(plain, "__func__", plain)
    code = getattr(plain, "__code__", None)
    if code is None or id(code) in visited:
        return
    visited.add(id(code))
    tree = _tree_of(plain)
    if tree is None:
        return
    first = code.co_varnames[0] if own is not None and code.co_argcount else None
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        text = _text_of(node)
        if not text or _text_of(parents.get(node)):  # the whole of a.b.c, and not its parts
            continue
        root = text.partition(".")[0].partition("[")[0]
        if root == first:
            look = _lookup(lambda own=own: own, node)  # type: ignore[misc]
        elif root in code.co_freevars:
            look = _lookup(_of_cell(plain, code.co_freevars.index(root)), node)
        elif root in code.co_varnames or root in code.co_cellvars:
            continue
        else:
            look = _lookup(_of_global(plain.__globals__, root), node)
        value = look()
        if isinstance(value, _NUMBERS):
            yield text, look
        elif depth > 1 and inspect.isfunction(value) and value.__module__ == plain.__module__:
            yield from _numbers(value, depth - 1, visited)


def _tree_of(function: Callable[..., Any]) -> ast.AST | None:
    """The definition of a function, without its decorators and defaults."""
    definition = definition_of(function)
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.Module(body=definition.body, type_ignores=[])
    return definition


def _text_of(node: ast.AST | None) -> str:
    """A name, an attribute, or an item by a constant key, as text; empty for anything else."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        base = _text_of(node.value)
        return f"{base}[{node.slice.value!r}]" if base else ""
    if isinstance(node, ast.Attribute):
        base = _text_of(node.value)
        return f"{base}.{node.attr}" if base else ""
    return name_of(node) if isinstance(node, ast.Name) else ""


def _lookup(root: Look, node: ast.AST) -> Look:
    """How to look up what a text means now, from its first name on."""
    steps: list[tuple[bool, Any]] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            steps.append((False, node.attr))
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            steps.append((True, node.slice.value))
            node = node.value
        else:
            break

    def look() -> Any:
        value = root()
        for item, key in reversed(steps):
            if item:
                plain = isinstance(value, Mapping | list | tuple)
                try:
                    value = value[key] if plain else _ABSENT
                except (KeyError, IndexError, TypeError):
                    return _ABSENT
            else:  # a property may compute, and what it needs may not be there
                attributes = getattr(value, "__dict__", {})
                kind = inspect.getattr_static(type(value), key, _ABSENT)
                value = attributes.get(key, _ABSENT if callable(getattr(kind, "__get__", None)) else kind)
        return value

    return look


def _of_cell(function: Any, place: int) -> Look:
    def look() -> Any:
        try:
            return (function.__closure__ or ())[place].cell_contents
        except (ValueError, IndexError):
            return _ABSENT

    return look


def _of_global(names: Mapping[str, Any], name: str) -> Look:
    return lambda: names.get(name, _ABSENT)
