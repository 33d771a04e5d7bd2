"""Elements that a mask picks, `x[x > 0]`, inside of a reduction: as a choice that keeps the shape."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Final

from engine.frontend.program.updates import is_mask, mask_names
from engine.ir.table import TABLE

#: By reduction what it takes where the mask does not hold, and the whole, of the values v and the mask m.
_REDUCED: Final[Mapping[str, tuple[str, str]]] = {
    "sum": ("0", "sum(v)"),
    "mean": ("0", "sum(v) / sum(m)"),
    "average": ("0", "sum(v) / sum(m)"),
    "prod": ("1", "prod(v)"),
    "max": ("-inf", "max(v)"),
    "min": ("inf", "min(v)"),
    "norm": ("0", "norm(v)"),
    "logsumexp": ("-inf", "logsumexp(v)"),
}
#: 1 is in the domain of every op, and inf and -inf have slopes of their own.
_SAFE: Final = "1"
MASKED: Final = (
    "how many elements a mask picks would depend on the data, so all are kept, and a mean divides by the "
    "mask's count"
)


def without_masks(statements: list[ast.stmt]) -> list[ast.stmt] | None:
    """The statements with choices in place of what masks pick; None if one is left over.

    A name that was given to picked elements is written out where a reduction reads it.
    """
    masks = mask_names(statements)
    picked: dict[str, ast.expr] = {}
    written: list[ast.stmt] = []
    for one in statements:
        statement = _Write(picked).visit(copy.deepcopy(one)) if picked else one
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if (
                isinstance(target, ast.Name)
                and _masks_in(statement.value, masks)
                and _is_elementwise(statement.value)
            ):
                picked[target.id] = statement.value
                continue
        reduced = _Reduce(masks).visit(copy.deepcopy(statement))
        if _masks_in(reduced, masks):
            return None
        written.append(reduced)
    return written


def _masks_in(node: ast.AST, names: frozenset[str]) -> list[ast.Subscript]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Subscript) and is_mask(part.slice, names)]


def _is_elementwise(node: ast.expr) -> bool:
    if isinstance(node, ast.Name | ast.Constant | ast.Subscript | ast.Attribute):
        return True
    if isinstance(node, ast.BinOp):
        return (
            not isinstance(node.op, ast.MatMult)
            and _is_elementwise(node.left)
            and _is_elementwise(node.right)
        )
    if isinstance(node, ast.UnaryOp):
        return _is_elementwise(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        op = TABLE.find(node.func.id)
        whole = op is not None and op.family.name == "elementwise"
        return whole and all(_is_elementwise(argument) for argument in node.args)
    return False


class _Reduce(ast.NodeTransformer):
    """Writes `mean(f(x[m]))` as `sum(where(m, f(where(m, x, 1)), 0)) / sum(m)`."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        method = isinstance(node.func, ast.Attribute)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        args = [node.func.value, *node.args] if isinstance(node.func, ast.Attribute) else node.args
        if (
            name not in _REDUCED
            or len(args) != 1
            or node.keywords
            or (method and not _masks_in(node, self.names))
        ):
            return node
        masks = {ast.unparse(part.slice): part.slice for part in _masks_in(args[0], self.names)}
        if len(masks) != 1 or not _is_elementwise(args[0]):
            return node
        (mask,) = masks.values()
        other, text = _REDUCED[name]
        inner = args[0]
        if isinstance(inner, ast.Subscript):
            value: ast.expr = inner.value
        else:
            value = _Choose(self.names).visit(copy.deepcopy(inner))
        chosen = _choice(mask, value, other)
        return _Write({"v": chosen, "m": mask}).visit(ast.parse(text, mode="eval").body)  # type: ignore[no-any-return]  # untyped there


class _Choose(ast.NodeTransformer):
    """Writes `x[m]` as `where(m, x, 1)`."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return _choice(node.slice, node.value, _SAFE) if is_mask(node.slice, self.names) else node


class _Write(ast.NodeTransformer):
    """Writes names out."""

    def __init__(self, names: Mapping[str, ast.expr]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        written = self.names.get(node.id)
        return node if written is None or isinstance(node.ctx, ast.Store) else copy.deepcopy(written)


def _choice(mask: ast.expr, value: ast.expr, other: str) -> ast.expr:
    return ast.Call(ast.Name("where", ast.Load()), [mask, value, ast.parse(other, mode="eval").body], [])
