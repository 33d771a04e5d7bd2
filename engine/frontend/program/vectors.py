"""Loops and comprehensions of Python as formulas over whole tensors.

`[f(v) for v in x]` is f(x) if f acts on each element by itself; a loop over a few numbers is written out.
What is neither is left as it is: nothing here guesses.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import Final

from engine.ir.table import TABLE

_MOST: Final = 8  # rounds of a loop that are written out
_Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp


def vectorized(node: ast.expr) -> ast.expr | None:
    """A comprehension as an expression over the tensors that it runs over; None if it is no such thing."""
    if not isinstance(node, _Comprehension) or len(node.generators) != 1:
        return None
    loop = node.generators[0]
    if loop.ifs or loop.is_async:
        return None
    return _over(node.elt, loop.target, loop.iter)


def reduced(node: ast.For) -> ast.stmt | None:
    """`for v in x: s = s + f(v)` as `s = s + sum(f(x))`."""
    statement = node.body[0] if len(node.body) == 1 and not node.orelse else None
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        target, term = statement.target, statement.value
    elif (
        isinstance(statement, ast.Assign)
        and len(statement.targets) == 1
        and isinstance(statement.value, ast.BinOp)
        and isinstance(statement.value.op, ast.Add)
        and ast.unparse(statement.value.left) == ast.unparse(statement.targets[0])
    ):
        target, term = statement.targets[0], statement.value.right  # type: ignore[assignment]  # a name, below
    else:
        return None
    if not isinstance(target, ast.Name) or _mentions(term, target.id):
        return None
    whole = _over(term, node.target, node.iter)
    if whole is None or not _mentions(term, *_names(node.target)):
        return None
    total = ast.Call(ast.Name("sum", ast.Load()), [whole], [])
    value = ast.BinOp(ast.Name(target.id, ast.Load()), ast.Add(), total)
    return ast.Assign([ast.Name(target.id, ast.Store())], value, lineno=0)


def unrolled(node: ast.For) -> list[ast.stmt] | None:
    """A loop of assignments over a few numbers, written out."""
    rounds = _numbers(node.iter)
    simple = all(isinstance(statement, ast.Assign | ast.AugAssign) for statement in node.body)
    if rounds is None or len(rounds) > _MOST or not simple or node.orelse:
        return None
    if not isinstance(node.target, ast.Name):
        return None
    lines: list[ast.stmt] = []
    for number in rounds:
        for statement in node.body:
            line = _Replace({node.target.id: ast.Constant(number)}).visit(copy.deepcopy(statement))
            if isinstance(line, ast.AugAssign) and isinstance(line.target, ast.Name):
                value = ast.BinOp(ast.Name(line.target.id, ast.Load()), line.op, line.value)
                line = ast.Assign([line.target], value, lineno=0)
            lines.append(line)
    return lines


def _over(element: ast.expr, target: ast.expr, iterable: ast.expr) -> ast.expr | None:
    """`element` for every value of `target` in `iterable`, as one expression."""
    substitutions = _substitutions(target, iterable)
    if substitutions is None:
        return None
    values, indexed = substitutions
    replaced = _Replace(values, indexed)
    if not _acts_on_elements(element, set(_names(target)), indexed):
        return None
    whole = replaced.visit(copy.deepcopy(element))
    names = _names(target)
    return None if _mentions(whole, *[n for n in names if n not in _free(values.values())]) else whole


def _substitutions(
    target: ast.expr, iterable: ast.expr
) -> tuple[dict[str, ast.expr], dict[str, set[str]]] | None:
    """What each name of a loop stands for, and for an index the tensors that it runs over whole."""
    if isinstance(target, ast.Tuple) and _called(iterable) == "zip":
        names, tensors = _names(target), iterable.args  # type: ignore[attr-defined]  # it is a call
        return (dict(zip(names, tensors, strict=True)), {}) if len(names) == len(tensors) else None
    if not isinstance(target, ast.Name):
        return None
    if _called(iterable) in ("range", "arange"):
        assert isinstance(iterable, ast.Call), "it is called"
        tensor = _length_of(iterable.args[0]) if len(iterable.args) == 1 else None
        if tensor is not None:
            return {}, {target.id: {tensor}}
        counted = all(isinstance(argument, ast.Constant) for argument in iterable.args)
        numbers = ast.Call(ast.Name("arange", ast.Load()), iterable.args, [])
        return ({target.id: numbers}, {}) if counted else None
    if isinstance(iterable, ast.Name | ast.Attribute | ast.Subscript):
        return {target.id: iterable}, {}
    return None


def _length_of(node: ast.expr) -> str | None:
    """The x of len(x) and x.shape[0]."""
    text = ast.unparse(node)
    for before, after in (("len(", ")"), ("", ".shape[0]"), ("size(", ")"), ("", ".size")):
        if text.startswith(before) and text.endswith(after):
            name = text.removeprefix(before).removesuffix(after)
            if name.isidentifier() and name != text:
                return name
    return None


def _acts_on_elements(node: ast.expr, names: set[str], indexed: Mapping[str, set[str]]) -> bool:
    """Whether what depends on `names` passes through operators and elementwise ops alone."""
    if not _mentions(node, *names):
        return not any(isinstance(part, _Comprehension | ast.Lambda) for part in ast.walk(node))
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.Subscript):
        index = node.slice
        whole = isinstance(node.value, ast.Name) and node.value.id not in names
        return whole and isinstance(index, ast.Name) and index.id in names
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
        return not isinstance(node.op, ast.MatMult) and all(
            _acts_on_elements(p, names, indexed) for p in parts
        )
    if isinstance(node, ast.UnaryOp):
        return _acts_on_elements(node.operand, names, indexed)
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        return all(_acts_on_elements(p, names, indexed) for p in parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        op = TABLE.find(node.func.id)
        return (
            op is not None
            and op.family.name == "elementwise"
            and all(_acts_on_elements(argument, names, indexed) for argument in node.args)
        )
    return False


class _Replace(ast.NodeTransformer):
    """Puts expressions in place of names, and x in place of x[i] if i runs over all of x."""

    def __init__(self, values: Mapping[str, ast.expr], indexed: Mapping[str, set[str]] | None = None) -> None:
        self.values = values
        self.indexed = indexed or {}

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.slice, ast.Name) and node.slice.id in self.indexed:
            return node.value
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.values.get(node.id)
        return node if value is None or isinstance(node.ctx, ast.Store) else copy.deepcopy(value)


def _numbers(node: ast.expr) -> Sequence[int | float] | None:
    if _called(node) == "range":
        assert isinstance(node, ast.Call), "it is called"
        bounds = [a.value for a in node.args if isinstance(a, ast.Constant) and type(a.value) is int]
        if len(bounds) == len(node.args) and 1 <= len(bounds) <= 3 and bounds[2:] != [0]:
            return range(*bounds)
        return None
    if isinstance(node, ast.List | ast.Tuple):
        constants = [element.value for element in node.elts if isinstance(element, ast.Constant)]
        values = [v for v in constants if isinstance(v, int | float) and not isinstance(v, bool)]
        return values if len(values) == len(node.elts) else None
    return None


def _called(node: ast.expr) -> str | None:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords
    return node.func.id if named else None  # type: ignore[attr-defined]  # a call of a name


def _names(target: ast.expr) -> list[str]:
    return [part.id for part in ast.walk(target) if isinstance(part, ast.Name)]


def _mentions(node: ast.expr, *names: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def _free(nodes: object) -> set[str]:
    return {name for node in nodes for name in _names(node)}  # type: ignore[attr-defined]  # values of a dict
