"""Several processes on the same sockets: whichever answers, a caller sees one server."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.peers import readiness_of_all
from service.processes.channel import Channel
from service.processes.membership import Membership
from service.settings import Settings
from tests.devices.conftest import FAKE
from tests.service.jobs.world import LINE, long
from tests.service.several import ROOT, Several, several
from tests.service.test_main import gone, wait_until_gone
from tests.service.test_tiers import products

SQUARE: dict[str, Any] = {"program": "sum(x * x)", "inputs": {"x": [1.0, 2.0]}}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Several]:
    with several(tmp_path_factory.mktemp("pair")) as server:
        server.ready()
        yield server


def test_what_is_there_once_is_divided() -> None:
    settings = Settings(processes=3, threads=4, children=5, queue_limit=1)
    shares = [settings.of_process(index) for index in range(3)]
    assert [one.threads for one in shares] == [2, 1, 1]
    assert [one.child_count for one in shares] == [2, 2, 1]
    assert [one.queue_limit for one in shares] == [1, 0, 0]
    scarce = Settings(processes=3, threads=1, children=1)
    assert [(one.threads, one.child_count) for one in map(scarce.of_process, range(3))] == [(1, 1)] * 3
    alone = Settings(threads=4, queue_limit=5)
    assert alone.of_process(0).model_dump() == {**alone.model_dump(), "children": alone.child_count}


def test_readiness_is_that_of_all(pair: Several) -> None:
    for index in (0, 1):
        told = pair.one(index).get("/readyz").json()
        assert told["status"] == "ready"
        assert told["checks"] == {"storage": "ok", "children": "ok", "processes": "ok", "workers": "ok"}
        assert told["processes"] == {"expected": 2, "alive": 2, "failing": 0, "reason": None}
        assert (told["workers"]["expected"], told["workers"]["alive"]) == (1, 1), "one worker, not one each"
    assert len(pair.pids()) == 2


@pytest.mark.anyio
async def test_readiness_tells_what_is_wrong_in_any_process() -> None:
    ours, theirs = socket.socketpair()
    told: dict[str, Any] = {
        "checks": [
            {"storage": "ok", "children": "cannot start"},
            {"storage": "full", "children": "y"},
        ],
        "processes": {"expected": 3, "alive": 3, "failing": 0, "reason": None},
        "starting": False,
    }

    async def answer() -> dict[str, Any]:
        return told

    for end in (ours, theirs):
        end.setblocking(False)
    supervisor, channel = Channel(theirs, {"readiness": answer}), Channel(ours)
    await supervisor.open()
    await channel.open()
    membership = Membership(channel, 0, 3, Path("nowhere"))
    checks, counts = await readiness_of_all(membership, {"storage": "ok", "children": "ok"})
    assert checks == {"storage": "full", "children": "cannot start", "processes": "ok"}
    assert counts == told["processes"]
    told["starting"], told["processes"] = True, {"expected": 3, "alive": 1, "failing": 0, "reason": "Killed"}
    checks, _ = await readiness_of_all(membership, {})
    assert checks["processes"] == "starting: 1 of 3 processes serve; the last one ended with Killed"
    told["processes"] = {"expected": 3, "alive": 2, "failing": 1, "reason": "status 1"}
    checks, _ = await readiness_of_all(membership, {})
    assert checks["processes"].startswith(
        "1 of 3 processes end again and again soon after the start; the last"
    )
    await supervisor.close()
    checks, counts = await readiness_of_all(membership, {"storage": "ok"})
    assert checks["processes"] == "the supervisor: the other process is gone"
    assert counts is None
    await channel.close()


def test_a_graph_published_by_one_is_known_to_all_and_deleted_in_all(pair: Several) -> None:
    one, other = pair.one(0), pair.one(1)
    graph = one.post("/v1/graphs", json={"program": "sum(x ** 3)"}).json()["id"]
    path = f"/v1/graphs/{graph}/gradient"
    for client in (other, one):  # now it is in the memory of both
        assert client.post(path, json={"inputs": {"x": 2.0}}).json()["gradients"] == {"x": 12.0}
    assert other.delete(f"/v1/graphs/{graph}").status_code == 204
    for client in (one, other):
        assert client.post(path, json={"inputs": {"x": 2.0}}).status_code == 404
        assert client.get(f"/v1/graphs/{graph}").status_code == 404


def test_one_idempotency_key_makes_one_job_whoever_is_asked(pair: Several) -> None:
    clients = [pair.one(index % 2) for index in range(6)]
    headers = {"Idempotency-Key": "the-same"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.post("/v1/jobs", json=LINE, headers=headers), clients))
    assert {answer.status_code for answer in answers} <= {200, 202}, [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    changed = clients[1].post("/v1/jobs", json={**LINE, "epochs": 3}, headers=headers)
    assert changed.json()["code"] == "idempotency_mismatch"


def test_events_are_followed_and_a_job_is_cancelled_through_another_process(pair: Several) -> None:
    one, other = pair.one(0), pair.one(1)
    job = one.post("/v1/jobs", json=long()).json()["id"]
    ids: list[int] = []
    with other.stream("GET", f"/v1/jobs/{job}/events") as stream:
        assert "content-encoding" not in stream.headers
        kinds = []
        for line in stream.iter_lines():
            if line.startswith("id:"):
                ids.append(int(line[3:]))
            if line.startswith("event:"):
                kinds.append(line[6:].strip())
            if len(ids) == 3:
                assert one.post(f"/v1/jobs/{job}/cancel").status_code == 202
    assert kinds[-1] == "end"
    assert ids == sorted(set(ids))
    again: list[int] = []
    with one.stream("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": str(ids[1])}) as stream:
        again += [int(line[3:]) for line in stream.iter_lines() if line.startswith("id:")]
    assert again == ids[2:], "the other process goes on where the first one was left"
    assert one.get(f"/v1/jobs/{job}").json()["status"] == "cancelled"
    assert other.get(f"/v1/jobs/{job}").json()["status"] == "cancelled"


def test_metrics_are_summed_whoever_is_asked(pair: Several) -> None:
    one, other = pair.one(0), pair.one(1)
    name = 'gradwire_requests_total{method="POST",route="/v1/evaluate",status="200"}'
    before = pair.metric(one, name)
    for count, client in ((3, one), (4, other)):
        for _ in range(count):
            assert client.post("/v1/evaluate", json=SQUARE).status_code == 200
    assert pair.metric(one, name) == before + 7
    assert pair.metric(other, name) == before + 7
    assert pair.metric(any_client := pair.any, "gradwire_processes") == 2
    assert pair.metric(any_client, "gradwire_workers") == 1
    assert pair.metric(any_client, "gradwire_requests_in_flight") == 1, "the request for the metrics itself"


def test_each_process_has_children_of_its_own(pair: Several) -> None:
    for index in (0, 1):
        assert pair.one(index).post("/v1/evaluate", json=products(700, 3)).status_code == 200
    assert pair.metric(pair.any, "gradwire_children") == 2


def test_a_killed_process_is_replaced_and_its_counts_stay(tmp_path: Path) -> None:
    with several(tmp_path, "--workers", "0") as server:
        server.ready()
        name = 'gradwire_requests_total{method="POST",route="/v1/gradient",status="200"}'
        for index in (0, 1):
            for _ in range(5):
                assert server.one(index).post("/v1/gradient", json=SQUARE).status_code == 200
        assert server.metric(server.one(0), name) == 10
        before = server.pids()
        os.kill(before[1], signal.SIGKILL)
        wait_until_gone([before[1]])
        assert server.metric(server.one(0), name) == 10, "what was once shown does not sink"
        for _ in range(20):
            with httpx.Client(base_url=server.url) as fresh:
                assert fresh.post("/v1/gradient", json=SQUARE).status_code == 200, "the other one answers"
        server.ready()
        after = server.pids()
        assert after[0] == before[0]
        assert after[1] not in (before[1], before[0])
        assert server.one(1).post("/v1/gradient", json=SQUARE).status_code == 200, (
            "its own socket stayed open"
        )
        assert server.metric(server.one(1), name) == 31
        assert server.metric(server.one(1), "gradwire_process_restarts_total") == 1
        server.process.kill()
        wait_until_gone(list(after.values()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    with several(tmp_path, "--workers", "0") as server:
        server.ready()
        answers: list[httpx.Response] = []
        callers = [
            threading.Thread(
                target=lambda client: answers.append(client.post("/v1/evaluate", json=products(1000, 10))),
                args=(server.one(index),),
            )
            for index in (0, 1)
        ]
        for caller in callers:
            caller.start()
        server.until(lambda: server.metric(server.any, "gradwire_children") == 2)
        below = list(server.below())
        server.process.send_signal(number)
        for caller in callers:
            caller.join()
        assert [answer.status_code for answer in answers] == [200, 200], "what was being answered is answered"
        assert server.process.wait(timeout=30) == 0
        wait_until_gone(below)
        assert not server.uds.exists()
        assert not server.uds.with_name("s.0").exists()
        assert "Traceback" not in server.log


def test_a_graceful_restart_loses_no_request(tmp_path: Path) -> None:
    with several(tmp_path) as server:
        server.ready()
        before, workers = server.pids(), [pid for pid, line in server.below().items() if " worker " in line]
        job = server.any.post("/v1/jobs", json=long()).json()["id"]
        stop, failed, answered = threading.Event(), [], [0]

        def call() -> None:
            while not stop.is_set():
                try:
                    with httpx.Client(base_url=server.url, timeout=60) as client:
                        answer = client.post("/v1/gradient", json=SQUARE)
                    answered[0] += 1
                    if answer.json().get("value") != 5.0:
                        failed.append(answer.text)
                except httpx.HTTPError as error:
                    failed.append(repr(error))

        large: list[httpx.Response] = []

        def call_long() -> None:
            large.append(server.one(1).post("/v1/evaluate", json=products(1000, 12)))

        callers = [threading.Thread(target=call), threading.Thread(target=call_long)]
        for caller in callers:
            caller.start()
        server.until(lambda: server.metric(server.any, "gradwire_children") >= 1)
        name = 'gradwire_requests_total{method="POST",route="/v1/gradient",status="200"}'
        shown = server.metric(server.any, name)
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: all(gone(pid) for pid in before.values()))
        stop.set()
        for caller in callers:
            caller.join()
        assert failed == []
        assert [answer.status_code for answer in large] == [200], (
            "what the old ones were computing was answered"
        )
        server.any = server.one(0, "")  # a connection of the old process would be closed
        server.ready()
        after = server.pids()
        assert set(after) == {0, 1}
        assert not set(after.values()) & set(before.values())
        assert server.metric(server.one(0), name) == answered[0] >= shown, "counts of the old ones stay"
        assert [pid for pid, line in server.below().items() if " worker " in line] == workers
        assert server.any.get(f"/v1/jobs/{job}").json()["status"] == "running"
        server.any.post(f"/v1/jobs/{job}/cancel")


@pytest.mark.slow
def test_a_restart_that_cannot_start_keeps_the_old_processes(tmp_path: Path) -> None:
    with several(tmp_path, "--workers", "0") as server:
        server.ready()
        before = server.pids()
        with sqlite3.connect(tmp_path / "data" / "gradwire.sqlite") as database:
            [version] = database.execute("SELECT version FROM schema_version").fetchone()
            database.execute("UPDATE schema_version SET version = ?", (version + 1,))
        database.close()
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: "graceful restart failed" in server.log)
        server.until(lambda: server.pids() == before)
        assert "start the newer server" in server.log
        assert server.any.post("/v1/gradient", json=SQUARE).json()["value"] == 5.0


def test_a_data_folder_that_cannot_be_used_is_refused_kindly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "service.main", "serve", "--port", "0", "--processes", "2"),
            *("--workers", "0", "--data", str(tmp_path / "file")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("cannot use the data folder") == 1
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.slow
def test_each_gpu_has_one_process_for_all(tmp_path: Path) -> None:
    """Two stand-ins: whichever process is asked for whichever GPU, its owner computes."""
    with several(
        tmp_path, "--workers", "0", PYTHONPATH=str(FAKE), GRADWIRE_DEVICE_MEMORY_BYTES=str(64 << 20)
    ) as server:
        server.ready()
        for index in (0, 1):
            for device in ("cuda:0", "cuda:1"):
                answer = server.one(index).post("/v1/gradient", json={**SQUARE, "device": device})
                assert answer.json() == {"value": 5.0, "gradients": {"x": [2.0, 4.0]}}
                assert 'tier;desc="device"' in answer.headers["server-timing"]
        assert server.metric(server.any, "gradwire_children") == 2, "one for each GPU"
        for device in ("cuda:0", "cuda:1"):
            name = f'gradwire_device_queries_total{{device="{device}"}}'
            assert server.metric(server.any, name) == 2
            assert (
                server.metric(server.any, f'gradwire_device_memory_limit_bytes{{device="{device}"}}')
                == 64 << 20
            )
        refused = server.one(1).post("/v1/gradient", json={**SQUARE, "device": "cuda:0", "wrt": ["z"]})
        assert refused.json()["code"] == "unknown_wrt"
        os.kill(server.pids()[0], signal.SIGSTOP)
        os.kill(server.pids()[0], signal.SIGKILL)
        server.until(lambda: len(server.pids()) == 2)
        away = server.one(1).post("/v1/gradient", json={**SQUARE, "device": "cuda:0"})
        assert away.status_code == 200 or (away.status_code == 503 and away.headers["retry-after"] == "2")
        server.ready()
        answer = server.one(1).post("/v1/gradient", json={**SQUARE, "device": "cuda:0"})
        assert answer.status_code == 200, "the new owner has a process for it"


def test_log_lines_are_whole(pair: Several) -> None:
    for line in pair.log.splitlines():
        assert isinstance(json.loads(line), dict), line
