"""The records of data sets, in the order they came."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Row, delete, insert, select

from service.datasets.arrays import Field
from service.storage.tables import DATASETS


@dataclass(frozen=True, slots=True)
class Dataset:
    """A stored set: its id, its number of rows, the bytes that were uploaded, and its fields."""

    id: str
    rows: int
    bytes: int
    fields: Mapping[str, Field]

    def document(self) -> dict[str, Any]:
        """The set on the wire."""
        fields = {name: field.document() for name, field in self.fields.items()}
        return {"id": self.id, "rows": self.rows, "bytes": self.bytes, "fields": fields}


def put(connection: Connection, dataset: Dataset) -> bool:
    """Store the record; True where it was not there before."""
    known = connection.execute(select(DATASETS.c.seq).where(DATASETS.c.id == dataset.id)).first()
    if known is None:
        fields = to_json({name: field.record() for name, field in dataset.fields.items()}).decode()
        row = {"id": dataset.id, "rows": dataset.rows, "bytes": dataset.bytes, "fields": fields}
        connection.execute(insert(DATASETS).values(**row, created_at=time.time()))
    return known is None


def get(connection: Connection, dataset_id: str) -> Dataset | None:
    """The set, or None."""
    row = connection.execute(select(DATASETS).where(DATASETS.c.id == dataset_id)).first()
    return None if row is None else _dataset(row)


def page(connection: Connection, *, after: int, limit: int) -> tuple[list[Dataset], int | None]:
    """Up to `limit` sets stored after `after`, and where the next page starts."""
    chosen = select(DATASETS).where(DATASETS.c.seq > after).order_by(DATASETS.c.seq).limit(limit + 1)
    rows = connection.execute(chosen).all()
    kept = rows[:limit]
    return [_dataset(row) for row in kept], kept[-1].seq if len(rows) > limit else None


def remove(connection: Connection, dataset_id: str) -> bool:
    """Forget the record; False where there was none."""
    return connection.execute(delete(DATASETS).where(DATASETS.c.id == dataset_id)).rowcount > 0


def _dataset(row: Row[Any]) -> Dataset:
    fields = {name: Field.from_record(record) for name, record in from_json(row.fields).items()}
    return Dataset(row.id, row.rows, row.bytes, fields)
