"""The records of data sets, in the order they came."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import numpy as np
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Row, delete, false, func, insert, literal, select, update

from engine.dtypes import TensorType
from service.datasets.arrays import Field
from service.datasets.folder import damaged_set
from service.storage.checksums import Damaged, of_texts
from service.storage.tables import DATASETS, JOB_DATASETS
from service.wire.problems import Problem


@dataclass(frozen=True, slots=True)
class Dataset:
    """A stored set: its id, its number of rows, the bytes that were uploaded, and its fields."""

    id: str
    rows: int
    bytes: int
    fields: Mapping[str, Field]

    def type_of(self, names: str | Sequence[str]) -> TensorType:
        """The type of a field; a list of columns is a matrix of them side by side, be it of one."""
        if isinstance(names, str):
            field = self.fields[names]
            return TensorType((self.rows, *field.shape), field.dtype)
        fields = [self.fields[name] for name in names]
        return TensorType((self.rows, len(fields)), np.result_type(*(field.dtype for field in fields)).name)

    def record(self) -> dict[str, Any]:
        """The set with the files of its fields, for another process."""
        return {**self.document(), "fields": {name: field.record() for name, field in self.fields.items()}}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The set that `record` came from."""
        fields = {name: Field.from_record(field) for name, field in record["fields"].items()}
        return cls(record["id"], record["rows"], record["bytes"], fields)

    def document(self) -> dict[str, Any]:
        """The set on the wire."""
        fields = {name: field.document() for name, field in self.fields.items()}
        return {"id": self.id, "rows": self.rows, "bytes": self.bytes, "fields": fields}


def put(connection: Connection, dataset: Dataset) -> bool:
    """Store the record; True if it was not there before. One that is damaged is put right."""
    fields = to_json({name: field.record() for name, field in dataset.fields.items()}).decode()
    row = {
        "id": dataset.id,
        "rows": dataset.rows,
        "bytes": dataset.bytes,
        "fields": fields,
        "created_at": time.time(),
        "checksum": of_texts(dataset.id, str(dataset.rows), str(dataset.bytes), fields),
    }
    existing = select(DATASETS.c.seq).where(DATASETS.c.id == dataset.id).exists()
    values = select(*(literal(value) for value in row.values())).where(~existing)
    if connection.execute(insert(DATASETS).from_select(list(row), values)).rowcount == 1:
        return True
    connection.execute(
        update(DATASETS)
        .where(DATASETS.c.id == dataset.id)
        .values({name: row[name] for name in ("rows", "bytes", "fields", "checksum")})
    )
    return False


def get(connection: Connection, dataset_id: str) -> Dataset | None:
    """The set, or None. Raises Damaged."""
    row = connection.execute(select(DATASETS).where(DATASETS.c.id == dataset_id)).first()
    return None if row is None else _dataset(row)


def intact(connection: Connection, dataset_id: str) -> Dataset | None:
    """The set; None if there is none, or if its record is damaged."""
    try:
        return get(connection, dataset_id)
    except Damaged:
        return None


def is_there(connection: Connection, dataset_id: str) -> bool:
    """Whether there is such a set, be its record damaged."""
    return connection.execute(select(DATASETS.c.seq).where(DATASETS.c.id == dataset_id)).first() is not None


def page(connection: Connection, *, after: int, limit: int) -> tuple[list[Dataset], int | None]:
    """Up to `limit` sets stored after `after`, and where the next page starts. Raises Damaged."""
    chosen = select(DATASETS).where(DATASETS.c.seq > after).order_by(DATASETS.c.seq).limit(limit + 1)
    rows = connection.execute(chosen).all()
    shown = rows[:limit]
    return [_dataset(row) for row in shown], shown[-1].seq if len(rows) > limit else None


def require_room(connection: Connection, size: int, *, most: int, most_bytes: int | None) -> None:
    """Raise Problem disk_full if one more set of `size` bytes is more than the server may keep."""
    count, total = connection.execute(select(func.count(), func.sum(DATASETS.c.bytes))).one()
    if count >= most:
        _refuse(f"the server keeps at most {most:,} data sets, and has as many", "GRADWIRE_MAX_DATASETS")
    if most_bytes is not None and (total or 0) + size > most_bytes:
        _refuse(
            f"the server keeps at most {most_bytes:,} bytes of data sets, and has {total or 0:,}",
            "GRADWIRE_MAX_DATASETS_BYTES",
        )


def _refuse(detail: str, setting: str) -> NoReturn:
    hint = f"delete data sets that are done with; the operator may raise {setting}"
    raise Problem("disk_full", detail, hint=hint)


def remove(connection: Connection, dataset_id: str) -> bool:
    """Forget the record; False if there is none, or a job that has not ended refers to it."""
    needed = select(JOB_DATASETS.c.job_id).where(JOB_DATASETS.c.dataset_id == dataset_id).exists()
    unneeded = delete(DATASETS).where(DATASETS.c.id == dataset_id, ~needed)
    return connection.execute(unneeded).rowcount > 0


def absent(connection: Connection, dataset_id: str) -> bool:
    """Whether there is no such set, nor will be before this transaction ends."""
    # Changes nothing, but takes the write lock, so that nothing is stored at the same time.
    connection.execute(delete(DATASETS).where(false()))
    return not is_there(connection, dataset_id)


def _dataset(row: Row[Any]) -> Dataset:
    if row.checksum not in (None, of_texts(row.id, str(row.rows), str(row.bytes), row.fields)):
        raise damaged_set(row.id)
    fields = {name: Field.from_record(record) for name, record in from_json(row.fields).items()}
    return Dataset(row.id, row.rows, row.bytes, fields)
