"""The loss and the metrics of predictions that are there already, for `Sequential.evaluate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gradwire._client.job_documents import measure_document
from gradwire._client.requests import value
from gradwire._client.session import Session
from gradwire._tracing import ops as _ops
from gradwire._tracing.node import Array
from gradwire._transport.flow import Flow
from gradwire.errors import ConfigurationError
from gradwire.keras import metrics
from gradwire.keras.loss import Loss
from gradwire.keras.metrics import Metric


def name_of(measure: Any, what: str = "metric") -> str:
    """What a loss or metric is called in answers."""
    return measure.name if isinstance(measure, Metric) else str(measure_document(measure, what)["name"])


def renamed(measures: Iterable[Any]) -> dict[str, str]:
    """By the names on the wire what metrics are called otherwise, of training and of validation.

    Raises ConfigurationError for two names of one metric: a job reports it once.
    """
    names: dict[str, str] = {}
    called: dict[str, str] = {}
    for measure in measures:
        there, here = str(measure_document(measure)["name"]), name_of(measure)
        if called.setdefault(there, here) != here:
            raise ConfigurationError(
                f"expected one '{there}', got '{called[there]}' and '{here}': a job reports each metric once"
            )
        if there != here:
            names |= {there: here, f"val_{there}": f"val_{here}"}
    return names


def score(session: Session, measure: Any, y_true: Array, y_pred: Array) -> Flow[float]:
    """One number; raises ValueError for a metric that is not known."""
    if isinstance(measure, Loss):
        return float((yield from value(session, measure(y_true, y_pred)._edge())))
    settings = dict(measure_document(measure))
    name = settings.pop("name")
    if name in _KINDS:
        return _KINDS[name](**settings).measure(y_true, y_pred)
    operation = getattr(_ops, _SHORT.get(name, name), None)
    if operation is None or name not in _ops.__all__:
        raise ValueError(f"no metric '{name}' is known; choose one of {', '.join(_KINDS)} or the losses")
    return float((yield from value(session, operation(y_true, y_pred, **settings)._edge())))


_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}
_KINDS: dict[str, type[Metric]] = {
    "accuracy": metrics.ByShapes,
    "acc": metrics.ByShapes,
    "rmse": metrics.RootMeanSquaredError,
    "root_mean_squared_error": metrics.RootMeanSquaredError,
    "binary_accuracy": metrics.BinaryAccuracy,
    "categorical_accuracy": metrics.CategoricalAccuracy,
    "sparse_categorical_accuracy": metrics.SparseCategoricalAccuracy,
    "top_k_categorical_accuracy": metrics.TopKCategoricalAccuracy,
    "top_k_accuracy": metrics.TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": metrics.SparseTopKCategoricalAccuracy,
}
