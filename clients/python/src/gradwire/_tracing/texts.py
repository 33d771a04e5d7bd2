"""Ops as texts: what the user wrote for one, and how the server writes it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from gradwire._locations import Place
from gradwire._tracing.caller import expression_at
from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.node import Lowered, Op, Ref, Scalar
from gradwire._tracing.syntax import operand, parse

_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}
_UNARY: dict[type[ast.AST], str] = {ast.USub: "negative", ast.UAdd: "positive", ast.Invert: "bitwise_invert"}
_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
#: As the server writes expressions of nodes, up to so many into each other.
_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "pow": "**",
    "matmul": "@",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
DEEPEST = 3

_PROPERTIES = {"T": "permute_dims", "mT": "matrix_transpose"}

ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.Constant, ast.List)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the user's source; `atom` needs no brackets around it."""

    text: str
    atom: bool


def operand_at(place: Place | None, op: str | None, position: int, count: int) -> Text | None:
    """How an input of the op that was recorded at a place is written there; None if that is not clear."""
    expression = expression_at(place)
    if expression is None or op is None or not records(expression.node, op):
        return None
    part = operand(expression.source, expression.node, position, count)
    text = "" if part is None else expression.source.segment(part)
    return Text(text, isinstance(part, ATOMS)) if text else None


def rendered(lowered: Lowered, names: Sequence[str], reference: Ref | Scalar, depth: int) -> str:
    """An input as the server writes it in a fix: an expression of a few nodes, or a name."""
    if not isinstance(reference, tuple):
        return f"{reference:g}"
    item = lowered.items[reference[0]]
    if item.op in ("identity", "astype"):
        return rendered(lowered, names, item.inputs[0], depth)
    node = item.node
    if item.op is None or depth == DEEPEST or (isinstance(node, Op) and (node.attributes or node.functions)):
        return names[reference[0]]
    operands = [rendered(lowered, names, below, depth + 1) for below in item.inputs]
    if item.op not in _SIGNS:
        return f"{item.op}({', '.join(operands)})"
    return f" {_SIGNS[item.op]} ".join(_factor(operand) for operand in operands)


def _factor(text: str) -> str:
    """An expression as a factor, in brackets unless it is a name, a number or a call."""
    tree = parse(text)
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    node = statement.value if isinstance(statement, ast.Expr) else None
    return text if isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute) else f"({text})"


def records(text: ast.AST, op: str) -> bool:
    """Whether a text is what records an op: `sum([a, b])` of Python's records additions."""
    if isinstance(text, ast.BinOp | ast.AugAssign):
        return _BINARY.get(type(text.op)) == op
    if isinstance(text, ast.UnaryOp):
        return _UNARY.get(type(text.op)) == op
    if isinstance(text, ast.Compare):
        return len(text.ops) == 1 and _COMPARISONS.get(type(text.ops[0])) == op
    if isinstance(text, ast.Subscript):
        return op == "getitem"
    if isinstance(text, ast.Attribute):
        return _PROPERTIES.get(text.attr) == op
    if isinstance(text, ast.Call):
        called = text.func.attr if isinstance(text.func, ast.Attribute) else getattr(text.func, "id", "")
        function = FUNCTIONS.get(called)
        return called == op or getattr(function, "__name__", None) == op
    return False


def bracketed(text: Text) -> str:
    """A text as a part of an expression."""
    return text.text if text.atom else f"({text.text})"
