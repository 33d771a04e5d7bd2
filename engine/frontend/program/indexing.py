"""x[…] to getitem: what is written out goes into the attribute, tensors become inputs."""

from __future__ import annotations

import ast
from typing import Any

from engine.errors import SyntaxFault
from engine.frontend.graph import Number
from engine.frontend.program import literals, mistakes
from engine.frontend.program.body import Ref
from engine.frontend.program.evaluation import Evaluation


def subscript(evaluator: Evaluation, node: ast.Subscript) -> Ref | Number:
    """The node of `value[index]`, or one output of a node that has several."""
    value = evaluator.value(node.value)
    if isinstance(value, Ref) and value.output is None:
        return _output(evaluator, value, node)
    mistakes.check_mask(evaluator, node)
    operands = [evaluator.single(value, node.value)]
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    index = [_item(evaluator, part, operands) for part in parts]
    return evaluator.apply(evaluator.op("getitem", node), operands, {"index": index}, node)


def written_index(evaluator: Evaluation, node: ast.expr, places: list[Any]) -> list[Any]:
    """An index written as an option, its slices as slice(1, 3); tensors are appended to `places`."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    if isinstance(node, ast.List) and any(
        _is_slice(part) or isinstance(part, ast.List) for part in node.elts
    ):
        parts = node.elts  # as documents write it
    return [_item(evaluator, _as_slice(part), places) for part in parts]


def _is_slice(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "slice"


def _as_slice(node: ast.expr) -> ast.expr:
    if not isinstance(node, ast.Call) or not _is_slice(node) or not 1 <= len(node.args) <= 3 or node.keywords:
        return node
    bounds = [None, *node.args] if len(node.args) == 1 else [*node.args]
    return ast.copy_location(ast.Slice(*bounds), node)


def _output(evaluator: Evaluation, value: Ref, node: ast.Subscript) -> Ref:
    """Output k of a node with several."""
    output = _integer(evaluator, node.slice)
    if output is None:
        hint = "write …[0], or unpack: a, b = …"
        raise evaluator.text.fault(node.slice, "expected the number of an output", hint)
    if output < 0 and value.count is not None:
        output += value.count
    if output < 0 or (value.count is not None and output >= value.count):
        count = "an unknown number of" if value.count is None else value.count
        detail = f"output {output} of {count} outputs is not there"
        raise evaluator.text.fault(node.slice, detail, "outputs count from 0")
    return Ref(value.item, output, value.count)


def _item(evaluator: Evaluation, node: ast.expr, operands: list[Any]) -> Any:
    """One entry of the index as the attribute takes it; a tensor is appended to `operands`."""
    if isinstance(node, ast.Slice):
        bounds = {"start": node.lower, "stop": node.upper, "step": node.step}
        return {key: _bound(evaluator, bound) for key, bound in bounds.items()}
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return "..."
    try:
        value = literals.literal(node, evaluator.names)
    except literals.NotLiteral:
        pass
    else:
        if _fits(value):
            return value
        hint = "an index is an integer, a slice, '...', None, a list of integers or a tensor"
        raise evaluator.text.fault(node, "expected an index", hint)
    operands.append(evaluator.operand(node, "index"))
    return {"input": len(operands) - 1}


def _bound(evaluator: Evaluation, node: ast.expr | None) -> int | None:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return None
    bound = _integer(evaluator, node)
    if bound is None:
        if isinstance(node, ast.Name) and node.id == "end" and node.id not in evaluator.body.values:
            raise _to_the_end(evaluator, node)
        raise evaluator.text.fault(
            node,
            "expected an integer as a bound of a slice",
            "shapes are known before the data are: write the number, or index with a tensor",
        )
    return bound


def _to_the_end(evaluator: Evaluation, node: ast.Name) -> SyntaxFault:
    """The fault of x[2:end], as MATLAB and Julia write it: there indices count from 1."""
    parents = (part for part in ast.walk(evaluator.text.statement(node)) if isinstance(part, ast.Slice))
    whole = next((part for part in parents if part.upper is node), None)
    hint = "what goes on to the end has no upper bound, and indices count from 0: x[1:]"
    if whole is not None and whole.step is None:
        lower = whole.lower.value if isinstance(whole.lower, ast.Constant) else 0
        if type(lower) is int and lower > 0:
            first = None if lower == 1 else ast.Constant(lower - 1)
            meant = ast.Slice(first, None, None)
            hint = evaluator.text.instead(
                whole, meant, "no upper bound means the end, and indices count from 0"
            )
    return evaluator.text.fault(node, "'end' is no index here", hint)


def _integer(evaluator: Evaluation, node: ast.expr) -> int | None:
    try:
        value = literals.literal(node, evaluator.names)
    except literals.NotLiteral:
        return None
    return value if type(value) is int else None


def _fits(value: Any) -> bool:
    if isinstance(value, list):
        return all(_fits(item) and item is not None for item in value)
    return value is None or type(value) in (int, bool)
