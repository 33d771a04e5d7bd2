"""Likely mistakes in a job are reported once, with a cure that works; intended behaviour is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.errors import DatasetMismatch, IndexOutOfRange, InvalidAttribute, ShapeMismatch, UnknownName
from engine.training import Snapshot, Stalled, TrainingFailure, TrainingRun
from engine.training.loop.drift import Drift
from tests.engine.training.world import job

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4))
Y = (X.sum(1) > 0) * 1
ONE_HOT = np.eye(2)[Y]


def network(units: int = 1, activation: str = "linear", loss: Any = "mse", **rest: Any) -> dict[str, Any]:
    layers = rest.pop("layers", [{"type": "Dense", "units": units, "activation": activation}])
    settings = {"optimizer": {"name": "sgd", "learning_rate": 0.01}, "epochs": 2, "batch_size": 16}
    return {"model": {"layers": layers, **rest.pop("model", {})}, "loss": loss, **settings, **rest}


def told(
    document: Mapping[str, Any],
    x: Array = X,
    y: Array = Y,
    *,
    validation: Mapping[str, Array] | None = None,
    resume: Snapshot | None = None,
) -> dict[str, str]:
    """The messages of a run's warnings by their codes."""
    data = {"x": x, "y": y}
    run = TrainingRun(job(document, data, validation), data, validation=validation, resume=resume)
    findings = [f for event in run if isinstance(event, Stalled) for f in event.findings]
    return {finding["code"]: finding["message"] for finding in findings}


@pytest.mark.parametrize(
    ("wrong", "code", "cure", "right"),
    [
        (network(1, "softmax", "bce"), "softmax_of_one", "'sigmoid'", network(1, "sigmoid", "bce")),
        (network(1, "linear", "bce"), "no_probabilities", "'sigmoid'", network(1, "sigmoid", "bce")),
        (
            network(1, "linear", "bce"),
            "no_probabilities",
            '{"name": "binary_crossentropy", "from_logits": true}',
            network(1, "linear", {"name": "binary_crossentropy", "from_logits": True}),
        ),
        (
            network(2, "linear", "sparse_categorical_crossentropy"),
            "no_probabilities",
            "'softmax'",
            network(2, "softmax", "sparse_categorical_crossentropy"),
        ),
        (
            network(2, "softmax", {"name": "sparse_categorical_crossentropy", "from_logits": True}),
            "activation_twice",
            "leave the activation out",
            network(2, "linear", {"name": "sparse_categorical_crossentropy", "from_logits": True}),
        ),
    ],
)
def test_a_loss_and_the_last_activation(
    wrong: dict[str, Any], code: str, cure: str, right: dict[str, Any]
) -> None:
    assert cure in told(wrong)[code]
    assert told(right) == {}


@pytest.mark.parametrize(
    ("loss", "activation", "labels", "cure", "mended"),
    [
        ("bce", "sigmoid", 2 * Y - 1, "send (y + 1) / 2", Y),
        ("bce", "sigmoid", Y + 1, "send y - 1", Y),
        ("bce", "sigmoid", 255 * Y, "send y / 255", Y),
        ("mse", "relu", -1.0 - np.abs(X[:, 0]), "leave the activation", np.abs(X[:, 0])),
        ("mse", "sigmoid", 100.0 * X[:, 0], "numbers from 0 to 1 only", 1.0 * Y),
        ("poisson", "softplus", -1.0 - Y, "at least 0", 1.0 + Y),
    ],
)
def test_labels_that_the_loss_or_the_model_does_not_mean(
    loss: str, activation: str, labels: Array, cure: str, mended: Array
) -> None:
    document = network(1, activation, loss)
    assert cure in told(document, y=labels)["labels_out_of_range"]
    assert told(document, y=mended) == {}


def test_rows_of_labels_that_do_not_add_up_to_one() -> None:
    document = network(2, "softmax", "categorical_crossentropy")
    assert "64 of 64" in told(document, y=np.ones((64, 2)))["labels_out_of_range"]
    assert told(document, y=ONE_HOT) == {}


def test_accuracy_of_numbers() -> None:
    document = network(1, "linear", metrics=["accuracy"])
    assert "mean_absolute_error" in told(document, y=X.sum(1))["accuracy_of_numbers"]
    assert told(network(1, "linear", metrics=["mean_absolute_error"]), y=X.sum(1)) == {}


def test_validation_rows_that_are_not_finite() -> None:
    x = X.copy()
    x[60, 2] = np.nan
    assert "row 60 of the data" in told(network(validation_split=0.25), x)["validation_not_finite"]
    given = {"x": x, "y": Y}
    assert "row 60 of the validation" in told(network(), validation=given)["validation_not_finite"]


def test_a_column_less_a_row() -> None:
    program = {
        "program": "loss = mean((w * x - y) ** 2)",
        "parameters": {"w": {"value": [0.5]}},
        "optimizer": {"name": "sgd", "learning_rate": 0.01},
    }
    x = np.array([[1.0], [2.0], [3.0]])
    assert told(program, x, np.array([2.0, 4.0, 6.0])) == {}, "submission has told of it"
    assert told(program, x, 2 * x) == {}


def test_each_is_told_once_and_not_again_after_resuming() -> None:
    data, document = {"x": X, "y": Y}, network(1, "linear", "bce", epochs=3)
    run = TrainingRun(job(document, data), data)
    seen = [next(run) for _ in range(3)]
    assert [isinstance(event, Stalled) for event in seen] == [False, True, False]
    assert told(document, resume=run.snapshot()) == {}


def test_a_unit_that_dies_on_the_way_is_found() -> None:
    document = network(1, "relu", epochs=100, shuffle=False)
    data = {"x": X, "y": -5.0 - np.abs(X.sum(1))}
    run = TrainingRun(job(document, data), data)
    findings = [f for event in run if isinstance(event, Stalled) for f in event.findings]
    found = [f for f in findings if f["code"] == "no_gradient"]
    assert {f["parameter"] for f in found} == {"dense.kernel", "dense.bias"}
    assert all(f["op"] == "relu" for f in found)


# -- the loss over the epochs --------------------------------------------------------------------------


def codes(losses: list[float]) -> list[str]:
    drift = Drift({"learning_rate": 0.5})
    return [each["code"] for loss in losses for each in drift.see(loss)]


def test_a_loss_that_runs_away() -> None:
    assert set(codes([2.0 * 5.0**k for k in range(8)])) == {"diverging"}
    assert set(codes([-2.0 * 5.0**k for k in range(12)])) == {"unbounded"}


@pytest.mark.parametrize(
    "losses",
    [
        [5.0 * 0.7**k for k in range(30)],
        [-5e6 + 4e6 * 0.7**k for k in range(30)],  # a sum of log-likelihoods that converges
        [1.0, 3.0, 2.0, 5.0, 1.0, 4.0],
        [0.0] * 6,
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [-(1.0 + 0.01 * k) for k in range(50)],
    ],
)
def test_losses_that_are_as_they_should_be(losses: list[float]) -> None:
    assert codes(losses) == []


def test_a_sign_that_was_forgotten_and_steps_that_are_too_large() -> None:
    program = {
        "program": "loss = mean(-0.5 * (w * x - y) ** 2)",
        "parameters": {"w": {"value": [0.5]}},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "epochs": 40,
    }
    x = np.array([[1.0], [2.0], [3.0]])
    [foreseen] = job(program, {"x": x, "y": 2 * x}).warnings
    assert "Is its sign right" in foreseen["message"]
    hidden = {**program, "program": "loss = mean(tanh(c) * (w * x - y) ** 2)"}
    hidden["parameters"] = {"w": {"value": [0.5]}, "c": {"value": -0.5}}
    assert "is its sign right" in told(hidden, x, 2 * x)["unbounded"]
    mended = {**program, "program": program["program"].replace("-0.5", "0.5")}
    assert told(mended, x, 2 * x) == {}
    rash = {**mended, "epochs": 20, "optimizer": {"name": "sgd", "learning_rate": 1.0}}
    assert "lower the learning rate (it is 1)" in told(rash, x, 2 * x)["diverging"]


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "x", "y", "kind", "cure"),
    [
        (
            network(2, "softmax", "sparse_categorical_crossentropy"),
            X,
            ONE_HOT,
            ShapeMismatch,
            "argmax(y, axis=1)",
        ),
        (network(2, "softmax", "categorical_crossentropy"), X, Y, ShapeMismatch, "'sparse_categorical_"),
        (network(2, "softmax", "bce"), X, Y, ShapeMismatch, '"units": 1, "activation": "sigmoid"'),
        (
            network(1, "sigmoid", "sparse_categorical_crossentropy"),
            X,
            Y,
            ShapeMismatch,
            "a unit for each class",
        ),
        (network(1, "sigmoid", "categorical_crossentropy"), X, Y, ShapeMismatch, "a unit for each class"),
        (network(3), X, Y, ShapeMismatch, "one unit in the last layer"),
        (network(1), X, X, ShapeMismatch, "units=4"),
        (network(1), X.reshape(64, 2, 2), Y, ShapeMismatch, '"Flatten"'),
        (network(1, model={"input_shape": [64, 4]}), X, Y, DatasetMismatch, "[4] in place of [64, 4]"),
        (network(1, model={"input_shape": [5]}), X, Y, DatasetMismatch, "input_shape [4]"),
        (network(1, model={"input_shape": [4]}), Y, X, DatasetMismatch, "swapped"),
        (network(1, model={"input_shape": [4]}), X.reshape(64, 2, 2), Y, DatasetMismatch, "(-1, 4)"),
        (network(1), X.T, Y, DatasetMismatch, "'x' transposed"),
        (network(1), X, Y[:60], DatasetMismatch, "leave out the rows"),
        (network(1, validation_split=20), X, Y, InvalidAttribute, "0.2 for 20 %"),
        (network(1, epochs=0), X, Y, InvalidAttribute, "1 or more"),
        (network(1, epochs=10.0), X, Y, InvalidAttribute, "as an integer: 10"),
        (network(1, loss="adam"), X, Y, UnknownName, "an optimizer"),
        (network(1, loss="msee"), X, Y, UnknownName, "'mse'"),
        (network(1, optimizer="mse"), X, Y, UnknownName, "a loss"),
        (network(1, metrics=["f1_score"]), X, Y, UnknownName, "of the answers of predict"),
    ],
)
def test_what_fits_neither_way_is_refused_with_the_cure(
    document: dict[str, Any], x: Array, y: Array, kind: type[Exception], cure: str
) -> None:
    with pytest.raises(kind) as refused:
        job(document, {"x": x, "y": y})
    assert cure in str(getattr(refused.value, "hint", ""))
    assert getattr(refused.value, "path", None)


@pytest.mark.parametrize(
    ("labels", "cure", "mended"),
    [(Y + 1, "send y - 1", Y), (2 * Y - 1, "send (y + 1) // 2", Y), (2 * Y, "units=3", None)],
)
def test_labels_that_are_no_indices(labels: Array, cure: str, mended: Array | None) -> None:
    document = network(2, "softmax", "sparse_categorical_crossentropy")
    with pytest.raises(IndexOutOfRange) as failed:
        told(document, y=labels)
    assert cure in str(failed.value.hint)
    if mended is not None:
        assert told(document, y=mended) == {}
    else:
        assert told(network(3, "softmax", "sparse_categorical_crossentropy"), y=labels) == {}


def test_data_that_are_not_finite_are_named_by_row_and_column() -> None:
    x = X.copy()
    x[3, 2] = np.nan
    with pytest.raises(TrainingFailure) as failed:
        told(network(shuffle=False), x)
    assert "this is row 3, column 2." in failed.value.detail
    keep = np.isfinite(x).all(axis=1)
    assert told(network(), x[keep], Y[keep]) == {}


def test_a_first_step_that_fails_is_told_of_the_mistake_behind_it() -> None:
    document = network(2, "relu", "sparse_categorical_crossentropy")
    with pytest.raises(TrainingFailure) as failed:
        told(document)
    assert "give it the activation 'softmax'" in str(failed.value.hint)
    assert told(network(2, "softmax", "sparse_categorical_crossentropy")) == {}


def test_an_overflow_names_the_learning_rate_and_the_scale_of_the_data() -> None:
    with pytest.raises(TrainingFailure) as failed:
        told(network(epochs=60), 1e4 * X, X.sum(1))
    hint = str(failed.value.hint)
    assert "(it is 0.01)" in hint
    assert "'x' reaches " in hint
    assert told(network(epochs=60), X, X.sum(1)) == {}


def _sorted_classes() -> tuple[Array, Array]:
    labels = np.repeat([0, 1, 2], 30)
    centres = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.5]])
    return centres[labels] + 0.4 * RNG.normal(size=(90, 2)), labels


@pytest.mark.parametrize("kind", ["indices", "column", "one-hot", "blocks"])
def test_a_split_of_rows_sorted_by_class(kind: str) -> None:
    x, y = _sorted_classes()
    loss = "categorical_crossentropy" if kind == "one-hot" else "sparse_categorical_crossentropy"
    document = network(3, "softmax", loss, validation_split=0.32)
    form = {
        "one-hot": lambda y: np.eye(3)[y],
        "column": lambda y: y[:, None],
        "blocks": lambda y: (y + 1) % 3,
    }
    labels = form.get(kind, lambda y: y)(y)
    rare = 0 if kind == "blocks" else 2
    message = told(document, x, labels)["rows_sorted_by_class"]
    assert f"of class {rare} " in message
    assert "np.random.permutation(len(x))" in message
    order = np.random.default_rng(1).permutation(len(x))
    assert told(document, x[order], labels[order]) == {}
    assert told(network(3, "softmax", loss), x, labels) == {}  # nothing is split off


def test_a_split_of_sorted_rows_of_numbers_is_meant() -> None:
    x = np.linspace(0.0, 1.0, 64)[:, None] * np.ones(4)
    assert told(network(1, "linear", "mse", validation_split=0.3), x, np.repeat([0.0, 1.0], 32)) == {}
