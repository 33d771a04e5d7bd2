"""Literals: what they are as numbers, as arrays, and as values of attributes."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine import dtypes
from engine.frontend.graph import Number, normal_number
from engine.ir.attributes import Attribute

CONSTANTS: Final = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
_PYTHON_TYPES: Final = {"float": "float64", "int": "int64", "complex": "complex128", "bool": "bool"}
_DTYPE_OF_KIND: Final = {"integer": "int64", "index": "int64", "boolean": "bool"}

Names = Mapping[str, Any]  # names that stand for literals, and what those are


class NotLiteral(Exception):
    """An expression where only a literal can stand; `node` is the part that is none."""

    def __init__(self, node: ast.expr) -> None:
        super().__init__()
        self.node = node


def number(node: ast.expr) -> Number | None:
    """The number or truth value that a node is written as, signs included; None for anything else.

    No arithmetic happens here: -1 is a number, 2 - 3 is not.
    """
    sign = 1
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -sign if isinstance(node.op, ast.USub) else sign
        node = node.operand
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return None
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        value = node.value if isinstance(node.value, bool) else sign * node.value
        return normal_number(value, "$.program")
    return None


def array(node: ast.expr, kind: str = "numeric") -> npt.NDArray[Any] | None:
    """The array that a (nested) list of literals means, None if it holds anything else.

    float64, integers included; where an op takes indices (`kind`) int64; booleans are bool. Raises
    ValueError for a ragged list.
    """
    leaves: set[type] = set()
    try:
        value = _nested(node, leaves)
    except NotLiteral:
        return None
    if leaves == {bool}:
        return np.array(value, dtype=np.bool_)
    if bool in leaves:
        raise ValueError("booleans and numbers do not mix")
    dtype = _DTYPE_OF_KIND.get(kind, dtypes.DEFAULT) if leaves <= {int} else dtypes.DEFAULT
    return np.array(value, dtype=dtype)


def _nested(node: ast.expr, leaves: set[type]) -> Any:
    if isinstance(node, ast.List | ast.Tuple):
        items = [_nested(item, leaves) for item in node.elts]
        if len({np.shape(item) for item in items}) > 1:
            raise ValueError("the list is ragged")
        return items
    value = number(node)
    if value is None:
        raise NotLiteral(node)
    leaves.add(type(value))
    return value


def computed(node: ast.expr) -> int | float | None:
    """What arithmetic on numbers alone comes to, for a hint; None if it is something else, or large."""
    written = number(node)
    if written is not None:
        return None if isinstance(written, bool) else written
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        positive = computed(node.operand)
        return None if positive is None else -positive
    operate = _OPERATIONS.get(type(node.op)) if isinstance(node, ast.BinOp) else None
    if operate is None or not isinstance(node, ast.BinOp):
        return None
    left, right = computed(node.left), computed(node.right)
    if left is None or right is None or max(abs(left), abs(right)) > _LARGE:
        return None
    try:
        answer = operate(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return answer if isinstance(answer, int | float) and abs(answer) <= _LARGE else None


_LARGE: Final = 1e9
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda base, exponent: base**exponent if abs(exponent) <= 64 else math.inf,
}


def attribute_value(node: ast.expr, attribute: Attribute, names: Names) -> Any:
    """The value that an attribute is given; raises NotLiteral."""
    if attribute.kind.name != "dtype":
        return literal(node, names)
    named = isinstance(node, ast.Name) and node.id not in names and node.id in (*dtypes.ALL, *_PYTHON_TYPES)
    value = node.id if isinstance(node, ast.Name) and named else literal(node, names)
    return _PYTHON_TYPES.get(value, value) if isinstance(value, str) else value


def literal(node: ast.expr, names: Names) -> Any:
    """A literal as JSON would have it; `names` stand for theirs. Raises NotLiteral."""
    if isinstance(node, ast.List | ast.Tuple):
        return [literal(item, names) for item in node.elts]
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
        return node.value
    value = number(node)
    if value is not None:
        return value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        positive = literal(node.operand, names)
        if isinstance(positive, int | float) and not isinstance(positive, bool):
            return -positive
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    raise NotLiteral(node)
