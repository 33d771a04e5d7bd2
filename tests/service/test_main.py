"""The command, as a real process on loopback: start, stop, kill, and what is left afterwards."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.engine.graphs import REGRESSION
from tests.service.readiness import until
from tests.service.test_tiers import products
from tests.service.world import INPUTS

ROOT = Path(__file__).parents[2]


class Running:
    """A server process and its address."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.client = httpx.Client(base_url=url, timeout=60)

    def descendants(self) -> list[int]:
        """The process ids below the server's."""
        found, frontier = [], [self.process.pid]
        while frontier:
            parent = frontier.pop()
            for task in Path(f"/proc/{parent}/task").iterdir():
                children = [int(pid) for pid in (task / "children").read_text().split()]
                found += children
                frontier += children
        return found


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.main", *arguments]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    """`gradwire-server serve` on a free port, killed at the end if it still runs."""
    process = subprocess.Popen(
        [
            *command("serve", "--port", "0", "--data", str(folder / "data"), "--log-level", "warning"),
            *("--workers", "0", *arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = re.search(r"http://\S+", line)
        assert url, line
        server = Running(process, url[0])
        with server.client:
            yield server
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < deadline, f"left behind: {[pid for pid in pids if not gone(pid)]}"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_gracefully(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as server:
        answers: list[httpx.Response] = []

        def call() -> None:
            answers.append(server.client.post("/v1/evaluate", json=products(1000, 10)))

        until(server.client, 200)
        caller = threading.Thread(target=call)
        caller.start()
        while len(below := server.descendants()) < 2:  # the template and a child
            time.sleep(0.01)
        server.process.send_signal(number)
        caller.join()
        assert answers[0].status_code == 200, "what was being answered is answered"
        assert server.process.wait(timeout=20) == 0
        wait_until_gone(below)


def test_published_graphs_survive_kill_9(tmp_path: Path) -> None:
    ids = []
    with running(tmp_path) as server:
        for k in range(20):
            node = {"name": "y", "op": "multiply", "inputs": ["x", float(k)]}
            graph = {"inputs": {"x": {}}, "nodes": [node], "outputs": ["y"]}
            ids.append(server.client.post("/v1/graphs", json={"graph": graph}).json()["id"])
        server.process.kill()
        server.process.wait()
    with running(tmp_path) as server:
        for k, graph_id in enumerate(ids):
            answer = server.client.post(f"/v1/graphs/{graph_id}/evaluate", json={"inputs": {"x": 2}})
            assert answer.json() == {"outputs": {"y": 2.0 * k}}


def test_kill_9_takes_the_children_along(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.client.post("/v1/evaluate", json=products(1000, 3)).status_code == 200
        below = server.descendants()
        assert len(below) == 2
        server.process.kill()
        wait_until_gone(below)


def test_a_caller_who_hangs_up_stops_the_work(tmp_path: Path) -> None:
    with running(tmp_path, "--children", "1") as server:
        with pytest.raises(httpx.ReadTimeout):
            server.client.post("/v1/evaluate", json=products(1500, 100), timeout=2)
        start = time.perf_counter()
        assert server.client.post("/v1/evaluate", json=products(1000, 2)).status_code == 200
        assert time.perf_counter() - start < 10


def test_a_port_in_use_is_refused_kindly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            command("serve", "--port", port, "--data", str(tmp_path)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_data_folder_that_cannot_be_used_is_refused_kindly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = subprocess.run(
        command("serve", "--port", "0", "--data", str(tmp_path / "file")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "data folder" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_one_line_says_where_it_listens(tmp_path: Path) -> None:
    with running(tmp_path, "--host", "127.0.0.1") as server:
        assert server.client.get("/healthz").json()["status"] == "ok"
        answer = server.client.post(
            "/v1/gradient", json={"graph": REGRESSION, "inputs": INPUTS, "wrt": ["W"]}
        )
        assert answer.json() == {"value": 10.5, "gradients": {"W": [-14.0]}}
        assert "server" not in answer.headers
        server.process.terminate()
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
        assert server.process.wait(timeout=20) == 0


def test_blas_threads_are_bounded_everywhere(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.client.post("/v1/evaluate", json=products(1000, 2)).status_code == 200
        for pid in server.descendants():
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            assert b"OPENBLAS_NUM_THREADS=1" in environment
            assert len(os.listdir(f"/proc/{pid}/task")) == 1
