"""A condition of several elements that Python takes for one truth value: what to write instead."""

from __future__ import annotations

import ast

from gradwire._tracing.caller import caller
from gradwire._tracing.syntax import Source


def elementwise() -> str:
    """How the condition that the user's line evaluates is written for each element."""
    expression = caller()
    node: ast.AST | None = None if expression is None else expression.node
    while expression is not None and node is not None and not isinstance(node, ast.stmt | ast.Lambda):
        source = expression.source
        above = source.parents.get(node)
        if isinstance(node, ast.BoolOp):
            sign = "&" if isinstance(node.op, ast.And) else "|"
            joined = f" {sign} ".join(_part(source, value) for value in node.values)
            return f"write {joined} for `{source.segment(node)}`, which holds for each element"
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            joined = " & ".join(f"({text})" for text in _pairs(source, node))
            return f"write {joined} for `{source.segment(node)}`, which holds for each element"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"write ~{_part(source, node.operand)} for `{source.segment(node)}`"
        if isinstance(above, ast.BoolOp | ast.UnaryOp | ast.Compare):
            node = above
            continue
        if isinstance(above, ast.IfExp) and above.test is node:
            module = source.alias("gradwire")
            parts = [source.segment(each) for each in (above.test, above.body, above.orelse)]
            return (
                f"write {module}.where({', '.join(parts)}) for `{source.segment(above)}`, which chooses for "
                f"each of them, or take {module}.any({parts[0]}) or {module}.all({parts[0]})"
            )
        break
    return (
        "choose for each of them by gradwire.where(condition, a, b), or take gradwire.any(...) or "
        "gradwire.all(...)"
    )


def _part(source: Source, node: ast.AST) -> str:
    """An operand of `&`, in brackets unless it needs none."""
    text = source.segment(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return f"~{_part(source, node.operand)}"
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        return "(" + " & ".join(f"({pair})" for pair in _pairs(source, node)) + ")"
    return text if isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript) else f"({text})"


def _pairs(source: Source, node: ast.Compare) -> list[str]:
    """A chained comparison as comparisons of two."""
    operands = [node.left, *node.comparators]
    signs = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
    return [
        f"{source.segment(left)} {signs.get(type(op), '==')} {source.segment(right)}"
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False)
    ]
