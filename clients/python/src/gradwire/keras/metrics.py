"""Metrics under Keras's names: in `compile` a job computes them; by themselves they add up batches here.

`update_state` takes a batch, `result` is the mean over every sample so far, `reset_state` begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradwire._client.job_documents import BY_HAND
from gradwire._client.uploads import array_of
from gradwire._names.own import own_class
from gradwire._names.refusals import names_of
from gradwire._names.strict import Strict
from gradwire._tracing.node import Array
from gradwire._tracing.tensor import Tensor, constant
from gradwire.keras import cures
from gradwire.keras.naming import snake_case

__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Mean(Strict):
    """The mean of all numbers that it was updated with, such as the losses of an epoch's batches."""

    _role: ClassVar[str] = "mean"
    _cures: ClassVar[Mapping[str, str]] = cures.METRIC

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._total = self._count = 0.0

    @property
    def name(self) -> str:
        """The name that it was given, otherwise that of its class."""
        return self._name or self._own_name()

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Add a number or an array of them; `sample_weight` is a number, or one for each row or element."""
        self._add(np.asarray(array_of(values), np.float64), sample_weight)

    def result(self) -> Tensor:
        """Return the mean as a constant; 0 if nothing was added."""
        return constant(self._finished(self._total / self._count if self._count else 0.0))

    def reset_state(self) -> None:
        """Forget all that was added."""
        self._total = self._count = 0.0

    def __call__(self, *batch: Any, **weights: Any) -> Tensor:
        """Add a batch, as `update_state` does, and return the mean with it."""
        self.update_state(*batch, **weights)
        return self.result()

    @classmethod
    def _own_name(cls) -> str:
        return snake_case(cls)

    def _finished(self, mean: float) -> float:
        return mean

    def _add(self, values: Array, sample_weight: Any) -> None:
        weights = np.ones(()) if sample_weight is None else np.asarray(array_of(sample_weight), np.float64)
        if weights.ndim > values.ndim or weights.shape != values.shape[: weights.ndim]:
            raise ValueError(f"weights of shape {weights.shape} do not fit samples of shape {values.shape}")
        whole = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
        weights = np.broadcast_to(whole, values.shape)
        self._total += float((values * weights).sum())
        self._count += float(weights.sum())


class Metric(Mean):
    """A measure of predictions against labels; `name` is its name in histories.

    Raises ValueError for shapes that do not fit.
    """

    _role: ClassVar[str] = "metric"

    def update_state(  # type: ignore[override]  # takes two, as in Keras
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Add a batch: the labels, and the predictions."""
        self._add(np.asarray(self._values(array_of(y_true), array_of(y_pred)), np.float64), sample_weight)

    def document(self) -> dict[str, Any]:
        """As a job's metric: its name on the wire, and its settings.

        Raises NotTraced for a class of the user's own.
        """
        settings = {key: value for key, value in vars(self).items() if key[0] != "_"}
        return {"name": snake_case(own_class(self, "metric", BY_HAND)), **settings}

    def measure(self, y_true: Array, y_pred: Array) -> float:
        """The metric of these predictions alone."""
        return self._finished(float(np.mean(self._values(y_true, y_pred), dtype=np.float64)))

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        """A number for each sample, or for each element."""
        raise NotImplementedError


class BinaryAccuracy(Metric):
    """The share of predictions on the side of `threshold` that their label, 0 or 1, names."""

    def __init__(self, name: str | None = None, *, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = threshold

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return (y_pred > self.threshold) == _alike(y_true, y_pred)


class CategoricalAccuracy(Metric):
    """The share of rows whose highest score is at the highest label, one-hot or probability."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return np.argmax(_one_hot(y_true, y_pred), -1) == np.argmax(y_pred, -1)


class SparseCategoricalAccuracy(Metric):
    """The share of rows whose highest score is at the label, the index of a class."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return np.argmax(y_pred, -1) == _labels(y_true, y_pred)


class SparseTopKCategoricalAccuracy(Metric):
    """The share of rows whose label, the index of a class, is among the k highest scores."""

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = k

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        labels = _labels(y_true, y_pred).astype(np.int64)[..., None]
        return (y_pred > np.take_along_axis(y_pred, labels, -1)).sum(-1) < self.k


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The share of rows whose label, a one-hot row, is among the k highest scores."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return super()._values(np.argmax(_one_hot(y_true, y_pred), -1), y_pred)


class MeanSquaredError(Metric):
    """The mean of (y_true − y_pred)²."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return np.square(_alike(y_true, y_pred).astype(np.float64) - y_pred)


class MeanAbsoluteError(Metric):
    """The mean of |y_true − y_pred|."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        return np.abs(_alike(y_true, y_pred).astype(np.float64) - y_pred)


class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean of (y_true − y_pred)²."""

    def _finished(self, mean: float) -> float:
        return sqrt(mean)


class ByShapes(Metric):
    """What "accuracy" is by the shapes: one output is binary, labels without classes are sparse."""

    def _values(self, y_true: Array, y_pred: Array) -> Any:
        kind: Metric = CategoricalAccuracy()
        if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
            kind = BinaryAccuracy()
        elif y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
            kind = SparseCategoricalAccuracy()
        return kind._values(y_true, y_pred)


def _alike(y_true: Array, y_pred: Array) -> Array:
    """What was expected in the shape of what was predicted: a last axis of size 1 comes or goes."""
    if y_true.shape in ((*y_pred.shape, 1), y_pred.shape[:-1] if y_pred.shape[-1:] == (1,) else None):
        return y_true.reshape(y_pred.shape)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true has shape {y_true.shape}, y_pred has shape {y_pred.shape}")
    return y_true


def _one_hot(y_true: Array, y_pred: Array) -> Array:
    if y_pred.ndim < 2:
        raise ValueError(f"expected rows of scores, got predictions of shape {y_pred.shape}")
    return _alike(y_true, y_pred)


def _labels(y_true: Array, y_pred: Array) -> Array:
    """The numbers of classes, without an extra last axis of size 1."""
    labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    if labels.shape != y_pred.shape[:-1]:
        raise ValueError(f"labels of shape {y_true.shape} do not fit scores of shape {y_pred.shape}")
    return labels


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals())
