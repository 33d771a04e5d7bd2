"""The loop against a plain NumPy loop, and what it does at the ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.arrays.philox import Stream
from engine.arrays.types import Array
from engine.errors import UnknownInput
from engine.training import EpochDone, Finished, StepDone, TrainingRun, decode_training, predict
from tests.engine.training.world import classes, job, layered, trained, types

LINE = {
    "program": "pred = W * x + b\nloss = mean((pred - y) ** 2)",
    "target": "loss",
    "parameters": {"W": {"value": [0.5]}, "b": {"shape": [1], "initializer": "zeros"}},
    "optimizer": {"name": "sgd", "learning_rate": 0.01},
    "batch_size": 3,
    "epochs": 1000,
}


def line() -> dict[str, Array]:
    x = np.array([[1.0], [2.0], [3.0]])
    return {"x": x, "y": 2 * x}


def test_linear_regression_from_a_half_comes_near_two() -> None:
    run, epochs = trained(LINE, line())
    assert run.parameters["W"].item() == pytest.approx(2, abs=0.05)
    assert run.parameters["b"].item() == pytest.approx(0, abs=0.1)
    assert len(epochs) == 1000
    assert epochs[0]["loss"] == 10.5


def test_a_trained_program_predicts_from_the_inputs_that_its_outputs_need() -> None:
    spec = job(LINE, line())
    run = TrainingRun(spec, line())
    list(run)
    answer = predict(spec, run.parameters, run.state, {"x": np.array([[4.0]])}, ["pred"])
    assert answer["pred"] == pytest.approx(np.array([[7.98]]), abs=0.05)


def test_a_misspelt_input_of_a_prediction_is_told_all_that_there_are() -> None:
    spec = job(LINE, line())
    run = TrainingRun(spec, line())
    given = {"x": np.array([[4.0]]), "z9": np.array([[4.0]])}
    with pytest.raises(UnknownInput, match="no input 'z9'") as caught:
        predict(spec, run.parameters, run.state, given, ["pred"])
    assert caught.value.hint == "the inputs are x, y"


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def by_hand(document: Mapping[str, Any], data: Mapping[str, Array], start: Mapping[str, Array]) -> Any:
    """One dense softmax layer under gradient descent, in plain NumPy float64."""
    W, b = start["dense.kernel"].copy(), start["dense.bias"].copy()
    x, y = data["x"].astype(float), data["y"].astype(float)
    history = []
    for epoch in range(document["epochs"]):
        order = Stream(document["seed"], "shuffle", step=epoch).order(len(x))
        losses, hits = [], []
        for k in range(0, len(x), document["batch_size"]):
            rows = order[k : k + document["batch_size"]]
            p = softmax(x[rows] @ W + b)
            losses += (-np.log(p[y[rows] == 1])).tolist()
            hits += (p.argmax(axis=1) == y[rows].argmax(axis=1)).tolist()
            g = (p - y[rows]) / len(rows)
            W, b = W - 0.1 * x[rows].T @ g, b - 0.1 * g.sum(axis=0)
        history.append({"loss": np.mean(losses), "accuracy": np.mean(hits)})
    return {"dense.kernel": W, "dense.bias": b}, history


def test_epochs_with_a_short_last_batch_are_those_of_a_plain_loop() -> None:
    data = classes(50)
    document = {
        "model": {"layers": [{"type": "Dense", "units": 3, "activation": "softmax"}]},
        "loss": "categorical_crossentropy",
        "metrics": ["accuracy"],
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "batch_size": 16,
        "epochs": 4,
        "seed": 3,
        "dtype": "float64",
    }
    spec = job(document, data)
    run = TrainingRun(spec, data)
    start = run.parameters
    epochs = [event.metrics for event in run if isinstance(event, EpochDone)]
    parameters, history = by_hand(document, data, start)
    for name, value in parameters.items():
        np.testing.assert_allclose(run.parameters[name], value, rtol=1e-12, atol=1e-14)
    for ours, theirs in zip(epochs, history, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_validation_split_takes_the_last_rows_and_changes_no_step() -> None:
    data = classes(50)
    head = {name: array[:40] for name, array in data.items()}
    tail = {name: array[40:] for name, array in data.items()}
    _, split = trained(layered(validation_split=0.2), data)
    _, given = trained(layered(), head, validation=tail)
    _, without = trained(layered(), head)
    assert split == given
    assert [m["loss"] for m in split] == [m["loss"] for m in without]
    assert set(split[0]) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_validation_is_what_predicting_gives() -> None:
    data = classes(50)
    spec = job(layered(validation_split=0.2, epochs=2), data)
    run = TrainingRun(spec, data)
    metrics = [event.metrics for event in run if isinstance(event, EpochDone)][-1]
    p = predict(spec, run.parameters, run.state, {"x": data["x"][40:]})["y"]
    right = p[data["y"][40:] == 1]
    assert metrics["val_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert metrics["val_accuracy"] == np.mean(p.argmax(axis=1) == data["y"][40:].argmax(axis=1))


def test_early_stopping_ends_and_restores_the_best_epoch() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 20))
    data = {"x": x, "y": rng.normal(size=(40, 1))}  # nothing to learn: validation gets worse
    stopping = {"monitor": "val_loss", "patience": 3, "restore_best_weights": True}
    document = {
        "model": {"layers": [{"type": "Dense", "units": 1}]},
        "loss": "mse",
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "batch_size": 8,
        "epochs": 200,
        "validation_split": 0.25,
        "early_stopping": stopping,
        "dtype": "float64",
    }
    spec = job(document, data)
    run = TrainingRun(spec, data)
    events = list(run)
    losses = [event.metrics["val_loss"] for event in events if isinstance(event, EpochDone)]
    assert events[-1] == Finished("early_stopping")
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3
    error = x[30:] @ run.parameters["dense.kernel"] + run.parameters["dense.bias"] - data["y"][30:]
    assert np.mean(error**2) == pytest.approx(losses[best], rel=1e-12)


def test_metrics_of_a_step_are_those_of_its_batch() -> None:
    data = classes(32)
    run = TrainingRun(job(layered(batch_size=16, epochs=1), data), data)
    first, second, epoch, _ = run
    assert isinstance(first, StepDone)
    assert isinstance(second, StepDone)
    assert isinstance(epoch, EpochDone)
    assert (first.step, second.step, epoch.step) == (1, 2, 2)
    for name in ("loss", "accuracy"):
        assert epoch.metrics[name] == pytest.approx(
            (first.metrics[name] + second.metrics[name]) / 2, rel=1e-12
        )


def test_fractions_are_no_labels() -> None:
    data = {**classes(16, sparse=True)}
    document = layered(loss="sparse_categorical_crossentropy", epochs=1)
    whole, _ = trained(document, {**data, "y": data["y"].astype(float)})
    same, _ = trained(document, data)
    np.testing.assert_array_equal(whole.parameters["dense.kernel"], same.parameters["dense.kernel"])
    broken = {**data, "y": data["y"] + 0.5}
    run = TrainingRun(decode_training(document, data=types(broken)), broken)
    with pytest.raises(Exception, match="expected integers in 'y'"):
        next(run)
