"""Real data: the shipped sample trains quickly; the full set, where it is, to the accuracy of the peers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.training import TrainingRun
from engine.training.job.predict import predict
from tests.engine.training.world import job, trained

EXAMPLES = Path(__file__).parents[3] / "examples"
MLP: dict[str, Any] = {
    "model": {
        "input_shape": [784],
        "layers": [
            {"type": "Dense", "units": 64, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
    },
    "loss": "sparse_categorical_crossentropy",
    "metrics": ["accuracy"],
    "optimizer": "adam",
    "batch_size": 32,
    "epochs": 5,
}


LENET: dict[str, Any] = {
    **MLP,
    "model": {
        "input_shape": [784],
        "layers": [
            {"type": "Reshape", "target_shape": [28, 28, 1]},
            {"type": "Conv2D", "filters": 6, "kernel_size": 5, "padding": "same", "activation": "relu"},
            {"type": "MaxPooling2D"},
            {"type": "Conv2D", "filters": 16, "kernel_size": 5, "activation": "relu"},
            {"type": "MaxPooling2D"},
            {"type": "Flatten"},
            {"type": "Dense", "units": 120, "activation": "relu"},
            {"type": "Dense", "units": 84, "activation": "relu"},
            {"type": "Dense", "units": 10, "activation": "softmax"},
        ],
    },
}


def test_lenet_learns_the_sample() -> None:
    with np.load(EXAMPLES / "data" / "mnist_sample.npz") as sample:
        arrays = dict(sample)
    data = {"x": arrays["x_train"].reshape(-1, 784)[:500] / np.float32(255), "y": arrays["y_train"][:500]}
    _, epochs = trained({**LENET, "epochs": 4, "optimizer": {"name": "adam", "learning_rate": 0.003}}, data)
    assert epochs[-1]["accuracy"] > 0.8


@pytest.mark.slow
@pytest.mark.skipif("GRADWIRE_MNIST_DIR" not in os.environ, reason="GRADWIRE_MNIST_DIR names no folder")
def test_two_epochs_of_lenet_reach_98_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _accuracy({**LENET, "epochs": 2}, monkeypatch) >= 0.98


def test_the_sample_trains() -> None:
    with np.load(EXAMPLES / "data" / "mnist_sample.npz") as sample:
        arrays = dict(sample)
    data = {"x": arrays["x_train"].reshape(-1, 784) / np.float32(255), "y": arrays["y_train"]}
    _, epochs = trained({**MLP, "validation_split": 0.1}, data)
    assert epochs[-1]["val_accuracy"] > 0.85
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 3


@pytest.mark.slow
@pytest.mark.skipif("GRADWIRE_MNIST_DIR" not in os.environ, reason="GRADWIRE_MNIST_DIR names no folder")
def test_five_epochs_of_the_full_set_reach_96_5_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _accuracy(MLP, monkeypatch) >= 0.965


def _accuracy(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> float:
    """The share of the test set that a job trained on the full set gets right."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    digits: Any = __import__("mnist").load()
    sys.modules.pop("mnist")
    data: dict[str, Array] = {"x": digits.x_train, "y": digits.y_train}
    spec = job(document, data)
    run = TrainingRun(spec, data)
    list(run)
    scores = predict(spec, run.parameters, run.state, {"x": digits.x_test})["y"]
    return float(np.mean(scores.argmax(axis=1) == digits.y_test))
