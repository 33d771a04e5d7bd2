"""Reductions that were meant to compare or add two values: max(x, 0), whose 0 is an axis."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.caller import expression_at
from gradwire._tracing.node import Edge, Leaf, Op, Traced
from gradwire.errors import GradientWarning, TraceError

#: By reduction what compares or adds two values.
_OF_TWO = {
    "max": "gw.maximum({x}, {y})",
    "min": "gw.minimum({x}, {y})",
    "sum": "{x} + {y}",
    "prod": "{x} * {y}",
    "mean": "({x} + {y}) / 2",
}
_CHOOSING = ("max", "min")
_MEANS = ("mean", "sum")
#: The ops to look at.
REDUCTIONS = frozenset({*_MEANS, *_CHOOSING, "matmul"})
_ELEMENTWISE = frozenset(
    {"add", "subtract", "multiply", "divide", "negative", "exp", "log", "abs", "tanh", "pow"}
)
_SUMS = ("add", "subtract")
_DEEPEST = 6  # nodes between a reduction and the mean of it


def check_axis(op: str, axis: Any) -> None:
    """Raise TraceError for a fraction or a tensor as the axis of a reduction: a second operand, by habit."""
    if op not in _OF_TWO or not isinstance(axis, Traced | float | np.floating | np.ndarray):
        return
    if isinstance(axis, np.ndarray) and axis.dtype.kind in "iu":
        return
    kind = "a tensor" if isinstance(axis, Traced) else "an array" if np.ndim(axis) else f"{axis!r}"
    second = f"{axis:g}" if isinstance(axis, float) else "b"
    raise TraceError(
        f"expected an axis as the second argument of {op}, got {kind}: {op} reduces one tensor along an "
        f"axis. Of two values write {_OF_TWO[op].format(x='a', y=second)}; an axis is fixed before there are "
        "values: give a Python number"
    )


def warn_of_reduction(node: Op) -> None:
    """Warn of max(x, 0) if what it gives goes into a mean or sum at once, or from one layer into the next."""
    reduction, what = None, "so that one number for each unit is left of all rows"
    if node.op in _CHOOSING:
        _check_rank(node)
    elif node.op in _MEANS and node.attributes.get("axis") is None:
        reduction = _behind(node)
        what = f"and {node.op} then takes the {node.op} of what that leaves"
        if (
            reduction is not None
            and (_rank(reduction.inputs[0], _DEEPEST) or 1) > 1
            and not _is_layer(reduction)
        ):
            return  # the largest of each column
    elif node.op == "matmul":
        reduction = _behind(node)
        reduction = reduction if reduction is not None and _is_layer(reduction) else None
    call = None if reduction is None else _literal(reduction)
    if reduction is None or call is None:
        return
    function, first = call
    most, more = ("largest", "larger") if reduction.op == "max" else ("smallest", "smaller")
    other = f", or gw.relu({first})" if reduction.op == "max" else ""
    warn(
        GradientWarning,
        f"{function}({first}, 0) is the {most} element along axis 0, {what}: the 0 is an axis, and no "
        f"number that is compared. For the {more} of {first} and 0 write gw.{reduction.op}imum({first}, 0)"
        f"{other}; if the reduction is meant, write axis=0",
        ("axis as number", str(reduction.place)),
    )


def _behind(node: Op) -> Op | None:
    """A reduction along axis 0 whose result reaches a node through elementwise ops of one tensor alone."""
    edge = node.inputs[0]
    for _ in range(_DEEPEST):
        inner = edge.node if isinstance(edge, Edge) else None
        if not isinstance(inner, Op):
            return None
        if inner.op in _CHOOSING:
            return inner if inner.attributes.get("axis") == 0 else None
        if inner.attributes or inner.functions:
            return None
        operands = [each for each in inner.inputs if isinstance(each, Edge) and not _is_number(each)]
        if len(operands) != 1:
            return None
        edge = operands[0]
    return None


def _check_rank(node: Op) -> None:
    """Raise TraceError for min(x, 1) of a tensor that has no axis 1, in the words of what is meant."""
    axis, rank = node.attributes.get("axis"), _rank(node.inputs[0], _DEEPEST)
    if isinstance(axis, int) and not isinstance(axis, bool) and rank is not None and axis >= rank > 0:
        raise TraceError(
            f"{node.op} along axis {axis}: the tensor has {rank} {'axis' if rank == 1 else 'axes'}. To "
            f"compare with the number {axis} write {_OF_TWO[node.op].format(x='x', y=axis)}"
        )


def _is_number(edge: Edge) -> bool:
    return isinstance(edge.node, Leaf) and edge.node.value.size == 1


def _rank(operand: Any, depth: int) -> int | None:
    """How many axes something has, if that is plain without its value."""
    if not isinstance(operand, Edge):
        return 0
    node = operand.node
    if isinstance(node, Leaf):
        return node.value.ndim
    if not isinstance(node, Op) or depth == 0 or node.attributes or node.functions:
        return None
    ranks = [_rank(each, depth - 1) for each in node.inputs]
    known_ranks = [rank for rank in ranks if rank is not None]
    if len(known_ranks) < len(ranks):
        return None
    if node.op == "matmul":
        return max(known_ranks) if min(known_ranks) > 1 else sum(known_ranks) - 2
    return max(known_ranks) if node.op in _ELEMENTWISE else None


def _is_layer(node: Op) -> bool:
    """Whether a node reduces x @ W, or x @ W + b."""
    edge = node.inputs[0]
    inner = edge.node if isinstance(edge, Edge) else None
    if isinstance(inner, Op) and inner.op in _SUMS:
        return any(
            isinstance(e, Edge) and isinstance(e.node, Op) and e.node.op == "matmul" for e in inner.inputs
        )
    return isinstance(inner, Op) and inner.op == "matmul"


def _literal(node: Op) -> tuple[str, str] | None:
    """How a call of a function with the literal 0 in second place is written: the function, the operand."""
    expression = expression_at(node.place)
    if expression is None or not isinstance(expression.node, ast.Call):
        return None
    source, call = expression.source, expression.node
    if len(call.args) != 2 or not isinstance(call.args[1], ast.Constant) or call.args[1].value != 0:
        return None
    if isinstance(call.func, ast.Attribute) and not source.is_module(call.func.value):
        return None  # a method, x.max(0), takes an axis and nothing else
    return source.segment(call.func), source.segment(call.args[0])
