"""What a job takes, known before it runs: its steps, and everything that a run holds at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.runtime.cost import Estimate
from engine.runtime.plan import Plan
from engine.training.job.spec import TrainingSpec
from engine.training.job.step import StepTape, planned, step_tape


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """What a job takes: one step, the bytes of what stays from step to step, and the most alive at once.

    The data are left out of `peak_bytes`: they are mapped, not loaded.
    """

    step: Estimate
    steps: int
    parameter_bytes: int
    optimizer_bytes: int
    state_bytes: int
    peak_bytes: int

    @property
    def seconds(self) -> float:
        """Predicted time of all steps."""
        return self.step.seconds * self.steps

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return {
            "step": self.step.as_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
            "parameter_bytes": self.parameter_bytes,
            "optimizer_bytes": self.optimizer_bytes,
            "state_bytes": self.state_bytes,
            "peak_bytes": self.peak_bytes,
        }


def estimate_of(spec: TrainingSpec) -> TrainingEstimate:
    """The estimate of a job, by planning its step.

    A run holds its parameters, slots and state; a copy of them from which a failing step is done again; what
    the parameters were at two earlier steps, to see whether they stand still; the best ones, where those are
    restored; and the batches of every size. Beside that it takes a step, or a snapshot.
    """
    objective, rows = spec.objective, min(spec.batch_size, spec.rows)
    tape = step_tape(objective, spec.method, rows)
    plan = planned(tape.tape)
    parameters = objective.size * dtypes.ITEMSIZE[spec.dtype]
    slots = parameters * len(spec.method.slots)
    state = sum(TensorType(s.weight.shape, s.weight.dtype).nbytes for s in objective.state.values())
    memory = parameters + slots + state
    best = parameters + state if spec.early_stopping and spec.early_stopping.restore_best_weights else 0
    buffers, step = _scratch(tape, plan)
    most = max(step, buffers + _read(spec, rows), buffers + memory + best)
    total = 2 * memory + 2 * parameters + best + _batches(spec)
    return TrainingEstimate(plan.estimate, spec.steps, parameters, slots, state, total + most)


def _scratch(training_step: StepTape, plan: Plan) -> tuple[int, int]:
    """Bytes that stay with a plan between its runs, and the most that a run takes with them."""
    tape = plan.tape
    inputs = sum(tape.types[slot].nbytes for slot in (*tape.inputs.values(), *tape.constants))
    donated = sum(tape.types[tape.inputs[name]].nbytes for name in training_step.written)
    buffers = sum(plan.buffers)
    return buffers, max(buffers, plan.estimate.peak_bytes - inputs - donated)


def _batches(spec: TrainingSpec) -> int:
    """The batches that are filled: whole ones and short ones, to train and to validate."""
    total = 0
    for rows, training in ((spec.rows, True), (spec.validation_rows, False)):
        sizes = {min(spec.batch_size, rows), rows % spec.batch_size} if rows else set()
        total += sum(_batch(spec, size, training=training) for size in sizes if size)
    return total


def _batch(spec: TrainingSpec, rows: int, *, training: bool) -> int:
    types = [column.type(rows) for column in spec.objective.columns.values()]
    if training:
        types += [TensorType((rows, *draw.shape), draw.dtype) for draw in spec.objective.draws.values()]
    return sum(type.nbytes for type in types)


def _read(spec: TrainingSpec, rows: int) -> int:
    """The rows of one column on their way into a batch, where they may have to be cast."""
    return max((8 * rows * prod(column.row) for column in spec.objective.columns.values()), default=0)
