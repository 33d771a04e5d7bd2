"""What looks like a mistake in a fit is a TrainingWarning with the cure; a healthy fit has none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TrainingWarning, UnknownName

pytestmark = pytest.mark.usefixtures("client")

RNG = np.random.default_rng(6)
X = RNG.normal(size=(64, 3))
Y = X @ np.array([1.0, -2.0, 3.0]) + 4
COUNTS = RNG.poisson(np.exp(0.3 * X[:, 0])).astype(float)


def fit(x: Any, y: Any, loss: str, activation: str, *, rate: Any = 0.01, **settings: Any) -> list[str]:
    """The messages of the warnings of a fit."""
    model = gw.Sequential([gw.layers.Dense(1, activation=activation)])
    model.compile(gw.optimizers.SGD(rate), loss)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(x, y, **{"epochs": 8, "batch_size": 8, "verbose": 0, **settings})
    assert all(each.category is TrainingWarning for each in told)
    return [str(each.message) for each in told]


@pytest.mark.parametrize(
    ("x", "y", "loss", "activation", "rate", "cure"),
    [
        (X, 0 * COUNTS, "binary_crossentropy", "sigmoid", 0.01, "all 64 labels are 0"),
        (X, COUNTS, "poisson", "linear", 0.01, "'exponential'"),
        (1000 * X, (Y > 4) * 1, "binary_crossentropy", "sigmoid", 1e-6, "x.std(axis=0)"),
        (X, Y, "mse", "linear", gw.optimizers.schedules.ExponentialDecay(0.01, 4, 0.1), "decay_steps=32"),
    ],
)
def test_a_mistake_in_a_fit_is_told_once(
    x: Any, y: Any, loss: str, activation: str, rate: Any, cure: str
) -> None:
    [message] = fit(x, y, loss, activation, rate=rate)
    assert cure in message


def test_a_healthy_fit() -> None:
    assert fit(X, Y, "mse", "linear", validation_split=0.2) == []


def test_early_stopping_without_validation_data() -> None:
    stop = gw.callbacks.EarlyStopping(monitor="val_loss", patience=3)
    with pytest.raises(UnknownName, match=r"give validation_split=0\.2"):
        fit(X, Y, "mse", "linear", callbacks=[stop])
    assert fit(X, Y, "mse", "linear", callbacks=[stop], validation_split=0.2) == []


def test_a_metric_that_the_history_has_not() -> None:
    model = gw.Sequential([gw.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=1, verbose=0).history
    with pytest.raises(KeyError, match=r"validation_split=0\.2"):
        history["val_loss"]
    with pytest.raises(KeyError, match="compile"):
        history["accuracy"]
    assert list(history) == ["loss"]
