"""The plans of a run: one for each size of batch, to train and to evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from engine.executors.numpy import BoundPlan
from engine.tensors import Array
from engine.training.memory import Memory
from engine.training.objective import Objective
from engine.training.optimizers import Method
from engine.training.step import PARAMETERS, RATE, SLOT, StepTape, evaluation_tape, planned, step_tape

Sums = dict[str, tuple[float, int]]


class TrainingPlan:
    """One step on batches of `rows`, in place on the run's memory."""

    def __init__(self, objective: Objective, method: Method, rows: int, memory: Memory) -> None:
        self.rows = rows
        self.made = step_tape(objective, method, rows)
        self._bound = BoundPlan(planned(self.made.tape))
        self._memory = memory
        self._resident = {
            PARAMETERS: memory.flat,
            **memory.state,
            **{f"{SLOT}{name}": array for name, array in memory.slots.items()},
        }
        self._written = [self._resident[name] for name in self.made.written]

    @cached_property
    def _dtype(self) -> np.dtype[np.generic]:
        return self._memory.flat.dtype

    def inputs(self, batch: Mapping[str, Array], rates: Mapping[str, float]) -> dict[str, Array]:
        """Everything that the tape takes."""
        given = {f"{RATE}{name}": np.asarray(rate, self._dtype) for name, rate in rates.items()}
        return {**self._resident, **batch, **given}

    def run(self, batch: Mapping[str, Array], rates: Mapping[str, float]) -> Sums:
        """Move parameters, slots and state by one step; answers sums and counts, the loss first."""
        loss, *answers = self._bound.run(self.inputs(batch, rates))
        measured = len(self.made.totals)
        for place, value in zip(self._written, answers[measured:], strict=True):
            place[...] = value
        return _sums(self.made, self.rows, [loss, *answers[:measured]])


class EvaluationPlan:
    """Loss and metrics on batches of `rows`."""

    def __init__(self, objective: Objective, rows: int, memory: Memory) -> None:
        self.rows = rows
        self.made = evaluation_tape(objective, rows)
        self._bound = BoundPlan(planned(self.made.tape))
        self._resident = {PARAMETERS: memory.flat, **memory.state}

    def run(self, batch: Mapping[str, Array]) -> Sums:
        """Sums and counts, the loss first."""
        return _sums(self.made, self.rows, self._bound.run({**self._resident, **batch}))


def _sums(made: StepTape, rows: int, answers: list[Array]) -> Sums:
    """The loss and means of nodes weigh as many rows as they were taken over."""
    sums = {"loss": (answers[0].item() * rows, rows)}
    for total, value in zip(made.totals, answers[1:], strict=True):
        mean = total.count is None
        sums[total.name] = (value.item() * rows, rows) if mean else (value.item(), total.count or 0)
    return sums
