"""A second derivative of what is piecewise linear: it is zero, and nothing of the sources is left in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gradwire._tracing.dependence import Dependence
from gradwire._tracing.node import Edge, Leaf, Lowered, Op, Traced
from gradwire._tracing.structure import leaves
from gradwire.autodiff.gradient_requests import Source
from gradwire.results import Finding

#: By op without curvature what to write in its place.
_SMOOTH = {
    "relu": "softplus, gelu or tanh",
    "relu6": "softplus, gelu or tanh",
    "leaky_relu": "elu, softplus or tanh",
    "abs": "sqrt(x**2 + 1e-6)",
    "hard_sigmoid": "sigmoid",
    "hard_tanh": "tanh",
    "maximum": "logaddexp, or softplus of the difference",
    "minimum": "-logaddexp(-a, -b)",
    "clip": "tanh or sigmoid, scaled",
}
#: Ops beside which it is not clear that nothing is left.
_CURVED = {
    *("exp", "expm1", "log", "log1p", "sqrt", "square", "pow", "sin", "cos", "tan", "arctan", "sinh", "cosh"),
    *("tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "selu", "mish", "softmax", "log_softmax", "erf"),
    *("logsumexp", "logaddexp", "softsign", "reciprocal", "divide"),
}
_ORDERS = {"gradient": 1, "jacobian": 1, "hessian": 2}
_GONE = ("disconnected", "blocked")


def of_second_slope(finding: Finding, source: Source, target: Any) -> Finding:
    """A finding of a gradient through a second derivative that is zero because of a piecewise linear op."""
    if finding.status not in _GONE:
        return finding
    ends = [leaf._edge() for leaf in leaves(target) if isinstance(leaf, Traced)]
    reads = Dependence(lambda edge: source.same(Source("", edge, _owner(edge))), stopped=True)
    if not any(reads.source(end) for end in ends):
        return finding
    culprit = next((op for node in _behind(ends) for op in _bent(node, 0)), None)
    if culprit is None:
        return finding
    at = f", {culprit.place}" if culprit.place is not None else ""
    return replace(
        finding,
        message=(
            f"the target holds a second derivative through {culprit.op}{at}: {culprit.op} is piecewise "
            f"linear, so that this derivative is 0, and nothing of '{finding.name}' is left in it"
        ),
        fix=f"use {_SMOOTH[culprit.op]} in place of {culprit.op}, which have a curvature",
        place=culprit.place,
        places=() if culprit.place is None else (culprit.place,),
    )


def _behind(ends: list[Edge]) -> Iterator[Op]:
    """The ops that take derivatives, among all that some edges hang on."""
    stack, visited = [edge.node for edge in ends], set()
    while stack:
        node = stack.pop()
        if node in visited or not isinstance(node, Op):
            continue
        visited.add(node)
        if node.op in _ORDERS:
            yield node
        stack.extend(behind.node for behind in node.inputs if isinstance(behind, Edge))


def _bent(node: Op, order: int) -> Iterator[Op]:
    """The piecewise linear ops of which an op takes a second derivative."""
    order += _ORDERS.get(node.op, 0)
    for function in node.functions.values():
        if any(inner.op in _CURVED for inner in _ops(function)):
            continue
        for inner in _ops(function):
            if inner.op in _SMOOTH and order >= 2:
                yield inner
            if inner.functions:
                yield from _bent(inner, order)


def _ops(function: Lowered) -> Iterator[Op]:
    return (item.node for item in function.items if item.op is not None and isinstance(item.node, Op))


def _owner(edge: Edge) -> object | None:
    return edge.node.owner if isinstance(edge.node, Leaf) else None
