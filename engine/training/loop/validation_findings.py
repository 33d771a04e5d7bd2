"""Rows to validate on that say little: not finite, or sorted by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.arrays.types import Array
from engine.training.catalogue.losses import LOSSES
from engine.training.job.spec import VALIDATION_SPLIT, TrainingSpec
from engine.training.loop.finding import Finding, finding
from engine.training.model.expand import LABELS

MOST_ROWS = 100_000  # that are looked at
_FEWEST_ROWS = 8  # in which an order by class is no accident
_RARE = 0.1  # of its share among the rows validated on: that much of a class in training is next to nothing
_CLASSIFICATION = ("crossentropy", "hinge")


def findings_of_validation(
    spec: TrainingSpec, data: Mapping[str, Array], validation: Mapping[str, Array] | None
) -> Iterator[Finding]:
    """Validation rows that are not finite: they pass no step, and make metrics NaN."""
    start = 0 if validation is not None else spec.rows
    count = min(spec.validation_rows, MOST_ROWS)
    for name in spec.objective.columns:
        array = np.asarray((data if validation is None else validation)[name][start : start + count])
        if array.dtype.kind != "f" or not array.size:
            continue
        wrong = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1)) + start
        if wrong.size:
            which = "the validation data" if validation is not None else "the data, among those validated on"
            yield finding(
                "validation_not_finite",
                f"'{name}' holds NaN or infinities in row {wrong[0]} of {which} ({wrong.size:,} such rows): "
                "metrics of validation are NaN; leave these rows out, or fill them in",
            )


def findings_of_split(spec: TrainingSpec, data: Mapping[str, Array]) -> Iterator[Finding]:
    """Rows in the order of their classes, of which a split validates on what training hardly saw."""
    total = spec.rows + spec.validation_rows
    loss = LOSSES.read(spec.source["loss"], "$.loss").record.name
    if spec.validation != VALIDATION_SPLIT or not _FEWEST_ROWS <= total <= MOST_ROWS:
        return
    if not any(word in loss for word in _CLASSIFICATION):
        return
    labels = _classes(np.asarray(data[LABELS][:total]))
    if labels is None:
        return
    classes, numbers = np.unique(labels, return_inverse=True)
    if np.count_nonzero(np.diff(numbers)) != len(classes) - 1:
        return  # not every class is one block of rows
    trained = np.bincount(numbers[: spec.rows], minlength=len(classes)) / spec.rows
    validated = np.bincount(numbers[spec.rows :], minlength=len(classes)) / spec.validation_rows
    rare = trained < _RARE * validated
    if validated[rare].sum() >= 0.5:
        listed = ", ".join(f"{label:g}" for label in classes[rare][:5])
        yield finding(
            "rows_sorted_by_class",
            f"rows are sorted by class, and validation_split takes the last {spec.validation_rows:,}: "
            f"hardly any row of class {listed} is trained on, and metrics of validation say little; shuffle "
            "before, order = np.random.permutation(len(x)), x[order] and y[order]",
        )


def _classes(labels: Array) -> Array | None:
    """The class of each row, of indices or of one-hot rows; None if labels are no classes."""
    if labels.dtype.kind not in "biuf" or not labels.size or not np.isfinite(labels).all():
        return None
    if labels.ndim > 1 and labels.shape[-1] > 1:
        one_hot = labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all()
        return np.asarray(labels.argmax(1)) if one_hot else None
    labels = labels.reshape(-1)
    whole = labels.dtype.kind != "f" or np.array_equal(labels, np.round(labels))
    return labels.astype(np.float64) if whole else None
