"""What a run tells: a step is done, parameters do not learn, an epoch is done, training has finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class StepDone:
    """A batch was trained on; `metrics` are those of this batch. Epochs and steps count from 1."""

    epoch: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch ended; `metrics` are over all its samples, with `val_…` over the validation rows."""

    epoch: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stalled:
    """After the first step, or before the end of an epoch: what is wrong with a job that runs on, told once.

    Parameters that stood still, and why (`no_gradient`), and what looks like a mistake. A finding has `code`,
    `parameter`, `epoch`, `step`, `node`, `op`, `reason`, the `rows` of the data, a `message` and the
    `diagnosis`; what a code has no use for is None.
    """

    epoch: int
    step: int
    message: str
    findings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: all epochs are done, or early stopping ended them."""

    reason: Literal["completed", "early_stopping"]


Event = StepDone | Stalled | EpochDone | Finished
