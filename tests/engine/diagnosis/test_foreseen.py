"""What looks wrong before any number is there comes with a gradient, and its text to paste is right."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.diagnosis.asking import arrays_of

INPUTS: dict[str, Any] = {
    "x": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    "W": [[0.1, 0.2, 0.3], [0.1, 0.3, 0.1]],
    "V": [[0.2, 0.1, 0.3], [0.1, 0.3, 0.2], [0.3, 0.3, 0.1]],
    "w": [0.1, 0.2],
    "b": 0.05,
    "y": [1.0, 0.0, 1.0],
    "k": [0, 1, 2],
}
ARRAYS = {**arrays_of({k: v for k, v in INPUTS.items() if k != "k"}), "k": np.array([0, 1, 2])}


def told(program: str, wrt: tuple[str, ...], **choices: Any) -> list[dict[str, Any]]:
    """The warnings that a gradient comes with, of likely mistakes."""
    named = {name: value for name, value in ARRAYS.items() if re.search(rf"\b{name}\b", program)}
    types = {name: TensorType(array.shape, array.dtype.name) for name, array in named.items()}
    graph = parse_program(program, declared={name: {} for name in named})
    answer = (
        Compiler().compile(Query(graph=graph, kind="gradient", inputs=types, wrt=wrt, **choices)).run(named)
    )
    return [warning for warning in answer.get("warnings", ()) if warning["code"] == "likely_mistake"]


@pytest.mark.parametrize(
    ("program", "wrt", "says", "cured"),
    [
        (
            "sparse_categorical_crossentropy(k, softmax(x @ W), from_logits=True)",
            ("W",),
            "a softmax of softmax(x @ W)",
            "sparse_categorical_crossentropy(k, x @ W, from_logits=True)",
        ),
        (
            "mean(sigmoid(sigmoid(x @ w)))",
            ("w",),
            "a sigmoid of sigmoid(x @ w)",
            "mean(sigmoid(x @ w))",
        ),
        (
            "-mean(log_softmax(softmax(x @ W))[:, 0])",
            ("W",),
            "probabilities already",
            "-mean(log_softmax(x @ W)[:, 0])",
        ),
        (
            "-mean(log(softmax(x @ W, axis=0)[:, 0]))",
            ("W",),
            "runs along axis 0",
            "-mean(log(softmax(x @ W)[:, 0]))",
        ),
        (
            "binary_crossentropy(y, x @ w + b)",
            ("w", "b"),
            "it is a linear function",
            "binary_crossentropy(y, x @ w + b, from_logits=True)",
        ),
        (
            "sparse_categorical_crossentropy(k, relu(x @ W))",
            ("W",),
            "the result of relu",
            "sparse_categorical_crossentropy(k, relu(x @ W), from_logits=True)",
        ),
        (
            "binary_crossentropy(sigmoid(x @ w), y)",
            ("w",),
            "the wrong way round",
            "binary_crossentropy(y, sigmoid(x @ w))",
        ),
    ],
)
def test_a_likely_mistake_is_told_with_a_text_that_mends_it(
    program: str, wrt: tuple[str, ...], says: str, cured: str
) -> None:
    [warning] = told(program, wrt)
    assert says in warning["message"]
    new, old = re.search(r"Write (.*?) for (.*?)(?::|, or|\.$)", warning["message"]).groups()  # type: ignore[union-attr]
    assert program.replace(old, new) == cured
    assert told(cured, wrt) == []


@pytest.mark.parametrize(
    ("program", "wrt"),
    [
        ("sparse_categorical_crossentropy(k, softmax(x @ W))", ("W",)),
        ("sparse_categorical_crossentropy(k, x @ W, from_logits=True)", ("W",)),
        ("binary_crossentropy(y, sigmoid(x @ w + b))", ("w", "b")),
        ("binary_crossentropy(y, clip(x @ w, 0.01, 0.99))", ("w",)),
        ("mean(sigmoid(sigmoid(x @ W) @ V))", ("W", "V")),
        ("-mean(log(softmax(V @ x, axis=0)[0]))", ("V",)),
        ("binary_crossentropy(y, V @ softmax(y))", ("y",)),
        ("mean(clip(x @ w + b, 0, 1))", ("w", "b")),
        ("sum(softplus(sigmoid(y) * (x @ w)))", ("w",)),
    ],
)
def test_what_is_meant_is_not_told(program: str, wrt: tuple[str, ...]) -> None:
    assert told(program, wrt) == []


def test_only_what_lies_on_the_way_is_told_and_only_if_a_diagnosis_is_wanted() -> None:
    beside = "z = sigmoid(sigmoid(y))\nmean((x @ w) ** 2) + 0 * sum(stop_gradient(z))"
    assert told(beside, ("w",)) == []
    assert told("mean(sigmoid(sigmoid(x @ w)))", ("w",), diagnose="off") == []
