"""Why a run stopped by itself: the step, and the node that made the first value that is not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.causes.first_nonfinite import Nonfinite, first_nonfinite, list_rows
from engine.errors import NonFinite, UserError
from engine.training.job.step import PARAMETERS, SLOT, StepTape
from engine.training.loop.batch_order import Rows
from engine.training.loop.plans import BatchPlan
from engine.training.loop.suspicions import LARGE

_CURES = {
    "domain": "keep the operand inside the function's domain, as in log(x + 1e-7)",
    "infinite_derivative": "the derivative has a pole here: add a small number under the root or log",
    "empty_selection": "nothing was selected: a mean or an extremum of no elements has no value",
    "nonfinite_input": "these rows hold NaN or infinities: leave them out, or fill them in, as with the "
    "mean of "
    "the column; a column of one value that is divided by its standard deviation, 0, is NaN too",
}

_FEW = 5  # columns that are named

_STARTED = "this parameter does not start from finite numbers: give it another initializer or value"


class TrainingFailure(NonFinite):
    """A step made a loss or parameters that are not finite; the run stands before that step.

    `step` and `epoch` count from 1; `diagnosis` is what `engine.diagnosis` says of the first such value, with
    `rows` those of the data.
    """

    def __init__(
        self, detail: str, *, step: int, epoch: int, diagnosis: Mapping[str, Any], **place: Any
    ) -> None:
        super().__init__(detail, **place)
        self.step = step
        self.epoch = epoch
        self.diagnosis = diagnosis

    def fields(self) -> dict[str, Any]:
        """The error as data."""
        return {**super().fields(), "step": self.step, "epoch": self.epoch, "diagnosis": dict(self.diagnosis)}


def locate(error: UserError, when: str, plan: BatchPlan, rows: Rows, places: Sequence[int]) -> None:
    """Say in an error of a batch when it came, and which row makes it by itself, where one does.

    `plan` evaluates a single row; `places` are the rows of the batch.
    """
    message = f"{when}: {error.detail}"
    for place in places:
        try:
            with suppress(NonFinite):
                rows.fill(plan.buffers, np.array([place]))
                plan.run()
        except type(error):
            message += f"; row {rows.start + place} of the data is the first of its batch to do so"
            break
    error.detail, error.args = message, (message,)


def explain(
    step_tape: StepTape,
    inputs: Mapping[str, Array],
    parameters: Mapping[str, Array],
    *,
    places: Sequence[int],
    step: int,
    epoch: int,
    rate: float | None = None,
    data: Sequence[str] = (),
) -> TrainingFailure:
    """Run a step again, unoptimised and with every value kept, and say where it went wrong.

    `places` are the rows of the data that make the batch, `data` the names of the inputs that hold them,
    `rate` is the learning rate of the step.
    """
    loss, moved = (
        step_tape.tape.outputs[0],
        step_tape.tape.outputs[1 + len(step_tape.totals) + len(step_tape.state)],
    )
    first = first_nonfinite(
        step_tape.tape, inputs, outputs=[loss, moved], batch=len(places), forward=step_tape.forward
    )
    what = f"step {step} (epoch {epoch}) made a loss or parameters that are not finite"
    if first is None:  # the optimised plan rounds differently where numbers are about to overflow
        return TrainingFailure(what, step=step, epoch=epoch, diagnosis={}, hint=_smaller(rate, inputs, data))
    if first.reason == "nonfinite_input" and (first.node or "").startswith(SLOT):
        return _of_slot(first, what, step=step, epoch=epoch, hint=_smaller(rate, inputs, data))
    node = _name(first, inputs, parameters)
    rows = None if first.rows is None else [int(places[row]) for row in first.rows]
    diagnosis = {**asdict(first), "node": node, "rows": rows}
    message = first.message.replace(PARAMETERS, str(node))
    if rows:
        message += (
            f" In the data {'this is' if len(rows) == 1 else 'these are'} {list_rows(rows)}{_columns(first)}."
        )
    return TrainingFailure(
        f"{what}: {message}",
        step=step,
        epoch=epoch,
        diagnosis=diagnosis,
        node=node,
        op=first.op,
        source=first.source,
        hint=_STARTED
        if node in parameters and first.reason == "nonfinite_input"
        else first.fix
        or (_smaller(rate, inputs, data) if first.reason == "overflow" else _CURES.get(first.reason)),
    )


def _of_slot(first: Nonfinite, what: str, *, step: int, epoch: int, hint: str) -> TrainingFailure:
    """The failure of an optimiser's own memory, which holds sums of gradients or of their squares."""
    slot = str(first.node).removeprefix(SLOT)
    message = (
        f"what the optimizer remembers of earlier gradients ('{slot}') has overflowed in {first.count} "
        f"{'element' if first.count == 1 else 'elements'}: gradients, or their squares, are too large"
    )
    diagnosis = {**asdict(first), "node": None, "reason": "overflow", "rows": None, "message": message}
    return TrainingFailure(
        f"{what}: {message}.",
        step=step,
        epoch=epoch,
        diagnosis=diagnosis,
        op="optimizer",
        hint=f"{hint}; if the loss is negative and falls without end, its sign is wrong: minimise the "
        "negative of a likelihood",
    )


def _columns(first: Nonfinite) -> str:
    """The columns of the data in which the elements lie, where rows have one axis."""
    columns = sorted({element[1] for element in first.elements if len(element) == 2})
    if first.reason != "nonfinite_input" or not columns:
        return ""
    return f", column{'s' if len(columns) > 1 else ''} {', '.join(map(str, columns[:_FEW]))}"


def _smaller(rate: float | None, inputs: Mapping[str, Array], data: Sequence[str]) -> str:
    """The cures of an overflow, with the learning rate and the scale of the data."""
    of_rate = "" if rate is None else f" (it is {rate:g})"
    scales = {name: np.abs(inputs[name]).max(initial=0) for name in data if inputs[name].dtype.kind == "f"}
    large = [f"'{name}' reaches {scale:,.0f}" for name, scale in scales.items() if scale > LARGE]
    of_data = f" ({', '.join(large)})" if large else ""
    return (
        f"the steps are too large: lower the learning rate{of_rate}, clip the gradient (global_clipnorm), "
        "or scale "
        f"the data{of_data} to about 1"
    )


def _name(first: Nonfinite, inputs: Mapping[str, Array], parameters: Mapping[str, Array]) -> str | None:
    """The user's name of a node; of the flat vector that of the parameter in it."""
    if first.node != PARAMETERS:
        return first.node
    place = first.elements[0][0]
    for name, array in parameters.items():
        if place < array.size:
            return name
        place -= array.size
    return None
