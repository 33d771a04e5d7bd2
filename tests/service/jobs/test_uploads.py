"""Uploads cost only who sends them: files are read in processes of their own, and there are quotas."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from service.datasets import unpacker
from service.datasets.folder import DatasetFolder
from service.datasets.unpacker import Unpacker
from service.wire.problems import Problem
from tests.service.jobs.test_datasets import CSV, NPY, NPZ, npy, npz, upload
from tests.service.jobs.world import LINE, job_world
from tests.service.world import problem

pytestmark = pytest.mark.anyio


async def test_large_files_are_read_by_a_process_of_their_own(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        x = np.arange(40_000.0).reshape(-1, 2)
        columns = "a,b\n" + "\n".join(f"{row[0]},{row[1]}" for row in x.tolist())
        for content, headers in ((npy(x), NPY), (npz(x=x), NPZ), (columns.encode(), CSV)):
            found = await upload(here, content, headers)
            assert found["rows"] == 20_000
            shown = (await here.client.get(f"/v1/datasets/{found['id']}?preview=1")).json()["preview"]
            assert [row for field in shown.values() for row in np.ravel(field).tolist()] == [0, 1]
        bad = columns.encode() + b"\n1,two"
        refused = problem(
            await here.client.post("/v1/datasets", content=bad, headers=CSV), 422, "invalid_dataset"
        )
        assert "line 20002, column 'b'" in refused["detail"]
        assert not list((tmp_path / "data" / "datasets" / "tmp").iterdir())


async def test_an_upload_that_takes_too_long_is_stopped_and_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacker, "_SECONDS_A_BYTE", 0.0)
    async with job_world(tmp_path, work=False, time_limit_s=0.4) as here:
        content = b"a\n" + b"1.5\n" * 8_000_000
        sending = asyncio.ensure_future(here.client.post("/v1/datasets", content=content, headers=CSV))
        slowest = 0.0
        while not sending.done():
            start = time.thread_time()
            assert (await here.client.get("/healthz")).status_code == 200
            slowest = max(slowest, time.thread_time() - start)
            await asyncio.sleep(0.02)
        assert "GRADWIRE_TIME_LIMIT_S" in problem(sending.result(), 504, "time_limit")["hint"]
        assert slowest < 0.25


async def test_a_file_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    sets = DatasetFolder(tmp_path)
    reader = Unpacker(sets, {}, address_space=2**26, time_limit_s=60)
    place = sets.staging_dir()
    try:
        with zipfile.ZipFile(place / "body", "w") as archive:
            for k in range(200_000):
                archive.writestr(f"{k}.npy", b"")
        with pytest.raises(Problem) as refusal:
            await reader.prepare(place / "body", "npz", limit=2**30)
        assert refusal.value.code in ("over_limit", "invalid_dataset")
    finally:
        sets.discard(place)
        await reader.close()


async def test_many_members_are_refused_in_no_time(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            member = npy(np.ones(1))
            for k in range(30_000):
                archive.writestr(f"x{k}.npy", member)
        start = time.process_time()
        response = await here.client.post("/v1/datasets", content=buffer.getvalue(), headers=NPZ)
        assert "at most 4,096 arrays" in problem(response, 422, "invalid_dataset")["detail"]
        assert time.process_time() - start < 1.0


async def test_quotas_of_number_and_bytes(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False, max_datasets=2, max_datasets_bytes=1_000) as here:
        first = await upload(here, npy(np.ones(3)), NPY)
        large = await here.client.post("/v1/datasets", content=npy(np.ones(120)), headers=NPY)
        assert "1,000 bytes" in problem(large, 507, "disk_full")["detail"]
        await upload(here, npy(np.ones(4)), NPY)
        third = await here.client.post("/v1/datasets", content=npy(np.ones(5)), headers=NPY)
        refused = problem(third, 507, "disk_full")
        assert "2 data sets" in refused["detail"]
        assert "GRADWIRE_MAX_DATASETS" in refused["hint"]
        again = await here.client.post("/v1/datasets", content=npy(np.ones(3)), headers=NPY)
        assert again.status_code == 200, "what is there already is no new one"
        assert (await here.client.delete(f"/v1/datasets/{first['id']}")).status_code == 204
        await upload(here, npy(np.ones(5)), NPY)


async def test_a_submission_names_a_bounded_number_of_sets_and_fields(tmp_path: Path) -> None:
    async with job_world(tmp_path, work=False) as here:
        found = await upload(here, npy(np.ones((3, 1), "f4")), NPY)
        same = {"dataset": found["id"]}
        escaped = json.dumps({**LINE, "data": {"x": same, "y": same}}).replace("sha256:", "\\u0073ha256:")
        assert (await here.post("/v1/jobs", escaped.encode())).status_code == 202
        names = {f"x{k}": {"dataset": f"sha256:{k:064x}"} for k in range(65)}
        refused = problem(await here.post("/v1/jobs", {**LINE, "data": names}), 422, "invalid_document")
        assert "at most 64 data sets" in refused["detail"]
        fields = {f"x{k}": [1] for k in range(1_025)}
        refused = problem(await here.post("/v1/jobs", {**LINE, "data": fields}), 422, "invalid_document")
        assert "at most 1,024 fields" in refused["detail"]
        columns = {"x": {"dataset": found["id"], "fields": ["data"] * 4_097}, "y": [[1], [2], [3]]}
        refused = problem(await here.post("/v1/jobs", {**LINE, "data": columns}), 422, "dataset_mismatch")
        assert "at most 4,096 columns" in refused["detail"]
        text = " ".join(f"sha256:{k:064x}" for k in range(20_000))
        start = time.process_time()
        response = await here.post("/v1/jobs", {**LINE, "program": f"# {text}\n{LINE['program']}"})
        assert response.status_code in (202, 422)
        assert time.process_time() - start < 2.0
