"""Layers that stand in a model twice, or in two models: they hold settings, and each model makes weights."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from gradwire._notices import warn
from gradwire.errors import ConfigurationError, TrainingWarning
from gradwire.keras.layer import Layer

_models: weakref.WeakKeyDictionary[Layer, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()


def has_weights(layer: Layer) -> bool:
    """Whether a layer of this kind learns something."""
    names = inspect.signature(type(layer).__init__).parameters
    return any(name.endswith("_initializer") for name in names)


def check_repeated(layer: Layer, layers: Sequence[Layer]) -> None:
    """Raise ConfigurationError for a layer with weights that stands in the same model already."""
    if has_weights(layer) and any(each is layer for each in layers):
        kind = type(layer).__name__
        place = next(k for k, each in enumerate(layers) if each is layer)
        raise ConfigurationError(
            f"the same {kind} stands at positions {place} and {len(layers)}: a layer holds settings, and "
            f"would have weights of its own at each place. Write another gw.layers.{kind}(...) for the "
            "second; weights that are used twice want a loop of your own with gw.GradientTape"
        )


def warn_of_shared(model: Any, layers: Sequence[Layer]) -> None:
    """Warn if layers come from another model that has weights: they do not come along."""
    shared: list[Layer] = []
    other: Any = None
    for layer in layers:
        owners = _models.setdefault(layer, weakref.WeakSet())
        trained = next((each for each in owners if each is not model and each._weights), None)
        if trained is not None and has_weights(layer):
            other = trained
            shared.append(layer)
        owners.add(model)
    if other is None:
        return
    count = _leading(other._layers, layers, other._weights)
    cure = (
        f"to begin with those of the other: model.build((None, …)) with the shape of a row, then `for new, "
        f"old in zip(model.variables[:{count}], other.variables[:{count}]): new.assign(old)`"
        if count
        else "to begin with those of the other, build this one and assign to its variables"
    )
    warn(
        TrainingWarning,
        f"{', '.join(type(layer).__name__ for layer in shared)} of another model, which has weights: a layer "
        f"holds settings, and this model makes new weights for them. If they are meant to be kept, {cure}",
        ("shared layers",),
    )


def _leading(before: Sequence[Layer], now: Sequence[Layer], weights: Mapping[str, Any]) -> int:
    """How many arrays of the other model belong to the layers with which both begin."""
    learning = [layer for layer in before if has_weights(layer)]
    current = [layer for layer in now if has_weights(layer)]
    same = 0
    for old, new in zip(learning, current, strict=False):
        if old is not new:
            break
        same += 1
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in weights))[:same]
    return sum(name.rpartition(".")[0] in names and not name.endswith(_AVERAGES) for name in weights)


_AVERAGES = ("moving_mean", "moving_variance")
