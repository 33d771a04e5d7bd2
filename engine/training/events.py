"""What a run tells: a step is done, an epoch is done, training has finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


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
class Finished:
    """The last event: all epochs are done, or early stopping ended them."""

    reason: Literal["completed", "early_stopping"]


Event = StepDone | EpochDone | Finished
