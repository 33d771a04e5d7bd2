"""Schedules, targets and early stopping that cannot do what was meant are told at submission."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.errors import UnknownName
from tests.engine.training.test_suspicions import network
from tests.engine.training.world import job

RNG = np.random.default_rng(6)
X = RNG.normal(size=(640, 3))
LABELS = (X[:, 0] > 0) * 1.0


def foreseen(schedule: dict[str, Any], **changes: Any) -> dict[str, str]:
    """The warnings of a run of 30 epochs of 20 steps."""
    optimizer = {"name": "sgd", "learning_rate": schedule}
    document = network(1, optimizer=optimizer, epochs=30, **{"batch_size": 32, **changes})
    spec = job(document, {"x": X, "y": X[:, 0]})
    return {warning["code"]: warning["message"] for warning in spec.warnings}


def _decay(name: str, steps: int, **settings: Any) -> dict[str, Any]:
    return {"name": name, "initial_learning_rate": 0.01, "decay_steps": steps, **settings}


def _steps(boundaries: list[int], *values: float) -> dict[str, Any]:
    return {"name": "piecewise_constant_decay", "boundaries": boundaries, "values": list(values)}


@pytest.mark.parametrize(
    ("wrong", "code", "cure", "right"),
    [
        (
            _decay("exponential_decay", 5, decay_rate=0.1),
            *("rate_vanishes", "decay_steps=100", _decay("exponential_decay", 100, decay_rate=0.7)),
        ),
        (_decay("cosine_decay", 30), "rate_vanishes", "decay_steps=600", _decay("cosine_decay", 600)),
        (_decay("polynomial_decay", 30), "rate_vanishes", "decay_steps=600", _decay("polynomial_decay", 600)),
        (
            _steps([10, 20], 0.01, 1e-4, 1e-6),
            *("rate_vanishes", "boundaries=[200, 400]", _steps([200, 400], 0.01, 1e-3, 1e-4)),
        ),
        (
            _steps([10, 20], 0.01, 0.004, 0.002),
            *("rate_vanishes", "boundaries=[200, 400]", _steps([200, 400], 0.01, 0.004, 0.002)),
        ),
        (
            _decay("inverse_time_decay", 1, decay_rate=50.0),
            *("rate_vanishes", "decay_steps=20", _decay("inverse_time_decay", 20, decay_rate=0.5)),
        ),
        (
            {
                **_decay("cosine_decay", 1000, warmup_target=0.1, warmup_steps=5000),
                "initial_learning_rate": 0.0,
            },
            *(
                "warmup_too_long",
                "warmup_steps=60",
                _decay("cosine_decay", 540, warmup_target=0.1, warmup_steps=60),
            ),
        ),
        (
            {"name": "linear_warmup", "learning_rate": 0.01, "warmup_steps": 6000},
            *("warmup_too_long", "warmup_steps=60"),
            {"name": "linear_warmup", "learning_rate": 0.01, "warmup_steps": 60},
        ),
        (
            _decay("exponential_decay", 20, decay_rate=1.5),
            *("rate_grows", "decay_rate above 1", _decay("exponential_decay", 100, decay_rate=0.5)),
        ),
        (
            _decay("cosine_decay", 640 * 30),
            *("schedule_too_long", "decay_steps=600", _decay("cosine_decay", 600, alpha=0.1)),
        ),
    ],
)
def test_a_schedule_that_does_not_fit_the_run(
    wrong: dict[str, Any], code: str, cure: str, right: dict[str, Any]
) -> None:
    found = foreseen(wrong)
    assert list(found) == [code]
    assert cure in found[code]
    assert foreseen(right) == {}


@pytest.mark.parametrize(
    "schedule",
    [
        _decay("exponential_decay", 100_000, decay_rate=0.96),
        _decay("inverse_time_decay", 1, decay_rate=0.5),
        _decay("polynomial_decay", 30, cycle=True),
        _steps([30], 0.001, 0.01),  # a warm-up in two steps
        {"name": "exponential_decay", "initial_learning_rate": 1e-7, "decay_steps": 600, "decay_rate": 1e7},
    ],
)
def test_schedules_that_may_be_meant(schedule: dict[str, Any]) -> None:
    assert foreseen(schedule) == {}


# -- early stopping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monitor", "changes", "cure"),
    [
        ("val_loss", {}, "give validation_split=0.2"),
        ("val_mae", {"metrics": ["mae"]}, "give validation_split=0.2"),
        ("val_accuracy", {}, '"metrics": ["accuracy"]'),
        ("val_acc", {"metrics": ["accuracy"]}, "'val_accuracy'"),
        ("val_accuracy", {"validation_split": 0.2}, '"metrics": ["accuracy"]'),
        ("mae", {}, '"metrics": ["mae"]'),
        ("val_lose", {"validation_split": 0.2}, "'val_loss'"),
    ],
)
def test_a_monitor_that_is_not_reported(monitor: str, changes: dict[str, Any], cure: str) -> None:
    document = network(1, "sigmoid", "bce", early_stopping={"monitor": monitor}, **changes)
    with pytest.raises(UnknownName) as refused:
        job(document, {"x": X, "y": LABELS})
    assert cure in str(refused.value.hint)
    assert "did you mean 'loss'" not in str(refused.value.hint)


@pytest.mark.parametrize(
    ("monitor", "mode", "told"),
    [("loss", "max", True), ("accuracy", "min", True), ("loss", "min", False), ("accuracy", "auto", False)],
)
def test_a_mode_that_stops_what_improves(monitor: str, mode: str, told: bool) -> None:
    stop = {"monitor": monitor, "mode": mode}
    document = network(1, "sigmoid", "bce", early_stopping=stop, metrics=["accuracy"])
    warnings = job(document, {"x": X, "y": LABELS}).warnings
    assert [warning["code"] for warning in warnings] == ["early_stopping_mode"] * told


# -- targets without a minimum -----------------------------------------------------------------------------

PARAMETERS = {"w": {"value": [1.0, 0.5, 0.0]}, "m": {"value": 1.0}, "s": {"value": 0.5}}


def _told(text: str) -> list[str]:
    target = text.rpartition("\n")[2].partition("=")[0].strip()
    words = set(re.findall(r"[a-z]+", text))
    used = {name: value for name, value in PARAMETERS.items() if name in words}
    document = {"program": text, "target": target, "parameters": used, "epochs": 2}
    data = {name: array for name, array in {"x": X, "y": LABELS}.items() if name in words}
    return [each["code"] for each in job(document, data).warnings]


@pytest.mark.parametrize(
    "text",
    [
        "loglik = mean(-0.5 * ((y - m) / exp(s)) ** 2 - s)",
        "loss = -mean((x @ w - y) ** 2)",
        "loss = 0.0 - mean_squared_error(y, x @ w)",
        "loss = mean(-abs(y - x @ w)) * 3.0",
        "p = sigmoid(x @ w)\nloss = mean(y * log(p) + (1 - y) * log(1 - p))",
        "loss = mean(y * log_sigmoid(x @ w)) + 0.01 * sum(w ** 2)",
    ],
)
def test_a_target_without_a_minimum(text: str) -> None:
    assert _told(text) == ["unbounded"]


def test_a_target_that_is_called_what_is_made_large() -> None:
    assert _told("elbo = mean(tanh(x @ w))") == ["likely_mistake"]


@pytest.mark.parametrize(
    "text",
    [
        "loss = mean(0.5 * ((y - m) / exp(s)) ** 2 + s)",
        "loglik = mean(0.5 * ((y - m) / exp(s)) ** 2 + s)",
        "neg_log_likelihood = mean(softplus(x @ w))",
        "loss = -mean((x @ (w / norm(w))) ** 2)",
        "loss = -mean((x @ w) ** 2) / sum(w ** 2)",
        "loss = -mean(tanh(x @ w) ** 2)",
        "loss = mean((x @ w - y) ** 2) - 0.1 * mean(tanh(x @ w))",
        "p = sigmoid(x @ w)\nloss = -mean(y * log(p) + (1 - y) * log(1 - p))",
        "loss = mean(log(1 - sigmoid(x @ w)))",  # what a generator minimises
        "p = sigmoid(x @ w)\nloss = -mean(y * log(p)) + 0.1 * mean(p * log(p))",
    ],
)
def test_targets_that_have_a_minimum(text: str) -> None:
    assert _told(text) == []


# -- formulas ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("loss = binary_crossentropy(y, x @ w)", "loss = binary_crossentropy(y, sigmoid(x @ w))"),
        ("loss = poisson(y, x @ w)", "loss = poisson(y, exp(x @ w))"),
        ("loss = poisson(y, tanh(x @ w))", "loss = poisson(y, softplus(x @ w))"),
        ("loss = kl_divergence(y, x @ k)", "loss = kl_divergence(y, softmax(x @ k))"),
        ("loss = mean(softmax(softmax(x * w))[:, 0])", "loss = mean(softmax(x * w)[:, 0])"),
    ],
)
def test_formulas_of_programs_that_are_likely_mistakes(wrong: str, right: str) -> None:
    def told(text: str) -> list[str]:
        words = set(re.findall(r"[a-z]+", text))
        labels = np.eye(3)[(X[:, 0] > 0) * 1] if "kl_divergence" in text else LABELS
        data = {name: array for name, array in {"x": X, "y": labels}.items() if name in words}
        weight = {"k": {"value": np.eye(3).tolist()}} if "k" in words else {"w": {"value": [1.0, 0.5, 0.0]}}
        document = {"program": text, "parameters": weight}
        return [each["code"] for each in job(document, data).warnings]

    assert told(wrong) == ["likely_mistake"]
    assert told(right) == []
