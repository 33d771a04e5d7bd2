"""Derivatives asked for while something else records: they become nodes, and can be differentiated again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradwire._tracing.lower import lower_function
from gradwire._tracing.node import Edge, Leaf, Lowered, Node, Op, Parameter, Recorder
from gradwire._tracing.subgraph import captured_by, recording, tensors
from gradwire._tracing.tensor import Tensor, record
from gradwire._tracing.tracer import trace
from gradwire.autodiff.gradient_requests import Source


def gradient_nodes(
    target: Edge, sources: Sequence[Source], tape: Recorder, *, zero: bool, sums: bool
) -> list[Tensor | None]:
    """Record the gradients of a target by sources: with `sums` of its sum, else it must be one number.

    None where the target does not hang on the source at all (`zero`: zeros); where only a blocked path
    leads to it, zeros.
    """
    tensors: list[Tensor | None] = [None] * len(sources)
    with recording(tape):
        scalar = Edge(trace("sum" if sums else "identity", (Tensor(target),)))
    for positions in _independent(sources, tape):
        chosen = [sources[k] for k in positions]
        for k, gradient in zip(positions, _of(scalar, chosen, tape), strict=True):
            tensors[k] = gradient
    if zero:
        return [record("zeros_like", (Tensor(s.edge),)) if g is None else g
                for g, s in zip(tensors, sources, strict=True)]  # fmt: skip
    return tensors


def jacobian_nodes(
    target: Edge, sources: Sequence[Source], watched: Sequence[Source], tape: Recorder, *, zero: bool
) -> list[Tensor | None]:
    """Record the Jacobians of a target by sources; None, or zeros, where it does not hang on the source.

    So for sources that are not `watched`.
    """
    tensors: list[Tensor | None] = [None] * len(sources)
    with recording(tape):
        own = Edge(trace("identity", (Tensor(target),)))
    for positions in _independent(sources, tape):
        chosen = [sources[k] for k in positions]
        for k, block in zip(positions, _of(own, chosen, tape, "jacobian", every=zero), strict=True):
            is_watched = any(sources[k] is source for source in watched)
            tensors[k] = (
                block if is_watched or block is None else record("zeros_like", (block,)) if zero else None
            )
    return tensors


def _of(
    scalar: Edge, sources: Sequence[Source], tape: Recorder, op: str = "gradient", *, every: bool = False
) -> list[Tensor | None]:
    """One node for sources none of which is computed from another on the tape; `every` source is asked."""
    edges = [_values_of(source, scalar, tape) for source in sources]
    flat = [edge for group in edges for edge in group]
    function, captured = _function(scalar, flat, tape)
    used = _used(function, len(flat))
    wrt = [k for k in range(len(flat)) if (every or k in used) and _floating(flat[k])]
    if not wrt:
        return [None] * len(sources)
    inputs = [*tensors(flat), *tensors(captured)]
    node = trace(op, inputs, {"wrt": wrt}, functions={"function": function})
    gradients = {k: Tensor(Edge(node, place)) for place, k in enumerate(wrt)}
    answers: list[Tensor | None] = []
    start = 0
    for group in edges:
        parts = [gradients[k] for k in range(start, start + len(group)) if k in gradients]
        start += len(group)
        answers.append(_total(parts))
    return answers


def _function(scalar: Edge, sources: Sequence[Edge], tape: Recorder) -> tuple[Lowered, list[Edge]]:
    """The target as a function of the sources, then of whatever else was not recorded by the tape."""
    parameters: list[Node] = [Parameter(_name(edge), edge.node.place) for edge in sources]
    stand_ins = {(e.node, e.index): p for e, p in zip(sources, parameters, strict=True)}
    lowered = lower_function(parameters, [scalar], inside=tape, label="function", stand_ins=stand_ins)
    return lowered, captured_by([lowered], [len(parameters)])


def _values_of(source: Source, scalar: Edge, tape: Recorder) -> list[Edge]:
    """The edges of a source: of a variable, every value that it had while the tape ran."""
    if source.owner is None:
        return [source.edge]
    read = lower_function([], [scalar], inside=tape, label="")
    own = [i.node for i in read.items if isinstance(i.node, Leaf) and i.node.owner is source.owner]
    return [Edge(leaf) for leaf in dict.fromkeys(own)] or [source.edge]


def _independent(sources: Sequence[Source], tape: Recorder) -> Iterator[list[int]]:
    """Groups that one node can serve: values from outside together, each op of the tape alone."""
    outside = []
    for k, source in enumerate(sources):
        node = source.edge.node
        if isinstance(node, Op) and tape.holds(node.recorder):
            yield [k]
        else:
            outside.append(k)
    if outside:
        yield outside


def _used(function: Lowered, count: int) -> set[int]:
    refs: list[Any] = [ref for item in function.items for ref in item.inputs if isinstance(ref, tuple)]
    return {ref[0] for ref in (*refs, *function.roots) if ref[0] < count}


def _floating(edge: Edge) -> bool:
    return not isinstance(edge.node, Leaf) or edge.node.value.dtype.kind in "fc"


def _name(edge: Edge) -> str:
    return (None if isinstance(edge.node, Op) else edge.node.name) or "x"


def _total(parts: Sequence[Tensor]) -> Tensor | None:
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
