"""A tool as a child process that is asked in GradBench's protocol, and the processor time of one run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Tool:
    """A process that answers messages; `folder` is where it runs, `environment` what it finds there."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._id = 0

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send one message; the answer to it. Raises EOFError if the tool has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"id": self._id, **message}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("the tool has ended")
        answer: dict[str, Any] = json.loads(line)
        assert answer["id"] == self._id, "a tool answers every message in its turn"
        self._id += 1
        return answer

    def run(self, module: str, function: str, given: Any, runs: int) -> dict[str, Any]:
        """Evaluate a function so many times."""
        repeated = {**given, "min_runs": runs, "min_seconds": 0.0} if isinstance(given, dict) else given
        return self.ask(kind="evaluate", module=module, function=function, input=repeated)

    def seconds(self, module: str, function: str, given: Any, runs: int) -> float:
        """Processor seconds of one run: what `runs` more of them take than one alone, whose rest is equal."""
        start = self.cpu()
        self.run(module, function, given, 1)
        one = self.cpu()
        self.run(module, function, given, 1 + runs)
        return ((self.cpu() - one) - (one - start)) / runs

    def cpu(self) -> float:
        """Seconds that all of its threads have run."""
        tasks = Path(f"/proc/{self._process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait()
