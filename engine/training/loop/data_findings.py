"""Data of which nothing can be learned, or only slowly: constant labels and features, and large numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from engine.arrays.types import Array
from engine.training.catalogue.losses import LOSSES
from engine.training.catalogue.schedules import rate_at
from engine.training.job.objective import Objective
from engine.training.job.spec import TrainingSpec
from engine.training.loop.finding import Finding, finding
from engine.training.loop.leaks import findings_of_leaks
from engine.training.model.expand import X
from engine.training.model.model import Model

MOST_ROWS = 100_000
_MOST_ELEMENTS = 1_000_000  # of features that are looked at
_CHUNK = 32_768  # of them at once
_FEWEST_ROWS = 8  # in which values that are all equal are no accident
_LARGE = 1000.0  # features from which on a learning rate of common size is too large
_FAR = 1000.0  # labels that are looked at
_UNREACHED = 100.0  # times what weights can travel, squared for two layers
_SQUARED = frozenset({"mean_squared_error", "mean_absolute_error", "huber", "log_cosh"})
_STEADY = frozenset({"adam", "adamw", "nadam", "adamax", "rmsprop", "lion"})
_PIXELS = 255
_FEW = 5
_CLASSES = ("crossentropy", "hinge")
_COMPARISONS = frozenset({"subtract", "squared_difference"})
_PRODUCTS = frozenset({"matmul", "multiply", "dot", "einsum"})
#: Words in the names of data that may well be constant.
_MEANT = frozenset(
    {"mask", "weight", "weights", "state", "init", "initial", "hidden", "carry", "zeros", "ones"}
)
#: Layers that bring features to one scale, or take no numbers.
_SCALING = frozenset({"BatchNormalization", "LayerNormalization", "Embedding"})


def findings_of_labels(spec: TrainingSpec, labels: Array) -> Iterator[Finding]:
    """Labels of a model that are all the same."""
    count = len(labels)
    if count < _FEWEST_ROWS or not _is_constant(labels):
        return
    value = np.asarray(labels[0]).reshape(-1)
    loss = LOSSES.read(spec.source["loss"], "$.loss").record
    whole = "" if count == spec.rows else "first "
    if loss.labels is not None or any(word in loss.name for word in _CLASSES):
        which = f"{value[0]:g}" if value.size == 1 else f"of class {value.argmax()}"
        message = (
            f"all {whole}{count:,} labels are {which}: there is nothing to tell apart, and any model gets "
            f"them right, so that loss and accuracy say nothing. See how 'y' was made: a comparison that "
            "never matches, or rows that were filtered by class"
        )
    else:
        which = f"{value[0]:g}" if value.size == 1 else str([float(f"{v:.4g}") for v in value[:_FEW]])
        message = (
            f"all {whole}{count:,} values of 'y' are {which}: there is nothing to predict, and the model "
            "learns that number alone. See how 'y' was made"
        )
    yield finding("labels_constant", message)


def findings_of_far_labels(spec: TrainingSpec, labels: Array) -> Iterator[Finding]:
    """Numbers to predict that steps of the size of a learning rate do not reach in this run."""
    loss = LOSSES.read(spec.source["loss"], "$.loss").record.name
    method = spec.method
    if loss not in _SQUARED or method.optimizer.record.name not in _STEADY or labels.dtype.kind not in "iuf":
        return
    values = labels.astype(np.float64)
    if not values.size or not np.isfinite(values).all():
        return
    middle, rate = float(np.abs(np.median(values))), rate_at(method.schedule, 0)
    travelled = rate * spec.steps
    if middle > _FAR and middle > _UNREACHED * max(1.0, travelled) ** 2:
        yield finding(
            "labels_unscaled",
            f"the values of 'y' lie around {middle:,.4g}, and a step of {method.optimizer.record.name} moves "
            f"a weight by about its learning rate, {rate:g}: {spec.steps:,} steps do not get there. Send "
            "(y - y.mean()) / y.std(), and undo it in predictions: model.predict(x) * y.std() + y.mean()",
        )


def findings_of_features(spec: TrainingSpec, model: Model, x: Array) -> Iterator[Finding]:
    """Features of a model that are constant, or far larger than 1."""
    if x.dtype.kind not in "biuf" or not x.size or model.layers[0].layer.record.name == "Embedding":
        return
    if len(x) >= _FEWEST_ROWS and _is_constant(x):
        zero = not np.asarray(x[0]).any()
        yield finding(
            "features_constant",
            f"'{X}' is {'0' if zero else 'the same'} in all {len(x):,} rows: nothing can be learned from it, "
            f"and the model returns one answer for all. See how '{X}' was made: an array that was never "
            "filled, an integer division, a wrong column",
        )
        return
    if any(named.layer.record.name in _SCALING for named in model.layers[:3]):
        return
    sizes = _sizes(x)
    most = float(sizes.max(initial=0.0))
    if not np.isfinite(most):
        return
    if _are_pixels(x, most):
        yield finding(
            "features_unscaled",
            f"'{X}' holds whole numbers from 0 to {most:.0f}, as pixels do: steps that suit features of size "
            f"1 are far too large for them. Send x / {_PIXELS} (x.astype('float32') / {_PIXELS}.0), and "
            "predict from features made in the same way",
        )
    elif most >= _LARGE:
        listed = np.flatnonzero(sizes >= _LARGE)
        columns = ", ".join(f"{column} ({sizes[column]:,.4g})" for column in listed[:_FEW])
        more = "" if listed.size <= _FEW else f" and {listed.size - _FEW:,} more"
        where = f"in column{'s' if listed.size > 1 else ''} {columns}{more}" if x.ndim == 2 else ""
        yield finding(
            "features_unscaled",
            f"'{X}' reaches {most:,.4g}{', ' if where else ''}{where}: steps that suit features of size 1 "
            "are far too large for it, and small ones learn the rest slowly. Send (x - x.mean(axis=0)) / "
            "x.std(axis=0), or put a BatchNormalization first; predict from features made in the same way",
        )


def findings_of_columns(spec: TrainingSpec, data: Mapping[str, Array]) -> Iterator[Finding]:
    """Data of a graph or a program: targets that are all the same, and factors that are all zero."""
    objective = spec.objective
    yield from _leaks_of_columns(spec, data)
    for name in objective.columns:
        rows = np.asarray(data[name][: min(spec.rows, MOST_ROWS)])
        if len(rows) < _FEWEST_ROWS or rows.dtype.kind not in "iuf":
            continue
        if not _is_constant(rows) or _is_meant(name):
            continue
        zero = not np.asarray(rows[0]).any()
        use = _use(objective, name)
        if use == "target":
            yield finding(
                "labels_constant",
                f"all {len(rows):,} rows of '{name}', which is compared with predictions, are "
                f"{_shown(rows[0])}: there is nothing to predict. See how '{name}' was made",
                node=name,
            )
        elif use == "factor" and zero:
            yield finding(
                "features_constant",
                f"'{name}' is 0 in all {len(rows):,} rows, and what it multiplies gets no gradient: nothing "
                f"can be learned from it. See how '{name}' was made",
                node=name,
            )


def _leaks_of_columns(spec: TrainingSpec, data: Mapping[str, Array]) -> Iterator[Finding]:
    """Features of a graph or a program among which is what predictions are compared with."""
    names = list(spec.objective.columns)
    count = min(spec.rows, MOST_ROWS)
    wide = [name for name in names if len(spec.objective.columns[name].row) == 1]
    for labels in names:
        features = [name for name in wide if name != labels]
        if features and _use(spec.objective, labels) == "target":
            for name in features:
                x, y = (np.asarray(data[one][:count]) for one in (name, labels))
                yield from findings_of_leaks(name, x, labels, y)


def sampled(rows: Array, elements: int) -> Array:
    """Rows at equal distances, as many as have so many elements together: a view."""
    each = max(1, rows[:1].size)
    return rows[:: max(1, -(-len(rows) * each // elements))]


def _chunks(rows: Array) -> Iterator[Array]:
    """The rows, a few at a time: they may be mapped, and more than the memory holds."""
    count = max(1, _CHUNK // max(1, rows[:1].size))
    yield from (rows[start : start + count] for start in range(0, len(rows), count))


def _sizes(x: Array) -> Array:
    """The largest magnitude of each feature among some of the rows."""
    sizes: Array = np.zeros(x[0].size)
    with np.errstate(all="ignore"):
        for rows in _chunks(sampled(x, _MOST_ELEMENTS)):
            np.maximum(sizes, np.abs(rows.astype(np.float64)).reshape(len(rows), -1).max(axis=0), out=sizes)
    return sizes


def _shown(row: Array) -> str:
    values = np.asarray(row).reshape(-1)
    return f"{values[0]:g}" if values.size == 1 or (values == values[0]).all() else "the same"


def _is_meant(name: str) -> bool:
    """Whether the name of data says that they may be constant."""
    return name[-1].isdigit() or not _MEANT.isdisjoint(name.lower().split("_"))


def _is_constant(rows: Array) -> bool:
    """Whether every row is the first one, and finite."""
    if not rows.size or (rows.dtype.kind == "f" and not np.isfinite(rows[:1]).all()):
        return False
    return all(bool((some == rows[:1]).all()) for some in _chunks(rows))


def _are_pixels(x: Array, most: float) -> bool:
    """Whether features look like unscaled pixels: whole numbers from 0 to (nearly) 255, many to a row."""
    if most > _PIXELS or most <= 100 or x[0].size < 16:
        return False
    few = sampled(x, _CHUNK)
    return bool(few.min() >= 0 and (x.dtype.kind in "iu" or np.array_equal(few, np.round(few))))


def _use(objective: Objective, name: str) -> str | None:
    """What a column of a graph is used for: a target that predictions are compared with, or a factor."""
    graph = objective.train
    readers = [node for node in graph.nodes if name in node.inputs]
    learned, of_data = objective.depending, objective.dependents(set(objective.columns) - {name})
    losses = {loss.op.name for loss in LOSSES}
    uses = set()
    for node in readers:
        others = {each.partition(":")[0] for each in node.inputs if isinstance(each, str)} - {name}
        if others.isdisjoint(learned):
            return None
        compared = (node.op.name in _COMPARISONS or node.op.name in losses) and not others.isdisjoint(of_data)
        uses.add("target" if compared else "factor" if node.op.name in _PRODUCTS else None)
    return uses.pop() if len(uses) == 1 else None
