"""Labels that a loss does not mean, and logarithms of what is no probability."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 2))
SIGNS = np.where(X[:, 0] > 0, 1.0, -1.0)
ARRAYS: dict[str, Any] = {
    "x": X,
    "w": np.array([0.1, 0.2]),
    "b": np.array(0.1),
    "W": RNG.normal(size=(2, 3)),
    "signs": SIGNS,
    "rest": 1 - SIGNS,
    "bits": (SIGNS + 1) / 2,
    "unset": (1 - SIGNS) / 2,
    "ones": (SIGNS + 3) / 2,
    "shares": RNG.random(12),
    "pixels": RNG.random(12) * 255,
    "rows": np.eye(3)[RNG.integers(0, 3, 12)],
    "k": RNG.integers(0, 3, 12),
    "counts": RNG.integers(1, 9, 12) * 1.0,
}


def told(program: str, variable: str) -> list[str]:
    """The messages of likely mistakes that come with a gradient."""
    named = {name: value for name, value in ARRAYS.items() if re.search(rf"\b{name}\b", program)}
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in named.items()}
    graph = parse_program(program, declared={name: {} for name in named})
    answer = Compiler().compile(Query(graph=graph, kind="gradient", inputs=types, wrt=(variable,))).run(named)
    return [each["message"] for each in answer.get("warnings", ()) if each["code"] == "likely_mistake"]


_BY_HAND = (
    "p = sigmoid(x @ w)\n-mean({y} * log(p) + (1 - {y}) * log(1 - p))",
    "p = 1 / (1 + exp(-(x @ w)))\n-mean({y} * log(p + 1e-9)) - mean((1 - {y}) * log(1 - p + 1e-9))",
    "z = x @ w\nmean({y} * softplus(-z) + (1 - {y}) * softplus(z))",
    "z = x @ w\nmean(-{y} * log_sigmoid(z) - (1 - {y}) * log_sigmoid(-z))",
    "p = sigmoid(x @ w)\n-mean({y} * (1 - p) ** 2 * log(p) + (1 - {y}) * p ** 2 * log(1 - p))",
    "binary_crossentropy({y}, sigmoid(x @ w))",
    "binary_crossentropy({y}, x @ w, from_logits=True)",
    "mean(sigmoid_cross_entropy({y}, x @ w))",
)


@pytest.mark.parametrize("loss", _BY_HAND)
@pytest.mark.parametrize(
    ("labels", "cured"), [("signs", "((signs + 1) / 2)"), ("ones", "(ones - 1)"), ("pixels", None)]
)
def test_labels_of_a_cross_entropy(loss: str, labels: str, cured: str | None) -> None:
    (message,) = told(loss.format(y=labels), "w")
    assert f"and {labels} runs from" in message
    if cured is None:
        assert "the mean of the squared errors" in message
    else:
        assert f"Write {cured} for {labels}" in message
        assert told(loss.format(y=cured), "w") == []


@pytest.mark.parametrize("loss", _BY_HAND)
@pytest.mark.parametrize("labels", ["bits", "shares", "(0.9 * bits + 0.05)"])
def test_labels_that_are_probabilities(loss: str, labels: str) -> None:
    assert told(loss.format(y=labels), "w") == []


def test_labels_beside_their_complement_computed_before() -> None:
    loss = "p = sigmoid(x @ w)\n-mean({} * log(p) + {} * log(1 - p))"
    assert "signs runs from -1 to 1" in told(loss.format("signs", "rest"), "w")[0]
    assert told(loss.format("bits", "unset"), "w") == []


@pytest.mark.parametrize(
    "loss",
    [
        "mean(log(1 + exp(-{y} * (x @ w))))",
        "mean(log1p(exp(-({y} * (x @ w)))))",
        "mean(softplus(-{y} * (x @ w)))",
        "-mean(log_sigmoid({y} * (x @ w)))",
        "mean(maximum(0, 1 - {y} * (x @ w)))",
        "mean(relu(1 - {y} * (x @ w)))",
    ],
)
def test_labels_of_a_margin(loss: str) -> None:
    (message,) = told(loss.format(y="bits"), "w")
    assert "Write (2 * bits - 1) for bits" in message
    assert told(loss.format(y="(2 * bits - 1)"), "w") == []
    assert told(loss.format(y="signs"), "w") == []


@pytest.mark.parametrize(
    ("loss", "variable", "wrong", "right"),
    [
        ("p = {}\n-mean(bits * log(p) + (1 - bits) * log(1 - p))", "w", "x @ w + b", "sigmoid(x @ w + b)"),
        ("p = {}\n-mean(bits * log(p) + (1 - bits) * log1p(-p))", "w", "x @ w", "sigmoid(x @ w)"),
        (
            "p = clip({}, 0.000001, 0.999999)\n-mean(bits * log(p) + (1 - bits) * log(1 - p))",
            *("w", "x @ w + b", "sigmoid(x @ w + b)"),
        ),
        (
            "p = {}\n-mean(bits * log(p + 1e-8) + (1 - bits) * log(1 - p + 1e-8))",
            *("w", "relu(x @ w)", "sigmoid(x @ w)"),
        ),
        ("p = {}\n-mean(sum(rows * log(p), axis=1))", "W", "x @ W", "softmax(x @ W)"),
        ("p = {}\n-mean(sum(rows * log(p + 1e-8), axis=1))", "W", "relu(x @ W + b)", "softmax(x @ W + b)"),
        ("p = {}\n-mean(log(p)[arange(12), k])", "W", "x @ W + b", "softmax(x @ W + b)"),
    ],
)
def test_a_forgotten_activation(loss: str, variable: str, wrong: str, right: str) -> None:
    messages = told(loss.format(wrong), variable)
    assert any(f"Write {right} for {wrong}" in message for message in messages)
    assert told(loss.format(right), variable) == []


@pytest.mark.parametrize(
    ("loss", "variable"),
    [
        ("m = x @ w + 3\nmean(m - counts * log(m))", "w"),  # Poisson with an identity link
        ("m = exp(x @ w)\nmean(m - counts * log(m))", "w"),
        ("s = w[0] * x[:, 0] ** 2 + 1\nmean(log(s) + shares / s)", "w"),  # a variance
        ("mean(log(abs(x @ W) + 1))", "W"),
        ("p = softmax(x @ W)\n-mean(sum(p * log(p), axis=1))", "W"),  # an entropy
        ("p = sigmoid(x @ w)\n-mean(shares * log(p))", "w"),
    ],
)
def test_logarithms_of_something_else(loss: str, variable: str) -> None:
    assert told(loss, variable) == []
