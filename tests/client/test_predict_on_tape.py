"""Predictions are plain numbers: using them in a loss on a tape warns, with the call that records."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, ReadWarning

pytestmark = pytest.mark.usefixtures("client")

X = np.array([[0.0, 1.0], [1.0, 0.0]])
Y = np.array([[0.0], [1.0]])


def _model() -> gw.Sequential:
    return gw.Sequential([gw.layers.Dense(1, input_shape=(2,), name="dense")])


def test_a_loss_of_predictions_is_warned_of_and_every_gradient_says_to_call_the_model() -> None:
    model = _model()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with gw.GradientTape() as tape:
            predicted = model.predict(X)
            loss = gw.mean((predicted - Y) ** 2)
        assert tape.gradient(loss, model.trainable_variables) == [None, None]
        report = tape.explain(loss, model.trainable_variables)
    reads = [str(w.message) for w in caught if w.category is ReadWarning]
    missing = [str(w.message) for w in caught if w.category is GradientWarning]
    assert len(reads) == 1
    assert len(missing) == 1
    assert "'dense.kernel' and 'dense.bias' are None" in missing[0]
    for text in (*reads, *missing):
        assert "Write model(x) for model.predict(x)" in text
        assert "predicted = model.predict(X)" in text
    assert [finding.fix for finding in report.findings] == ["Write model(x) for model.predict(x)."] * 2


def test_the_model_called_in_its_place_has_gradients_and_predictions_that_are_only_shown_no_warning() -> None:
    model = _model()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with gw.GradientTape() as tape:
            shown = model.predict(X)
            loss = gw.mean((model(X) - Y) ** 2)
        found = tape.gradient(loss, model.trainable_variables)
    residual = shown - Y
    np.testing.assert_allclose(found[0].numpy(), X.T @ residual, rtol=1e-5)
    np.testing.assert_allclose(found[1].numpy(), residual.sum(0), rtol=1e-5)
