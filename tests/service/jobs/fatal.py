"""A job's process that kills itself at a chosen moment, as `kill -9` does.

The program's last line is a comment, `# dies: {"1": ["epoch", 2], …}`: by attempt, where the process dies.

    ["step", n]             after n steps of this attempt, their report sent
    ["epoch", n]            after the last step of epoch n, its report sent, before the epoch's end
    ["checkpoint", n, p]    at the n-th checkpoint of this attempt: before it is written (p = 0), with half of
                            it on the disk (1), with it on the disk and not reported (2), once reported (3)
    ["stop", n]             does not die: waits after n steps of the job until it is asked to stop
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic_core import from_json

from engine.training.loop.events import Event, StepDone
from engine.training.loop.run import TrainingRun
from service.jobs import checkpoints
from service.jobs.worker import child

MARK = "# dies: "


def run_child(channel: socket.socket, parent: int, **settings: Any) -> NoReturn:
    """As `child.run_child`."""
    train = child._train

    def doomed(order: Mapping[str, Any], report: Any, bound: Callable[[], None]) -> str:
        program = from_json(order["document"])["program"]
        plans = from_json(program.rpartition(MARK)[2]) if MARK in program else {}
        plan = plans.get(str(order["attempt"]))
        if plan is not None:
            _arrange(plan, report)
        return train(order, report, bound)

    child._train = doomed
    child.run_child(channel, parent, **settings)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _arrange(plan: list[Any], report: Any) -> None:
    kind, number, *phase = plan
    if kind == "checkpoint":
        _die_at_checkpoint(number, phase[0], report)
        return

    class Doomed(TrainingRun):
        """Dies, or waits, when the next event is asked for."""

        steps = 0
        last: Event | None = None

        def __next__(self) -> Event:
            last = self.last
            if isinstance(last, StepDone):
                self.steps += 1
                of_epoch = last.step % self.spec.steps_per_epoch == 0
                here = of_epoch and last.epoch == number if kind == "epoch" else self.steps == number
                if kind != "stop" and here:
                    report.send()
                    _die()
            self.last = super().__next__()
            if kind == "stop" and isinstance(self.last, StepDone) and self.last.step == number:
                _wait_for_stop(report)
            return self.last

    child.TrainingRun = Doomed  # type: ignore[misc]


def _wait_for_stop(report: Any) -> None:
    deadline = time.monotonic() + 60
    while not report.stop and time.monotonic() < deadline:
        report.send()
        time.sleep(0.01)


def _die_at_checkpoint(number: int, phase: int, report: Any) -> None:
    write, write_file, send = checkpoints.write, checkpoints._write_file, report.send
    written = 0

    def writing(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if (written, phase) == (number, 0):
            _die()
        write(*arguments)
        if (written, phase) == (number, 2):
            _die()

    def writing_file(path: Path, octets: bytes) -> None:
        write_file(path, octets)
        if (written, phase) == (number, 1) and path.name == "parameters.safetensors":
            _die()

    def sending(checkpoint: Any = None, end: Any = None) -> None:
        send(checkpoint, end)
        if checkpoint is not None and written == number:
            _die()

    checkpoints.write = writing
    checkpoints._write_file = writing_file
    report.send = sending
