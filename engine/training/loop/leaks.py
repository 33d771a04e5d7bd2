"""The target among the features: a column that equals the labels, of which the model makes a copy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.arrays.types import Array
from engine.training.loop.finding import Finding, finding

_FEWEST_ROWS, _FEWEST_OF_CLASSES = 8, 20  # in which columns that are equal are no accident
_FEW_VALUES = 5  # different ones: classes, and no measurements
_PROBES = 4  # rows that rule a column out at next to no cost
_ROUNDING = 1e-5  # of a deviation, where both were scaled


def findings_of_leaks(features: str, x: Array, labels: str, y: Array) -> Iterator[Finding]:
    """Columns of `x`, (rows, columns), that hold what is to be predicted, as it is or standardised.

    An autoencoder, whose labels are its features, is none, and neither is a single feature.
    """
    rows = len(x)
    if x.ndim != 2 or x.shape[1] < 2 or rows < _FEWEST_ROWS or len(y) != rows:
        return
    targets = np.asarray(y).reshape(rows, -1)
    if x.dtype.kind not in "biuf" or targets.dtype.kind not in "biuf":
        return
    if not 0 < targets.shape[1] < x.shape[1]:
        return
    columns = [_equal_column(x, targets[:, k]) for k in range(targets.shape[1])]
    if any(column is None for column in columns):
        return
    listed = sorted({column for column in columns if column is not None})
    which = f"column {listed[0]}" if len(listed) == 1 else f"columns {', '.join(map(str, listed))}"
    verb = "is" if len(listed) == 1 else "are"
    yield finding(
        "target_in_features",
        f"{which} of '{features}' (counted from 0) {verb} '{labels}' itself, in all {rows:,} rows: the model "
        "copies its answer, and fails on data of which the answer is not known. Leave it out: "
        f"{features} = np.delete({features}, {listed[0] if len(listed) == 1 else listed}, axis=1)",
    )


def _equal_column(x: Array, y: Array) -> int | None:
    """The column of `x` that is `y`, or its standardised form."""
    rows = len(y)
    target = y.astype(np.float64)
    if not np.isfinite(target).all():
        return None
    different = len(np.unique(target[:1000]))
    if different < 2 or (different < _FEW_VALUES and rows < _FEWEST_OF_CLASSES):
        return None
    deviation = float(target.std())
    scaled = (target - target.mean()) / deviation if deviation > 0 else target
    probes = np.linspace(0, rows - 1, _PROBES, dtype=int)
    for form, rounding in ((target, 0.0), (scaled, _ROUNDING)):
        near = np.abs(x[probes].astype(np.float64) - form[probes][:, None]) <= rounding
        for column in np.flatnonzero(near.all(axis=0)):
            if (np.abs(x[:, column].astype(np.float64) - form) <= rounding).all():
                return int(column)
    return None
