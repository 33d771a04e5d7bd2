"""Losses under Keras's names, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

import gradwire as gw
from gradwire.keras import losses

pytestmark = pytest.mark.usefixtures("client")

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -0.3]])
LABELS = np.array([0, 2])
ONE_HOT = np.eye(3)[LABELS]
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
SIGMOID = 1 / (1 + np.exp(-LOGITS))


def test_squared_and_absolute_errors() -> None:
    assert float(losses.MeanSquaredError()(ONE_HOT, LOGITS)) == pytest.approx(
        np.mean((ONE_HOT - LOGITS) ** 2)
    )
    assert float(losses.MeanAbsoluteError()(ONE_HOT, LOGITS)) == pytest.approx(np.mean(abs(ONE_HOT - LOGITS)))


@pytest.mark.parametrize("from_logits", [True, False])
def test_crossentropies(from_logits: bool) -> None:
    expected = -np.mean(np.log(SOFTMAX)[[0, 1], LABELS])
    given = LOGITS if from_logits else SOFTMAX
    categorical = losses.CategoricalCrossentropy(from_logits=from_logits)
    sparse = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    assert float(categorical(ONE_HOT, given)) == pytest.approx(expected, rel=1e-6)
    assert float(sparse(LABELS, given)) == pytest.approx(expected, rel=1e-6)
    assert float(sparse([0, 2], given)) == pytest.approx(expected, rel=1e-6)
    binary = losses.BinaryCrossentropy(from_logits=from_logits)
    expected = -np.mean(ONE_HOT * np.log(SIGMOID) + (1 - ONE_HOT) * np.log(1 - SIGMOID))
    assert float(binary(ONE_HOT, LOGITS if from_logits else SIGMOID)) == pytest.approx(expected, rel=1e-6)


def test_reductions() -> None:
    total = losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    each = losses.CategoricalCrossentropy(from_logits=True, reduction="none")
    assert each(ONE_HOT, LOGITS).shape == (2,)
    assert float(total(ONE_HOT, LOGITS)) == pytest.approx(each(ONE_HOT, LOGITS).numpy().sum())
    with pytest.raises(ValueError, match="sum_over_batch_size"):
        losses.MeanSquaredError(reduction="max")


def test_a_loss_on_the_tape() -> None:
    w = gw.Variable(LOGITS)
    with gw.GradientTape() as tape:
        loss = gw.keras.losses.CategoricalCrossentropy(from_logits=True)(ONE_HOT, w)
    np.testing.assert_allclose(tape.gradient(loss, w), (SOFTMAX - ONE_HOT) / 2)
