"""Losses under Keras's names: every op of y_true and y_pred with a `reduction`; no list to edit."""

from __future__ import annotations

from dataclasses import dataclass

import engine.ops  # noqa: F401  # fills the table of ops
from engine.ir.attributes import Attribute
from engine.ir.op import Op
from engine.ir.table import TABLE
from engine.training.catalogue.registry import Registry, camel

_FIXED = ("axis", "reduction")  # the loss of a batch is the mean over its samples, classes come last
_CLASSES = {"kl_divergence": "KLDivergence"}  # Keras's names of classes that do not follow from the name


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

    @property
    def summary(self) -> str:
        """The formula, in a sentence."""
        return self.op.summary

    @property
    def class_name(self) -> str:
        """What Keras calls the class."""
        return _CLASSES.get(self.name) or camel(self.name)


def _loss(op: Op) -> Loss:
    """An op as a loss: labels are integers if the op's are, and logits may be classes or single numbers."""
    names = {attribute.name for attribute in op.attributes}
    name = op.name.removesuffix("_loss")
    aliases = op.aliases if name == op.name else (op.name, *op.aliases)
    labels = "int64" if op.inputs[0].kind == "integer" else None
    activation = "softmax" if "axis" in names else "sigmoid"
    return Loss(name, op, aliases, labels, activation if "from_logits" in names else None)


LOSSES = Registry(
    "loss",
    (
        _loss(op)
        for op in TABLE.public()
        if any(a.name == "reduction" for a in op.attributes)
        and [i.name for i in op.inputs] == ["y_true", "y_pred"]
    ),
)
