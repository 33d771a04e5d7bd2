"""A source that is a part of a variable, made anew where its gradient is asked for: `theta[0]`."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from gradwire._tracing.caller import expression_at
from gradwire._tracing.dependence import Dependence
from gradwire._tracing.node import Edge, Leaf, Op, Traced
from gradwire._tracing.structure import leaves
from gradwire.autodiff.gradient_requests import Source
from gradwire.results import Finding

#: Ops that pick or rearrange elements of one tensor.
_VIEWS = {
    *("getitem", "take", "gather", "slice", "reshape", "ravel", "squeeze", "expand_dims", "flip", "roll"),
    *("permute_dims", "matrix_transpose", "moveaxis", "swapaxes", "broadcast_to", "astype"),
}
_LOST = ("unwatched", "disconnected")


def of_view(finding: Finding, source: Source, target: Any) -> Finding:
    """A finding of a gradient that is None because its source is another tensor than the target reads."""
    node = source.edge.node
    if finding.status not in _LOST or not isinstance(node, Op) or node.op not in _VIEWS:
        return finding
    whole = node.inputs[0]
    if not isinstance(whole, Edge):
        return finding
    ends = [leaf._edge() for leaf in leaves(target) if isinstance(leaf, Traced)]
    reached = Dependence(lambda edge: _same(edge, whole), stopped=True)
    if not any(reached.source(end) for end in ends):
        return finding
    expression = expression_at(node.place)
    text, name, index = "", _name(whole), ""
    if expression is not None and isinstance(expression.node, ast.Subscript):
        source_text = expression.source.segment
        text, name = expression.text, source_text(expression.node.value)
        index = f"[{source_text(expression.node.slice)}]"
    if not name:
        return finding
    description = f"`{text}`" if text else f"a {node.op} of '{name}'"
    return replace(
        finding,
        message=f"it is {description}, a new tensor: the target was computed from '{name}', and not from it",
        fix=f"differentiate by `{name}` and take the part of the gradient: "
        f"tape.gradient(target, {name}){index or ', ' + node.op + ' of it'}",
        place=node.place,
        places=(),
    )


def _same(edge: Edge, whole: Edge) -> bool:
    """Whether two edges are one tensor, or values of one variable."""
    one, other = edge.node, whole.node
    if isinstance(one, Leaf) and isinstance(other, Leaf) and one.owner is not None:
        return one.owner is other.owner
    return one is other and edge.index == whole.index


def _name(edge: Edge) -> str:
    return (edge.node.name if isinstance(edge.node, Leaf) else None) or ""
