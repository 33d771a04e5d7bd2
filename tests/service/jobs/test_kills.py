"""kill -9 of a server, its workers, fork servers and jobs: nothing lost or doubled, no bit different."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.jobs.kills import FAST, Server, kill
from tests.service.jobs.world import LINE, classifier, long


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Server]:
    server = Server(folder, *FAST, *arguments)
    try:
        yield server
    finally:
        server.close()


def body(epochs: int) -> dict[str, Any]:
    return classifier(rows=700, epochs=epochs)


def rounds(tmp_path: Path, count: int, *, epochs: int, seed: int) -> dict[str, int]:
    """Kill at random moments of the measured running time; what became of the jobs."""
    pick = random.Random(seed)
    figures = {"finished": 0, "lost": 0, "doubled": 0, "bits different": 0}
    with serving(tmp_path) as server:
        first = server.submit(body(epochs))
        server.until(first, lambda job: job["progress"]["step"] > 0)
        start = time.perf_counter()
        server.ended(first)
        seconds = time.perf_counter() - start
        expected = server.outcome(first)
        for k in range(count):
            job_id = server.submit(body(epochs))
            time.sleep(pick.uniform(0, seconds * 1.2))
            victim = ("everything", "worker", "template", "job")[k % 4]
            if victim == "everything":
                server.kill_everything()
            else:
                kill(server.below()[victim])
            ended = server.ended(job_id)
            outcome = server.outcome(job_id)
            figures["finished"] += ended["status"] == "succeeded"
            figures["lost"] += [row["step"] for row in outcome.steps] != [
                row["step"] for row in expected.steps
            ]
            figures["doubled"] += len(outcome.ends) != 1
            figures["bits different"] += outcome != expected
    return figures


def test_kills_at_random_moments(tmp_path: Path) -> None:
    figures = rounds(tmp_path, 4, epochs=30, seed=1)
    assert figures == {"finished": 4, "lost": 0, "doubled": 0, "bits different": 0}


@pytest.mark.slow
def test_twenty_kills_at_random_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = rounds(tmp_path, 20, epochs=60, seed=2)
    with capsys.disabled():
        print(f"\n20 jobs, a kill each: {figures}")
    assert figures == {"finished": 20, "lost": 0, "doubled": 0, "bits different": 0}


def test_kills_while_many_are_submitted(tmp_path: Path) -> None:
    """What was acknowledged is there afterwards, once; what was repeated under its key is the same job."""
    with serving(tmp_path) as server:
        acknowledged: dict[int, str] = {}
        stop = threading.Event()

        def send(number: int) -> None:
            for _ in range(400):
                try:
                    response = server.client.post(
                        "/v1/jobs", json=LINE, headers={"Idempotency-Key": f"key-{number}"}, timeout=10
                    )
                    assert response.status_code == 202, response.text
                    acknowledged[number] = response.json()["id"]
                    return
                except (httpx.TransportError, RuntimeError):
                    if stop.wait(0.05):
                        return

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        server.kill_everything()
        for thread in threads:
            thread.join()
        stop.set()
        assert len(set(acknowledged.values())) == 8
        for job_id in acknowledged.values():
            assert server.ended(job_id)["status"] == "succeeded"
        assert len(server.client.get("/v1/jobs").json()["jobs"]) == 8


def test_a_graceful_end_keeps_what_was_done(tmp_path: Path) -> None:
    with serving(tmp_path, "--checkpoint-steps", "100000000") as server:
        job_id = server.submit({**LINE, "epochs": 20_000})
        before = server.until(job_id, lambda job: job["progress"]["step"] > 1000)["progress"]["step"]
        below = server.all_below()
        told: list[str] = []
        hears = threading.Event()
        follower = threading.Thread(target=lambda: told.append(follow(server, job_id, hears)))
        follower.start()
        assert hears.wait(60)
        start = time.perf_counter()
        server.process.send_signal(signal.SIGTERM)
        follower.join()
        server.end(signal.SIGTERM)
        assert time.perf_counter() - start < 20, "who follows events holds nothing up"
        assert "event: step" in told[0]
        assert server.process.returncode == 0
        assert all(not Path(f"/proc/{pid}").exists() for pid in below)
        server.start()
        found = server.until(job_id, lambda job: job["attempt"] == 2)
        assert found["progress"]["step"] >= before, "it was saved on the way out"
        assert server.ended(job_id)["status"] == "succeeded"
        steps = server.outcome(job_id).steps
        assert [row["step"] for row in steps] == [1, *range(2, 20_001, 2)], "thinned to every second one"


def follow(server: Server, job_id: str, hears: threading.Event) -> str:
    """All that the job's events say until the connection ends; `hears` is set at the first step."""
    told = ""
    with httpx.stream("GET", f"{server.client.base_url}/v1/jobs/{job_id}/events", timeout=60) as response:
        for text in response.iter_text():
            told += text
            if "event: step" in told:
                hears.set()
    return told


def test_a_worker_that_was_stopped_and_woken_publishes_nothing(tmp_path: Path) -> None:
    """SIGSTOP for longer than the lease: another worker takes over, and the sleeper is fenced off."""
    with serving(tmp_path, "--workers", "2", "--jobs-at-once", "1") as server:
        reference = server.submit(body(40))
        server.ended(reference)
        job_id = server.submit({**body(40)})
        server.until(job_id, lambda job: job["progress"]["step"] > 100)
        [job] = server.below()["job"]
        sleeper = next(w for w in server.below()["worker"] if job in _descendants(server, w))
        os.kill(sleeper, signal.SIGSTOP)
        try:
            taken = server.until(
                job_id, lambda found: found["attempt"] == 2 and found["progress"]["step"] > 0
            )
            assert taken["status"] in ("running", "succeeded")
        finally:
            os.kill(sleeper, signal.SIGCONT)
        server.ended(job_id)
        assert server.outcome(job_id) == server.outcome(reference)


def _descendants(server: Server, worker: int) -> list[int]:
    from tests.service.jobs.kills import children

    return [job for template in children(worker) for job in children(template)]


def test_following_events_across_a_kill(tmp_path: Path) -> None:
    """With Last-Event-ID a follower misses nothing and sees ids only grow."""
    with serving(tmp_path) as server:
        job_id = server.submit(body(60))
        seen: list[tuple[int, str]] = []
        killed = False
        deadline = time.monotonic() + 90
        while not seen or seen[-1][1] != "end":
            assert time.monotonic() < deadline
            headers = {"Last-Event-ID": str(seen[-1][0])} if seen else {}
            try:
                with server.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
                    assert response.status_code == 200
                    number = 0
                    for line in response.iter_lines():
                        if line.startswith("id: "):
                            number = int(line[4:])
                        elif line.startswith("event: "):
                            seen.append((number, line[7:]))
                        if not killed and len(seen) > 300:
                            killed = True
                            raise httpx.ReadError("the server is about to be killed")
            except httpx.TransportError:
                server.kill_everything()
        ids = [number for number, _ in seen]
        assert ids == sorted(set(ids))
        assert server.ended(job_id)["status"] == "succeeded"


def test_the_server_answers_while_jobs_run(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        jobs = [server.submit(long()) for _ in range(2)]
        for job_id in jobs:
            server.until(job_id, lambda job: job["progress"]["step"] > 0)
        times = []
        for _ in range(50):
            start = time.perf_counter()
            server.client.post(
                "/v1/evaluate", json={"program": "x ** 2", "inputs": {"x": 3}}
            ).raise_for_status()
            times.append(time.perf_counter() - start)
        assert sorted(times)[25] < 0.1
        for job_id in jobs:
            start = time.perf_counter()
            server.client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
            assert server.ended(job_id)["status"] == "cancelled"
            assert time.perf_counter() - start < 1


QUEUE_TABLES = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")


def rows_of_the_queue(folder: Path) -> dict[str, int]:
    """How many rows DBOS has of jobs, by table."""
    with closing(sqlite3.connect(folder / "data" / "gradwire.sqlite", timeout=30)) as database:
        return {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in QUEUE_TABLES
        }


def test_the_queue_keeps_nothing_of_jobs_that_ended(tmp_path: Path) -> None:
    """Its rows are as many as there are jobs that have not ended, whatever became of the others."""
    with serving(tmp_path) as server:
        ids = [server.submit({**LINE, "epochs": 3}) for _ in range(40)]
        for job_id in ids:
            server.ended(job_id)
        paused = server.submit(long())
        server.until(paused, lambda job: job["status"] == "running")
        server.client.post(f"/v1/jobs/{paused}/pause")
        server.until(paused, lambda job: job["status"] == "paused")
        running = server.submit(long())
        server.until(running, lambda job: job["status"] == "running")
        deadline = time.monotonic() + 30
        while rows_of_the_queue(tmp_path)["workflow_status"] > 1:
            assert time.monotonic() < deadline, rows_of_the_queue(tmp_path)
            time.sleep(0.2)
        server.client.post(f"/v1/jobs/{running}/cancel")
        server.client.post(f"/v1/jobs/{paused}/cancel")
        server.ended(running)
        while any(rows_of_the_queue(tmp_path).values()):
            assert time.monotonic() < deadline + 30, rows_of_the_queue(tmp_path)
            time.sleep(0.2)
        assert server.outcome(ids[0]).status == "succeeded", "the job itself is all there"


def test_a_deleted_job_leaves_nothing_in_the_queue(tmp_path: Path) -> None:
    """Not even where no worker ever comes to look."""
    with serving(tmp_path, "--workers", "0") as server:
        ids = [server.submit(LINE) for _ in range(3)]
        assert rows_of_the_queue(tmp_path)["workflow_status"] == 3
        for job_id in ids:
            server.client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
            assert server.client.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert not any(rows_of_the_queue(tmp_path).values())
