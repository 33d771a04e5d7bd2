"""The process that trains: it receives a job, writes checkpoints, reports, and has no access to the database.

Over its one channel come the job (a frame) and later, at most, the request to stop; reports go back:

    {"events": […], "checkpoint": {…} | null, "end": null | {"status": …, "problem": …}, "damaged": […]}

`damaged` lists checkpoints that cannot be read, before the first event. An end of status `broken` means that
files could not be used; another attempt may succeed.

Reports are collected for a tenth of a second, so that a thousand small steps cost one commit. A checkpoint
is reported together with every event before it, so that both are published in one commit.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from pydantic_core import from_json

from engine.errors import UserError
from engine.runtime import devices
from engine.runtime.executors.executor import Native
from engine.training.job.device import choose_device
from engine.training.job.spec import TrainingSpec
from engine.training.loop.checkpoint import Snapshot
from engine.training.loop.events import EpochDone, Finished, Stalled
from engine.training.loop.run import TrainingRun
from service.jobs import checkpoints, machine
from service.jobs.sources import open_sources, types_of, verify
from service.jobs.submission import decode
from service.processes import frames, sandbox
from service.processes.limits import bound_memory, confine
from service.storage.checksums import Damaged
from service.storage.failures import is_disk_full
from service.wire.problems import Problem, internal, render

_REPORT_S = 0.1
_MOST_EVENTS = 5_000
#: Up to so many steps, and so many epochs, each is reported; of more every k-th. A history stays readable,
#: and a small job cannot fill the disk with it.
_MOST_ENTRIES = 10_000
#: Ends of epochs closer together than this share a checkpoint.
_EPOCH_S = 1.0


def run_child(
    channel: socket.socket,
    parent: int,
    *,
    address_space: int,
    cpu_seconds: int | None,
    inventory: Mapping[str, Any],
    isolate: bool = False,
) -> NoReturn:
    """Run the one job that comes over `channel`; then the process ends.

    If the machine has a GPU, the address space is bounded only once the device is chosen: CUDA does not work
    under such a bound, and on a GPU the memory pool is bounded instead. `isolate` keeps a process without a
    GPU to the folders of its job and of the data sets.
    """
    try:
        os.setpgid(0, 0)
        _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each field is a mapped file
        devices.tell(devices.Inventory.read(inventory))
        confine(parent, None if inventory["gpus"] else address_space, cpu_seconds=cpu_seconds)
        gc.freeze()
        job_spec = frames.read_blocking(channel)
        if job_spec is not None:
            root, own = Path(job_spec[0]["root"]), Path(job_spec[0]["folder"]).parent
            if isolate and not inventory["gpus"]:
                sandbox.enter(hidden=root, read=[root / "datasets"], write=[own, root / "native"])
            bound = partial(bound_memory, address_space)
            _Reporter(channel).conclude(lambda report: _train(job_spec[0], report, bound))
    except (BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass  # the worker has ended: another attempt resumes from the last checkpoint
    finally:
        os._exit(0)


class _Reporter:
    """Collects events and sends them in batches."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._events: list[dict[str, Any]] = []
        self._sent = 0.0
        self.stop = False

    def event(self, kind: str, epoch: int | None, step: int | None, data: Mapping[str, Any]) -> None:
        """Add an event to the next report."""
        self._events.append({"kind": kind, "epoch": epoch, "step": step, "data": data})

    def due(self) -> bool:
        """Whether it is time for a report."""
        return time.monotonic() - self._sent >= _REPORT_S or len(self._events) >= _MOST_EVENTS

    def send(
        self,
        checkpoint: Mapping[str, Any] | None = None,
        end: Mapping[str, Any] | None = None,
        damaged: Sequence[str] = (),
    ) -> None:
        """Send the report, and read whether the worker wants the job to stop."""
        report = {"events": self._events, "checkpoint": checkpoint, "end": end, "damaged": list(damaged)}
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
        except Damaged as error:
            status, problem, log = "failed", render(error).body, error.detail
        except (UserError, Problem) as error:
            status, problem = "failed", render(error).body
        except MemoryError:
            status, problem = "failed", render(out_of_memory()).body
        except OSError as error:
            if is_disk_full(error):
                status, problem = "failed", render(disk_full()).body
            else:  # a later attempt may be able to use a file, unless it no longer exists
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


def _train(job_spec: Mapping[str, Any], report: _Reporter, bound: Callable[[], None] = lambda: None) -> str:
    """Train to the end or until told to stop; returns the status. `bound` limits memory on the CPU."""
    types = job_spec["types"]
    root = Path(job_spec["root"])
    verify(root, job_spec["data"], job_spec["checksums"])
    verify(root, job_spec["validation"] or {}, job_spec["checksums"])
    data = open_sources(root, job_spec["data"], types["data"])
    validation = None
    if job_spec["validation"] is not None:
        validation = open_sources(root, job_spec["validation"], types["validation_data"])
    spec = decode(
        from_json(job_spec["document"]), types_of(data), None if validation is None else types_of(validation)
    )
    writer = _CheckpointWriter(job_spec, report)
    resume = writer.load()
    memory = job_spec.get("device_memory")
    device = writer.device(spec, memory)
    if device == devices.CPU:
        bound()
    run = TrainingRun(
        spec,
        data,
        validation=validation,
        resume=resume,
        device=device,
        device_memory=memory,
        native=Native(Path(folder)) if (folder := job_spec.get("native_folder")) else Native(),
    )
    writer.begin(device, run.executor)
    stride = -(-spec.steps // _MOST_ENTRIES)
    epoch_stride = -(-spec.epochs // _MOST_ENTRIES)
    for event in run:
        if isinstance(event, Finished):
            writer.save(run, final=True)
            break
        if isinstance(event, Stalled):
            log = {"level": "warning", "code": event.findings[0]["code"], "message": event.message}
            report.event("log", event.epoch, event.step, {**log, "warnings": list(event.findings)})
            continue
        writer.move(event.epoch, event.step, event.metrics)
        epoch_ended = isinstance(event, EpochDone)
        if epoch_ended:
            listed = event.epoch % epoch_stride == 0 or event.epoch in (1, spec.epochs)
        else:
            listed = event.step % stride == 0 or event.step == 1
        if listed:
            report.event("epoch" if epoch_ended else "step", event.epoch, event.step, event.metrics)
        if not epoch_ended and event.step % spec.steps_per_epoch == 0:
            # The end of the epoch follows and has the same step: one place, to be saved once it is complete.
            if report.due():
                report.send()
            continue
        if writer.due(epoch_ended=epoch_ended, last=event.step == spec.steps):
            writer.save(run)
        elif report.due():
            report.send()
        if report.stop:
            writer.save(run)
            return "stopped"
    # Resumed from its final checkpoint a run has no event left: it had ended, and that could not be recorded.
    return "succeeded"


class _CheckpointWriter:
    """Decides when a checkpoint is due, and writes it."""

    def __init__(self, job_spec: Mapping[str, Any], report: _Reporter) -> None:
        self._job_spec = job_spec
        self._report = report
        self._folder = Path(job_spec["folder"])
        self._saved_at = time.monotonic()
        self._saved = 0
        self._moved = False
        self._before: dict[str, Any] | None = None
        self._machine: dict[str, Any] = {}
        self.place: tuple[int, int, Mapping[str, Any]] = (0, 0, {})

    def load(self) -> Snapshot | None:
        """The snapshot to resume from, the newest that is intact; None to start from the beginning."""
        damaged: list[str] = []
        snapshot = None
        for name in self._job_spec["checkpoints"]:
            try:
                arrays, position = checkpoints.read_snapshot(self._folder, name)
                place = (position["epoch"], position["step"], position["metrics"])
                snapshot, before = Snapshot(arrays, position["run"]), position["machine"]
            except (Damaged, LookupError, TypeError):
                damaged.append(name)
                continue
            self._saved, self._before, self.place = position["step"], before, place
            break
        if damaged:
            self._report.send(damaged=damaged)
        return snapshot

    def device(self, spec: TrainingSpec, memory: int | None) -> str:
        """The device to train on; what `auto` chose at the first start, if this machine has it."""
        before = None if self._before is None else self._before.get("device", devices.CPU)
        if spec.device == devices.AUTO and before in devices.inventory().names:
            return str(before)
        return choose_device(spec, memory)

    def begin(self, device: str, executor: str = "numpy") -> None:
        """Report the device, and a warning if the machine or the executor differs from the checkpoint's."""
        self._machine = machine.record(device, executor)
        if device != devices.CPU:
            self._report.event("log", None, None, {"level": "info", "message": f"training on {device}"})
        differences = [] if self._before is None else machine.differences(self._before, self._machine)
        if differences:
            epoch, step, _ = self.place
            warning = {**machine.warning(differences), "epoch": epoch, "step": step}
            log = {"level": "warning", "code": warning["code"], "message": warning["message"]}
            self._report.event("log", None, None, {**log, "warnings": [warning]})

    def move(self, epoch: int, step: int, metrics: Mapping[str, Any]) -> None:
        """Note the place of the newest event: the last checkpoint no longer covers it."""
        self.place, self._moved = (epoch, step, metrics), True

    def due(self, *, epoch_ended: bool, last: bool) -> bool:
        """Whether to save here: by time, by steps, or at the end of an epoch other than the last."""
        if last and epoch_ended:
            return False  # the final one follows at once
        waited = time.monotonic() - self._saved_at
        steps = self._job_spec["every_steps"]
        return (
            waited >= self._job_spec["every_s"]
            or (epoch_ended and waited >= _EPOCH_S)
            or (steps is not None and self.place[1] - self._saved >= steps)
        )

    def save(self, run: TrainingRun, *, final: bool = False) -> None:
        """Write a checkpoint and report it with the events before it; only report if nothing is new."""
        epoch, step, metrics = self.place
        if not self._moved and not final:
            self._report.send()
            return
        name = f"{step}-{self._job_spec['attempt']}{'-final' if final else ''}"
        snapshot = run.snapshot()
        place = {"epoch": epoch, "step": step, "metrics": dict(metrics)}
        position = {**place, "machine": self._machine, "run": dict(snapshot.position)}
        learned = checkpoints.Parameters(run.parameters, run.state)
        checkpoints.write(self._folder, name, snapshot.arrays, position, learned)
        self._report.send(checkpoint={"id": name, **place})
        self._saved, self._saved_at, self._moved = step, time.monotonic(), False
