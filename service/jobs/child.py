"""The process that trains: it reads its order, writes checkpoints, reports, and never sees the database.

Over its one channel comes the order (a frame) and later, at most, the wish to stop; reports go back:

    {"events": […], "checkpoint": {…} | null, "end": null | {"status": …, "problem": …}}

Reports are collected for a tenth of a second, so that a thousand small steps cost one commit. A checkpoint
goes out together with every event before it: what is published fits together.
"""

from __future__ import annotations

import errno
import gc
import os
import platform
import select
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from pydantic_core import from_json

from engine.errors import UserError
from engine.training.events import EpochDone, Finished, Stalled
from engine.training.run import TrainingRun
from engine.training.snapshot import Snapshot
from service.children import frames
from service.children.confinement import confine
from service.jobs import checkpoints
from service.jobs.sources import open_sources, types_of
from service.jobs.submission import decode
from service.problems import Problem, internal, render

_REPORT_S = 0.1
_MOST_EVENTS = 5_000
#: Steps that are told one by one; of a longer job every k-th, so that its history stays readable.
_MOST_STEPS = 100_000
#: Ends of epochs closer together than this share a checkpoint.
_EPOCH_S = 1.0
_OTHER_MACHINE = (
    "the last checkpoint was written by another machine type, NumPy or thread count: from here on "
    "the last bits of the numbers may differ from those of an undisturbed run"
)


def serve(channel: socket.socket, parent: int, *, address_space: int, cpu_seconds: int | None) -> NoReturn:
    """Run the one job that comes over `channel`; then the process ends."""
    try:
        os.setpgid(0, 0)
        confine(parent, address_space, cpu_seconds=cpu_seconds)
        gc.freeze()
        order = frames.read_blocking(channel)
        if order is not None:
            _Reporter(channel).conclude(lambda report: _train(order[0], report))
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the worker is gone: another goes on from the last checkpoint
    finally:
        os._exit(0)


class _Reporter:
    """Collects what happened and sends it now and then."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._events: list[dict[str, Any]] = []
        self._sent = 0.0
        self.stop = False

    def event(self, kind: str, epoch: int | None, step: int | None, data: Mapping[str, Any]) -> None:
        """Keep it for the next report."""
        self._events.append({"kind": kind, "epoch": epoch, "step": step, "data": data})

    def due(self) -> bool:
        """Whether it is time to report, and to look whether the worker wants us to stop."""
        return time.monotonic() - self._sent >= _REPORT_S or len(self._events) >= _MOST_EVENTS

    def send(self, checkpoint: Mapping[str, Any] | None = None, end: Mapping[str, Any] | None = None) -> None:
        """Report what was collected; look whether the worker wants us to stop."""
        report = {"events": self._events, "checkpoint": checkpoint, "end": end}
        frames.write_blocking(self._channel, frames.pack(report))
        self._events = []
        self._sent = time.monotonic()
        if not self.stop and select.select([self._channel], [], [], 0)[0]:
            if frames.read_blocking(self._channel) is None:
                raise BrokenPipeError
            self.stop = True

    def conclude(self, work: Callable[[_Reporter], str]) -> None:
        """Do the work and report how it ended; every failure becomes a problem."""
        problem: bytes | None = None
        log: str | None = None
        try:
            status = work(self)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except UserError as error:
            status, problem = "failed", render(error).body
        except MemoryError:
            status, problem = "failed", render(out_of_memory()).body
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                status, problem = "failed", render(disk_full(error)).body
            else:
                status, problem, log = "failed", internal().body, traceback.format_exc()
        except Exception:  # the boundary of the process
            status, problem, log = "failed", internal().body, traceback.format_exc()
        self.send(end={"status": status, "problem": from_json(problem) if problem else None, "log": log})


def out_of_memory() -> Problem:
    """A job that went beyond its memory in spite of the estimate."""
    return Problem(
        "over_limit",
        "the job needed more memory than its process may have",
        hint="use a smaller batch_size or model; the operator may raise GRADWIRE_JOB_MEMORY_BYTES",
    )


def disk_full(error: Exception) -> Problem:
    """A job whose checkpoint or history could not be written."""
    return Problem("disk_full", f"the server's disk is full: {error}")


def _train(order: Mapping[str, Any], report: _Reporter) -> str:
    """Train to the end, or until asked to stop; what became of it."""
    data = open_sources(order["data"])
    validation = open_sources(order["validation"]) if order["validation"] is not None else None
    spec = decode(
        from_json(order["document"]), types_of(data), None if validation is None else types_of(validation)
    )
    keeper = _Keeper(order, report)
    run = TrainingRun(spec, data, validation=validation, resume=keeper.resume())
    stride = max(1, spec.steps // _MOST_STEPS)
    for event in run:
        if isinstance(event, Finished):
            keeper.save(run, final=True)
            return "succeeded"
        if isinstance(event, Stalled):
            told = {"level": "warning", "code": "no_gradient", "message": event.message}
            report.event("log", event.epoch, event.step, {**told, "warnings": list(event.findings)})
            continue
        keeper.place = (event.epoch, event.step, event.metrics)
        epoch_ended = isinstance(event, EpochDone)
        if epoch_ended or event.step % stride == 0 or event.step == 1:
            report.event("epoch" if epoch_ended else "step", event.epoch, event.step, event.metrics)
        if keeper.due(epoch_ended=epoch_ended, last=event.step == spec.steps):
            keeper.save(run)
        elif report.due():
            report.send()
        if report.stop:
            keeper.save(run)
            return "stopped"
    raise AssertionError("a run ends with Finished")


class _Keeper:
    """Decides when a checkpoint is due, writes it, and knows where the last one was."""

    def __init__(self, order: Mapping[str, Any], report: _Reporter) -> None:
        self._order = order
        self._report = report
        self._folder = Path(order["folder"])
        self._saved_at = time.monotonic()
        self._saved = 0
        self.place: tuple[int, int, Mapping[str, Any]] = (0, 0, {})

    def resume(self) -> Snapshot | None:
        """The run to go on from, or None for the beginning."""
        if self._order["checkpoint"] is None:
            return None
        arrays, position = checkpoints.read(self._folder, self._order["checkpoint"])
        self._saved = position["step"]
        self.place = (position["epoch"], position["step"], position["metrics"])
        if position["machine"] != machine():
            self._report.event("log", None, None, {"level": "warning", "message": _OTHER_MACHINE})
        return Snapshot(arrays, position["run"])

    def due(self, *, epoch_ended: bool, last: bool) -> bool:
        """Whether this is a place to save: by time, by steps, at the end of an epoch but for the last."""
        if last and epoch_ended:
            return False  # the final one follows at once
        waited = time.monotonic() - self._saved_at
        steps = self._order["every_steps"]
        return (
            waited >= self._order["every_s"]
            or (epoch_ended and waited >= _EPOCH_S)
            or (steps is not None and self.place[1] - self._saved >= steps)
        )

    def save(self, run: TrainingRun, *, final: bool = False) -> None:
        """Write a checkpoint and report it with all that led to it; nothing new where this place has one."""
        epoch, step, metrics = self.place
        if step == self._saved and not final:
            self._report.send()
            return
        name = f"{step}-{self._order['attempt']}{'-final' if final else ''}"
        snapshot = run.snapshot()
        place = {"epoch": epoch, "step": step, "metrics": dict(metrics)}
        position = {**place, "machine": machine(), "run": dict(snapshot.position)}
        learned = checkpoints.Parameters(run.parameters, run.state)
        checkpoints.write(self._folder, name, snapshot.arrays, position, learned)
        self._report.send(checkpoint={"id": name, **place})
        self._saved, self._saved_at = step, time.monotonic()


def machine() -> dict[str, Any]:
    """What the bits depend on beside the job."""
    return {
        "machine": platform.machine(),
        "numpy": np.__version__,
        "executor": "numpy",
        "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", "0")),
    }
