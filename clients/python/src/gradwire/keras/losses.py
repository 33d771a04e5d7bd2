"""Losses under Keras's names: called as loss(y_true, y_pred), they record one number on the tape.

The functions of the same names, `mean_squared_error(y_true, y_pred)` and so on, are ops; like the
classes they answer the mean over the whole batch unless `reduction` says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gradwire._names.counterparts import LOSSES
from gradwire._names.own import own_class
from gradwire._names.refusals import names_of
from gradwire._names.strict import Strict
from gradwire._tracing.ops import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from gradwire._tracing.tensor import Tensor
from gradwire.keras.naming import snake_case

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "mean_absolute_error",
    "mean_squared_error",
    "sparse_categorical_crossentropy",
]

_REDUCTIONS = {"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum", "none": "none"}


class Loss(Strict):
    """A loss with its settings; `reduction` is "sum_over_batch_size" (the mean), "sum" or "none"."""

    _role: ClassVar[str] = "loss"
    _cures: ClassVar[Mapping[str, str]] = {
        "name": "histories call a loss 'loss': leave it out",
        "dtype": "a model has one dtype: Sequential(dtype=…)",
        "ignore_class": "leave those rows out, or weight them in a loop of your own",
    }

    def __init__(self, reduction: str = "sum_over_batch_size") -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"expected one of {', '.join(_REDUCTIONS)} as reduction, got {reduction!r}")
        self.reduction = _REDUCTIONS[reduction]

    def document(self) -> dict[str, Any]:
        """As a job's `loss`; raises ValueError where it is not the mean, or classes are not last.

        Raises NotTraced for a class of the user's own.
        """
        kind = own_class(self, "loss")
        settings = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        given = {key: value for key, value in settings.items() if key not in ("reduction", "axis")}
        if self.reduction != "mean" or getattr(self, "axis", -1) != -1:
            raise ValueError("expected a loss that is a mean, with classes last: a job trains no other")
        return {"name": snake_case(kind), **given}

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions."""
        raise NotImplementedError


class MeanSquaredError(Loss):
    """The mean of (y_true − y_pred)²."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets."""
        return mean_squared_error(y_true, y_pred, reduction=self.reduction)


class MeanAbsoluteError(Loss):
    """The mean of |y_true − y_pred|."""

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the targets."""
        return mean_absolute_error(y_true, y_pred, reduction=self.reduction)


class BinaryCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against 0 and 1."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the labels."""
        return binary_crossentropy(
            y_true,
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class CategoricalCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against one-hot rows or distributions."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions shaped like the labels, classes along `axis`."""
        return categorical_crossentropy(
            y_true,
            y_pred,
            from_logits=self.from_logits,
            label_smoothing=self.label_smoothing,
            axis=self.axis,
            reduction=self.reduction,
        )


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy of probabilities, or of logits, against the integer index of the class."""

    def __init__(
        self, from_logits: bool = False, axis: int = -1, reduction: str = "sum_over_batch_size"
    ) -> None:
        super().__init__(reduction)
        self.from_logits = from_logits
        self.axis = axis

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions with classes along `axis`, labels without that axis."""
        return sparse_categorical_crossentropy(
            y_true, y_pred, from_logits=self.from_logits, axis=self.axis, reduction=self.reduction
        )


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LOSSES)
