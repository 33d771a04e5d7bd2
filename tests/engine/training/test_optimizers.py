"""Optimisers against their formulas in plain NumPy, and against PyTorch where the conventions coincide."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.training.catalogue.optimizers import OPTIMIZERS
from tests.engine.training.world import job, trained

PROGRAM = "loss = mean((tanh(x @ W + b) - y) ** 2)"


def problem() -> tuple[dict[str, Array], dict[str, Array]]:
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=(12, 4)), "y": rng.uniform(-0.8, 0.8, size=(12, 3))}
    return data, {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}


def moved(optimizer: dict[str, Any], steps: int) -> dict[str, Array]:
    data, start = problem()
    document = {
        "program": PROGRAM,
        "parameters": {name: {"value": value.tolist()} for name, value in start.items()},
        "optimizer": optimizer,
        "batch_size": 12,
        "epochs": steps,
        "shuffle": False,
        "dtype": "float64",
    }
    run, _ = trained(document, data)
    return run.parameters


TINY = 1e-300  # in place of no epsilon, where PyTorch adds it elsewhere
COINCIDE: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"name": "sgd", "learning_rate": 0.1}, "SGD", {"lr": 0.1}),
    ({"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}, "SGD", {"lr": 0.05, "momentum": 0.9}),
    (
        {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    ({"name": "adam", "learning_rate": 0.01, "epsilon": 0.0}, "Adam", {"lr": 0.01, "eps": TINY}),
    (
        {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.1, "epsilon": 0.0},
        "AdamW",
        {"lr": 0.01, "weight_decay": 0.1, "eps": TINY},
    ),
    (
        {"name": "rmsprop", "learning_rate": 0.001, "rho": 0.99, "epsilon": 0.0},
        "RMSprop",
        {"lr": 0.001, "alpha": 0.99, "eps": TINY},
    ),
    (
        {"name": "rmsprop", "learning_rate": 0.01, "epsilon": 0.0, "momentum": 0.8},
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "eps": TINY, "momentum": 0.8},
    ),
    (
        {"name": "adagrad", "learning_rate": 0.1, "epsilon": 0.0},
        "Adagrad",
        {"lr": 0.1, "eps": TINY, "initial_accumulator_value": 0.1},
    ),
    (
        {"name": "sgd", "learning_rate": 0.1, "clipnorm": 0.05},
        "SGD",
        {"lr": 0.1, "clipnorm": 0.05},
    ),
    (
        {"name": "sgd", "learning_rate": 0.1, "global_clipnorm": 0.05},
        "SGD",
        {"lr": 0.1, "global_clipnorm": 0.05},
    ),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("ours", "name", "theirs"), COINCIDE, ids=lambda value: str(value)[:60])
def test_a_hundred_steps_are_those_of_torch(
    oracle: Callable[[str], ModuleType], ours: dict[str, Any], name: str, theirs: dict[str, Any]
) -> None:
    torch = oracle("torch")
    data, start = problem()
    parameters = {key: torch.tensor(value, requires_grad=True) for key, value in start.items()}
    x, y = torch.tensor(data["x"]), torch.tensor(data["y"])
    bounds = {key: theirs.pop(key) for key in ("clipnorm", "global_clipnorm") if key in theirs}
    optimizer = getattr(torch.optim, name)(parameters.values(), **theirs)
    for _ in range(100):
        optimizer.zero_grad()
        (((x @ parameters["W"] + parameters["b"]).tanh() - y) ** 2).mean().backward()
        clip(torch, list(parameters.values()), bounds)
        optimizer.step()
    answer = moved(ours, 100)
    for key, value in parameters.items():
        np.testing.assert_allclose(answer[key], value.detach().numpy(), rtol=1e-6, atol=1e-9)


def clip(torch: ModuleType, parameters: list[Any], bounds: dict[str, float]) -> None:
    """torch divides by the norm + 1e-6, Keras by the norm."""
    groups = [[p] for p in parameters] if "clipnorm" in bounds else [parameters]
    for bound in bounds.values():
        for group in groups:
            norm = torch.sqrt(sum((p.grad**2).sum() for p in group))
            for p in group:
                p.grad *= bound / max(norm, bound)


def gradient(W: Array, b: Array) -> tuple[Array, Array]:
    data, _ = problem()
    t = np.tanh(data["x"] @ W + b)
    g = 2 * (t - data["y"]) / t.size * (1 - t * t)
    return data["x"].T @ g, g.sum(axis=0)


def by_formula(step: Callable[[Array, Array, dict[str, Any], int], Array], steps: int) -> dict[str, Array]:
    _, start = problem()
    kept: dict[str, dict[str, Any]] = {"W": {}, "b": {}}
    w = dict(start)
    for t in range(1, steps + 1):
        gs = dict(zip(("W", "b"), gradient(w["W"], w["b"]), strict=True))
        w = {name: step(w[name], gs[name], kept[name], t) for name in w}
    return w


def keras_adam(w: Array, g: Array, s: dict[str, Any], t: int) -> Array:
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g * g
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    rate = 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return np.asarray(w - rate * s["m"] / (np.sqrt(s["top"]) + 1e-3))


def keras_rmsprop(w: Array, g: Array, s: dict[str, Any], t: int) -> Array:
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g * g
    s["mean"] = 0.9 * s.get("mean", 0) + 0.1 * g
    s["mom"] = 0.5 * s.get("mom", 0) + 0.01 * g / np.sqrt(s["v"] - s["mean"] ** 2 + 1e-3)
    return np.asarray(w - s["mom"])


def keras_adagrad(w: Array, g: Array, s: dict[str, Any], t: int) -> Array:
    w = w - w * 0.01 * 0.3
    s["a"] = s.get("a", 0.2) + g * g
    return np.asarray(w - 0.01 * g / np.sqrt(s["a"] + 1e-3))


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        ({"name": "Adam", "learning_rate": 0.01, "epsilon": 1e-3, "amsgrad": True}, keras_adam),
        (
            {"name": "RMSprop", "learning_rate": 0.01, "epsilon": 1e-3, "momentum": 0.5, "centered": True},
            keras_rmsprop,
        ),
        (
            {
                "name": "Adagrad",
                "learning_rate": 0.01,
                "epsilon": 1e-3,
                "initial_accumulator_value": 0.2,
                "weight_decay": 0.3,
            },
            keras_adagrad,
        ),
    ],
    ids=["adam", "rmsprop", "adagrad"],
)
def test_thirty_steps_are_those_of_keras_formula(optimizer: dict[str, Any], step: Any) -> None:
    answer, expected = moved(optimizer, 30), by_formula(step, 30)
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, rtol=1e-10)


@pytest.mark.parametrize("name", [record.name for record in OPTIMIZERS])
def test_every_optimizer_descends_by_its_name_alone(name: str) -> None:
    data, start = problem()
    document = {
        "program": PROGRAM,
        "parameters": {key: {"value": value.tolist()} for key, value in start.items()},
        "optimizer": name,
        "epochs": 50,
    }
    _, epochs = trained(document, data)
    assert epochs[-1]["loss"] < epochs[0]["loss"]


def test_clipvalue_bounds_every_element() -> None:
    _, start = problem()
    answer = moved({"name": "sgd", "learning_rate": 1.0, "clipvalue": 1e-4}, 1)
    for name, g in zip(("W", "b"), gradient(start["W"], start["b"]), strict=True):
        np.testing.assert_allclose(answer[name], start[name] - np.clip(g, -1e-4, 1e-4), rtol=1e-12)


def test_a_document_reads_back_to_the_same_job() -> None:
    data, _ = problem()
    document = {
        "program": PROGRAM,
        "parameters": {"W": {"value": np.ones((4, 3)).tolist()}, "b": {"shape": [3], "initializer": "zeros"}},
        "optimizer": {
            "name": "adam",
            "learning_rate": {"name": "step", "boundaries": [5], "values": [0.1, 0.01]},
        },
        "validation_split": 0.25,
        "early_stopping": {"monitor": "val_loss", "patience": 2},
    }
    spec = job(document, data)
    again = job(spec.document(), data)
    assert again.document() == spec.document()
    assert again.method == spec.method
    assert again.early_stopping == spec.early_stopping
