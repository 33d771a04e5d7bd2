"""A server of several processes, each of which can be asked alone: by its own Unix socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


class Several:
    """The server, a client for its port, and one for each process."""

    def __init__(
        self, process: subprocess.Popen[str], url: str, uds: Path, log: Path, stack: ExitStack
    ) -> None:
        self.process = process
        self.uds = uds
        self.url = url
        self._log = log
        self._stack = stack
        self.any = stack.enter_context(httpx.Client(base_url=url, timeout=60))

    def one(self, index: int, suffix: str = ".{}") -> httpx.Client:
        """A client of one process."""
        transport = httpx.HTTPTransport(uds=f"{self.uds}{suffix.format(index)}")
        return self._stack.enter_context(httpx.Client(transport=transport, base_url="http://one", timeout=60))

    def pids(self) -> dict[int, int]:
        """The processes that answer requests, by index; while one is replaced, the newer one."""
        found = {}
        for pid, line in self.below().items():
            if match := re.search(r"service\.serving\.process.*--index (\d+)", line):
                found[int(match[1])] = pid
        return found

    def below(self) -> dict[int, str]:
        """The children of the supervisor, with their command lines, the oldest first."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in map(int, listed):
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    @property
    def log(self) -> str:
        """What was written on standard error."""
        return self._log.read_text()

    def metric(self, client: httpx.Client, name: str) -> float:
        """The value of one sample, as this process tells it."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until a condition holds, and return what it returned."""
        deadline = time.monotonic() + seconds
        while True:
            if found := condition():
                return found
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def ready(self) -> dict[str, Any]:
        """What readiness says once all is ready, the expected number of processes included."""

        def look() -> dict[str, Any] | None:
            response = self.any.get("/readyz")
            told: dict[str, Any] = response.json()
            counts = told.get("processes", {})
            return told if response.status_code == 200 and counts["alive"] == counts["expected"] else None

        found: dict[str, Any] = self.until(look)
        return found


@contextmanager
def several(folder: Path, *arguments: str, **variables: str) -> Iterator[Several]:
    """A server of two processes on a free port and a Unix socket; killed at the end if it still runs."""
    with ExitStack() as stack:
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw")))
        log = folder / "log.txt"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service.main", "serve", "--processes", "2", "--port", "0"),
                *("--uds", str(short / "s"), "--data", str(folder / "data"), *arguments),
            ],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("ab")),
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = re.search(r"http://\S+", line)
            assert url, log.read_text()
            yield Several(process, url[0], short / "s", log, stack)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
