"""A request without HTTP, as runners take it; it travels to child processes as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from engine.arrays.types import Array
from engine.frontend.function_checks import expanded_size
from engine.frontend.graph import Graph
from engine.ir.budget import Budget, BudgetSpent
from engine.queries.compiler import Compiler
from service.wire import requests
from service.wire import safetensors as safetensors_io
from service.wire.body import Media
from service.wire.json_reader import parse_object

#: What recording, specialising and planning one node of a function takes, with its derivative: instructions
#: that are recorded or walked, and seconds.
_NODE_UNITS = 20
_NODE_SECONDS = 50e-6
#: How many times its estimate a run may take before it stops in a tier of the server's own process.
_OVERRUN = 3.0


class GraphMissing(Exception):
    """The published graph came without its document, and is not decoded here any more."""


class TooLargeForTier(Exception):
    """The function has more nodes than this tier may record, or becomes more when it is recorded."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """What to compute (`kind`), the body, and what the server knows beside it.

    `graph_id` and `graph` are the published graph that the URL names and its canonical document; `job` is
    what the server knows of the job that a computation is about, as JSON. `accept_encoding` is the header, by
    which a child compresses a large answer.
    """

    kind: str
    body: bytes
    media: Media = "json"
    safetensors: bool = False
    graph_id: str | None = None
    graph: bytes = b""
    job: bytes = b""
    accept_encoding: str | None = None

    def pack(self) -> tuple[dict[str, Any], bytes, bytes]:
        """As a frame to a child: everything but the blobs as JSON-able data, the body, the server's part."""
        head = {
            "kind": self.kind,
            "media": self.media,
            "safetensors": self.safetensors,
            "graph_id": self.graph_id,
            "accept_encoding": self.accept_encoding,
        }
        return head, self.body, self.job if self.graph_id is None else self.graph

    @classmethod
    def unpack(cls, head: Mapping[str, Any], body: bytes, context: bytes) -> Self:
        """The request that `pack` packed."""
        if head["graph_id"] is None:
            return cls(body=body, job=context, **head)
        return cls(body=body, graph=context, **head)

    def split(self) -> tuple[bytes, Mapping[str, Array] | None]:
        """The JSON text of the body, and the arrays beside it. Raises InvalidTensor."""
        return (self.body, None) if self.media == "json" else safetensors_io.unpack(self.body)

    def open(self, tensors: str | None = None) -> tuple[dict[str, Any], Mapping[str, Array] | None]:
        """The JSON document of the body, and the arrays beside it. Raises Problem and InvalidTensor.

        Numbers under the field `tensors` may be infinite: whoever makes arrays of them looks.
        """
        text, attachments = self.split()
        return parse_object(text, tensors=tensors), attachments

    @property
    def json_bytes(self) -> int:
        """Bytes of JSON to be read: of the body, or of a safetensors body's header, and of the job."""
        own = len(self.body) if self.media == "json" else int.from_bytes(self.body[:8], "little")
        return own + len(self.job)


class Runner(Protocol):
    """What a kind that computes for itself may use of a `QueryRunner`."""

    compiler: Compiler
    max_peak_bytes: int

    def graph(
        self,
        call: QueryRequest,
        request: requests.Function,
        raw_inputs: Mapping[str, Any],
        attachments: Mapping[str, Array] | None,
    ) -> Graph:
        """The graph of a request, decoded once."""
        ...

    def keep(self, graph: Graph, size: int) -> None:
        """Remember a graph, whose document has `size` bytes, under its id."""
        ...


def require_nodes(graph: Graph, most_nodes: int | None) -> None:
    """Raise TooLargeForTier if the graph, its functions expanded, has more than `most_nodes`."""
    if most_nodes is not None and expanded_size(graph) > most_nodes:
        raise TooLargeForTier


class Bounded(Budget):
    """Stops what records more than `most_nodes` nodes usually become; raises TooLargeForTier.

    `run_seconds` is what is known to be run beside it; a run may take a few times as long.
    """

    __slots__ = ()

    def __init__(self, most_nodes: int, run_seconds: float = 0.0) -> None:
        super().__init__(most_nodes * _NODE_UNITS, most_nodes * _NODE_SECONDS + run_seconds * _OVERRUN)

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        if raised[0] is BudgetSpent:
            raise TooLargeForTier from None
