"""A full disk: what was acknowledged is kept, everything else is reported, and work continues after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from tests.service import readiness
from tests.service.jobs.ballast import Ballast
from tests.service.jobs.kills import FAST, Server
from tests.service.jobs.test_datasets import NPY, npy
from tests.service.jobs.world import LINE, classifier, ended, job, job_world, long, submit, until
from tests.service.world import World, problem


def bounded(here: World) -> Callable[[int | None], None]:
    """SQLite's own limit of pages: no file grows beyond it, as on a full disk; None lifts it."""
    most = 2**30

    def apply(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}").close()

    event.listen(here.services.database.engine, "checkout", apply)

    def bound(pages: int | None) -> None:
        nonlocal most
        most = 2**30 if pages is None else pages  # SQLite takes no less than there are

    return bound


@pytest.mark.anyio
async def test_the_database_is_full(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        kept = await submit(here, LINE)
        bound = bounded(here)
        bound(1)
        big = {**LINE, "data": {"x": [[1]] * 3000, "y": [[2]] * 3000}}
        big["program"] += "\n" + "\n".join(f"n{k} = {k}.0 * x" for k in range(800))
        document = problem(await here.post("/v1/jobs", big), 507, "disk_full")
        assert "nothing was changed" in document["detail"]
        assert [path.name for path in (tmp_path / "data" / "jobs").iterdir()] == [kept]
        graph = {"program": "y = x\n" + "\n".join(f"n{k} = {k}.0 * x" for k in range(800))}
        problem(await here.post("/v1/graphs", graph), 507, "disk_full")
        assert (await job(here, kept))["status"] == "queued", "reading goes on"
        assert (await here.post("/v1/evaluate", {"program": "2 * x", "inputs": {"x": 1}})).status_code == 200
        bound(None)
        assert (await here.post("/v1/graphs", graph)).status_code == 201
        assert await submit(here, big) != kept


@pytest.mark.anyio
async def test_a_job_whose_history_does_not_fit_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Its end cannot be written either: it is taken over when its lease has run out."""
    async with job_world(tmp_path, job_lease_s=1.0, checkpoint_steps=200) as here:
        body = classifier(epochs=60, seed=5)
        whole = await ended(here, await submit(here, body))
        job_id = await submit(here, body)
        await until(here, job_id, lambda found: found["progress"]["step"] > 0)
        bound = bounded(here)
        bound(1)
        await until(here, job_id, lambda found: "failed" in here.log.getvalue())
        assert (await job(here, job_id))["status"] in ("running", "failed")
        bound(None)
        done = await ended(here, job_id)
        if done["status"] == "failed":  # there was room for this word
            assert done["error"]["code"] == "disk_full"
        else:
            assert (done["status"], done["metrics"]) == ("succeeded", whole["metrics"])
            steps = (await here.client.get(f"/v1/jobs/{job_id}/metrics?by=step")).json()["metrics"]
            assert [row["step"] for row in steps] == list(range(1, done["progress"]["steps"] + 1))


# -- a file system that is full -------------------------------------------------------------------------


@pytest.fixture
def server(small: Path) -> Iterator[Server]:
    running = Server(small, *FAST, "--checkpoint-s", "0.3")
    try:
        yield running
    finally:
        running.close()


def test_a_full_disk_loses_nothing(small: Path, server: Server) -> None:
    body = classifier(rows=700, epochs=12)
    whole = server.submit(body)
    server.ended(whole)
    expected = server.outcome(whole)
    first = server.submit(body)
    waiting = [server.submit(LINE) for _ in range(2)]
    server.until(first, lambda found: found["progress"]["step"] > 0)
    ballast = Ballast(small)
    ballast.fill()
    seen = {server.client.post("/v1/jobs", json=long()).status_code for _ in range(20)}
    assert seen <= {202, 507}, "SQLite may have some room of its own left"
    assert 507 in seen
    assert server.client.get("/readyz").json()["checks"]["storage"] != "ok"
    refused = server.client.post("/v1/jobs", json=long())
    assert refused.status_code == 202 or refused.json()["code"] == "disk_full"
    upload = server.client.post("/v1/datasets", content=npy(np.ones(200_000)), headers=NPY)
    assert upload.json()["code"] == "disk_full"
    time.sleep(3.0)  # attempts end, leases run out, the queue writes or fails to
    assert server.client.get("/healthz").status_code == 200
    assert server.job(first)["status"] in ("running", "queued", "failed", "succeeded")
    ballast.drop()
    for job_id in [found["id"] for found in server.client.get("/v1/jobs").json()["jobs"]]:
        if server.job(job_id)["progress"]["epochs"] > 1000:
            server.client.post(f"/v1/jobs/{job_id}/cancel")
    assert server.client.post("/v1/datasets", content=npy(np.ones(200_000)), headers=NPY).status_code == 201
    later = server.submit(LINE)
    assert server.ended(later)["status"] == "succeeded"
    alone = {first: expected, **dict.fromkeys(waiting, server.outcome(later))}
    for job_id, undisturbed in alone.items():
        found = server.ended(job_id)
        if found["status"] == "failed":  # it was running, and its checkpoint had no room
            assert found["error"]["code"] == "disk_full"
        else:
            assert server.outcome(job_id) == undisturbed
    readiness.until(server.client, 200)


def test_a_checkpoint_that_does_not_fit_says_so(small: Path, server: Server) -> None:
    """The database has room in its log; a checkpoint of a megabyte has none."""
    body = {
        "program": "loss = mean((x - sum(W)) ** 2)",
        "parameters": {"W": {"shape": [500_000], "initializer": "zeros"}},
        "data": {"x": [1.0, 2.0, 3.0]},
        "optimizer": {"name": "sgd", "learning_rate": 1e-9},
        "epochs": 1_000_000,
    }
    job_id = server.submit(body)
    server.until(job_id, lambda found: found["progress"]["step"] > 0)
    ballast = Ballast(small)
    ballast.fill()
    deadline = time.monotonic() + 10
    while server.job(job_id)["status"] == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    ballast.drop()
    found = server.job(job_id)
    if found["status"] != "failed":  # not even that could be written: it goes on where it was
        server.until(job_id, lambda found: found["progress"]["step"] > 0 and found["attempt"] > 1)
        server.client.post(f"/v1/jobs/{job_id}/cancel")
        assert server.ended(job_id)["status"] == "cancelled"
    else:
        assert found["error"]["code"] == "disk_full"
    assert not list((small / "data" / "jobs" / job_id / "checkpoints").glob(".*.tmp"))
