"""What to ask instead of a question that needs too much memory: smaller ones, tried before they are named.

A row of the table makes the smaller question; it is proposed only if it is within the limit. A refusal is to
be quick: what cannot fit by its inputs alone is not compiled, and what would take long to compile is named as
not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from engine.derivatives.query import Query
from engine.dtypes import TensorType, is_inexact
from engine.runtime.cost import MOST, Estimate

Takes = Callable[[Query], Estimate | None]  # what a question takes; None if it is refused

_GENERAL: Final = "use smaller tensors, or fewer outputs at once"


#: Above so many nodes of the graph, or nodes times elements of the variables, a question is not tried.
MOST_NODES: Final = 100
MOST_ELEMENTS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Alternative:
    """A smaller question, and its sentence; `{bytes}` is what it takes at once.

    `untried` is what stands in its place if it would take long to try, and `by_element` says that its time
    grows with the elements of the variables.
    """

    words: str
    change: Callable[[Query, float], Query | None]
    untried: str = ""
    by_element: bool = False


def alternatives(query: Query, estimate: Estimate, limit: int, takes: Takes) -> str:
    """The hint for a question that takes more than `limit` bytes at once: what would be accepted."""
    return (
        "; or ".join(_accepted(query, min(estimate.peak_bytes, MOST) / max(limit, 1), limit, takes))
        or _GENERAL
    )


def _accepted(query: Query, excess: float, limit: int, takes: Takes) -> Iterator[str]:
    untried = []
    for row in _TABLE:
        smaller = row.change(query, excess)
        if smaller is None or _input_bytes(smaller) > limit:
            continue
        if _takes_long(row, smaller):
            untried.append(row.untried)
            continue
        estimate = takes(smaller)
        if estimate is not None and estimate.peak_bytes <= limit:
            yield row.words.format(bytes=f"{estimate.peak_bytes:,}", rows=_rows(smaller))
    if any(untried):
        yield f"it was not tried whether {' or '.join(filter(None, untried))} would fit"


def _input_bytes(query: Query) -> int:
    """What a question takes at least: its inputs and directions, all of which are held at once."""
    directed = (query.vectors or {}, query.tangents or {}, query.cotangents or {})
    types = [type for group in (query.inputs, *directed) for type in group.values()]
    narrow = 2 if query.dtype == "float32" else 1
    return sum(type.nbytes for type in types) // narrow


def _takes_long(row: Alternative, query: Query) -> bool:
    nodes = len(query.graph.nodes)
    elements = sum(type.size for type in query.inputs.values() if is_inexact(type.dtype))
    return nodes > MOST_NODES or (row.by_element and nodes * elements > MOST_ELEMENTS)


def _sparse(query: Query, excess: float) -> Query | None:
    return replace(query, sparse=True) if query.kind in ("jacobian", "hessian") and not query.sparse else None


def _vector_product(query: Query, excess: float) -> Query | None:
    types = _variables(query)
    if query.kind != "hessian" or types is None:
        return None
    return replace(query, kind="hvp", wrt=None, sparse=False, vectors=types)


def _tangent_product(query: Query, excess: float) -> Query | None:
    types = _variables(query)
    if query.kind != "jacobian" or types is None:
        return None
    return replace(query, kind="jvp", wrt=None, sparse=False, method="auto", tangents=types)


def _variables(query: Query) -> dict[str, TensorType] | None:
    """The types of what is differentiated, if these are inputs."""
    if query.wrt is None:
        return {name: type for name, type in query.inputs.items() if is_inexact(type.dtype)}
    complete = all(name in query.inputs for name in query.wrt)
    return {name: query.inputs[name] for name in query.wrt} if complete else None


def _narrow(query: Query, excess: float) -> Query | None:
    halves = query.dtype is None and excess <= 2  # no number takes less than half
    return replace(query, dtype="float32") if halves else None


def _fewer_rows(query: Query, excess: float) -> Query | None:
    directed = query.cotangents or query.tangents or query.vectors
    if not query.batch or directed:
        return None
    rows = _rows(query)
    part = rows // (ceil(excess * 1.1) + 1)
    if part < 1:
        return None
    inputs = {
        name: TensorType((part, *type.shape[1:]), type.dtype, type.weak) if name in query.batch else type
        for name, type in query.inputs.items()
    }
    return replace(query, inputs=inputs)


def _rows(query: Query) -> int:
    first = query.inputs.get(query.batch[0]) if query.batch else None
    return first.shape[0] if first is not None and first.shape else 0


_TABLE: Final = (
    Alternative(
        'ask with "sparse": true for the entries that are not zero: it takes {bytes} bytes at once',
        _sparse,
        '"sparse": true',
        by_element=True,
    ),
    Alternative(
        "ask hvp for products with `vectors`: each takes {bytes} bytes at once",
        _vector_product,
        "hvp with `vectors`",
    ),
    Alternative(
        "ask jvp for products with `tangents`: each takes {bytes} bytes at once",
        _tangent_product,
        "jvp with `tangents`",
    ),
    Alternative(
        "send at most {rows} rows at once: they take {bytes} bytes", _fewer_rows, "fewer rows at once"
    ),
    Alternative('ask with "dtype": "float32": it takes {bytes} bytes at once', _narrow, '"dtype": "float32"'),
)
