"""Two servers on one folder: neither harms what the other is doing, and either finds all that is stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from service.datasets.folder import DatasetFolder
from tests.service.jobs.kills import FAST, Server
from tests.service.jobs.test_commits_refused import outcome
from tests.service.jobs.test_datasets import CSV, npy
from tests.service.jobs.world import LINE, ended, job_world, submit, until
from tests.service.test_main import ROOT, running

BODY = npy(np.arange(200_000.0))
HALF = len(BODY) // 2


def test_a_second_server_leaves_an_upload_in_progress_alone(tmp_path: Path) -> None:
    """The first half is on the disk when the second server starts and tidies up."""
    staging = tmp_path / "data" / "datasets" / "tmp"
    with running(tmp_path) as first:
        url = first.client.base_url
        with closing(HTTPConnection(url.host, url.port, timeout=60)) as connection:
            connection.putrequest("POST", "/v1/datasets")
            connection.putheader("Content-Type", "application/x-npy")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders(BODY[:HALF])
            deadline = time.monotonic() + 30
            while not list(staging.glob("*/body")):
                assert time.monotonic() < deadline
            with running(tmp_path) as second:
                assert second.client.get("/healthz").status_code == 200
                assert list(staging.glob("*/body")), "it is not the second server's to remove"
                connection.send(BODY[HALF:])
                assert connection.getresponse().status == 201
                [stored] = second.client.get("/v1/datasets").json()["datasets"]
                assert stored["bytes"] == len(BODY)
                assert second.client.get(f"/v1/datasets/{stored['id']}").status_code == 200
    assert not list(staging.iterdir())


def test_what_a_killed_server_left_of_uploads_is_removed(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from service.datasets.folder import DatasetFolder\n"
        "place = DatasetFolder(Path(sys.argv[1])).staging_dir(); (place / 'body').write_bytes(b'half')\n"
        "print(place, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    place = Path(process.stdout.readline().strip())
    mine = DatasetFolder(tmp_path)
    own = mine.staging_dir()
    (tmp_path / "tmp" / "left-by-an-older-server").mkdir()
    for folder in (mine, DatasetFolder(tmp_path)):
        folder.sweep()
        assert (place / "body").read_bytes() == b"half"
        assert own.is_dir()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    mine.sweep()
    assert sorted((tmp_path / "tmp").iterdir()) == [own, own.with_suffix(".lock")]
    mine.discard(own)
    assert not list((tmp_path / "tmp").iterdir())


def test_sweeps_and_uploads_at_the_same_moment(tmp_path: Path) -> None:
    """Threads of one process share no lock either: each workplace has a descriptor of its own."""
    folder, stop = DatasetFolder(tmp_path), threading.Event()

    def sweep() -> None:
        other = DatasetFolder(tmp_path)
        while not stop.is_set():
            other.sweep()

    def upload(number: int) -> bool:
        place = folder.staging_dir()
        (place / "body").write_bytes(b"%d" % number)
        kept = (place / "body").read_bytes() == b"%d" % number
        folder.discard(place)
        return kept

    with ThreadPoolExecutor(5) as threads:
        sweeper = threads.submit(sweep)
        try:
            assert all(threads.map(upload, range(300)))
        finally:
            stop.set()
        sweeper.result()
    assert not list((tmp_path / "tmp").iterdir())


def test_two_servers_that_start_at_once_share_the_work(tmp_path: Path) -> None:
    """A new folder, both with workers: each job runs once, and each server knows of all."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        servers = list(threads.map(lambda _: Server(tmp_path, *FAST), range(2)))
        for server in servers:
            stack.callback(server.close)
        ids = [server.submit(LINE) for _ in range(3) for server in servers]
        for job_id in ids:
            for server in servers:
                assert server.ended(job_id)["status"] == "succeeded"
                assert server.outcome(job_id) == servers[0].outcome(ids[0])
                assert server.job(job_id)["attempt"] == 1
        assert servers[0].below()["worker"] != servers[1].below()["worker"]


@pytest.mark.anyio
async def test_a_folder_that_is_moved_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    """Half a job with data in its body, half a job on a data set; the folder is mounted elsewhere then."""
    body = {**LINE, "epochs": 3000}
    here, there = tmp_path / "here", tmp_path / "there"
    async with job_world(here) as world:
        content = b"x,y\n1,2\n2,4\n3,6\n"
        dataset = (await world.client.post("/v1/datasets", content=content, headers=CSV)).json()["id"]
        named = {name: {"dataset": dataset, "fields": [name]} for name in "xy"}
        bodies = [body, {**body, "data": named}]
        whole = [(await ended(world, await submit(world, each)))["id"] for each in bodies]
        expected = [await outcome(world, job_id) for job_id in whole]
        halves = [await submit(world, each) for each in bodies]
        for job_id in halves:
            await until(world, job_id, lambda found: found["progress"]["step"] > 0)
            await world.client.post(f"/v1/jobs/{job_id}/pause")
            await until(world, job_id, lambda found: found["status"] == "paused")
    here.rename(there)
    assert str(tmp_path) not in (there / "data" / "gradwire.sqlite").read_bytes().decode("latin-1")
    async with job_world(there) as world:
        for job_id, undisturbed in zip(halves, expected, strict=True):
            await world.client.post(f"/v1/jobs/{job_id}/resume")
            done = await ended(world, job_id)
            assert (done["status"], done["attempt"]) == ("succeeded", 2)
            assert await outcome(world, job_id) == undisturbed
            wanted = {"inputs": {"x": [[4]]}, "outputs": ["pred"]}
            predicted = await world.post(f"/v1/jobs/{job_id}/predict", wanted)
            assert predicted.status_code == 200
    assert not here.exists()
