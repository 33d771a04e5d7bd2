"""What a function would take, from shapes alone: every node, the forward pass, and each derivative of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from engine.derivatives.batched_rows import one_row
from engine.derivatives.matrices import MARGIN
from engine.derivatives.query import Kind, Query
from engine.errors import DerivativeNotImplemented, InvalidTarget, NotHolomorphic, OverLimit, TargetRequired
from engine.frontend.record import record
from engine.passes import powers
from engine.queries.compiler import in_dtype, plan_of
from engine.queries.sparse import find_layout
from engine.runtime.cost import Estimate, cost_of

Figures = dict[str, int]
#: Of a pattern that an estimate looks at, so that no estimate takes long.
MOST_ENTRIES: Final = 1 << 18


def estimate(query: Query) -> dict[str, Any]:
    """The answer of `POST /v1/estimate` for the graph and the inputs' types of `query`; its kind is ignored.

    `nodes` are the user's own, with the type of their first output, its bytes, and the FLOPs of all that the
    node becomes; of a batch, for one row. `forward`, `gradient`, `jacobian` by method and `hessian` are what
    such a call would take; None if it would be refused, as a gradient is without a target of one number.
    A query that is `sparse` adds `sparse`: the same for the sparse Jacobian and Hessian, whose patterns are
    found; indices may be any, since their values are not known. Nothing is allocated for the tensors.
    Raises OverLimit for a pattern of more than MOST_ENTRIES.
    """
    wants_sparse = query.sparse
    query = in_dtype(replace(query, kind="evaluate", sparse=False))
    answer = {
        "nodes": _nodes(query),
        "forward": _figures(_estimate(query, "evaluate")),
        "gradient": _figures(_estimate(query, "gradient")),
        "jacobian": _by_method(query),
        "hessian": _figures(_estimate(query, "hessian")),
    }
    if wants_sparse:
        answer["sparse"] = {"jacobian": _sparse(query, "jacobian"), "hessian": _sparse(query, "hessian")}
    return answer


def _estimate(
    query: Query, kind: Kind, method: Literal["auto", "forward", "reverse"] = "auto"
) -> Estimate | None:
    """The estimate of one question, None if it would be refused for what its target is."""
    try:
        _, plan = plan_of(replace(query, kind=kind, method=method, diagnose="off"))
    except (InvalidTarget, TargetRequired, DerivativeNotImplemented, NotHolomorphic):
        return None
    return plan.estimate


def _sparse(query: Query, kind: Kind) -> dict[str, Any] | None:
    question = replace(query, kind=kind, sparse=True)
    try:
        sparse_layout, _ = find_layout(question, {}, MOST_ENTRIES)
        _, plan = plan_of(sparse_layout.coloured(question))
    except (InvalidTarget, TargetRequired, DerivativeNotImplemented, NotHolomorphic):
        return None
    except OverLimit as error:
        error.hint = (
            "leave `sparse` out, or estimate it for smaller tensors: an estimate looks at patterns of up to "
            f"{MOST_ENTRIES:,} entries"
        )
        raise
    layout = sparse_layout.layout
    estimate = sparse_layout.estimate(plan.estimate, 1)
    return {
        "flops": estimate.flops,
        "peak_bytes": estimate.peak_bytes,
        "colours": layout.count,
        "nonzeros": layout.nonzeros,
        "method": layout.method,
    }


def _figures(estimate: Estimate | None) -> Figures | None:
    return None if estimate is None else {"flops": estimate.flops, "peak_bytes": estimate.peak_bytes}


def _by_method(query: Query) -> dict[str, Any] | None:
    """Both methods, and which one `auto` would take."""
    ahead, reverse = _estimate(query, "jacobian", "forward"), _estimate(query, "jacobian", "reverse")
    if ahead is None or reverse is None:
        return None
    cheaper = "forward" if ahead.seconds < MARGIN * reverse.seconds else "reverse"
    return {"forward": _figures(ahead), "reverse": _figures(reverse), "cheaper": cheaper}


def _nodes(query: Query) -> list[dict[str, Any]]:
    """The nodes in the order in which they are computed; of a batch, those of one row."""
    recording = record(query.graph, one_row(query).query.inputs, query.chosen_outputs())
    tape = recording.tape
    flops: dict[str, int] = {}
    computed = powers(tape)
    for step in computed.instructions:
        owner = (step.origin.node or "").partition("/")[0]
        owner = step.origin.node or "" if owner not in recording.slots else owner
        flops[owner] = flops.get(owner, 0) + cost_of(computed, step).flops
    nodes: Mapping[str, Any] = {node.name: node for node in query.graph.nodes if node.name in recording.slots}
    answer = []
    for name, node in nodes.items():
        type = tape.types[recording.slots[name][0]]
        answer.append(
            {
                "node": name,
                "op": node.op.name,
                "shape": list(type.shape),
                "dtype": type.dtype,
                "flops": flops.get(name, 0),
                "bytes": type.nbytes,
            }
        )
    return answer
