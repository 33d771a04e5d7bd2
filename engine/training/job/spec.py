"""A training job, checked: nothing about it can be refused any more, and it holds no numbers of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from engine.runtime import devices
from engine.training.catalogue.optimizers import Method
from engine.training.job.early_stopping import EarlyStopping
from engine.training.job.objective import Objective

VALIDATION_SPLIT, VALIDATION_DATA = "split", "data"


@dataclass(frozen=True)
class TrainingSpec:
    """One job. `rows` are those trained on, `validation_rows` those validated on.

    With `validation` "split" the validation rows are the last ones of the data; with "data" they are arrays
    of their own. `device` is what the document says, whether this machine has it or not; `warnings` are about
    the function and the first batch's shapes: `code`, `node`, `message`.
    """

    objective: Objective
    method: Method
    batch_size: int
    epochs: int
    shuffle: bool
    seed: int
    dtype: str
    rows: int
    validation: str | None
    validation_rows: int
    early_stopping: EarlyStopping | None
    source: Mapping[str, Any]
    device: str = devices.AUTO
    optimize: str = "auto"
    warnings: tuple[Mapping[str, Any], ...] = ()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the short last one included."""
        return ceil(self.rows / self.batch_size)

    @property
    def steps(self) -> int:
        """Steps of the whole job, unless it stops early."""
        return self.steps_per_epoch * self.epochs

    @property
    def reported(self) -> tuple[str, ...]:
        """The names of what an epoch reports."""
        return reported(self.objective, self.validation is not None)

    def document(self) -> dict[str, Any]:
        """The job as JSON with every default filled in; decoding it for the same data gives the same job."""
        document: dict[str, Any] = dict(self.source)
        document |= {
            "optimizer": self.method.document(),
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "dtype": self.dtype,
        }
        if self.optimize != "auto":
            document["optimize"] = self.optimize
        if self.early_stopping is not None:
            document["early_stopping"] = self.early_stopping.document()
        return document


def reported(objective: Objective, validated: bool) -> tuple[str, ...]:
    """The names of what an epoch reports."""
    names = ("loss", *objective.metrics)
    return (*names, *(f"val_{name}" for name in names)) if validated else names
