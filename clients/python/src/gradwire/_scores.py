"""The loss and the metrics of predictions that are there already, for `Sequential.evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradwire import _ops
from gradwire._flow import Flow
from gradwire._node import Array
from gradwire._queries import value
from gradwire._session import Session
from gradwire.losses import Loss


def name_of(measure: Any) -> str:
    """What a loss or metric is called on the wire."""
    if isinstance(measure, str):
        return measure
    if isinstance(measure, Loss):
        return str(measure.document()["name"])
    return str(measure["name"]) if isinstance(measure, dict) else str(measure.__name__)


def score(session: Session, measure: Any, y_true: Array, y_pred: Array) -> Flow[float]:
    """One number; raises ValueError for a metric that only jobs compute."""
    if isinstance(measure, Loss):
        return float((yield from value(session, measure(y_true, y_pred)._edge())))
    name = name_of(measure)
    if name in _ACCURACIES:
        return float(np.mean(_ACCURACIES[name](y_true, y_pred)))
    operation = getattr(_ops, _SHORT.get(name, name), None)
    if operation is None or name not in _ops.__all__:
        raise ValueError(
            f"'{name}' is computed by jobs only; give it to fit as a metric, or choose one "
            f"of {', '.join(_ACCURACIES)} or the losses"
        )
    return float((yield from value(session, operation(y_true, y_pred)._edge())))


def _binary(y_true: Array, y_pred: Array) -> Array:
    return np.asarray((y_pred > 0.5) == (y_true.reshape(y_pred.shape) > 0.5))


def _sparse(y_true: Array, y_pred: Array) -> Array:
    return np.asarray(np.argmax(y_pred, -1) == y_true.reshape(y_pred.shape[:-1]))


def _categorical(y_true: Array, y_pred: Array) -> Array:
    return np.asarray(np.argmax(y_pred, -1) == np.argmax(y_true, -1))


def _accuracy(y_true: Array, y_pred: Array) -> Array:
    if y_pred.ndim == 1 or y_pred.shape[-1] == 1:
        return _binary(y_true, y_pred)
    return (_sparse if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1 else _categorical)(y_true, y_pred)


_ACCURACIES: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": _accuracy,
    "acc": _accuracy,
    "binary_accuracy": _binary,
    "categorical_accuracy": _categorical,
    "sparse_categorical_accuracy": _sparse,
}
_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}
