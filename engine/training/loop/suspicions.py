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
from engine.training.job.spec import TrainingSpec
from engine.training.loop.data_findings import (
    findings_of_columns,
    findings_of_far_labels,
    findings_of_features,
    findings_of_labels,
    sampled,
)
from engine.training.loop.finding import Finding, finding
from engine.training.loop.label_findings import findings_of_losses
from engine.training.loop.leaks import findings_of_leaks
from engine.training.loop.validation_findings import findings_of_split, findings_of_validation
from engine.training.model.expand import LABELS, X
from engine.training.model.model import Model, read_model

MOST_ROWS = 100_000  # of labels that are looked at
_FEW_ELEMENTS = 32_768  # of data that are looked at to tell their scale
LARGE = 100.0  # from which on data are worth scaling
_DEEPEST = 8  # nodes between the target and a sum
_REGRESSION = frozenset(
    {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "mean_absolute_percentage_error"}
)
#: What an activation can answer.
_RANGES = {
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, np.inf),
    "exponential": (0.0, np.inf),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
_OF_LOGARITHMS = frozenset({"poisson", "mean_squared_logarithmic_error"})
_RESHAPING = frozenset({"Flatten", "Reshape", "Dropout"})
_NORMALIZING = frozenset({"BatchNormalization", "LayerNormalization"})
_PROBABILITIES = frozenset({"sigmoid", "hard_sigmoid", "softmax"})
_NEVER_NEGATIVE = frozenset({"relu", "relu6", "softplus", "exponential"})


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
    if "model" in spec.source:
        findings = [*_of_model(spec, data), *findings_of_split(spec, data)]
    else:
        rows = min(spec.rows, MOST_ROWS)
        findings = [*findings_of_columns(spec, data), *findings_of_losses(spec, data, rows)]
    return [*findings, *findings_of_validation(spec, data, validation)]


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


def id_range(spec: TrainingSpec, data: Mapping[str, Array], path: str | None) -> str | None:
    """What to do with ids that an Embedding has no rows for; None if `path` names no Embedding."""
    if "model" not in spec.source:
        return None
    row = spec.objective.columns[X].row
    model = read_model(spec.source["model"], dtype=spec.dtype, path="$.model", row=row)
    first = model.layers[0]
    named = next((n for n in model.layers if n.path == path and n.layer.record.name == "Embedding"), None)
    if named is None or named is not first:
        return None
    ids = np.asarray(data[X][:MOST_ROWS])
    low, high, size = int(ids.min()), int(ids.max()), int(named.layer.settings["input_dim"])
    message = (
        f"Embedding '{named.name}' with input_dim={size} has rows for the ids 0 to {size - 1}, and those of "
        f"'{X}' run from {low} to {high}"
    )
    if low < 0:
        return f"{message}: number them from 0"
    if low > 0 and high - low < size:
        return f"{message}: give it input_dim={high + 1}, or send {X} - {low}"
    return f"{message}: give it input_dim={high + 1}, or number the ids without gaps"


def scale_of(spec: TrainingSpec, data: Mapping[str, Array]) -> str:
    """Which features are far larger than 1, for messages; empty if none are."""
    large = []
    for name in spec.objective.columns:
        rows = sampled(np.asarray(data[name][: spec.rows]), _FEW_ELEMENTS)
        if rows.dtype.kind in "iuf" and rows.size and not (name == LABELS and rows.dtype.kind in "iu"):
            with np.errstate(all="ignore"):
                most = float(np.abs(rows.astype(np.float64)).max())
            if np.isfinite(most) and most > LARGE:
                large.append(f"'{name}' reaches {most:,.0f}")
    scale = f" ({', '.join(large)}) to about 1" if large else ""
    return f"{scale}{mean_for_sum(spec)}"


def mean_for_sum(spec: TrainingSpec) -> str:
    """What to do about a loss that adds up the rows of a batch; empty for any other."""
    graph, name = spec.objective.train, spec.objective.target.partition(":")[0]
    for _ in range(_DEEPEST):
        node = graph.names.get(name)
        if node is None:
            return ""
        if node.op.name == "sum" and node.attributes.get("axis") in (None, (), []):
            rows = min(spec.batch_size, spec.rows)
            return f"; or take the mean in place of the sum over {rows} rows, which is as many times larger"
        if node.op.name not in ("multiply", "divide", "negative", "add", "identity"):
            return ""
        behind = [each.partition(":")[0] for each in node.inputs if isinstance(each, str)]
        learned = [each for each in behind if each in spec.objective.depending]
        if len(learned) != 1:
            return ""
        name = learned[0]
    return ""


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
    end = _end_of(model)
    if end is not None and loss.fuses is not None:
        yield from _of_probabilities(end, loss.name, loss.fuses, from_logits)
    elif end is not None:
        yield from _of_positive(end, loss.name)
        yield from _of_margin(end, loss.name)
    yield from findings_of_features(spec, model, np.asarray(data[X][: min(spec.rows, MOST_ROWS)]))
    labels = np.asarray(data[LABELS][: min(spec.rows, MOST_ROWS)])
    if labels.dtype.kind in "biuf" and np.isfinite(labels).any():
        yield from findings_of_labels(spec, labels)
        yield from _of_labels(end or _Last("", "linear", 0), loss.name, labels)
        x = np.asarray(data[X][: min(spec.rows, MOST_ROWS)])
        yield from findings_of_leaks(X, x, LABELS, labels)
        yield from findings_of_far_labels(spec, labels)
        yield from _of_accuracy(loss.name, spec.source.get("metrics") or (), labels)


def _end_of(model: Model) -> _Last | None:
    """What a model ends with, whatever only reshapes it; None for an end that is not known."""
    activation: str | None = None
    name = ""
    for named in reversed(model.layers):
        kind, settings = named.layer.record.name, named.layer.settings
        if kind in _RESHAPING:
            continue
        name = name or named.name
        if kind == "Activation" and activation in (None, "linear"):
            activation = _activation(settings)
            continue
        if kind in _NORMALIZING:
            return _Last(name, activation or "linear", 1)
        own = _activation(settings)
        if own is None:
            return None
        return _Last(name, own if activation in (None, "linear") else str(activation), _units(settings))
    return None


def _of_probabilities(end: _Last, loss: str, fused: str, from_logits: bool) -> Iterator[Finding]:
    """A loss of probabilities whose input is none, or that takes the activation a second time."""
    if from_logits and end.activation in _PROBABILITIES:
        yield finding(
            "activation_twice",
            f"{loss} with from_logits=true applies {fused} itself, and '{end.name}' has applied "
            f"{end.activation} "
            "already: leave the activation out, or from_logits",
        )
    elif from_logits and end.activation in _NEVER_NEGATIVE:
        yield finding(
            "logits_never_negative",
            f"{loss} with from_logits=true takes scores of any sign, and '{end.name}' answers "
            f"{_answers(end)}, so that classes cannot be ruled out. Leave the activation of the last layer "
            "out",
        )
    elif not from_logits and end.activation not in _PROBABILITIES and end.units > 0:
        yield finding(
            "no_probabilities",
            f"{loss} takes probabilities, and '{end.name}' answers numbers of any size "
            f"({end.activation}), which "
            f"are clipped to [0, 1] and then pass no gradient: give it the activation '{fused}', or the loss "
            f'{{"name": "{loss}", "from_logits": true}} and no activation',
        )


def _of_positive(end: _Last, loss: str) -> Iterator[Finding]:
    """A loss that takes the logarithm of predictions which may be negative."""
    if loss == "kl_divergence" and end.units > 1 and end.activation != "softmax":
        yield finding(
            "no_probabilities",
            f"kl_divergence takes rows of probabilities that add up to 1, and '{end.name}' answers "
            f"{_answers(end)}: give it the activation 'softmax'",
        )
    elif loss in _OF_LOGARITHMS and _RANGES.get(end.activation, (-np.inf, 0.0))[0] < 0:
        of_rates = loss == "poisson"
        yield finding(
            "not_positive",
            (
                f"poisson takes rates, which are positive, and '{end.name}' answers {_answers(end)}: "
                "negative ones are clipped, and pass a wrong gradient or none. Give it the activation "
                "'exponential', or 'softplus'"
            )
            if of_rates
            else (
                f"{loss} takes the logarithm of 1 + the prediction, and '{end.name}' answers "
                f"{_answers(end)}, of which those below -1 have none: give it the activation 'softplus', "
                "or 'relu'"
            ),
        )


def _of_margin(end: _Last, loss: str) -> Iterator[Finding]:
    """A loss of margins, which wants scores of both signs."""
    if loss in ("hinge", "squared_hinge") and end.activation in (*_PROBABILITIES, *_NEVER_NEGATIVE):
        yield finding(
            "scores_never_negative",
            f"{loss} takes scores of both signs for the classes -1 and 1, and '{end.name}' answers "
            f"{_answers(end)}, so that no row is ever right for -1: give it the activation 'tanh', or none",
        )


def _answers(end: _Last) -> str:
    if end.activation in _RANGES:
        least, most = _RANGES[end.activation]
        return f"numbers from {least:g} to {most:g} ({end.activation})"
    return f"numbers of any sign ({end.activation})"


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
    elif loss == "mean_absolute_percentage_error" and (labels == 0).any():
        zeros = int((labels == 0).sum())
        yield finding(
            "labels_out_of_range",
            f"mean_absolute_percentage_error divides by the labels, and {zeros:,} of {labels.size:,} are 0: "
            "each counts as an error of a thousand million percent. Use 'mean_absolute_error', or leave "
            "these rows out",
        )
    elif loss == "mean_squared_logarithmic_error" and low <= -1:
        yield finding(
            "labels_out_of_range",
            f"mean_squared_logarithmic_error takes the logarithm of 1 + the label, and labels go down to "
            f"{low:g}: use 'mean_squared_error'",
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
