"""Damage to what is kept: a flipped bit is an error that says so, or is made up for; never other numbers."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from service.jobs import checkpoints
from service.jobs.checkpoints import Parameters
from service.storage.checksums import Checksum, Damaged
from tests.engine.graphs import REGRESSION
from tests.service.jobs.test_datasets import NPY, npy, npz, upload
from tests.service.jobs.world import LINE, classifier, ended, job, job_world, long, submit, until
from tests.service.world import World, problem

pytestmark = pytest.mark.anyio


def flip(path: Path, rng: random.Random) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_any_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    rng = random.Random(13)
    arrays = {"W": np.arange(6.0).reshape(2, 3), "n": np.array([1], "i4")}
    learned = Parameters({"W": arrays["W"]}, {"mean": np.ones(2, np.float32)})
    checkpoints.write(tmp_path, "6-1", arrays, {"step": 6, "run": {}}, learned)
    intact = files(tmp_path / "6-1")
    assert set(intact) == {"run.safetensors", "parameters.safetensors", "position.json", "checksums.json"}
    noticed = dict.fromkeys(intact, 0)
    for name, content in intact.items():
        for _ in range(250):
            flip(tmp_path / "6-1" / name, rng)
            for read in (checkpoints.read_snapshot, checkpoints.read_parameters):
                try:
                    found: Any = read(tmp_path, "6-1")
                except Damaged as damaged:
                    noticed[name] += "6-1 is damaged" in damaged.detail
                else:  # a file that this reader does not need
                    weights = found[0]["W"] if isinstance(found, tuple) else found.parameters["W"]
                    assert weights.tobytes() == arrays["W"].tobytes()
            (tmp_path / "6-1" / name).write_bytes(content)
    assert min(noticed.values()) >= 250
    (tmp_path / "6-1" / "run.safetensors").unlink()
    with pytest.raises(Damaged, match="no longer"):
        checkpoints.read_snapshot(tmp_path, "6-1")


def test_the_start_of_a_file_is_enough_for_its_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "0.npy"
    np.save(path, np.arange(100_000.0))
    checksum = Checksum.read(json.loads(json.dumps(Checksum.of(path).record())))
    assert checksum.fits(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert checksum.fits(path, most=1_000)
    assert not checksum.fits(path, most=500_000)
    assert not checksum.fits(path)
    content[5_000] ^= 1
    path.write_bytes(content)
    assert not checksum.fits(path, most=1_000)


async def paused_midway(here: World, **changes: Any) -> str:
    """A job with several checkpoints that is paused."""
    job_id = await submit(here, classifier(epochs=40, **changes))
    await until(here, job_id, lambda found: found["progress"]["epoch"] >= 2)
    await here.post(f"/v1/jobs/{job_id}/pause", {})
    await until(here, job_id, lambda found: found["status"] in ("paused", "succeeded"))
    assert (await job(here, job_id))["status"] == "paused"
    return job_id


async def parameters(here: World, job_id: str) -> Any:
    response = await here.client.get(f"/v1/jobs/{job_id}/parameters")
    assert response.status_code == 200, response.text
    return response.json()["parameters"]


@pytest.mark.parametrize("damage", ["the newest", "all", "folder gone"])
async def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    async with job_world(tmp_path, checkpoint_steps=40, checkpoints_kept=3) as here:
        undisturbed = await submit(here, classifier(epochs=40))
        assert (await ended(here, undisturbed))["status"] == "succeeded"
        job_id = await paused_midway(here)
        folder = tmp_path / "data" / "jobs" / job_id / "checkpoints"
        saved = (await here.client.get(f"/v1/jobs/{job_id}/checkpoints")).json()["checkpoints"]
        assert len(saved) == 3
        if damage == "folder gone":
            shutil.rmtree(folder)
        for one in saved[-1:] if damage == "the newest" else saved if damage == "all" else ():
            flip(folder / one["id"] / "run.safetensors", random.Random(1))
        await here.post(f"/v1/jobs/{job_id}/resume", {})
        done = await ended(here, job_id)
        assert done["status"] == "succeeded", done["error"]
        assert await parameters(here, job_id) == await parameters(here, undisturbed)
        events = (await here.client.get(f"/v1/jobs/{job_id}/events")).text
        word = "goes on from step" if damage == "the newest" else "starts again from the beginning"
        assert events.count('"code":"damaged_checkpoint"') == 1
        assert saved[-1]["id"] in events
        assert word in events
        histories = [
            (await here.client.get(f"/v1/jobs/{each}/metrics?by=step")).json()["metrics"]
            for each in (job_id, undisturbed)
        ]
        assert histories[0] == histories[1]


async def test_damaged_parameters_are_no_answer(tmp_path: Path) -> None:
    async with job_world(tmp_path, checkpoint_steps=5) as here:
        job_id = await submit(here, LINE)
        assert (await ended(here, job_id))["status"] == "succeeded"
        folder = tmp_path / "data" / "jobs" / job_id / "checkpoints"
        newest = (await here.client.get(f"/v1/jobs/{job_id}/checkpoints")).json()["checkpoints"][-1]["id"]
        flip(folder / newest / "parameters.safetensors", random.Random(4))
        for form in ("json", "npz", "safetensors"):
            response = await here.client.get(f"/v1/jobs/{job_id}/parameters", params={"format": form})
            assert "is damaged" in problem(response, 500, "internal")["detail"]
        response = await here.post(f"/v1/jobs/{job_id}/predict", {"inputs": {"x": [[1.0]]}})
        assert newest in problem(response, 500, "internal")["detail"]


@pytest.mark.parametrize("what", ["flipped", "file gone", "folder gone"])
async def test_a_job_whose_data_are_damaged_ends_and_says_so(tmp_path: Path, what: str) -> None:
    async with job_world(tmp_path, job_retry_s=0.01) as here:
        job_id = await submit(here, long())
        await until(here, job_id, lambda found: found["status"] == "running")
        await here.post(f"/v1/jobs/{job_id}/pause", {})
        await until(here, job_id, lambda found: found["status"] == "paused")
        folder = tmp_path / "data" / "jobs" / job_id
        if what == "flipped":
            flip(folder / "data" / "0.npy", random.Random(3))
        elif what == "file gone":
            (folder / "data" / "0.npy").unlink()
        else:
            shutil.rmtree(folder)
        await here.post(f"/v1/jobs/{job_id}/resume", {})
        done = await ended(here, job_id)
        assert (done["status"], done["error"]["code"]) == ("failed", "internal")
        assert "the job's data 'x' is" in done["error"]["detail"]
        assert "submit the job again" in done["error"]["hint"]
        assert done["attempt"] == 2, "no attempt after another"


async def test_a_damaged_data_set_is_an_error_until_it_is_uploaded_again(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        content = npz(x=np.arange(6.0).reshape(3, 2), y=np.ones((3, 1)))
        found = await upload(here, content, {"Content-Type": "application/x-npz"})
        path, folder = (
            f"/v1/datasets/{found['id']}",
            tmp_path / "data" / "datasets" / found["id"].replace(":", "-"),
        )
        shown = (await here.client.get(path)).json()
        data = {name: {"dataset": found["id"], "field": name} for name in ("x", "y")}
        document = {**LINE, "program": "loss = mean((x @ W + b - y) ** 2)", "data": data}
        document["parameters"] = {"W": {"value": [[0.5], [1]]}, "b": {"value": [0]}}
        intact = await ended(here, await submit(here, document))
        assert intact["status"] == "succeeded"
        for file in sorted(folder.iterdir()):
            flip(file, random.Random(9))
            assert "is damaged" in problem(await here.client.get(path), 500, "internal")["detail"]
            failed = await ended(here, await submit(here, document))
            assert (failed["status"], failed["error"]["code"]) == ("failed", "internal")
            again = await here.client.post(
                "/v1/datasets", content=content, headers={"Content-Type": "application/zip"}
            )
            assert again.status_code == 200
            assert (await here.client.get(path)).json() == shown
        mended = await ended(here, await submit(here, document))
        assert mended["metrics"] == intact["metrics"]
        shutil.rmtree(folder)
        assert "no longer" in problem(await here.client.get(path), 500, "internal")["detail"]
        assert (await here.client.delete(path)).status_code == 204


async def test_damaged_records_are_errors_and_can_be_deleted(tmp_path: Path) -> None:
    async with job_world(tmp_path) as here:
        found = await upload(here, npy(np.ones((2, 2))), NPY)
        graph = (await here.post("/v1/graphs", {"graph": REGRESSION})).json()
        job_id = await submit(here, long())
        await until(here, job_id, lambda found: found["status"] == "running")
        await here.post(f"/v1/jobs/{job_id}/pause", {})
        await until(here, job_id, lambda found: found["status"] == "paused")
        changes = (
            "UPDATE datasets SET rows = 3",
            "UPDATE graphs SET document = replace(document, '2.0', '3.0')",
            "UPDATE jobs SET document = replace(document, '0.01', '0.03')",
        )
        for change in changes:
            count = await here.services.database.write(lambda c, s=change: c.execute(text(s)).rowcount)  # type: ignore[misc]
            assert count == 1
        here.services.graphs.recent.discard(graph["id"])
        problem(await here.client.get(f"/v1/datasets/{found['id']}"), 500, "internal")
        assert (
            "publish it again"
            in problem(await here.client.get(f"/v1/graphs/{graph['id']}"), 500, "internal")["hint"]
        )
        await here.post(f"/v1/jobs/{job_id}/resume", {})
        failed = await ended(here, job_id)
        assert "the record of the job is damaged" in failed["error"]["detail"]
        assert (await here.post("/v1/graphs", {"graph": REGRESSION})).status_code == 200
        here.services.graphs.recent.discard(graph["id"])
        assert (await here.client.get(f"/v1/graphs/{graph['id']}")).status_code == 200
        assert (await here.client.delete(f"/v1/datasets/{found['id']}")).status_code == 204
