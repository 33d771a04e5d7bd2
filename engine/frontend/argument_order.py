"""Operands that stand the other way round, as where another library's loss takes the predictions first."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import combinations

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import Source
from engine.frontend.graph import Node
from engine.frontend.program.pasting import write_instead
from engine.ir.op import Op

_WHOLE = frozenset({"integer", "index"})
_REAL = frozenset({"floating", "real_floating", "real", "numeric", "any"})
_WHY = "the arguments stand the other way round"


def swapped_arguments(node: Node, types: Sequence[TensorType]) -> str | None:
    """The hint for a node of which two operands fit each other's place by their dtypes, and not their own."""
    for i, j in combinations(range(len(types)), 2):
        for whole, real in ((i, j), (j, i)):
            if _are_swapped(node.op, whole, real, types):
                return _hint(node, whole, real)
    return None


def _are_swapped(op: Op, whole: int, real: int, types: Sequence[TensorType]) -> bool:
    """Whether the place `whole` takes integers and has a floating operand, and `real` the other way round."""
    kinds = op.input(whole).kind, op.input(real).kind
    fits = dtypes.is_floating(types[whole].dtype) and dtypes.is_integer(types[real].dtype)
    return fits and kinds[0] in _WHOLE and kinds[1] in _REAL


def _hint(node: Node, whole: int, real: int) -> str:
    names = node.op.input(whole).name, node.op.input(real).name
    plain = f"{_WHY}: the integers are '{names[0]}', and come before '{names[1]}'" if whole < real else (
        f"{_WHY}: the integers are '{names[0]}', and come after '{names[1]}'"
    )  # fmt: skip
    if not isinstance(node.source, Source):
        return plain
    try:
        call = ast.parse(node.source.text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return plain
    if (
        not isinstance(call, ast.Call)
        or isinstance(call.func, ast.Attribute)
        or len(call.args) <= max(whole, real)
    ):
        return plain
    arguments = list(call.args)
    arguments[whole], arguments[real] = arguments[real], arguments[whole]
    written = ast.unparse(ast.Call(call.func, arguments, call.keywords))
    return write_instead(written, node.source.text, _WHY)
