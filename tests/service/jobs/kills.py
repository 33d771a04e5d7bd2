"""A server that is killed while jobs run and started again on the same folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.service.test_main import ROOT, command, gone, wait_until_gone

FAST = ("--checkpoint-steps", "100", "--jobs-at-once", "2", "--job-retries", "50", "--job-lease-s", "3")


class Server:
    """`gradwire-server serve` with its workers, on a port that may change from start to start."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._command = command(
            "serve", "--port", "0", "--data", str(folder / "data"), "--log-level", "warning", *arguments
        )
        self._log = (folder / "log").open("a")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self.process.stdout is not None
        url = re.search(r"http://\S+", self.process.stdout.readline())
        assert url, "it did not start"
        self.client = httpx.Client(base_url=url[0], timeout=60)

    def below(self) -> dict[str, list[int]]:
        """The processes below the server, by what they are."""
        found: dict[str, list[int]] = {"worker": [], "template": [], "job": []}
        for worker in children(self.process.pid):
            if "worker" not in words(worker):
                continue
            found["worker"].append(worker)
            for template in children(worker):
                found["template"].append(template)
                found["job"] += children(template)
        return found

    def all_below(self) -> list[int]:
        """The same, in one list."""
        return [pid for pids in self.below().values() for pid in pids]

    def kill_everything(self) -> None:
        """SIGKILL to the server; all others die with it, and a restart follows."""
        below = self.all_below()
        self.end(signal.SIGKILL)
        wait_until_gone(below)
        self.start()

    def end(self, number: signal.Signals) -> None:
        self.client.close()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        below = self.all_below()
        self.end(signal.SIGKILL)
        wait_until_gone(below)
        self._log.close()

    def submit(self, body: Any, **headers: str) -> str:
        response = self.client.post("/v1/jobs", json=body, headers=headers)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").json()
        return found

    def until(self, job_id: str, condition: Any, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not condition(found := self.job(job_id)):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def ended(self, job_id: str, seconds: float = 90) -> dict[str, Any]:
        return self.until(job_id, lambda j: j["status"] in ("succeeded", "failed", "cancelled"), seconds)

    def outcome(self, job_id: str) -> Outcome:
        """Everything that must not depend on what was killed."""
        path = f"/v1/jobs/{job_id}"
        return Outcome(
            self.job(job_id)["status"],
            self.client.get(f"{path}/parameters?format=safetensors").content,
            self.client.get(f"{path}/metrics?by=step").json()["metrics"],
            self.client.get(f"{path}/metrics?by=epoch").json()["metrics"],
            [line for line in self.client.get(f"{path}/events").text.splitlines() if line == "event: end"],
        )


@dataclass(frozen=True)
class Outcome:
    """How a job ended, what it learned, its history, and how often its end was told."""

    status: str
    parameters: bytes
    steps: list[dict[str, Any]] = field(repr=False)
    epochs: list[dict[str, Any]] = field(repr=False)
    ends: list[str]


def children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except FileNotFoundError:
        return []


def kill(pids: list[int]) -> None:
    for pid in pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)
