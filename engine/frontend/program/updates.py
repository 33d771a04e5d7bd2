"""Elements that are given a value in place, as `x[0] = v` and JAX's `x.at[0].set(v)`: as new tensors."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Final

_TEXTS: Final[Mapping[str, str]] = {
    "set": "v",
    "add": "x + v",
    "subtract": "x - v",
    "sub": "x - v",
    "multiply": "x * v",
    "mul": "x * v",
    "divide": "x / v",
    "div": "x / v",
    "power": "x ** v",
    "max": "maximum(x, v)",
    "min": "minimum(x, v)",
}
_OPERATORS: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}
UPDATED: Final = (
    "tensors never change, so that the result has a name: elements are set with index_set, and with where "
    "if a mask says which"
)


def mask_names(statements: Sequence[ast.stmt]) -> frozenset[str]:
    """The names that are given to conditions on elements."""
    masks: set[str] = set()
    for statement in statements:
        if isinstance(statement, ast.Assign) and is_mask(statement.value, masks):
            masks.update(target.id for target in statement.targets if isinstance(target, ast.Name))
    return frozenset(masks)


def without_updates(statement: ast.stmt) -> ast.stmt | None:
    """A statement without updates in place; None if it has none that is known."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, how, value = statement.targets[0], "set", statement.value
    elif isinstance(statement, ast.AugAssign):
        target, how, value = statement.target, _OPERATORS.get(type(statement.op), ""), statement.value
    else:
        target, how, value = None, "", None
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and value is not None:
        new = _updated(target.value, target.slice, how, value)
        return None if new is None else ast.Assign([ast.Name(target.value.id, ast.Store())], new, lineno=0)
    finder = _At()
    new_statement = finder.visit(statement)
    return new_statement if finder.found else None


class _At(ast.NodeTransformer):
    """Writes `x.at[i].set(v)` as a formula, wherever it stands."""

    found = False

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        place = node.func.value if isinstance(node.func, ast.Attribute) else None
        if not isinstance(place, ast.Subscript) or not isinstance(place.value, ast.Attribute):
            return node
        if place.value.attr != "at" or not isinstance(node.func, ast.Attribute):
            return node
        x, how = place.value.value, node.func.attr
        if how == "get":
            new: ast.expr | None = ast.Subscript(x, place.slice, ast.Load())
        else:
            new = _updated(x, place.slice, how, node.args[0]) if node.args else None
        self.found = self.found or new is not None
        return node if new is None else new


def _updated(x: ast.expr, index: ast.expr, how: str, value: ast.expr) -> ast.expr | None:
    text = _TEXTS.get(how)
    if text is None:
        return None
    if is_mask(index):
        return ast.Call(ast.Name("where", ast.Load()), [index, _filled(text, x, value), x], [])
    place = ast.keyword("index", _written(index))
    if how == "add":
        return ast.Call(ast.Name("index_add", ast.Load()), [x, value], [place])
    new = value if how == "set" else _filled(text, ast.Subscript(x, index, ast.Load()), value)
    return ast.Call(ast.Name("index_set", ast.Load()), [x, new], [place])


def is_mask(node: ast.expr, names: Collection[str] = ()) -> bool:
    """Whether an index is a condition on elements; `names` are those that were given to conditions."""
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.Not):
        return is_mask(node.operand, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        return is_mask(node.left, names) and is_mask(node.right, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id.startswith(("is", "logical_"))
    return isinstance(node, ast.Compare | ast.BoolOp)


def _filled(text: str, x: ast.expr, v: ast.expr) -> ast.expr:
    body = ast.parse(text, mode="eval").body
    expression: ast.expr = _Names({"x": x, "v": v}).visit(body)
    return expression


class _Names(ast.NodeTransformer):
    def __init__(self, parts: Mapping[str, ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.parts.get(node.id, node)


def _written(index: ast.expr) -> ast.expr:
    """An index as the value of an option: slices are calls of slice."""
    if isinstance(index, ast.Tuple):
        return ast.Tuple([_written(part) for part in index.elts], ast.Load())
    if isinstance(index, ast.Slice):
        bounds = [index.lower or ast.Constant(None), index.upper or ast.Constant(None)]
        return ast.Call(ast.Name("slice", ast.Load()), bounds + ([index.step] if index.step else []), [])
    return index
