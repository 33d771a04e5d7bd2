"""Published graphs: kept under the hash of their canonical form, in the order they came."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.storage.checksums import Damaged, of_texts
from service.storage.database import Database
from service.storage.lru import Lru
from service.storage.tables import GRAPHS

#: Bytes of the objects around the texts.
_OVERHEAD = 500
_COLUMNS = (GRAPHS.c.id, GRAPHS.c.document, GRAPHS.c.summary, GRAPHS.c.nodes, GRAPHS.c.checksum)


@dataclass(frozen=True, slots=True)
class PublishedGraph:
    """A stored graph: canonical document and summary, both as JSON text."""

    id: str
    document: bytes
    summary: str
    nodes: int

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.document) + len(self.summary) + _OVERHEAD

    @property
    def checksum(self) -> str:
        """The checksum of the row: of the document, and of the summary, which lists read alone."""
        return f"{of_texts(self.document, str(self.nodes))}:{of_texts(self.id, self.summary)}"


class GraphStore:
    """Published graphs, the most used of them in memory."""

    def __init__(self, database: Database, *, entries: int, most_bytes: int) -> None:
        self._database = database
        self.recent: Lru[str, PublishedGraph] = Lru(entries, most_bytes)

    def peek(self, graph_id: str) -> PublishedGraph | None:
        """The graph if it is in memory; no waiting."""
        return self.recent.get(graph_id)

    async def put(self, graph: PublishedGraph) -> bool:
        """Store the graph durably; True if it was not there before."""

        def store(connection: Connection) -> bool:
            existing = connection.execute(select(*_COLUMNS).where(GRAPHS.c.id == graph.id)).first()
            values = {
                "document": graph.document,
                "summary": graph.summary,
                "nodes": graph.nodes,
                "checksum": graph.checksum,
            }
            if existing is None:
                connection.execute(insert(GRAPHS).values(id=graph.id, created_at=time.time(), **values))
            elif not _is_intact(existing):  # damaged, and mended by this
                connection.execute(update(GRAPHS).where(GRAPHS.c.id == graph.id).values(**values))
            return existing is None

        try:
            created = await self._database.write(store)
        except IntegrityError:  # the same graph, published twice at the same moment
            created = False
        self.recent.put(graph.id, graph, graph.nbytes)
        return created

    async def get(self, graph_id: str) -> PublishedGraph | None:
        """The graph from the database, cached from now on; None if there is none. Raises Damaged."""
        row = await self._database.read(
            lambda connection: connection.execute(select(*_COLUMNS).where(GRAPHS.c.id == graph_id)).first()
        )
        if row is None:
            return None
        if not _is_intact(row):
            raise _damaged(graph_id)
        graph = PublishedGraph(row.id, row.document, row.summary, row.nodes)
        self.recent.put(graph_id, graph, graph.nbytes)
        return graph

    async def page(self, *, after: int, limit: int) -> tuple[list[str], int | None]:
        """Up to `limit` summaries of graphs published after `after`, and where the next page starts.

        Raises Damaged.
        """
        rows = await self._database.read(
            lambda connection: connection.execute(
                select(GRAPHS.c.seq, GRAPHS.c.id, GRAPHS.c.summary, GRAPHS.c.checksum)
                .where(GRAPHS.c.seq > after)
                .order_by(GRAPHS.c.seq)
                .limit(limit + 1)
            ).all()
        )
        page = rows[:limit]
        for row in page:
            if row.checksum is not None and row.checksum[65:] != of_texts(row.id, row.summary):
                raise _damaged(row.id)
        return [row.summary for row in page], page[-1].seq if len(rows) > limit else None

    async def delete(self, graph_id: str) -> bool:
        """Remove the graph; False if there was none."""

        def remove(connection: Connection) -> bool:
            return connection.execute(delete(GRAPHS).where(GRAPHS.c.id == graph_id)).rowcount > 0

        removed = await self._database.write(remove)
        self.recent.discard(graph_id)
        return removed


def _is_intact(row: Any) -> bool:
    """Whether a row is what was stored; of rows of older servers nobody knows."""
    graph = PublishedGraph(row.id, row.document, row.summary, row.nodes)
    return row.checksum is None or row.checksum == graph.checksum


def _damaged(graph_id: str) -> Damaged:
    return Damaged(f"the published graph {graph_id[:100]}", "publish it again: that puts it right")
