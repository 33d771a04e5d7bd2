"""What requests for one function, kind and options have in common, worked out once.

A client that asks for a million gradients sends the same fields with other numbers. What does not depend on
the numbers is kept here: how each input is read, and the engine's query for each set of shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from engine.arrays.types import Array
from engine.derivatives.query import Query
from engine.frontend.graph import Graph
from engine.frontend.tensors import Tensor
from service.queries.builder import build_query, decode_directions, decode_inputs, places_of
from service.queries.kinds import QueryKind
from service.storage.lru import Lru
from service.wire import requests

#: Sets of shapes and dtypes that are kept for one function with its options.
_SIGNATURES = 64

Attachments = Mapping[str, Array] | None
Tensors = Mapping[str, Tensor]
Likeness = tuple[Any, ...]

#: Bytes of a query, and of what it says of each input.
_QUERY_BYTES, _TYPE_BYTES = 2_000, 400

_PLAIN = frozenset({str, bool, int, type(None)})
_STRINGS = frozenset({str})


class BoundQuery:
    """Requests of one kind for one function that differ in their tensors alone; `request` is the first."""

    def __init__(self, kind: QueryKind, graph: Graph, request: requests.Options) -> None:
        self.graph = graph
        self.request = request.model_copy(update=dict.fromkeys(tensor_fields(kind)))
        self._kind = kind
        self._places = places_of(graph, request.batch or ())
        self._query_bytes = query_bytes(len(self._places))
        self._queries: Lru[tuple[Any, ...], Query] = Lru(_SIGNATURES, _SIGNATURES * self._query_bytes)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes beside its graph, about, once it has met many signatures."""
        return _SIGNATURES * self._query_bytes

    def inputs(self, document: Mapping[str, Any], attachments: Attachments) -> Tensors:
        """The tensors under `inputs`.

        Raises UnknownInput, InvalidTensor, UnknownField, DtypeMismatch and ShapeMismatch.
        """
        return decode_inputs(self._places, document.get("inputs") or {}, attachments)

    def directions(self, document: Mapping[str, Any], attachments: Attachments) -> Tensors | None:
        """The cotangents, tangents or vectors, if there are any. Raises as `inputs`."""
        field = self._kind.directions
        return None if field is None else decode_directions(field, document.get(field), attachments)

    def query(self, inputs: Tensors, directions: Tensors | None) -> Query:
        """The engine's query for tensors of these types. Raises InvalidDocument and DeviceUnavailable."""
        signature = (_types(inputs), None if directions is None else _types(directions))
        query = self._queries.get(signature)
        if query is None:
            kind = self._kind
            query = build_query(kind.name, self.graph, self.request, inputs, kind.directions, directions)
            self._queries.put(signature, query, self._query_bytes)
        return query


def query_bytes(inputs: int) -> int:
    """Bytes that a query with so many inputs takes in memory, about."""
    return _QUERY_BYTES + inputs * _TYPE_BYTES


def tensor_fields(kind: QueryKind) -> tuple[str, ...]:
    """The fields of a request that hold tensors by name."""
    return ("inputs",) if kind.directions is None else ("inputs", kind.directions)


def likeness(
    kind: QueryKind, document: Mapping[str, Any], graph_id: str | None, attachments: Attachments
) -> Likeness | None:
    """What a request says beside its tensors; requests that are equal in it can be bound alike.

    None if it is not plain: a tensor field without an object, or another field with a number that is no
    integer, or with a list of anything but strings. Such a request has to be checked in full.
    """
    parts: list[Any] = [kind.name, graph_id]
    tensors = tensor_fields(kind)
    for name, value in document.items():
        type_ = type(value)
        if name in tensors:
            if type_ is not dict:
                return None
            if graph_id is None:  # a program's free names are inputs if they have a value
                parts.append((name, *value))
        elif type_ in _PLAIN:
            parts.append((name, type_, value))
        elif type_ is list and _STRINGS.issuperset(map(type, value)):
            parts.append((name, *value))
        elif name == "graph" and type_ is dict and attachments is None:
            parts.append((name, blake2b(to_json(value)).digest()))
        else:
            return None
    return tuple(parts)


def _types(tensors: Tensors) -> tuple[Any, ...]:
    return tuple([(name, one.array.shape, one.array.dtype.char, one.weak) for name, one in tensors.items()])
