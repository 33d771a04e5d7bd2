"""Targets among the parameters of a job are warned of at submission; other parameters with rows are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.training.world import job, trained

RNG = np.random.default_rng(4)
X = RNG.normal(size=(8, 2))
Y = X @ np.array([[1.0], [2.0]]) + 0.5


def document(program: str, **parameters: Any) -> dict[str, Any]:
    given = {"W": np.zeros((2, 1)), "b": np.zeros(1), **parameters}
    weights = {name: {"value": value.tolist()} for name, value in given.items()}
    optimizer = {"name": "sgd", "learning_rate": 0.1}
    return {
        "program": program,
        "target": "loss",
        "parameters": weights,
        "optimizer": optimizer,
        "epochs": 200,
    }


@pytest.mark.parametrize(
    "loss",
    [
        "mean((x @ W + b - y) ** 2)",
        "mean(square(y - (x @ W + b)))",
        "mean(abs(x @ W + b - y))",
        "mean_squared_error(y, x @ W + b)",
    ],
)
def test_targets_as_a_parameter(loss: str) -> None:
    (warning,) = job(document(f"loss = {loss}", y=Y), {"x": X}).warnings
    assert warning["code"] == "likely_mistake"
    assert "take 'y' out of the parameters and send it with the data" in warning["message"]
    right = document(f"loss = {loss}")
    assert job(right, {"x": X, "y": Y}).warnings == ()


def test_the_cure_learns_what_made_the_targets() -> None:
    run, _ = trained(document("loss = mean((x @ W + b - y) ** 2)"), {"x": X, "y": Y})
    np.testing.assert_allclose(run.parameters["W"], [[1.0], [2.0]], atol=0.02)


@pytest.mark.parametrize(
    "loss",
    [
        "mean((x @ W + b + u - y) ** 2)",  # an effect of each row
        "mean((x @ W + b - u - y) ** 2)",
        "mean((x @ W + b - y) ** 2) + mean(u ** 2)",
        "mean((x @ W + b - y) ** 2) + mean((y - u) ** 2)",  # numbers fitted to the data themselves
        "mean((x @ W + b - u) ** 2) + mean((y - u) ** 2)",  # a smoothed target
    ],
)
def test_other_parameters_with_rows(loss: str) -> None:
    assert job(document(f"loss = {loss}", u=np.zeros((8, 1))), {"x": X, "y": Y}).warnings == ()
