"""One real server for the session: the command a user starts, on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTUP_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running server, and how to run a user's program against it."""

    url: str

    def run(self, command: Sequence[str], *, cwd: Path = ROOT, timeout: float = 300, **variables: str) -> str:
        """Run `command` as a user would, with GRADWIRE_URL set; answers what it printed.

        Raises AssertionError, showing both streams, where it fails.
        """
        environment = {
            **os.environ,
            "GRADWIRE_URL": self.url,
            "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
            "PYTHONWARNINGS": "error",
            **variables,
        }
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == 0, f"{command} failed\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def example(self, name: str, **variables: str) -> str:
        """Run examples/`name` with this interpreter; answers what it printed."""
        return self.run([sys.executable, f"examples/{name}"], **variables)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`gradwire-server serve`, ready for requests; stopped at the end of the session."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield Server(url)


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[str]:
    """The address of a server of its own over `folder`, with `variables` in its environment."""
    port = _free_port()
    log = folder / "log.txt"
    command = [sys.executable, "-m", "service.main", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "data")],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:  # refused, reset, or slow on a busy machine
            time.sleep(0.1)
    raise AssertionError(f"the server did not become ready:\n{log.read_text()}")
