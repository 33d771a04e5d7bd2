"""A loss that grows, falls without end, or stays at that of a constant answer is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.training import Stalled, TrainingFailure, TrainingRun
from engine.training.loop.constant_answer import constant_loss
from engine.training.loop.drift import Drift
from tests.engine.training.test_suspicions import network, told
from tests.engine.training.world import job, trained

RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 3))


def codes(losses: list[float], *, constant: float | None = None, scale: str = "") -> list[str]:
    drift = Drift({"learning_rate": 0.5}, constant=constant, scale=scale)
    last = len(losses) - 1
    found = [f for k, loss in enumerate(losses) for f in drift.see(loss, last=k == last, steps=20 * (k + 1))]
    return sorted({each["code"] for each in found})


@pytest.mark.parametrize(
    ("losses", "code"),
    [
        ([1.0, 2.0e3], "diverging"),
        ([1.0, 3.0, 1.0, 5e4, 4e4], "diverging"),
        ([2.0 * 1.5**k for k in range(12)], "diverging"),
        ([1.0, 1.2, 1.5, 2.0, 2.8, 3.9], "diverging"),
        ([-1.5 - 0.1 * k - 2.0**k for k in range(11)], "unbounded"),
        ([5.0 - 3.0 * k for k in range(20)], "unbounded"),
        ([-((1.0 + k) ** 2) for k in range(20)], "unbounded"),
    ],
)
def test_losses_that_go_away(losses: list[float], code: str) -> None:
    assert codes(losses) == [code]


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 0.9, 0.85, 0.84, 0.9],
        [100.0, 400.0, 20.0, 5.0, 1.0],
        [1000.0 - 60.0 * k for k in range(30)] + [-800.0 - 300.0 * (1 - 0.8**k) for k in range(20)],
        [-1.0 - 2.0 * (1 - 0.7**k) for k in range(20)],
        [0.5, 0.4, 0.39, 0.41, 0.4, 0.42],
    ],
)
def test_losses_that_are_healthy(losses: list[float]) -> None:
    assert codes(losses) == []


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([9987.0, 2.304, 2.303, 2.303, 2.302], ["constant_answer"]),  # thrown by a step, and dead since
        ([2.58, 2.61, 2.6, 2.9, 2.92, 2.66], ["constant_answer"]),
        ([2.31, 2.303, 2.3026, 2.3026, 2.3026], ["constant_answer"]),
        ([2.31, 2.303, 2.3026, 2.3026, 2.3026, 1.9, 1.2], []),  # a plateau that was left
        ([20.0, 12.0, 7.0, 5.0, 4.0], []),  # on its way
        ([2.2, 2.0, 1.8, 1.7, 1.6], []),
        ([2.303, 2.303], []),
    ],
)
def test_a_loss_at_that_of_a_constant_answer(losses: list[float], expected: list[str]) -> None:
    assert codes(losses, constant=2.3026) == expected


@pytest.mark.parametrize(
    ("loss", "units", "labels"),
    [
        ("mse", 1, X[:, 0]),
        ("mae", 1, np.abs(X[:, 0])),
        ("msle", 1, np.exp(X[:, 0])),
        ("bce", 1, (X[:, 0] > 0.3) * 1.0),
        ("poisson", 1, RNG.poisson(1.0, 64)),
        ("sparse_categorical_crossentropy", 4, RNG.integers(0, 4, 64)),
        ("categorical_crossentropy", 4, np.eye(4)[RNG.integers(0, 4, 64)]),
    ],
)
def test_the_loss_of_a_constant_answer_is_what_a_bias_alone_reaches(
    loss: str, units: int, labels: Array
) -> None:
    activation = {"bce": "sigmoid", "poisson": "exponential", "msle": "softplus"}.get(loss, "linear")
    activation = "softmax" if "categorical" in loss else activation
    optimizer = {
        "name": "adam",
        "learning_rate": {"name": "cosine", "initial_learning_rate": 0.2, "decay_steps": 400},
    }
    document = network(units, activation, loss, epochs=400, batch_size=64, optimizer=optimizer)
    data = {"x": 0.0 * X, "y": labels}
    _, history = trained(document, data)
    expected = constant_loss(job(document, data), data)
    assert expected == pytest.approx(history[-1]["loss"], rel=2e-3)


def test_pixels_that_are_not_scaled() -> None:
    labels = RNG.integers(0, 4, 240)
    images = RNG.integers(0, 120, (240, 64)) + 120 * (np.arange(64) // 16 == labels[:, None])
    layers = [
        {"type": "Dense", "units": 16, "activation": "relu"},
        {"type": "Dense", "units": 4, "activation": "softmax"},
    ]
    rate = {"optimizer": {"name": "sgd", "learning_rate": 0.5}, "epochs": 6}
    document = network(loss="sparse_categorical_crossentropy", layers=layers, **rate)
    found = told(document, images.astype(np.uint8), labels)
    assert "x / 255" in found["features_unscaled"]
    assert "of a model which returns the same for every sample" in found["constant_answer"]
    assert told(document, images / 255.0, labels) == {}


def test_what_was_seen_before_a_restart_is_remembered() -> None:
    x = np.array([[1.0], [2.0], [3.0]])
    data = {"x": x, "y": 2 * x}
    document = {
        "program": "loss = mean((w * x - y) ** 2)",
        "parameters": {"w": {"value": [0.5]}},
        "optimizer": {"name": "sgd", "learning_rate": 0.3},
        "epochs": 12,
    }
    spec = job(document, data)
    whole = TrainingRun(spec, data)
    [told_of] = [event for event in whole if isinstance(event, Stalled)]
    run = TrainingRun(spec, data)
    while run.step < told_of.step - 1:
        next(run)
    again = TrainingRun(spec, data, resume=run.snapshot())
    [event] = [event for event in again if isinstance(event, Stalled)]
    assert (event.step, event.message) == (told_of.step, told_of.message)


def _overflowing(name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    document: dict[str, Any] = {
        "program": "loss = mean((w * y - 1) ** 2) * 1e20",
        "parameters": {"w": {"value": 4.0}},
        "optimizer": {"name": name, "learning_rate": 0.05},
        "epochs": 30,
    }
    return document, {"y": np.linspace(0.5, 2.0, 16)}


def test_an_optimizer_that_overflows_is_not_blamed_on_the_data() -> None:
    document, data = _overflowing("adam")
    with pytest.raises(TrainingFailure) as failed:
        list(TrainingRun(job(document, data), data))
    assert "remembers of earlier gradients" in failed.value.detail
    assert "rows" not in str(failed.value.hint)
    assert "lower the learning rate" in str(failed.value.hint)
    assert failed.value.diagnosis["reason"] == "overflow"


@pytest.mark.parametrize("name", ["rmsprop", "adagrad"])
def test_an_optimizer_that_overflows_and_stands_still_is_told(name: str) -> None:
    document, data = _overflowing(name)
    run = TrainingRun(job(document, data), data)
    findings = [f for event in run if isinstance(event, Stalled) for f in event.findings]
    assert [f["code"] for f in findings] == ["optimizer_overflow"]
    assert "lower the learning rate (it is 0.05)" in findings[0]["message"]
