"""The database is locked, unreachable or broken for a while: no job fails, and no bit differs."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.jobs import ledger
from service.jobs.worker import worker
from tests.service.jobs.test_commits_refused import outcome
from tests.service.jobs.world import LINE, ended, job, job_world, submit, until
from tests.service.world import World, problem

pytestmark = pytest.mark.anyio

FAILURES = {
    "locked": (sqlite3.SQLITE_BUSY, "database is locked"),
    "broken": (sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"),
    "unreachable": (None, "server closed the connection unexpectedly"),
}


class Outage:
    """Statements fail, from one on: so many of them, or for so long."""

    def __init__(self, here: World, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
        self._code, self._message = FAILURES[failure]
        self._passing = self.left = 0
        self._until = 0.0
        dialect = here.services.database.engine.dialect
        execute, commit = dialect.do_execute, dialect.do_commit

        def do_execute(*arguments: Any, **named: Any) -> Any:
            self._check()
            return execute(*arguments, **named)

        def do_commit(connection: Any) -> Any:
            self._check()
            return commit(connection)

        monkeypatch.setattr(dialect, "do_execute", do_execute)
        monkeypatch.setattr(dialect, "do_commit", do_commit)

    def after(self, passing: int, failing: int) -> None:
        """Let some pass first, then fail so many."""
        self._passing, self.left = passing, failing

    def last(self, seconds: float) -> None:
        """Fail from now on for so long."""
        self._until = time.monotonic() + seconds

    def _check(self) -> None:
        if time.monotonic() >= self._until:
            if not self.left:
                return
            if self._passing:
                self._passing -= 1
                return
            self.left -= 1
        error = sqlite3.OperationalError(self._message)
        if self._code is not None:
            error.sqlite_errorcode = self._code
        raise error


@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_statement_fails_for_a_while_a_job_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setattr(worker, "_LOST_S", 0.1)
    async with job_world(tmp_path, checkpoint_steps=7) as here:
        whole = await ended(here, await submit(here, LINE))
        expected = await outcome(here, whole["id"])
        outage = Outage(here, monkeypatch, failure)
        for passing in count(0, 5):
            job_id = await submit(here, LINE)
            outage.after(passing, 3)
            deadline = time.monotonic() + 30
            while outage.left and (await _status(here, job_id)) not in ("succeeded", "failed"):
                assert time.monotonic() < deadline
            reached, outage.left = not outage.left, 0
            done = await ended(here, job_id)
            assert (done["status"], done["error"]) == ("succeeded", None), passing
            assert await outcome(here, job_id) == expected
            if not reached or passing > 60:
                break
        assert passing > 20, "a job takes more statements than that"


async def _status(here: World, job_id: str) -> str | None:
    """The status, None while not even that can be read."""
    answer = await here.client.get(f"/v1/jobs/{job_id}")
    return str(answer.json()["status"]) if answer.status_code == 200 else None


async def test_an_outage_longer_than_the_lease_costs_an_attempt_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_REAP_S", 0.1)
    async with job_world(tmp_path, job_lease_s=0.5, checkpoint_steps=50, job_retries=0) as here:
        body = {**LINE, "epochs": 3000}
        whole = await ended(here, await submit(here, body))
        expected = await outcome(here, whole["id"])
        outage = Outage(here, monkeypatch, "unreachable")
        job_id = await submit(here, body)
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        outage.last(2.0)
        while await _status(here, job_id) is None:
            pass
        done = await ended(here, job_id)
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert done["attempt"] > 1
        assert await outcome(here, job_id) == expected


async def test_attempts_that_fail_wait_longer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of ours, the same in each attempt: the job ends, and says that it was ours."""
    async with job_world(tmp_path, job_retries=3, job_retry_s=0.2) as here:
        monkeypatch.setattr(ledger, "append_events", _Failing(ledger.append_events))
        start = time.monotonic()
        done = await ended(here, await submit(here, LINE))
        assert time.monotonic() - start > 0.2 + 0.4 + 0.8
        assert (done["status"], done["attempt"]) == ("failed", 4)
        assert done["error"]["code"] == "internal"
        assert "4 times in a row" in done["error"]["detail"]
        assert len(await here.logged("attempt failed", 4)) == 4


class _Failing:
    """`ledger.append_events`, but what a child reports cannot be added."""

    def __init__(self, note: Any) -> None:
        self._note = note

    def __call__(self, connection: Any, job_id: str, events: Any) -> None:
        if any(event.step is not None for event in events):
            raise ValueError("ours")
        self._note(connection, job_id, events)


async def test_a_job_that_waits_for_its_next_attempt_can_be_paused_and_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "append_events", _Failing(ledger.append_events))
    async with job_world(tmp_path, job_retry_s=20.0) as here:
        one, other = [await submit(here, LINE) for _ in range(2)]
        for job_id in (one, other):
            await until(here, job_id, lambda found: (found["status"], found["attempt"]) == ("queued", 1))
        assert (await here.client.post(f"/v1/jobs/{one}/cancel")).json()["status"] == "cancelled"
        assert (await here.client.post(f"/v1/jobs/{other}/pause")).json()["status"] == "paused"
        monkeypatch.undo()
        await here.client.post(f"/v1/jobs/{other}/resume")
        assert (await ended(here, other))["status"] == "succeeded", "a caller who resumes does not wait"
        assert (await job(here, one))["attempt"] == 1


async def test_files_that_cannot_be_used_for_a_while_are_no_end_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child's data are unreadable, as on a file system that is away for a moment."""
    async with job_world(tmp_path, job_retry_s=0.3) as here:
        job_id = await submit(here, {**LINE, "epochs": 2000})
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        await here.client.post(f"/v1/jobs/{job_id}/pause")
        await until(here, job_id, lambda found: found["status"] == "paused")
        file = tmp_path / "data" / "jobs" / job_id / "data" / "0.npy"
        away = file.rename(file.with_suffix(".away"))
        file.mkdir()  # an OSError of another kind than a file that is gone
        await here.client.post(f"/v1/jobs/{job_id}/resume")
        await until(here, job_id, lambda found: found["attempt"] == 3)
        file.rmdir()
        away.rename(file)
        done = await ended(here, job_id)
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert (await here.logged("attempt ended", done["attempt"]))[-2]["level"] == "error"


@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_a_file_that_is_removed_under_the_server_takes_no_write(tmp_path: Path, how: str) -> None:
    async with job_world(tmp_path, work=False) as here:
        job_id = await submit(here, LINE)
        file = tmp_path / "data" / "gradwire.sqlite"
        file.rename(tmp_path / "moved")
        if how == "replaced":
            file.touch()
        for _ in range(3):
            response = await here.post(f"/v1/jobs/{job_id}/cancel", {})
            assert "was removed or replaced" in problem(response, 500, "internal")["detail"]
        ready = await here.client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["storage"]) == (503, "cannot be written")
        assert (await here.client.get("/healthz")).status_code == 200
        assert file.is_file() == (how == "replaced"), "no new file is made"


async def test_a_page_that_is_damaged_is_a_clear_end(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        job_id = await submit(here, LINE)
    file = tmp_path / "data" / "gradwire.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
    content = bytearray(file.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = b"\xaa" * 4096
    file.write_bytes(content)
    async with job_world(tmp_path, work=False) as here:
        for path in (f"/v1/jobs/{job_id}", "/v1/jobs"):
            detail = problem(await here.client.get(path), 500, "internal")["detail"]
            assert "database is damaged" in detail
