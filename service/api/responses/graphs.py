"""The shapes of responses about published graphs."""

from __future__ import annotations

from typing import Any

from service.queries.kinds.publish import GraphSummary
from service.wire.responses import Answer


class GraphAnswer(GraphSummary):
    """A published graph with its canonical document."""

    graph: dict[str, Any]


class GraphPage(Answer):
    """A page of published graphs, oldest first."""

    graphs: list[GraphSummary]
    next_cursor: str | None
