"""Weights that decay away, batches of one row that are normalised, targets among the features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.errors import InvalidAttribute, NonFinite
from tests.engine.training.test_suspicions import network, told
from tests.engine.training.world import job

RNG = np.random.default_rng(8)
X = RNG.normal(size=(33, 3))
Y = X @ np.array([1.0, -2.0, 0.5])
NORMALIZED = [{"type": "Dense", "units": 4}, {"type": "BatchNormalization"}, {"type": "Dense", "units": 1}]


def foreseen(document: dict[str, Any], x: Array = X, y: Array = Y) -> dict[str, str]:
    """The warnings at submission."""
    return {w["code"]: w["message"] for w in job({"epochs": 2, **document}, {"x": x, "y": y}).warnings}


@pytest.mark.parametrize(
    ("optimizer", "says"),
    [
        ({"name": "sgd", "learning_rate": 0.1, "weight_decay": 10}, "takes 100% of every weight away"),
        ({"name": "adamw", "learning_rate": 0.1, "weight_decay": 30}, "-2 times itself"),
        ({"name": "adam", "learning_rate": 0.5, "weight_decay": 0.5}, "takes 25% of every weight away"),
    ],
)
def test_weights_that_decay_away(optimizer: dict[str, Any], says: str) -> None:
    message = foreseen(network(1, optimizer=optimizer))["weight_decay"]
    assert says in message
    cure = float(message.split("Write weight_decay=")[1].split(",")[0])
    assert "weight_decay" not in foreseen(network(1, optimizer={**optimizer, "weight_decay": cure}))


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "adamw", "learning_rate": 0.001},
        {"name": "adamw", "learning_rate": 1.0, "weight_decay": 0.004},
        {"name": "sgd", "learning_rate": 10.0},
    ],
)
def test_common_decays(optimizer: dict[str, Any]) -> None:
    assert foreseen(network(1, optimizer=optimizer)) == {}


@pytest.mark.parametrize(
    ("rows", "size", "says"),
    [
        (33, 1, "with batch_size=1: the mean of a batch of one row is that row"),
        (1, 8, "with 1 row of data"),
        (33, 32, "33 rows in batches of 32 leave a last batch of one row"),
    ],
)
def test_normalised_batches_of_one_row(rows: int, size: int, says: str) -> None:
    message = foreseen(network(layers=NORMALIZED, batch_size=size), X[:rows], Y[:rows])["batch_of_one"]
    assert says in message
    if rows > 1:
        better = int(message.split("Write batch_size=")[1].split(",")[0])
        assert foreseen(network(layers=NORMALIZED, batch_size=better)) == {}


def test_normalised_batches_that_are_healthy() -> None:
    assert foreseen(network(layers=NORMALIZED, batch_size=8), X[:32], Y[:32]) == {}
    plain = [layer for layer in NORMALIZED if layer["type"] == "Dense"]
    assert foreseen(network(layers=plain, batch_size=1)) == {}
    convolution = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
    images = [convolution, NORMALIZED[1], {"type": "Flatten"}, NORMALIZED[2]]  # whose pixels have a mean
    assert foreseen(network(layers=images, batch_size=1), RNG.normal(size=(9, 6, 6, 1)), Y[:9]) == {}


def test_a_run_of_normalised_single_rows_is_told_once() -> None:
    codes = told(network(layers=NORMALIZED, batch_size=1, epochs=4), X, Y)
    assert "no_gradient" not in codes


WIDE = np.column_stack([X, Y])


@pytest.mark.parametrize(
    ("x", "y", "column"),
    [
        (WIDE, Y, 3),
        (np.column_stack([Y, X]), Y[:, None], 0),
        ((WIDE - WIDE.mean(axis=0)) / WIDE.std(axis=0), Y, 3),
        (np.column_stack([X, X[:, 0] > 0]), (X[:, 0] > 0) * 1.0, 3),
    ],
)
def test_a_target_among_the_features(x: Array, y: Array, column: int) -> None:
    document = network(1, "linear", "mse", epochs=1)
    message = told(document, x, y)["target_in_features"]
    assert f"column {column} of 'x'" in message
    cured = np.delete(x, column, axis=1)
    assert f"x = np.delete(x, {column}, axis=1)" in message
    assert "target_in_features" not in told(document, cured, y)


def test_several_targets_among_the_features() -> None:
    document = network(2, "linear", "mse", epochs=1)
    assert "columns 1, 2 of 'x'" in told(document, X, X[:, 1:])["target_in_features"]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, X),  # an autoencoder
        (Y[:, None], Y),  # the identity of one feature
        (X, 2 * X[:, 0] + 1),
        (np.column_stack([X, Y + 1e-3 * RNG.normal(size=33)]), Y),
        (RNG.integers(0, 2, (8, 3)), np.zeros(8)),
        (X[:4], X[:4, 0]),
    ],
)
def test_features_that_are_no_targets(x: Array, y: Array) -> None:
    units = 1 if y.ndim == 1 else y.shape[1]
    assert "target_in_features" not in told(network(units, "linear", "mse", epochs=1), x, y)


def test_a_target_among_the_features_of_a_program() -> None:
    document = {
        "program": "mean((x @ w - y) ** 2)",
        "parameters": {"w": {"value": [0.1, 0.1, 0.1, 0.1]}},
        "epochs": 1,
    }
    assert "column 3 of 'x'" in told(document, WIDE, Y)["target_in_features"]
    assert "target_in_features" not in told(document, np.column_stack([X, X[:, 0] ** 2]), Y)


@pytest.mark.parametrize("layer", ["Conv2D", "MaxPooling2D"])
def test_images_with_their_channels_first(layer: str) -> None:
    settings = {"filters": 2, "kernel_size": 3} if layer == "Conv2D" else {"pool_size": 2, "padding": "same"}
    layers = [{"type": layer, **settings}, {"type": "Flatten"}, {"type": "Dense", "units": 1}]
    images = RNG.normal(size=(9, 3, 12, 12))
    assert "np.moveaxis(x, 1, -1)" in foreseen(network(layers=layers), images, Y[:9])["channels_first"]
    assert foreseen(network(layers=layers), np.moveaxis(images, 1, -1), Y[:9]) == {}


def test_labels_that_are_out_of_reach() -> None:
    far = 1e6 + 1e5 * X[:, 0]
    adam = {"name": "adam", "learning_rate": 0.001}
    document = network(1, "linear", "mse", epochs=2, optimizer=adam)
    assert "model.predict(x) * y.std() + y.mean()" in told(document, X, far)["labels_unscaled"]
    assert "labels_unscaled" not in told(document, X, (far - far.mean()) / far.std())
    assert "labels_unscaled" not in told({**document, "optimizer": "sgd"}, X, far)
    assert "labels_unscaled" not in told(document, X, 50 * X[:, 0] + 400)


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_logits_that_are_never_negative(activation: str) -> None:
    loss = {"name": "sparse_categorical_crossentropy", "from_logits": True}
    labels = np.arange(33) % 3
    assert "Leave the activation" in told(network(3, activation, loss), X, labels)["logits_never_negative"]
    assert "logits_never_negative" not in told(network(3, "linear", loss), X, labels)


def test_scores_of_a_hinge_that_are_never_negative() -> None:
    signs = np.where(X[:, 0] > 0, 1.0, -1.0)
    assert "'tanh', or none" in told(network(1, "sigmoid", "hinge"), X, signs)["scores_never_negative"]
    assert "scores_never_negative" not in told(network(1, "tanh", "hinge"), X, signs)


@pytest.mark.parametrize(
    ("layers", "row", "cure"),
    [
        ([{"type": "LSTM", "units": 4}], (5,), "for one feature at each step send x[..., None]"),
        ([{"type": "LSTM", "units": 4}] * 2, (5, 2), "give that one return_sequences=True"),
        ([{"type": "Conv2D", "filters": 2, "kernel_size": 3}], (8, 8), "x[..., None]"),
        ([{"type": "Conv1D", "filters": 2, "kernel_size": 3}], (8,), "(steps, features)"),
        ([{"type": "Dense", "units": 1}], (), "x[:, None]"),
    ],
)
def test_a_missing_axis(layers: list[dict[str, Any]], row: tuple[int, ...], cure: str) -> None:
    with pytest.raises(InvalidAttribute) as told_of:
        job(network(layers=layers, loss="mse"), {"x": np.ones((4, *row)), "y": Y[:4]})
    assert cure in str(told_of.value.hint)


SIGNS = np.where(X[:, 0] > 0, 1.0, -1.0)
_CROSS_ENTROPY = "p = sigmoid(x @ w)\nloss = -mean(y * log(p) + (1 - y) * log(1 - p))"
_HINGE = "loss = mean(maximum(0, 1 - y * (x @ w)))"


@pytest.mark.parametrize(
    ("program", "wrong", "right", "cure"),
    [
        (_CROSS_ENTROPY, SIGNS, (SIGNS + 1) / 2, "((y + 1) / 2)"),
        (_HINGE, (SIGNS + 1) / 2, SIGNS, "(2 * y - 1)"),
    ],
)
def test_labels_of_a_program(program: str, wrong: Array, right: Array, cure: str) -> None:
    document = {
        "program": program,
        "target": "loss",
        "parameters": {"w": {"value": [0.1, 0.1, 0.1]}},
        "epochs": 1,
    }
    assert f"Write {cure} for y" in told(document, X, wrong)["labels_out_of_range"]
    assert told(document, X, right) == {}


def _diverging(reduction: str) -> str:
    document = {
        "program": f"loss = {reduction}((x @ w - y) ** 2)",
        "parameters": {"w": {"value": [0.1, 0.1, 0.1]}},
        "optimizer": {"name": "sgd", "learning_rate": 5.0},
        "epochs": 30,
    }
    try:
        messages = told(document, X, Y)
    except NonFinite as error:
        return str(error.hint)
    return messages["diverging"]


def test_a_sum_over_the_batch_that_diverges() -> None:
    assert "take the mean in place of the sum over 32 rows" in _diverging("sum")
    assert "in place of the sum" not in _diverging("mean")
