"""The plans of a run: one for each size of batch, to train and to evaluate.

A plan is bound once to the arrays of the run's memory and to buffers of its own for the batch; a step fills
the buffers and runs. Intermediate values lie in memory that the plans of a run share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.passes import optimize
from engine.runtime.executors.executor import Executor, InPlacePlan
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.runtime.plan import make_plan
from engine.training.catalogue.optimizers import Method
from engine.training.job.objective import Objective
from engine.training.job.step import PARAMETERS, RATE, SLOT, StepTape, evaluation_tape, step_tape
from engine.training.loop.memory import Memory

Sums = dict[str, tuple[float, int]]


class BatchPlan:
    """A tape bound to memory and to the buffers of a batch of `rows`, by the names of the tape's inputs."""

    def __init__(
        self, step: StepTape, rows: int, memory: Memory, executor: Executor, scratch: ScratchPool | None
    ) -> None:
        self.made, self.rows = step, rows
        xp = executor.namespace
        resident = {
            PARAMETERS: memory.flat,
            **memory.state,
            **{f"{SLOT}{name}": array for name, array in memory.slots.items()},
        }
        tape = step.tape
        self.buffers: dict[str, Any] = {
            name: xp.empty(tape.types[slot].shape, dtype=getattr(xp, tape.types[slot].dtype))
            for name, slot in tape.inputs.items()
            if name not in resident
        }
        everything = {**resident, **self.buffers}
        self.inputs = {name: everything[name] for name in tape.inputs}
        self._bound = _bound(step, self.inputs, executor, scratch)

    def run(self) -> Sums:
        """Sums and counts over the batch that lies in the buffers, the loss first."""
        loss, *totals = self._bound.run()
        sums = {"loss": (loss.item() * self.rows, self.rows)}
        for total, value in zip(self.made.totals, totals, strict=True):
            if total.count is None:  # a mean over the rows
                sums[total.name] = (value.item() * self.rows, self.rows)
            else:
                sums[total.name] = (value.item(), total.count)
        return sums


def training_plan(
    objective: Objective,
    method: Method,
    rows: int,
    memory: Memory,
    executor: Executor,
    scratch: ScratchPool | None = None,
) -> BatchPlan:
    """One step, which updates parameters, slots and state in place."""
    return BatchPlan(step_tape(objective, method, rows), rows, memory, executor, scratch)


def evaluation_plan(
    objective: Objective,
    rows: int,
    memory: Memory,
    executor: Executor,
    scratch: ScratchPool | None = None,
) -> BatchPlan:
    """Loss and metrics with the layers in the mode of prediction."""
    return BatchPlan(evaluation_tape(objective, rows), rows, memory, executor, scratch)


def set_rates(plan: BatchPlan, rates: Mapping[str, float]) -> None:
    """Fill in the numbers of the step that an update takes; what the dtype cannot hold is infinite."""
    with np.errstate(over="ignore"):
        for name, rate in rates.items():
            plan.buffers[f"{RATE}{name}"][...] = rate


def _bound(
    step: StepTape, inputs: Mapping[str, Any], executor: Executor, scratch: ScratchPool | None
) -> InPlacePlan:
    optimized = optimize(step.tape, fused=not executor.fuses)
    last = len(optimized.outputs) - len(step.written)
    donated = {
        output: optimized.inputs[name]
        for output, name in zip(optimized.outputs[last:], step.written, strict=True)
    }
    return executor.bind_in_place(make_plan(optimized), inputs, donated, scratch)
