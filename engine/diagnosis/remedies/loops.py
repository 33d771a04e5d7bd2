"""The condition of a loop, as it was written."""

from __future__ import annotations

import ast

from engine.errors import Source
from engine.ir.tape import Instruction

_OTHER_WAY: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.GtE(),
    ast.LtE: ast.Gt(),
    ast.Gt: ast.LtE(),
    ast.GtE: ast.Lt(),
}


def condition_of(step: Instruction) -> str | None:
    """The text of a while loop's condition; None where there is none."""
    condition = step.attributes["condition"]
    makers = [inner for inner in condition.instructions if condition.outputs[0] in inner.outputs]
    source = makers[0].origin.source if makers else None
    return source.text if isinstance(source, Source) else None


def turn_comparison(condition: str) -> str | None:
    """A comparison the other way round; None for another condition."""
    try:
        node = ast.parse(condition, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _OTHER_WAY:
        return None
    return ast.unparse(ast.Compare(node.left, [_OTHER_WAY[type(node.ops[0])]], node.comparators))
