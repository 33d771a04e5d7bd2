"""x[…] to getitem: what is written out goes into the attribute, tensors become inputs."""

from __future__ import annotations

import ast
from typing import Any

from engine.frontend.graph import Number
from engine.frontend.program import literals
from engine.frontend.program.body import Ref
from engine.frontend.program.evaluation import Evaluation


def subscript(evaluator: Evaluation, node: ast.Subscript) -> Ref | Number:
    """The node of `value[index]`, or one output of a node that has several."""
    value = evaluator.value(node.value)
    if isinstance(value, Ref) and value.output is None:
        return _output(evaluator, value, node)
    operands = [evaluator.single(value, node.value)]
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    index = [_item(evaluator, part, operands) for part in parts]
    return evaluator.apply(evaluator.op("getitem", node), operands, {"index": index}, node)


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
        raise evaluator.text.fault(
            node,
            "expected an integer as a bound of a slice",
            "shapes are known before the data are: write the number, or index with a tensor",
        )
    return bound


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
