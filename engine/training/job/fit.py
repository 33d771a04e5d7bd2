"""Whether rows of data and of labels fit a model and its loss, known from shapes alone, with the cure.

What fits neither way is refused here, before anything is recorded: the errors of the ops that would meet it
later know nothing of layers and samples.
"""

from __future__ import annotations

from math import prod

from engine.dtypes import TensorType
from engine.errors import DatasetMismatch, ShapeMismatch
from engine.frontend.json_reader import member
from engine.training.catalogue.losses import Loss
from engine.training.model.builder import Shape
from engine.training.model.expand import LABELS, Expansion, X

_BINARY = (
    'two classes are one unit, {"type": "Dense", "units": 1, "activation": "sigmoid"}, with '
    "'binary_crossentropy'"
)
_SPARSE = "for the index of a class take 'sparse_categorical_crossentropy'"


def check_input(expansion: Expansion, data: TensorType, labels: TensorType, path: str) -> None:
    """Raise DatasetMismatch if a row of x is not what the first layer takes."""
    expected, row = expansion.input_shape, data.shape[1:]
    if expected == row or not data.shape:
        return
    if expected[1:] == row and len(expected) > 1:
        hint = (
            f"input_shape is the shape of one sample, without the number of samples: {list(row)} in place of "
            f"{list(expected)}"
        )
    elif labels.shape[1:] == expected:
        hint = f"x and y are swapped: '{LABELS}' has rows of that shape"
    elif expected == data.shape[:1] and len(data.shape) == 2:
        hint = "samples are rows: send x transposed, one sample along the first axis after the other"
    elif prod(expected) == prod(row):
        hint = f"reshape x to (-1, {', '.join(map(str, expected))}): each row has as many numbers"
    elif len(row) > len(expected) == 1:
        hint = 'put {"type": "Flatten"} first, with the input_shape of a row of x, ' + str(list(row))
    else:
        hint = f"give the model the input_shape {list(row)}, or send the columns that it was made for"
    raise DatasetMismatch(
        f"expected rows of shape {list(expected)} for '{X}', got {list(row)}",
        path=member(f"{path}.data", X),
        hint=hint,
    )


def check_labels(row: Shape, expansion: Expansion, loss: Loss, path: str) -> None:
    """Raise ShapeMismatch if a row of labels does not fit what the model returns and the loss compares."""
    output = expansion.answer
    hint = _hint(row, output, loss)
    fits = row in (output, (*output, 1)) or (*row, 1) == output
    if hint is None and (fits or expansion.over_classes):
        return
    detail = f"expected rows of shape {list(output)} for '{LABELS}', as the model answers, got {list(row)}"
    if expansion.over_classes:
        detail = (
            f"labels '{LABELS}' with rows of shape {list(row)} do not fit {loss.name}: the model answers "
            "rows of "
            f"shape {list(output)}"
        )
    raise ShapeMismatch(
        detail,
        path=member(f"{path}.data", LABELS),
        hint=hint or "the last layer has as many units as a row of labels has numbers",
    )


def _hint(row: Shape, output: Shape, loss: Loss) -> str | None:  # noqa: PLR0911  # one for each case
    """The cure for labels that do not fit; None if nothing is known against them."""
    units = output[-1] if output else 0
    single = row in ((), (1,))
    if len(output) > max(len(row), 1) + (loss.labels is not None and len(row) > 0):
        return (
            f"the model answers {list(output)} for each sample: Dense works along the last axis only, so put "
            '{"type": "Flatten"} before it'
        )
    if loss.labels is not None:
        if row == output and units > 1:
            return (
                "a row of labels has a number for each class (one-hot): take 'categorical_crossentropy', or "
                "send the index of the class, argmax(y, axis=1)"
            )
        if units == 1:
            return (
                f"{loss.name} needs a unit for each class, 2 for the labels 0 and 1, and the last layer has "
                f"1; {_BINARY}"
            )
        return None
    if loss.fuses == "softmax" and single:
        if units == 1:
            return f"{loss.name} needs a unit for each class, and the last layer has 1: {_BINARY}"
        return "a label is the index of a class: take 'sparse_categorical_crossentropy', or send one-hot rows"
    if loss.over_classes or row in (output, (*output, 1)) or (*row, 1) == output:
        return None
    if single and units > 1:
        if loss.fuses == "sigmoid":
            return f"{_BINARY}; {_SPARSE} and keep the {units} units"
        return f"one number a sample is one unit in the last layer; {_SPARSE} and keep the {units} units"
    if len(row) == 1 and units != row[0]:
        return f"a row of labels has {row[0]} numbers: give the last layer units={row[0]}"
    return None
