"""Data of which nothing can be learned, or too slowly, are told once, with the cure; healthy data are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.arrays.types import Array
from engine.errors import IndexOutOfRange
from tests.engine.training.test_suspicions import network, told

RNG = np.random.default_rng(3)
X = RNG.normal(size=(48, 3))
BINARY = (X[:, 0] > 0) * 1
SPARSE = "sparse_categorical_crossentropy"
PIXELS = RNG.integers(0, 256, (48, 64))


@pytest.mark.parametrize(
    ("document", "labels", "cure"),
    [
        (network(1, "sigmoid", "bce"), 0 * BINARY, "all 48 labels are 0"),
        (network(1, "sigmoid", "bce"), np.zeros(48, bool), "all 48 labels are 0"),
        (network(1, "tanh", "hinge"), 0 * BINARY - 1, "all 48 labels are -1"),
        (network(3, "softmax", SPARSE), np.full((48, 1), 2), "all 48 labels are 2"),
        (network(3, "softmax", "categorical_crossentropy"), np.eye(3)[[1] * 48], "labels are of class 1"),
        (network(1, "linear", "mae"), np.full(48, 2.5), "all 48 values of 'y' are 2.5"),
        (network(2, "linear", "mse"), np.zeros((48, 2)), "See how 'y' was made"),
    ],
)
def test_labels_that_are_all_the_same(document: dict[str, Any], labels: Array, cure: str) -> None:
    assert cure in told(document, X, labels)["labels_constant"]


@pytest.mark.parametrize(
    ("x", "code", "cure"),
    [
        (0 * X, "features_constant", "'x' is 0 in all 48 rows"),
        (0 * X + [1, 2, 3], "features_constant", "'x' is the same in all 48 rows"),
        (PIXELS.astype(np.uint8), "features_unscaled", "Send x / 255"),
        (PIXELS.astype(float).reshape(48, 8, 8), "features_unscaled", "Send x / 255"),
        (X * [1, 1e6, 1], "features_unscaled", "in column 1 ("),
        (np.column_stack([X, RNG.uniform(1900, 2020, 48)]), "features_unscaled", "x.std(axis=0)"),
    ],
)
def test_features_that_are_constant_or_large(x: Array, code: str, cure: str) -> None:
    flat = [{"type": "Flatten"}] if x.ndim > 2 else []
    layers = [*flat, {"type": "Dense", "units": 1, "activation": "sigmoid"}]
    found = told(network(loss="bce", layers=layers), x, BINARY)
    assert cure in found[code]
    assert set(found) <= {code, "diverging"}


@pytest.mark.parametrize(
    ("x", "layers"),
    [
        (X, []),
        (PIXELS / 255.0, []),
        (np.column_stack([X, np.ones(48)]), []),  # a column for the bias
        (X * [1, 1e6, 1], [{"type": "BatchNormalization"}]),
        (RNG.integers(0, 50, (48, 5)), [{"type": "Embedding", "input_dim": 50, "output_dim": 2}]),
        (RNG.integers(0, 2, (48, 5)), []),
        (RNG.uniform(20, 80, (48, 1)), []),  # ages
    ],
)
def test_healthy_features(x: Array, layers: list[dict[str, Any]]) -> None:
    ends = [{"type": "Flatten"}, {"type": "Dense", "units": 1, "activation": "sigmoid"}]
    rate = {"optimizer": {"name": "adam", "learning_rate": 0.001}}
    assert told(network(loss="bce", layers=[*layers, *ends], **rate), x, BINARY) == {}


def _program(text: str) -> dict[str, Any]:
    parameters = {"w": {"value": [0.5, 0.5, 0.5]}, "b": {"value": 0.1}}
    return {"program": text, "parameters": parameters, "epochs": 2}


@pytest.mark.parametrize(
    ("text", "x", "y", "code"),
    [
        ("loss = mean((x @ w + b - y) ** 2)", X, 0.0 * BINARY, "labels_constant"),
        ("loss = huber(y, x @ w + b)", X, 0.0 * BINARY + 3, "labels_constant"),
        ("loss = mean(abs(y - (x @ w + b)))", X, 0.0 * BINARY + 3, "labels_constant"),
        ("loss = mean((x @ w + b - y) ** 2)", 0 * X, X[:, 0], "features_constant"),
        ("loss = mean((sum(x * w, axis=1) + b - y) ** 2)", 0 * X, X[:, 0], "features_constant"),
    ],
)
def test_data_of_programs_that_are_all_the_same(text: str, x: Array, y: Array, code: str) -> None:
    assert list(told(_program(text), x, y)) == [code]


def test_data_of_programs_that_may_be_the_same() -> None:
    weighed = "loss = mean(y * (x @ w + b - 1) ** 2)"
    assert told(_program(weighed), X, np.ones(48)) == {}  # weights
    assert told(_program("loss = mean((x @ w + b - y) ** 2)"), X, X[:, 0] + X[:, 1]) == {}


@pytest.mark.parametrize(
    ("ids", "cure"),
    [
        (np.arange(48) % 20 + 1, "give it input_dim=21, or send x - 1"),
        (np.arange(48) % 20 * 3, "give it input_dim=58, or number the ids without gaps"),
        (np.arange(48) % 20 - 25, "number them from 0"),
    ],
)
def test_ids_that_an_embedding_has_no_rows_for(ids: Array, cure: str) -> None:
    layers = [
        {"type": "Embedding", "input_dim": 20, "output_dim": 2},
        {"type": "Flatten"},
        {"type": "Dense", "units": 1},
    ]
    with pytest.raises(IndexOutOfRange) as failed:
        told(network(layers=layers), ids[:, None], X[:, 0])
    assert "Embedding 'embedding' with input_dim=20" in str(failed.value.hint)
    assert cure in str(failed.value.hint)


# -- losses that take logarithms of predictions ------------------------------------------------------------

COUNTS = RNG.poisson(2.0, 48)


@pytest.mark.parametrize(
    ("layers", "loss", "labels", "code", "cure", "mended"),
    [
        ([("Dense", 1, "linear")], "poisson", COUNTS, "not_positive", "'exponential'", "exponential"),
        ([("Dense", 1, "tanh")], "poisson", COUNTS, "not_positive", "from -1 to 1", "softplus"),
        (
            [("Dense", 1, "linear"), ("Activation", 0, "elu")],
            *("poisson", COUNTS, "not_positive", "'softplus'", "softplus"),
        ),
        ([("Dense", 3, "linear")], "kld", np.eye(3)[COUNTS % 3], "no_probabilities", "'softmax'", "softmax"),
        (
            [("Dense", 3, "sigmoid")],
            "kld",
            np.eye(3)[COUNTS % 3],
            "no_probabilities",
            "add up to 1",
            "softmax",
        ),
        (
            [("Dense", 3, "linear"), ("Activation", 0, "linear")],
            *("categorical_crossentropy", np.eye(3)[COUNTS % 3], "no_probabilities", "'softmax'", "softmax"),
        ),
        (
            [("Dense", 1, "linear"), ("BatchNormalization", 0, "")],
            *("bce", BINARY, "no_probabilities", "'sigmoid'", "sigmoid"),
        ),
    ],
)
def test_losses_of_positive_predictions(
    layers: list[tuple[str, int, str]], loss: str, labels: Array, code: str, cure: str, mended: str
) -> None:
    made: list[dict[str, Any]] = [
        {"type": kind, **({"units": units} if units else {}), **({"activation": name} if name else {})}
        for kind, units, name in layers
    ]
    assert cure in told(network(loss=loss, layers=made), X, labels)[code]
    last = {**made[-1]} if "activation" in made[-1] else {"type": "Activation"}
    kept = made[:-1] if "activation" in made[-1] else made
    assert told(network(loss=loss, layers=[*kept, {**last, "activation": mended}]), X, labels) == {}


def test_a_percentage_of_zero() -> None:
    found = told(network(1, "linear", "mape"), X, np.round(X[:, 0]))
    assert "are 0" in found["labels_out_of_range"]
    assert "diverging" not in found
