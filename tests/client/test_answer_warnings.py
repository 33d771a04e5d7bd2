"""Warnings that the server sends with gradients reach the user, at the line of the call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning

pytestmark = pytest.mark.usefixtures("client")

COLUMN, ROW = np.arange(4.0)[:, None], np.arange(4.0) + 1


def _loss(w: Any) -> Any:
    return gw.mean((w * COLUMN - ROW) ** 2)  # (4, 1) against (4,)


def _on_a_tape() -> None:
    w = gw.Variable(0.5)
    with gw.GradientTape() as tape:
        loss = _loss(w)
    tape.gradient(loss, w)


def _by_grad() -> None:
    gw.grad(_loss)(0.5)


def _by_value_and_grad() -> None:
    gw.value_and_grad(_loss)(0.5)


@pytest.mark.parametrize("ask", [_on_a_tape, _by_grad, _by_value_and_grad])
def test_rows_that_meet_a_column_are_warned_of_with_the_line_that_made_them(ask: Callable[[], None]) -> None:
    with pytest.warns(GradientWarning, match=r"broadcasts \(4, 1\) against \(4,\)") as caught:
        ask()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "(w * COLUMN - ROW)" in str(caught[0].message)


def test_shapes_that_are_meant_to_meet_and_a_mask_that_was_asked_for_come_without_a_warning() -> None:
    def masked(x: Any) -> Any:
        return gw.sum(gw.where(x > 0, gw.log(x), 0.0))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gw.grad(lambda w: gw.mean((w * COLUMN - ROW[:, None]) ** 2))(0.5)
        found = gw.grad(masked, masked_backward=True)(np.array([2.0, -0.0]))
    np.testing.assert_allclose(found, [0.5, 0.0])


def _of_a_model(activation: str | None, loss_of: Callable[..., Any]) -> None:
    kernel = gw.initializers.GlorotUniform(seed=1)
    model = gw.Sequential([gw.layers.Dense(3, activation, kernel_initializer=kernel, input_shape=(2,))])
    with gw.GradientTape() as tape:
        loss = loss_of(np.array([0, 1, 2]), model(np.eye(3)[:, :2] + 1.0))
    tape.gradient(loss, model.trainable_variables)


@pytest.mark.parametrize(
    ("activation", "from_logits", "told"),
    [
        (
            "softmax",
            True,
            r"Leave the last activation out, or give the loss from_logits=False\. At .*loss_of\(",
        ),
        (None, False, r"from_logits=True, or the last layer the activation 'softmax'\. At .*loss_of\("),
    ],
)
def test_a_loss_that_does_not_fit_a_model_is_told_in_words_of_models(
    activation: str | None, from_logits: bool, told: str
) -> None:
    loss_of = gw.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    with pytest.warns(GradientWarning, match=told) as caught:
        _of_a_model(activation, loss_of)
    assert not any("astype_1" in str(w.message) or "softmax_1" in str(w.message) for w in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _of_a_model(activation, gw.losses.SparseCategoricalCrossentropy(from_logits=not from_logits))


def _rows(w: Any, x: Any, y: Any) -> Any:
    return gw.mean((x @ w - y) ** 2)


@pytest.mark.parametrize("published", [True, False])
def test_functions_that_a_client_is_asked_about_are_warned_of_with_the_text_to_paste(published: bool) -> None:
    inputs = {"w": np.ones((2, 1)), "x": np.ones((4, 2)), "y": ROW}
    asked = gw.function(_rows).gradient if published else partial(gw.default_client().gradient, _rows)
    with pytest.warns(GradientWarning, match=r"Write y\[:, None\] for y.* At .*\(x @ w - y\)") as caught:
        found = asked(inputs, wrt="w")
    assert [warning["code"] for warning in found.warnings] == ["broadcast"]
    assert len(caught) == 1


def test_two_mistakes_on_one_line_are_both_told() -> None:
    w = gw.Variable(0.5)
    with gw.GradientTape() as tape:
        loss = gw.mean((w * COLUMN - ROW) ** 2) + gw.mean(gw.sigmoid(gw.sigmoid(w * ROW)))
    with pytest.warns(GradientWarning) as caught:
        tape.gradient(loss, w)
    texts = [str(each.message) for each in caught]
    assert ["broadcasts" in text for text in texts].count(True) == 1
    assert ["a sigmoid of" in text for text in texts].count(True) == 1
