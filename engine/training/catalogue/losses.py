"""Losses under Keras's names: which op each one is, and what it expects of labels and predictions."""

from __future__ import annotations

from dataclasses import dataclass

import engine.ops  # noqa: F401  # fills the table of ops
from engine.ir.attributes import Attribute
from engine.ir.op import Op
from engine.ir.table import TABLE
from engine.training.catalogue.registry import Registry

_FIXED = ("axis", "reduction")  # the loss of a batch is the mean over its samples, classes come last


@dataclass(frozen=True, slots=True)
class Loss:
    """`op(y_true, y_pred, …)`. `fuses` is the activation that the loss takes in, so as to work on logits.

    `labels` is the dtype of y_true: None for the job's own, else an integer's.
    """

    name: str
    op: Op
    aliases: tuple[str, ...] = ()
    labels: str | None = None
    fuses: str | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The op's settings, less those that training fixes."""
        return tuple(a for a in self.op.attributes if a.name not in _FIXED)

    @property
    def over_classes(self) -> bool:
        """Whether a row of predictions has a number for each class, not numbers of their own."""
        return any(a.name == "axis" for a in self.op.attributes)


def _same(name: str, *aliases: str, labels: str | None = None, fuses: str | None = None) -> Loss:
    return Loss(name, TABLE[name], aliases, labels, fuses)


LOSSES = Registry(
    "loss",
    (
        _same("mean_squared_error", "mse"),
        _same("mean_absolute_error", "mae"),
        _same("mean_absolute_percentage_error", "mape"),
        _same("mean_squared_logarithmic_error", "msle"),
        _same("huber", "huber_loss"),
        _same("log_cosh"),
        _same("binary_crossentropy", "binary_cross_entropy", "bce", fuses="sigmoid"),
        _same("categorical_crossentropy", "categorical_cross_entropy", fuses="softmax"),
        _same(
            "sparse_categorical_crossentropy",
            "sparse_categorical_cross_entropy",
            labels="int64",
            fuses="softmax",
        ),
        _same("kl_divergence", "kullback_leibler_divergence", "kld"),
        _same("poisson"),
        _same("hinge"),
        _same("squared_hinge"),
        _same("categorical_hinge"),
        Loss("cosine_similarity", TABLE["cosine_similarity_loss"], ("cosine_similarity_loss",)),
    ),
)
