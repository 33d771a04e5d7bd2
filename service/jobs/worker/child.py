"""The process that trains: it reads its order, writes checkpoints, reports, and never sees the database.

Over its one channel comes the order (a frame) and later, at most, the wish to stop; reports go back:

    {"events": […], "checkpoint": {…} | null, "end": null | {"status": …, "problem": …}}

An end of status `broken` is the machine's fault, and another attempt may do better.

Reports are collected for a tenth of a second, so that a thousand small steps cost one commit. A checkpoint
goes out together with every event before it: what is published fits together.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from pydantic_core import from_json

from engine.errors import UserError
from engine.runtime import devices
from engine.training.job.device import choose_device
from engine.training.job.spec import TrainingSpec
from engine.training.loop.checkpoint import Snapshot
from engine.training.loop.events import EpochDone, Finished, Stalled
from engine.training.loop.run import TrainingRun
from service.jobs import checkpoints, machine
from service.jobs.sources import open_sources, types_of
from service.jobs.submission import decode
from service.processes import frames
from service.processes.limits import bound_memory, confine
from service.storage.failures import is_disk_full
from service.wire.problems import Problem, internal, render

_REPORT_S = 0.1
_MOST_EVENTS = 5_000
#: Steps that are told one by one; of a longer job every k-th, so that its history stays readable.
_MOST_STEPS = 100_000
#: Ends of epochs closer together than this share a checkpoint.
_EPOCH_S = 1.0


def serve(
    channel: socket.socket,
    parent: int,
    *,
    address_space: int,
    cpu_seconds: int | None,
    inventory: Mapping[str, Any],
) -> NoReturn:
    """Run the one job that comes over `channel`; then the process ends.

    Where there is a GPU that it may come to train on, the bound of its address space waits until that is
    decided: on a GPU its pool of memory bounds it instead, as CUDA would break under the other.
    """
    try:
        os.setpgid(0, 0)
        devices.tell(devices.Inventory.read(inventory))
        confine(parent, None if inventory["gpus"] else address_space, cpu_seconds=cpu_seconds)
        gc.freeze()
        order = frames.read_blocking(channel)
        if order is not None:
            bound = partial(bound_memory, address_space)
            _Reporter(channel).conclude(lambda report: _train(order[0], report, bound))
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
            if is_disk_full(error):
                status, problem = "failed", render(disk_full()).body
            else:  # what cannot be read or written just now may be so later; what is gone is gone
                gone = isinstance(error, FileNotFoundError)
                status, log = "failed" if gone else "broken", traceback.format_exc()
                problem = internal().body if gone else None
        except Exception:  # the boundary of the process
            status, problem, log = "failed", internal().body, traceback.format_exc()
        self.send(end={"status": status, "problem": from_json(problem) if problem else None, "log": log})


def out_of_memory() -> Problem:
    """A job that went beyond its memory in spite of the estimate."""
    return Problem(
        "over_limit",
        "the job needed more memory than its process may have",
        hint="use a smaller batch_size or model; the operator may raise GRADWIRE_JOB_MEMORY_BYTES, "
        "or on a GPU GRADWIRE_DEVICE_MEMORY_BYTES",
    )


def disk_full() -> Problem:
    """A job whose checkpoint or history could not be written."""
    return Problem(
        "disk_full", "the server's disk is full, and the job's checkpoint or history could not be written"
    )


def _train(order: Mapping[str, Any], report: _Reporter, bound: Callable[[], None] = lambda: None) -> str:
    """Train to the end, or until asked to stop; what became of it. `bound` limits memory on the CPU."""
    types = order["types"]
    root = Path(order["root"])
    data = open_sources(root, order["data"], types["data"])
    validation = None
    if order["validation"] is not None:
        validation = open_sources(root, order["validation"], types["validation_data"])
    spec = decode(
        from_json(order["document"]), types_of(data), None if validation is None else types_of(validation)
    )
    keeper = _Keeper(order, report)
    begun = keeper.read()
    memory = order.get("device_memory")
    device = keeper.device(spec, memory)
    if device == devices.CPU:
        bound()
    run = TrainingRun(spec, data, validation=validation, resume=begun, device=device, device_memory=memory)
    keeper.begin(device)
    stride = max(1, spec.steps // _MOST_STEPS)
    for event in run:
        if isinstance(event, Finished):
            keeper.save(run, final=True)
            break
        if isinstance(event, Stalled):
            told = {"level": "warning", "code": event.findings[0]["code"], "message": event.message}
            report.event("log", event.epoch, event.step, {**told, "warnings": list(event.findings)})
            continue
        keeper.move(event.epoch, event.step, event.metrics)
        epoch_ended = isinstance(event, EpochDone)
        if epoch_ended or event.step % stride == 0 or event.step == 1:
            report.event("epoch" if epoch_ended else "step", event.epoch, event.step, event.metrics)
        if not epoch_ended and event.step % spec.steps_per_epoch == 0:
            # The end of the epoch follows and has the same step: one place, to be saved once it is complete.
            if report.due():
                report.send()
            continue
        if keeper.due(epoch_ended=epoch_ended, last=event.step == spec.steps):
            keeper.save(run)
        elif report.due():
            report.send()
        if report.stop:
            keeper.save(run)
            return "stopped"
    # Resumed from its final checkpoint a run has no event left: it had ended, and that could not be recorded.
    return "succeeded"


class _Keeper:
    """Decides when a checkpoint is due, writes it, and knows where the last one was."""

    def __init__(self, order: Mapping[str, Any], report: _Reporter) -> None:
        self._order = order
        self._report = report
        self._folder = Path(order["folder"])
        self._saved_at = time.monotonic()
        self._saved = 0
        self._moved = False
        self._before: dict[str, Any] | None = None
        self._machine: dict[str, Any] = {}
        self.place: tuple[int, int, Mapping[str, Any]] = (0, 0, {})

    def read(self) -> Snapshot | None:
        """The run to go on from, or None for the beginning."""
        if self._order["checkpoint"] is None:
            return None
        arrays, position = checkpoints.read(self._folder, self._order["checkpoint"])
        self._saved = position["step"]
        self._before = position["machine"]
        self.place = (position["epoch"], position["step"], position["metrics"])
        return Snapshot(arrays, position["run"])

    def device(self, spec: TrainingSpec, memory: int | None) -> str:
        """Where to train: what `auto` came to at the first start stays, as long as it is here."""
        before = None if self._before is None else self._before.get("device", devices.CPU)
        if spec.device == devices.AUTO and before in devices.inventory().names:
            return str(before)
        return choose_device(spec, memory)

    def begin(self, device: str) -> None:
        """Tell where it runs, and whether the bits may differ from those before."""
        self._machine = machine.record(device)
        if device != devices.CPU:
            self._report.event("log", None, None, {"level": "info", "message": f"training on {device}"})
        found = [] if self._before is None else machine.differences(self._before, self._machine)
        if found:
            epoch, step, _ = self.place
            warning = {**machine.warning(found), "epoch": epoch, "step": step}
            told = {"level": "warning", "code": warning["code"], "message": warning["message"]}
            self._report.event("log", None, None, {**told, "warnings": [warning]})

    def move(self, epoch: int, step: int, metrics: Mapping[str, Any]) -> None:
        """Something happened at this place: what was saved before lies behind."""
        self.place, self._moved = (epoch, step, metrics), True

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
        """Write a checkpoint and report it with all that led to it; nothing new if nothing happened since."""
        epoch, step, metrics = self.place
        if not self._moved and not final:
            self._report.send()
            return
        name = f"{step}-{self._order['attempt']}{'-final' if final else ''}"
        snapshot = run.snapshot()
        place = {"epoch": epoch, "step": step, "metrics": dict(metrics)}
        position = {**place, "machine": self._machine, "run": dict(snapshot.position)}
        learned = checkpoints.Parameters(run.parameters, run.state)
        checkpoints.write(self._folder, name, snapshot.arrays, position, learned)
        self._report.send(checkpoint={"id": name, **place})
        self._saved, self._saved_at, self._moved = step, time.monotonic(), False
