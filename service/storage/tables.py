"""Every table, and the steps from each schema version to the next.

A step is a function of the connection; its place in `STEPS` is the version it starts from. Steps are never
edited once released: a change is a new step at the end.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
)

METADATA = MetaData()

SCHEMA_VERSION = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

GRAPHS = Table(
    "graphs",
    METADATA,
    # SQLite counts up by itself only for its own INTEGER type.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(71), nullable=False, unique=True),
    Column("document", LargeBinary, nullable=False),
    Column("summary", Text, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)


def _create_graphs(connection: Connection) -> None:
    GRAPHS.create(connection)


STEPS: tuple[Callable[[Connection], None], ...] = (_create_graphs,)


class NewerSchema(RuntimeError):
    """The data folder was written by a newer version of the server."""


def migrate(connection: Connection) -> int:
    """Bring the database to the newest version and return that. Raises NewerSchema."""
    if not inspect(connection).has_table(SCHEMA_VERSION.name):
        SCHEMA_VERSION.create(connection)
        connection.execute(SCHEMA_VERSION.insert().values(version=0))
    version = connection.execute(select(SCHEMA_VERSION.c.version)).scalar_one()
    if version > len(STEPS):
        raise NewerSchema(
            f"the data folder has schema version {version}, this server knows up to {len(STEPS)}: "
            "start the newer server, or another data folder"
        )
    for step in STEPS[version:]:
        step(connection)
    connection.execute(SCHEMA_VERSION.update().values(version=len(STEPS)))
    return len(STEPS)
