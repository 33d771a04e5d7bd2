"""Training that starts over at every step: what is made anew in the loop is warned of, once a line."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TrainingWarning

pytestmark = pytest.mark.usefixtures("client")

X, Y = np.ones((4, 2)), np.ones((4, 1))


def _variable_by_an_optimiser() -> None:
    optimizer = gw.optimizers.SGD(0.1)
    for _ in range(6):
        w = gw.Variable(0.0)
        with gw.GradientTape() as tape:
            loss = (w - 3.0) ** 2
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])


def _variable_by_hand() -> None:
    for _ in range(6):
        w = gw.Variable(0.0)
        with gw.GradientTape() as tape:
            loss = (w - 3.0) ** 2
        w.assign_sub(0.1 * tape.gradient(loss, w))


def _variable_of_a_step_function() -> None:
    optimizer = gw.optimizers.SGD(0.1)

    def step(x: float) -> None:
        w = gw.Variable(0.0)
        with gw.GradientTape() as tape:
            loss = (w * x - 3.0) ** 2
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])

    for k in range(6):
        step(1.0 + k)


def _variable_drawn_at_random() -> None:
    optimizer = gw.optimizers.SGD(0.1)
    for _ in range(6):
        w = gw.Variable(np.random.randn())
        with gw.GradientTape() as tape:
            loss = (w - 3.0) ** 2
        optimizer.apply_gradients([(tape.gradient(loss, w), w)])


def _model() -> None:
    optimizer = gw.optimizers.SGD(0.1)
    for _ in range(6):
        model = gw.Sequential([gw.layers.Dense(1, input_shape=(2,))])
        with gw.GradientTape() as tape:
            loss = gw.mean((model(X) - Y) ** 2)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (_variable_by_an_optimiser, r"this variable is made anew at .*w = gw\.Variable\(0\.0\)"),
        (_variable_by_hand, r"this variable is made anew at .*w = gw\.Variable\(0\.0\)"),
        (_variable_of_a_step_function, r"this variable is made anew at .*w = gw\.Variable\(0\.0\)"),
        (_variable_drawn_at_random, r"this variable is made anew at .*randn"),
        (_model, "the model is made anew at"),
    ],
)
def test_what_is_made_anew_at_every_step_is_warned_of_once(train: Callable[[], None], told: str) -> None:
    with pytest.warns(TrainingWarning, match=told) as caught:
        train()
    assert len({(w.lineno, str(w.message)) for w in caught}) == 1
    assert "Make it once, before the loop" in str(caught[0].message)


def _with_new_optimisers() -> None:
    w = gw.Variable(0.0)
    for _ in range(4):
        optimizer = gw.optimizers.Adam(0.1)
        optimizer.apply_gradients([(2 * (w.numpy() - 3.0), w)])


def test_an_optimiser_made_anew_at_every_step_is_warned_of() -> None:
    with pytest.warns(TrainingWarning, match=r"Adam is made anew .* gw\.optimizers\.Adam\(\.\.\.\)"):
        _with_new_optimisers()


def test_an_optimiser_without_a_state_may_be_made_anew() -> None:
    w = gw.Variable(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(6):
            gw.optimizers.SGD(0.1).apply_gradients([(2 * (w.numpy() - 3.0), w)])
    assert w.numpy() == pytest.approx(3 * (1 - 0.8**6))
