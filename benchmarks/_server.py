"""A Gradwire server in a process of its own, and a plain route to measure what its framework costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A process that listens on loopback."""

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        """Its address for HTTP clients."""
        return f"http://{self.host}:{self.port}"

    def cpu(self) -> float:
        """Seconds of processor time that it has taken: with several processes all that answer requests."""
        return sum(_cpu(pid) for pid in (self.pid, *_processes(self.pid)))


@contextmanager
def serving(*options: str, log_level: str = "warning") -> Iterator[Server]:
    """`gradwire-server` with these options, on a free port and an empty data folder."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["serve", "--port", "0", "--data", folder, "--log-level", log_level, *options]
        with _listening(["-m", "service.main", *arguments]) as server:
            yield server


@contextmanager
def plain_route(answer: bytes) -> Iterator[Server]:
    """A Starlette route that parses a JSON body and returns `answer`, on the same kind of server."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(answer)
        file.flush()
        with _listening(["-m", "benchmarks._plain_route", file.name]) as server:
            yield server


@contextmanager
def _listening(command: Sequence[str]) -> Iterator[Server]:
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://([\d.]+):(\d+)", process.stdout.readline())
        assert found is not None, "the server did not start"
        yield Server(found[1], int(found[2]), process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _processes(pid: int) -> list[int]:
    """Those below `pid` that answer requests; one that serves alone has none."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in children if "serving.process" in Path(f"/proc/{child}/cmdline").read_text()]
