"""Every table, and the steps from each schema version to the next.

A step is a function of the connection; its place in `STEPS` is the version it starts from. Steps are never
edited once released: a change is a new step at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    func,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateColumn

from service.storage.failures import CannotOpen

METADATA = MetaData()

#: SQLite counts up by itself only for its own INTEGER type.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")
_HAS_STEP: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("step IS NOT NULL"))

SCHEMA_VERSION = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

GRAPHS = Table(
    "graphs",
    METADATA,
    Column("seq", _COUNTER, primary_key=True, autoincrement=True),
    Column("id", String(71), nullable=False, unique=True),
    Column("document", LargeBinary, nullable=False),
    Column("summary", Text, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    #: Of the document and of the summary, with a colon between; null in rows of older servers.
    Column("checksum", String(129)),
    sqlite_autoincrement=True,
)

DATASETS = Table(
    "datasets",
    METADATA,
    Column("seq", _COUNTER, primary_key=True, autoincrement=True),
    Column("id", String(71), nullable=False, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    #: Of the rows, the bytes and the fields; null in rows of older servers.
    Column("checksum", String(64)),
    sqlite_autoincrement=True,
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("seq", _COUNTER, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("status", String(16), nullable=False, index=True),
    #: Counts claims; whoever writes for a job must name the newest.
    Column("attempt", Integer, nullable=False, default=0),
    #: Counts hand-overs to the queue; an older one is void.
    Column("delivery", Integer, nullable=False, default=0),
    #: Attempts in a row that failed without a checkpoint.
    Column("stalls", Integer, nullable=False, default=0),
    Column("owner", String(64)),
    Column("lease", Float),
    Column("intent", String(8)),
    Column("idempotency_key", String(255), unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("epoch", Integer, nullable=False, default=0),
    Column("epochs", Integer, nullable=False),
    Column("step", BigInteger, nullable=False, default=0),
    Column("steps", BigInteger, nullable=False),
    Column("metrics", Text, nullable=False, default="{}"),
    Column("error", Text),
    #: What was said of the job as a whole: a JSON array. What is said of single steps is in its events.
    Column("warnings", Text, nullable=False, server_default=text("'[]'")),
    #: Of the document and the places of the data; null in rows of older servers.
    Column("checksum", String(64)),
    sqlite_autoincrement=True,
)

#: What happened in a job, in order; ids count up and are never used twice.
JOB_EVENTS = Table(
    "job_events",
    METADATA,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("epoch", Integer),
    Column("step", BigInteger),
    Column("data", Text, nullable=False),
    Index("job_events_in_order", "job_id", "id"),
    # A step or an epoch happens once, whatever was repeated after a crash.
    Index("job_events_once", "job_id", "kind", "step", unique=True, **_HAS_STEP),
    sqlite_autoincrement=True,
)

#: Which data sets the jobs train on that have not ended. A set that is referred to cannot be deleted.
JOB_DATASETS = Table(
    "job_datasets",
    METADATA,
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("dataset_id", String(71), ForeignKey("datasets.id"), primary_key=True, index=True),
)

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("seq", _COUNTER, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False),
    Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("epoch", Integer, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    #: The job's newest event before the checkpoint: later ones that have a step will be repeated.
    Column("last_event", BigInteger, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)


def _create_graphs(connection: Connection) -> None:
    GRAPHS.create(connection)


def _create_jobs(connection: Connection) -> None:
    for table in (DATASETS, JOBS, JOB_EVENTS, CHECKPOINTS):
        table.create(connection)


def _create_job_datasets(connection: Connection) -> None:
    """Jobs that have not ended hold on to their data sets from here on."""
    JOB_DATASETS.create(connection)
    ids = {row.id for row in connection.execute(select(DATASETS.c.id))}
    unfinished = ("queued", "running", "paused")
    for row in connection.execute(select(JOBS.c.id, JOBS.c.data).where(JOBS.c.status.in_(unfinished))).all():
        named = ids.intersection(json.loads(row.data)["datasets"])
        for dataset in sorted(named):
            connection.execute(JOB_DATASETS.insert().values(job_id=row.id, dataset_id=dataset))


def _add_last_events(connection: Connection) -> None:
    """Checkpoints know their last event, jobs their warnings, and paths are below the data folder.

    Whether an older checkpoint lies before or after the end of its epoch follows from its metrics. If both
    are possible it is taken to lie before: then the history lacks one entry at worst.
    """
    _add_column(connection, JOBS, JOBS.c.warnings)
    _add_column(connection, CHECKPOINTS, CHECKPOINTS.c.last_event)
    for row in connection.execute(select(CHECKPOINTS)).all():
        values = {"last_event": _last_event(connection, row)}
        connection.execute(update(CHECKPOINTS).where(CHECKPOINTS.c.seq == row.seq).values(values))
    for row in connection.execute(select(JOBS.c.seq, JOBS.c.data)).all():
        moved = json.dumps(_below_the_folder(json.loads(row.data)))
        connection.execute(update(JOBS).where(JOBS.c.seq == row.seq).values(data=moved))


def _add_checksums(connection: Connection) -> None:
    """Rows have checksums from here on; those that are there already are read without."""
    for table in (GRAPHS, DATASETS, JOBS):
        _add_column(connection, table, table.c.checksum)


def _last_event(connection: Connection, checkpoint: Row[Any]) -> int:
    mine = JOB_EVENTS.c.job_id == checkpoint.job_id
    done = mine, JOB_EVENTS.c.step < checkpoint.step
    last = connection.execute(select(func.max(JOB_EVENTS.c.id)).where(*done)).scalar() or 0
    at = select(JOB_EVENTS).where(mine, JOB_EVENTS.c.step == checkpoint.step)
    there = {event.kind: event for event in connection.execute(at)}
    step, epoch = there.get("step"), there.get("epoch")
    if step is not None:
        last = max(last, step.id)
    told_apart = step is None or step.data != checkpoint.metrics
    if epoch is not None and epoch.data == checkpoint.metrics and told_apart:
        last = max(last, epoch.id)
    return last


def _below_the_folder(data: Any) -> Any:
    """The places of a job's data, with every absolute path replaced by the one below the data folder."""
    if isinstance(data, dict):
        return {key: _below_the_folder(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_below_the_folder(value) for value in data]
    parts = PurePosixPath(data).parts if isinstance(data, str) and data.startswith("/") else ()
    if parts[-4:-3] == ("jobs",):  # jobs/ID/data/0.npy
        return "/".join(parts[-4:])
    return "/".join(parts[-3:]) if parts[-3:-2] == ("datasets",) else data  # datasets/ID/0.npy


def _add_column(connection: Connection, table: Table, column: Column[Any]) -> None:
    """Add a column, unless an earlier step created the table with it."""
    if column.name not in {
        column_info["name"] for column_info in inspect(connection).get_columns(table.name)
    }:
        declared = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {declared}")


STEPS: tuple[Callable[[Connection], None], ...] = (
    _create_graphs,
    _create_jobs,
    _create_job_datasets,
    _add_last_events,
    _add_checksums,
)


class NewerSchema(CannotOpen):
    """The data folder was written by a newer version of the server."""


def migrate(connection: Connection) -> int:
    """Bring the database to the newest version and return that. Raises NewerSchema."""
    if connection.dialect.name == "sqlite":  # it begins by itself only before data change, not tables
        connection.exec_driver_sql("BEGIN IMMEDIATE")
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
