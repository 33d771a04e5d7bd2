"""The device that a job trains on."""

from __future__ import annotations

from dataclasses import replace

from engine.runtime import devices
from engine.training.job.estimate import estimate_of
from engine.training.job.spec import TrainingSpec
from engine.training.job.step import planned, step_tape


def choose_device(spec: TrainingSpec, limit: int | None = None) -> str:
    """The device of this machine to train on, if at most `limit` bytes of a GPU may be held.

    Raises DeviceUnavailable.
    """
    device = devices.here(spec.device)
    if device != devices.AUTO:
        return device
    rows = min(spec.batch_size, spec.rows)
    plan = planned(step_tape(spec.objective, spec.method, rows).tape)
    estimate = replace(plan.estimate, peak_bytes=estimate_of(spec).peak_bytes)
    return devices.choose(device, plan.tape, estimate, limit, runs=spec.steps)
