"""What the events of a run say: means of sums, rows as numbers, findings that explain others."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.training.job.objective import Objective
from engine.training.loop.failure import TrainingFailure
from engine.training.loop.plans import Sums

#: What follows from a finding, and would only be told again.
_EXPLAINS = {
    "features_constant": ("constant_answer",),
    "labels_out_of_range": ("diverging", "unbounded", "constant_answer"),
    "not_positive": ("diverging", "constant_answer"),
    "no_probabilities": ("diverging", "unbounded", "constant_answer"),
    "softmax_of_one": ("constant_answer",),
    "activation_twice": ("constant_answer",),
    "rate_vanishes": ("constant_answer",),
    "weight_decay": ("diverging", "constant_answer"),
    "batch_of_one": ("constant_answer",),
    "labels_unscaled": ("constant_answer",),
}
#: Findings of jobs in which nothing can be learned, whatever the gradient is.
HOPELESS = frozenset({"features_constant", "batch_of_one"})


def whole_hint(failure: TrainingFailure, findings: Sequence[Mapping[str, Any]], rows: str) -> str | None:
    """The hint of a failure after those of the job's findings; `rows` is what to do about a sum over rows."""
    hint = failure.hint or ""
    if hint and failure.diagnosis.get("reason") == "overflow":
        hint += rows
    return "; ".join([*(each["message"] for each in findings), hint]).rstrip("; ") or None


def implied(codes: Collection[str]) -> set[str]:
    """The findings that others which were reported explain already."""
    return {implied for code in codes for implied in _EXPLAINS.get(code, ())}


def listed(places: Array | slice) -> list[int]:
    """The rows of a batch as numbers."""
    rows = np.arange(places.start, places.stop) if isinstance(places, slice) else places
    return [int(row) for row in rows]


def means(objective: Objective, sums: Sums) -> dict[str, float]:
    """The values that are reported: sums over counts, finished by the metric where it says how."""
    values: dict[str, float] = {}
    for name, (total, count) in sums.items():
        value = total / count if count else math.nan
        metric: Any = objective.metrics.get(name)
        values[name] = value if metric is None or isinstance(metric, str) else metric.record.finish(value)
    return values
