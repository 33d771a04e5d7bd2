"""What a model is given that it cannot take, refused before anything is sent, with the form that works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradwire.errors import ConfigurationError
from gradwire.keras.layer import Layer
from gradwire.keras.optimizer import Optimizer


def expected_layer(value: Any) -> str:
    """What is said of something else than a layer."""
    kind = type(value).__name__
    if isinstance(value, type) and issubclass(value, Layer):
        return (
            f"expected a layer, got the class {value.__name__}: call it, as in "
            f"gw.layers.{value.__name__}(...)"
        )
    if isinstance(value, str):
        return f"expected a layer, got the text {value!r}: gw.layers.Activation({value!r})"
    library = type(value).__module__.partition(".")[0]
    if library in ("keras", "tensorflow", "torch", "flax"):
        return f"expected a layer of gradwire.keras.layers, got {kind} of {library}"
    if callable(value):
        name = getattr(value, "__name__", kind)
        return f"expected a layer, got the function {name!r}: gw.layers.Activation({name!r})"
    return f"expected a layer of gradwire.keras.layers, got {kind}"


def check_compiled(optimizer: Any, loss: Any, metrics: Any) -> list[Any]:
    """The metrics as a list; raises ConfigurationError for an optimiser or metrics that are none.

    Raises TypeError for a class in place of its object.
    """
    if isinstance(optimizer, type):
        raise TypeError(
            f"expected an optimizer, got the class {optimizer.__name__}: call it, {optimizer.__name__}()"
        )
    if isinstance(loss, Optimizer) or isinstance(optimizer, int | float | list | tuple | None):
        raise ConfigurationError(
            "expected an optimiser, then a loss, as in model.compile('adam', 'mse'), got "
            f"{_kind(optimizer)} and {_kind(loss)}; an optimiser is a name or one of "
            "gradwire.keras.optimizers"
        )
    if metrics is None:
        return []
    if isinstance(metrics, str | dict) or not isinstance(metrics, Sequence):
        raise ConfigurationError(
            f"expected a list of metrics, got {metrics!r:.60}: write metrics=[{metrics!r:.60}]"
        )
    return list(metrics)


def check_rows(shape: Sequence[int], row: Sequence[int] | None) -> None:
    """Raise ConfigurationError for rows of another shape than the model's, with the way to reshape them."""
    shape = tuple(shape)
    if row is None or shape[1:] == tuple(row):
        return
    row = tuple(row)
    if shape == row:
        cure = "for a single row write x[None], which is one row of it"
    elif len(row) == len(shape) and row[1:] == shape[1:]:
        cure = f"Input takes the shape of one row, without their number: Input({row[1:]})"
    elif len(row) == 1 and len(shape) > 2:
        cure = "put gw.layers.Flatten() first, or reshape: x.reshape(len(x), -1)"
    elif len(shape) == 2 and row == shape[:1]:
        cure = "rows are samples: x.T has them along the first axis"
    else:
        cure = f"give the first layer input_shape={shape[1:]}, or select the columns that it was made for"
    raise ConfigurationError(
        f"expected rows of shape {row}, got {shape[1:]}: the first axis is that of rows; {cure}"
    )


def _kind(thing: Any) -> str:
    return repr(thing) if isinstance(thing, str) or thing is None else type(thing).__name__
