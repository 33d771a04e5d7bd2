"""What requests for one function, kind and options have in common, worked out once.

A client that asks for a million gradients sends the same fields with other numbers. What does not depend on
the numbers is kept here: how each input is read, and the engine's query for each set of shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.arrays.types import Array
from engine.derivatives.query import Query
from engine.frontend.graph import Graph
from engine.frontend.tensors import Tensor
from service.queries.builder import build_query, decode_inputs, readers_of
from service.queries.kinds import QueryKind
from service.storage.lru import Lru
from service.wire import requests

#: Sets of shapes and dtypes that are kept for one function with its options.
_SIGNATURES = 64

Attachments = Mapping[str, Array] | None
Tensors = Mapping[str, Tensor]


class BoundQuery:
    """Requests of one kind for one function that differ in their tensors alone."""

    def __init__(self, kind: QueryKind, graph: Graph, request: requests.Options) -> None:
        self._kind = kind
        self.graph = graph
        self._readers = readers_of(graph, request.batch or ())
        self._queries: Lru[tuple[Any, ...], Query] = Lru(_SIGNATURES)

    def read(self, given: Mapping[str, Any], attachments: Attachments) -> dict[str, Tensor]:
        """The tensors under `inputs`.

        Raises UnknownInput, InvalidTensor, UnknownField, DtypeMismatch and ShapeMismatch.
        """
        return decode_inputs(self._readers, given, attachments)

    def query(self, request: requests.Options, inputs: Tensors, directions: Tensors | None) -> Query:
        """The engine's query for tensors of these types. Raises InvalidDocument and DeviceUnavailable."""
        signature = (_types(inputs), None if directions is None else _types(directions))
        query = self._queries.get(signature)
        if query is None:
            query = build_query(
                self._kind.name, self.graph, request, inputs, self._kind.directions, directions
            )
            self._queries.put(signature, query)
        return query


def options_of(kind: QueryKind, request: requests.Request) -> tuple[Any, ...]:
    """What a request says beside its function and its tensors, as a hashable value."""
    return tuple(
        [
            tuple(value) if type(value) is list else value
            for name, value in request.__dict__.items()
            if name not in _APART and name != kind.directions
        ]
    )


_APART = frozenset({"inputs", "program", "graph"})


def _types(tensors: Tensors) -> tuple[Any, ...]:
    return tuple([(name, one.array.shape, one.array.dtype.char, one.weak) for name, one in tensors.items()])
