"""What a tape is asked to differentiate, as one edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradwire._tracing.node import Edge, Op, recorder
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import ReadingRecorder
from gradwire._tracing.structure import leaves
from gradwire._tracing.tensor import Tensor, record
from gradwire._tracing.tracer import trace
from gradwire.autodiff.misuse import expected_target
from gradwire.errors import TapeError


def target_edge(target: Any, weights: Any, tape: ReadingRecorder) -> Edge:
    """One edge for a target: as it is, its elements weighed, or the sum of several targets.

    Raises TapeError for what is not traced.
    """
    targets = list(leaves(target))
    if not targets or not all(isinstance(t, Operators) for t in targets):
        raise TapeError(expected_target(targets, tape.reads))
    token = recorder.set(tape)
    try:
        edges: list[Edge] = [t._edge() for t in targets]
        if weights is not None:
            single = isinstance(target, Operators)
            pairs = zip(edges, [weights] if single else leaves(weights), strict=True)
            edges = [_weighed(edge, weight) for edge, weight in pairs]
        if len(edges) > 1:
            total = record("sum", (Tensor(edges[0]),))
            for edge in edges[1:]:
                total = total + record("sum", (Tensor(edge),))
            return total._edge()
        if isinstance(edges[0].node, Op):
            return edges[0]
        return Edge(trace("identity", (Tensor(edges[0]),)))
    finally:
        recorder.reset(token)


def _weighed(edge: Edge, weight: Any) -> Edge:
    """A target times its cotangent; of a complex cotangent w the real part of conj(w) times it."""
    if isinstance(weight, Operators) or np.asarray(weight).dtype.kind != "c":
        return Edge(trace("multiply", (Tensor(edge), weight)))
    product = trace("multiply", (Tensor(edge), np.conj(weight)))
    return Edge(trace("real", (Tensor(Edge(product)),)))
