"""What looks like a mistake in a job that runs all the same: said once, after its first step.

A model is judged by its last layer and its loss, labels by the range of their values. Everything here may be
meant, so nothing is refused. Rows that meet a column are a warning at submission
(`engine.diagnosis.static_warnings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays.types import Array
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.metrics import METRICS
from engine.training.job.spec import VALIDATION_SPLIT, TrainingSpec
from engine.training.model.expand import LABELS, X
from engine.training.model.model import read_model

Finding = dict[str, Any]

MOST_ROWS = 100_000  # of labels that are looked at
_FEWEST_ROWS = 8  # in which an order by class is no accident
_RARE = 0.1  # of its share among the rows validated on: that much of a class in training is next to nothing
_CLASSIFICATION = ("crossentropy", "hinge")
_REGRESSION = frozenset(
    {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "mean_absolute_percentage_error"}
)
#: What an activation can answer.
_RANGES = {
    "relu": (0.0, np.inf),
    "softplus": (0.0, np.inf),
    "exponential": (0.0, np.inf),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
_PROBABILITIES = frozenset({"sigmoid", "hard_sigmoid", "softmax"})


@dataclass(frozen=True, slots=True)
class _Last:
    """The end of a model: its last layer, what activates it, and the numbers that it returns for a sample."""

    name: str
    activation: str
    units: int


def suspicions(
    spec: TrainingSpec, data: Mapping[str, Array], validation: Mapping[str, Array] | None = None
) -> list[Finding]:
    """The findings of a job on these data, each with a `code` and a `message` that holds the cure."""
    findings = [*_of_model(spec, data), *_of_split(spec, data)] if "model" in spec.source else []
    return [*findings, *_of_validation(spec, data, validation)]


def label_range(spec: TrainingSpec, data: Mapping[str, Array]) -> str | None:
    """What to do with labels that are no indices of the classes; None if that is not known."""
    if "model" not in spec.source:
        return None
    row = spec.objective.columns[X].row
    model = read_model(spec.source["model"], dtype=spec.dtype, path="$.model", row=row)
    units = next((n for n in map(_units, (m.layer.settings for m in reversed(model.layers))) if n), 0)
    labels = np.asarray(data[LABELS][:MOST_ROWS])
    low, high = int(labels.min()), int(labels.max())
    message = (
        f"labels are the indices of classes, from 0 to {units - 1} for {units} units, and these run from "
        f"{low} to {high}"
    )
    if (low, high) == (-1, 1):
        return f"{message}: send (y + 1) // 2"
    if low < 0:
        return f"{message}: number the classes from 0"
    if low > 0 and high - low < units:
        return f"{message}: send y - {low}, or give the last layer units={high + 1}"
    return f"{message}: give the last layer units={high + 1}, or number the classes without gaps"


def finding(code: str, message: str, node: str | None = None, parameter: str | None = None) -> Finding:
    """A finding in the form of those of parameters that do not learn."""
    empty = dict.fromkeys(("op", "reason", "rows", "diagnosis"))
    return {"code": code, "parameter": parameter, "node": node, **empty, "message": message}


def _of_model(spec: TrainingSpec, data: Mapping[str, Array]) -> Iterator[Finding]:
    objective = spec.objective
    model = read_model(spec.source["model"], dtype=spec.dtype, path="$.model", row=objective.columns[X].row)
    chosen = LOSSES.read(spec.source["loss"], "$.loss")
    loss, from_logits = chosen.record, bool(chosen.settings.get("from_logits"))
    for named in model.layers:
        units = named.layer.settings.get("units")
        if units == 1 and _activation(named.layer.settings) == "softmax":
            yield finding(
                "softmax_of_one",
                f"softmax over the single unit of '{named.name}' is always 1, and nothing can be learned "
                "through "
                "it: for two classes use the activation 'sigmoid' with 'binary_crossentropy', or units=2 "
                "with "
                "'sparse_categorical_crossentropy'",
            )
    last = model.layers[-1]
    end = _Last(last.name, _activation(last.layer.settings) or "linear", _units(last.layer.settings))
    if loss.fuses is not None and "activation" in last.layer.settings:
        yield from _of_probabilities(end, loss.name, loss.fuses, from_logits)
    labels = np.asarray(data[LABELS][: min(spec.rows, MOST_ROWS)])
    if labels.dtype.kind in "biuf" and np.isfinite(labels).any():
        yield from _of_labels(end, loss.name, labels)
        yield from _of_accuracy(loss.name, spec.source.get("metrics") or (), labels)


def _of_validation(
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


def _of_split(spec: TrainingSpec, data: Mapping[str, Array]) -> Iterator[Finding]:
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


def _of_probabilities(end: _Last, loss: str, fused: str, from_logits: bool) -> Iterator[Finding]:
    """A loss of probabilities whose input is none, or that takes the activation a second time."""
    if from_logits and end.activation in _PROBABILITIES:
        yield finding(
            "activation_twice",
            f"{loss} with from_logits=true applies {fused} itself, and '{end.name}' has applied "
            f"{end.activation} "
            "already: leave the activation out, or from_logits",
        )
    elif not from_logits and end.activation not in _PROBABILITIES and end.units > 0:
        yield finding(
            "no_probabilities",
            f"{loss} takes probabilities, and '{end.name}' answers numbers of any size "
            f"({end.activation}), which "
            f"are clipped to [0, 1] and then pass no gradient: give it the activation '{fused}', or the loss "
            f'{{"name": "{loss}", "from_logits": true}} and no activation',
        )


def _of_labels(end: _Last, loss: str, labels: Array) -> Iterator[Finding]:
    """Labels that the loss does not mean, or that the last layer cannot answer."""
    low, high = float(np.nanmin(labels)), float(np.nanmax(labels))
    if loss == "binary_crossentropy" and (low < 0 or high > 1):
        yield finding(
            "labels_out_of_range",
            f"binary_crossentropy takes labels from 0 to 1, these run from {low:g} to {high:g}: "
            f"{_to_unit(low, high)}",
        )
    elif loss == "poisson" and low < 0:
        yield finding(
            "labels_out_of_range", f"poisson takes counts, and labels go down to {low:g}: they are at least 0"
        )
    elif loss == "categorical_crossentropy" and labels.ndim > 1:
        sums = labels.sum(axis=-1)
        wrong = int((np.abs(sums - 1) > 1e-3).sum())
        if wrong:
            yield finding(
                "labels_out_of_range",
                f"categorical_crossentropy takes rows that add up to 1, and {wrong:,} of {len(labels):,} "
                "do not: "
                "where several classes hold at once, use 'sigmoid' with 'binary_crossentropy'",
            )
    elif loss in _REGRESSION and end.activation in _RANGES:
        least, most = _RANGES[end.activation]
        outside = int(((labels < least) | (labels > most)).sum())
        if outside:
            span = "no negative numbers" if most == np.inf else f"numbers from {least:g} to {most:g} only"
            yield finding(
                "labels_out_of_range",
                f"{end.activation} at '{end.name}' answers {span}, and {outside:,} of {labels.size:,} "
                "labels are "
                "none: leave the activation of the last layer out, or scale the labels",
            )


def _of_accuracy(loss: str, metrics: Any, labels: Array) -> Iterator[Finding]:
    """An accuracy of numbers that are no classes."""
    names = [METRICS.read(metric, "$.metrics").record.name for metric in metrics]
    if loss not in _REGRESSION or not any("accuracy" in name for name in names):
        return
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.round(labels), equal_nan=True):
        yield finding(
            "accuracy_of_numbers",
            "accuracy counts predictions that equal their labels, and these labels are no classes but "
            "numbers: "
            "it will stay at 0; for a regression use 'mean_absolute_error' or 'root_mean_squared_error'",
        )


def _to_unit(low: float, high: float) -> str:
    if (low, high) == (-1, 1):
        return "send (y + 1) / 2"
    if low >= 1 and high - low <= 1:
        return f"send y - {low:g}"
    if low >= 0:
        return f"send y / {high:g}, or 'mean_squared_error' for numbers that are no probabilities"
    return "for numbers that are no probabilities use 'mean_squared_error'"


def _activation(settings: Mapping[str, Any]) -> str | None:
    activation = settings.get("activation")
    return None if activation is None else str(activation.name)


def _units(settings: Mapping[str, Any]) -> int:
    return int(settings.get("units") or 0)
