"""The database refuses to commit, as on a full disk: whichever commits they are, nothing of a job is lost."""

from __future__ import annotations

import re
import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.jobs.worker import worker
from tests.service.jobs.test_datasets import CSV
from tests.service.jobs.world import LINE, ended, job_world, submit
from tests.service.world import World, problem

#: One, a sign of life beside it, the attempt's word about it, and the first look of the reaper.
REFUSED = 4


class Refusals:
    """Refuses some commits in a row."""

    def __init__(self, here: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self._passing = 0
        dialect = here.services.database.engine.dialect
        commit = dialect.do_commit

        def refuse(connection: Any) -> None:
            if self._passing or not self.left:
                self._passing = max(0, self._passing - 1)
                return commit(connection)
            self.left -= 1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        monkeypatch.setattr(dialect, "do_commit", refuse)

    def after(self, passing: int, refused: int = REFUSED) -> None:
        """Let some pass first."""
        self._passing, self.left = passing, refused


async def outcome(here: World, job_id: str) -> tuple[Any, ...]:
    """Everything that must not depend on what was refused."""
    path = f"/v1/jobs/{job_id}"
    return (
        (await here.client.get(f"{path}/parameters?format=safetensors")).content,
        (await here.client.get(f"{path}/metrics?by=step")).json()["metrics"],
        (await here.client.get(f"{path}/metrics?by=epoch")).json()["metrics"],
    )


@pytest.mark.anyio
async def test_whichever_commits_are_refused_a_job_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last is that of its end, when the final checkpoint is recorded already."""
    monkeypatch.setattr(worker, "_REAP_S", 0.05)
    monkeypatch.setattr(worker, "_LOST_S", 0.1)
    async with job_world(tmp_path, job_lease_s=0.3, checkpoint_steps=7) as here:
        whole = await ended(here, await submit(here, LINE))
        expected = await outcome(here, whole["id"])
        refusals = Refusals(here, monkeypatch)
        for passing in count(1):  # the first is that of the submission
            refusals.after(passing)
            job_id = await submit(here, LINE)
            done = await ended(here, job_id)
            if refusals.left == REFUSED:
                break  # it had no commit any more that could be refused
            assert (done["status"], done["error"]) == ("succeeded", None), passing
            assert done["progress"] == whole["progress"]
            assert await outcome(here, job_id) == expected
            kept = (await here.client.get(f"/v1/jobs/{job_id}/checkpoints")).json()["checkpoints"]
            folder = tmp_path / "data" / "jobs" / job_id / "checkpoints"
            assert {place.name for place in folder.iterdir()} == {checkpoint["id"] for checkpoint in kept}
        assert passing > 3, "a claim, a checkpoint and an end at least"


@pytest.mark.anyio
async def test_an_upload_whose_record_is_refused_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with job_world(tmp_path, work=False) as here:
        Refusals(here, monkeypatch).after(0, refused=1)
        refused = await here.client.post("/v1/datasets", content=b"a\n1\n", headers=CSV)
        problem(refused, 507, "disk_full")
        datasets = tmp_path / "data" / "datasets"
        assert [place.name for place in datasets.iterdir()] == ["tmp"]
        assert not list((datasets / "tmp").iterdir())
        again = await here.client.post("/v1/datasets", content=b"a\n1\n", headers=CSV)
        assert again.status_code == 201


@pytest.mark.anyio
async def test_whatever_writes_says_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its entry in the OpenAPI document says that it may; the same request again succeeds."""
    async with job_world(tmp_path, work=False) as here:
        graph = (await here.post("/v1/graphs", {"program": "2 * x"})).json()["id"]
        created = await here.client.post("/v1/datasets", content=b"a\n1\n", headers=CSV)
        dataset = created.json()["id"]
        one, other = [await submit(here, LINE) for _ in range(2)]
        requests: list[tuple[str, str, str, Any]] = [
            ("POST", "/v1/graphs", "", {"program": "3 * x"}),
            ("DELETE", "/v1/graphs/{graph_id}", graph, None),
            ("DELETE", "/v1/datasets/{dataset_id}", dataset, None),
            ("POST", "/v1/jobs", "", LINE),
            ("POST", "/v1/jobs/{job_id}/cancel", one, None),
            ("DELETE", "/v1/jobs/{job_id}", one, None),
            ("POST", "/v1/jobs/{job_id}/pause", other, None),
            ("POST", "/v1/jobs/{job_id}/resume", other, None),
        ]
        paths = (await here.client.get("/openapi.json")).json()["paths"]
        refusals = Refusals(here, monkeypatch)
        for method, path, name, body in requests:
            assert "507" in paths[path][method.lower()]["responses"], path
            url = re.sub(r"\{.*\}", name, path)
            refusals.after(0, refused=1)
            document = problem(await here.client.request(method, url, json=body), 507, "disk_full")
            assert document["detail"] == "the server's disk is full, and nothing was changed"
            again = await here.client.request(method, url, json=body)
            assert again.status_code in (201, 202, 204), (path, again.text)
