"""The database changed by others: consistent snapshots, and kinds of failures distinguished."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.storage import database as database_module
from service.storage import failures
from service.storage.database import FILE, Database
from service.storage.tables import CHECKPOINTS, JOB_EVENTS, JOBS, STEPS
from tests.service.jobs.ballast import Ballast
from tests.service.jobs.conftest import small  # noqa: F401  # a fixture
from tests.service.jobs.world import LINE, job_world, submit
from tests.service.world import problem

pytestmark = pytest.mark.anyio

JOB = {"request_hash": "h", "document": "{}", "data": "{}", "created_at": 0.0, "epochs": 1, "steps": 1}


def failed(code: int | None, message: str = "failed") -> OperationalError:
    """What SQLAlchemy raises for an extended code of SQLite's."""
    error = sqlite3.OperationalError(message)
    if code is not None:
        error.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, error)


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    database = Database(folder)
    try:
        yield database
    finally:
        database.close()


async def test_a_read_sees_one_state_while_others_write(tmp_path: Path) -> None:
    """Two rows that a writer always moves together; each SELECT by itself would see them apart."""
    with opened(tmp_path) as database:

        def put(connection: Connection) -> None:
            for name in "ab":
                connection.execute(insert(JOBS).values(id=name, status="queued", **JOB))

        await database.write(put)
        stop = threading.Event()

        def write() -> None:
            with Database(tmp_path).engine.connect() as connection:
                step = 0
                while not stop.is_set():
                    step += 1
                    connection.execute(update(JOBS).values(step=step))
                    connection.commit()

        def look(connection: Connection) -> tuple[int, int]:
            step = select(JOBS.c.step)
            first = connection.execute(step.where(JOBS.c.id == "a")).scalar_one()
            time.sleep(0.01)
            return first, connection.execute(step.where(JOBS.c.id == "b")).scalar_one()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            seen = [await database.read(look) for _ in range(20)]
        finally:
            stop.set()
            writer.join()
    assert all(first == second for first, second in seen)
    assert len(set(seen)) > 1, "the writer wrote meanwhile"


async def test_a_write_that_reads_first_is_alone(tmp_path: Path) -> None:
    """Two processes count up; a lock taken after the SELECT would lose counts or be refused at once."""
    with opened(tmp_path) as one, opened(tmp_path) as other:
        await one.write(lambda c: c.execute(insert(JOBS).values(id="a", status="queued", **JOB)) and None)

        def count(connection: Connection) -> None:
            step = connection.execute(select(JOBS.c.step)).scalar_one()
            time.sleep(0.001)
            connection.execute(update(JOBS).values(step=step + 1))

        await asyncio.gather(*(database.write(count) for database in (one, other) for _ in range(25)))
        assert await one.read(lambda c: c.execute(select(JOBS.c.step)).scalar_one()) == 50


@pytest.mark.parametrize(
    ("error", "full", "busy", "passing"),
    [
        (failed(sqlite3.SQLITE_FULL), True, False, False),
        (failed(sqlite3.SQLITE_BUSY, "database is locked"), False, True, True),
        (failed(sqlite3.SQLITE_BUSY_SNAPSHOT), False, True, True),
        (failed(sqlite3.SQLITE_LOCKED), False, True, True),
        (failed(sqlite3.SQLITE_IOERR_WRITE), False, False, True),
        (failed(sqlite3.SQLITE_IOERR_READ), False, False, True),
        (failed(sqlite3.SQLITE_IOERR_SHMSIZE), False, False, True),
        (failed(sqlite3.SQLITE_CANTOPEN), False, False, True),
        (failed(None, "server closed the connection unexpectedly"), False, False, True),
        (failed(sqlite3.SQLITE_ERROR, "no such table: jobs"), False, False, False),
        (PoolTimeout("QueuePool limit reached"), False, True, True),
        (IntegrityError("INSERT", {}, sqlite3.IntegrityError("UNIQUE")), False, False, False),
        (DBAPIError("SELECT", {}, Exception("gone"), connection_invalidated=True), False, False, True),
    ],
    ids=str,
)
def test_what_a_failure_means(
    tmp_path: Path, error: SQLAlchemyError, full: bool, busy: bool, passing: bool
) -> None:
    """Only a full disk is a full disk, and this one has room."""
    assert failures.is_full(error, tmp_path) == full
    assert failures.is_busy(error) == busy
    assert full or failures.is_passing(error) == passing


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN]
)
def test_an_io_error_on_a_disk_without_room_is_a_full_disk(small: Path, code: int) -> None:  # noqa: F811
    ballast = Ballast(small)
    assert not failures.is_full(failed(code), small)
    ballast.leave(3)
    assert failures.is_full(failed(code), small)
    assert not failures.is_full(failed(sqlite3.SQLITE_BUSY), small)
    ballast.drop()
    assert not failures.is_full(failed(code), small)


@pytest.mark.parametrize(
    ("number", "full"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False), (errno.EACCES, False)],
)
def test_which_errors_of_files_are_a_full_disk(number: int, full: bool) -> None:
    assert failures.is_disk_full(OSError(number, os.strerror(number))) == full


async def test_what_passes_is_tried_again_and_what_does_not_is_raised(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        left = 3

        def locked(_connection: Connection) -> str:
            nonlocal left
            left -= 1
            if left:
                raise failed(sqlite3.SQLITE_BUSY)
            return "done"

        assert await database.write(locked, patience_s=5.0) == "done"
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_ERROR):
            tries = []

            def hopeless(_connection: Connection, code: int = code, tries: list[int] = tries) -> None:
                tries.append(code)
                raise failed(code)

            with pytest.raises(OperationalError):
                await database.read(hopeless, patience_s=5.0)
            assert len(tries) == 1


@pytest.mark.parametrize(
    ("code", "status", "wire"),
    [
        (sqlite3.SQLITE_FULL, 507, "disk_full"),
        (sqlite3.SQLITE_BUSY, 503, "busy"),
        (sqlite3.SQLITE_IOERR_WRITE, 500, "internal"),
    ],
)
async def test_what_a_request_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, status: int, wire: str
) -> None:
    async with job_world(tmp_path, work=False) as here:
        known = await submit(here, LINE)
        dialect, commit = here.services.database.engine.dialect, None
        commit = dialect.do_commit

        def refuse(_connection: Any) -> None:
            raise failed(code).orig  # type: ignore[misc]  # never None here

        graph = {"program": "2 * x"}
        for method, path, body in (
            ("POST", "/v1/graphs", graph),
            ("POST", "/v1/jobs", LINE),
            ("POST", f"/v1/jobs/{known}/cancel", None),
        ):
            monkeypatch.setattr(dialect, "do_commit", refuse)
            try:
                answer = await here.client.request(method, path, json=body)
            finally:
                monkeypatch.setattr(dialect, "do_commit", commit)
            problem(answer, status, wire)
            assert ("retry-after" in answer.headers) == (wire == "busy")
            again = await here.client.request(method, path, json=body)
            assert again.status_code in (201, 202)
        paths = (await here.client.get("/openapi.json")).json()["paths"]
        for path, methods in paths.items():
            if path.startswith(("/v1/jobs", "/v1/datasets", "/v1/graphs")):
                assert all("503" in method["responses"] for method in methods.values()), path


async def test_a_locked_database_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process keeps the write lock for longer than requests wait."""
    monkeypatch.setattr(database_module, "_BUSY_MS", 50)
    async with job_world(tmp_path, work=False) as here:
        other = sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            answer = await here.post("/v1/jobs", LINE)
            assert "locked" in problem(answer, 503, "busy")["detail"]
            assert not list((tmp_path / "data" / "jobs").iterdir()), "nothing of it is kept"
        finally:
            other.execute("ROLLBACK")
            other.close()
        await submit(here, LINE)


async def test_an_older_folder_is_brought_up_to_date(tmp_path: Path) -> None:
    """Checkpoints learn which events came before them, paths lose the folder that may be moved."""
    home = "/srv/old/data"
    data = {
        "data": {
            "x": [f"{home}/jobs/job_a/data/0.npy"],
            "y": [f"{home}/datasets/sha256-0/{k}.npy" for k in range(2)],
        },
        "types": {"data": {"x": {"shape": [1], "dtype": "float64"}}},
        "datasets": [],
    }
    with opened(tmp_path) as database:

        def as_version_three(connection: Connection) -> None:
            job = {**JOB, "data": json.dumps(data)}
            connection.execute(JOBS.insert().values(id="job_a", status="paused", **job))
            rows = [("step", 1, "A"), ("step", 2, "B"), ("epoch", 2, "E"), ("step", 3, "C"), ("step", 4, "D")]
            for number, (kind, step, told) in enumerate(rows, 1):
                event = {
                    "id": number,
                    "job_id": "job_a",
                    "kind": kind,
                    "epoch": 1,
                    "step": step,
                    "data": told,
                }
                connection.execute(JOB_EVENTS.insert().values(**event))
            for name, step, metrics in (("2-1", 2, "B"), ("2-2", 2, "E"), ("3-2", 3, "C")):
                kept = {"id": name, "job_id": "job_a", "epoch": 1, "step": step, "metrics": metrics}
                connection.execute(CHECKPOINTS.insert().values(created_at=0.0, **kept))
            connection.execute(text("ALTER TABLE jobs DROP COLUMN warnings"))
            connection.execute(text("ALTER TABLE checkpoints DROP COLUMN last_event"))
            connection.execute(text("UPDATE schema_version SET version = 3"))

        await database.write(as_version_three)
    with opened(tmp_path) as database:
        kept = await database.read(
            lambda c: c.execute(select(CHECKPOINTS.c.id, CHECKPOINTS.c.last_event)).all()
        )
        assert [tuple(row) for row in kept] == [("2-1", 2), ("2-2", 3), ("3-2", 4)]
        job = await database.read(lambda c: c.execute(select(JOBS.c.data, JOBS.c.warnings)).one())
        moved = json.loads(job.data)
        assert moved["data"] == {
            "x": ["jobs/job_a/data/0.npy"],
            "y": ["datasets/sha256-0/0.npy", "datasets/sha256-0/1.npy"],
        }
        assert (moved["types"], job.warnings) == (data["types"], "[]")
        version = await database.read(
            lambda c: c.execute(text("SELECT version FROM schema_version")).scalar()
        )
        assert version == len(STEPS)
