"""Metrics under Keras's names, as sums and counts: an epoch's value is the sum over all its samples
divided by their count, never a mean of means.

`values(y_true, y_pred, **settings)` records the value of each sample (or element) on the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

from engine import dtypes
from engine.errors import ShapeMismatch
from engine.ir.attributes import Attribute
from engine.ir.table import F
from engine.training.catalogue.losses import LOSSES, Loss
from engine.training.catalogue.registry import Choice, Registry, number, whole


@dataclass(frozen=True, slots=True)
class Metric:
    """One record; `finish` turns the mean over all samples into the metric, `summary` says what it is.

    `ranks` says that of scores over classes only the order counts, so that logits serve as well.
    """

    name: str
    values: Callable[..., Any]
    aliases: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    labels: str | None = None
    ranks: bool = False
    finish: Callable[[float], float] = lambda mean: mean
    summary: str = ""


def total(metric: Choice[Metric], y_true: Any, y_pred: Any) -> tuple[Any, int]:
    """The sum over a batch, recorded on the tape in float64, and how many values it adds up."""
    values = metric.record.values(y_true, y_pred, **metric.settings)
    if not dtypes.is_floating(values.dtype):
        return F.sum(values).astype("float64"), values.size
    return F.sum(values, dtype="float64"), values.size


def _same_shape(y_true: Any, y_pred: Any) -> None:
    if y_true.shape != y_pred.shape:
        raise ShapeMismatch(
            f"y_true has shape {y_true.shape}, y_pred has shape {y_pred.shape}",
            hint="this metric compares numbers one by one, or rows of classes",
        )


def _binary(y_true: Any, y_pred: Any, *, threshold: float) -> Any:
    if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        y_true = F.expand_dims(y_true, axis=-1)
    elif y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        y_true = F.squeeze(y_true, axis=-1)
    _same_shape(y_true, y_pred)
    return (y_pred > threshold).astype(y_true.dtype).equals(y_true)


def _one_hot(y_true: Any, y_pred: Any) -> None:
    """The same shape, of rows with a number for each class."""
    _same_shape(y_true, y_pred)
    if y_pred.ndim < 2:
        raise ShapeMismatch(
            f"predictions of shape {y_pred.shape} are no rows of scores",
            hint="one number for each sample is a binary prediction: use binary_accuracy",
        )


def _categorical(y_true: Any, y_pred: Any) -> Any:
    _one_hot(y_true, y_pred)
    return F.argmax(y_true, axis=-1).equals(F.argmax(y_pred, axis=-1))


def _labels(y_true: Any, y_pred: Any) -> Any:
    """Class indices without an extra last axis of size 1."""
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = F.squeeze(y_true, axis=-1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ShapeMismatch(f"labels of shape {y_true.shape} do not fit scores of shape {y_pred.shape}")
    return y_true


def _sparse(y_true: Any, y_pred: Any) -> Any:
    labels = _labels(y_true, y_pred)
    return F.argmax(y_pred, axis=-1).equals(labels.astype("int64"))


def _sparse_top_k(y_true: Any, y_pred: Any, *, k: int) -> Any:
    labels = F.expand_dims(_labels(y_true, y_pred).astype("int64"), axis=-1)
    return _better(y_pred, F.take_along_axis(y_pred, labels, axis=-1)) < k


def _top_k(y_true: Any, y_pred: Any, *, k: int) -> Any:
    _one_hot(y_true, y_pred)
    return _sparse_top_k(F.argmax(y_true, axis=-1), y_pred, k=k)


def _better(y_pred: Any, score: Any) -> Any:
    """How many classes score strictly higher."""
    return F.sum((y_pred > score).astype("int64"), axis=-1)


def _of_loss(loss: Loss) -> Metric:
    """A loss as a metric: its values before they are averaged."""

    def values(y_true: Any, y_pred: Any, **settings: Any) -> Any:
        return loss.op(y_true, y_pred, **settings, reduction="none")

    return Metric(loss.name, values, loss.aliases, loss.attributes, loss.labels, summary=loss.summary)


def _squared(y_true: Any, y_pred: Any) -> Any:
    return F.mean_squared_error(y_true, y_pred, reduction="none")


def _accuracy(y_true: Any, y_pred: Any) -> Any:
    """By the shapes, as in Keras: one number a sample is binary, labels without classes are sparse."""
    if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
        return _binary(y_true, y_pred, threshold=0.5)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return _sparse(y_true, y_pred)
    return _categorical(y_true, y_pred)


_K = Attribute("k", whole(1), 5)
_ACCURACY = (
    Metric(
        "accuracy",
        _accuracy,
        ("acc",),
        ranks=True,
        summary="The share of right predictions, binary or of classes as the shapes say.",
    ),
    Metric(
        "binary_accuracy",
        _binary,
        attributes=(Attribute("threshold", number(), 0.5, "predictions above it count as 1"),),
        summary="The share of predictions on the side of `threshold` that their label, 0 or 1, says.",
    ),
    Metric(
        "categorical_accuracy",
        _categorical,
        ranks=True,
        summary="The share of rows of scores that are highest where their row of labels is.",
    ),
    Metric(
        "sparse_categorical_accuracy",
        _sparse,
        labels="int64",
        ranks=True,
        summary="The share of rows of scores that are highest at their label, the index of a class.",
    ),
    Metric(
        "top_k_categorical_accuracy",
        _top_k,
        ("top_k_accuracy",),
        (_K,),
        ranks=True,
        summary="The share of rows of scores whose class, a one-hot row, is among the k highest.",
    ),
    Metric(
        "sparse_top_k_categorical_accuracy",
        _sparse_top_k,
        (),
        (_K,),
        "int64",
        ranks=True,
        summary="The share of rows of scores whose label is among the k highest.",
    ),
)

METRICS = Registry(
    "metric",
    (
        *_ACCURACY,
        Metric(
            "root_mean_squared_error",
            _squared,
            ("rmse",),
            finish=sqrt,
            summary="The square root of the mean of (y_true - y_pred)².",
        ),
        *(_of_loss(loss) for loss in LOSSES),
    ),
)
