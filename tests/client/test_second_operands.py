"""Reductions that were meant to compare or add two values are told, and reductions are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, TraceError
from tests.client.test_lost_steps import silent

pytestmark = pytest.mark.usefixtures("client")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
Y = np.sign(X[:, 0])
W = np.array([0.5, 0.2])
LAYER = np.ones((2, 3))


@pytest.mark.parametrize(
    ("loss", "cure"),
    [
        (lambda w: gw.mean(gw.max(1 - Y * (X @ w), 0)), "write gw.maximum(1 - Y * (X @ w), 0)"),
        (lambda w: 0.5 * np.mean(np.max(1 - Y * (X @ w), 0) ** 2), "or gw.relu("),
        (lambda w: gw.sum(gw.min(X @ w, 0)), "write gw.minimum(X @ w, 0)"),
        (lambda w: gw.mean(2.0 * gw.reduce_max(gw.abs(X @ w) - 0.1, 0)), "write gw.maximum("),
        (lambda w: gw.mean(gw.max(X * w @ LAYER + 0.1, 0) @ np.ones(3)), "or gw.relu(X * w @ LAYER + 0.1)"),
    ],
)
def test_a_zero_that_is_an_axis(loss: Callable[[Any], Any], cure: str) -> None:
    with pytest.warns(GradientWarning) as told:
        gw.grad(loss)(W)
    [message] = [str(each.message) for each in told]
    assert cure in message


@pytest.mark.parametrize(
    ("loss", "cure"),
    [
        (lambda w: gw.mean(gw.max(1 - Y * (X @ w), 0.0)), "gw.maximum(a, 0)"),
        (lambda w: gw.mean(gw.max(0, 1 - Y * (X @ w))), "gw.maximum(a, b)"),
        (lambda w: gw.mean(gw.min(X @ w, 1.5)), "gw.minimum(a, 1.5)"),
        (lambda w: gw.mean(np.min(X @ w, 1)), "gw.minimum(x, 1)"),
        (lambda w: gw.mean(gw.sum(X @ w, Y)), "a + b"),
        (lambda w: gw.mean(gw.mean(X @ w, gw.constant(Y))), "(a + b) / 2"),
        (lambda w: gw.mean(gw.prod(X @ w, 2.0)), "a * 2"),
    ],
)
def test_a_second_operand_that_is_no_axis(loss: Callable[[Any], Any], cure: str) -> None:
    with pytest.raises(TraceError) as refused:
        gw.grad(loss)(W)
    assert cure in str(refused.value)


@pytest.mark.parametrize(
    "loss",
    [
        lambda w: gw.mean(gw.maximum(1 - Y * (X @ w), 0)),
        lambda w: gw.mean(gw.max(X * w, axis=0)),
        lambda w: gw.mean(gw.max(X * w, 0)),  # of each column
        lambda w: gw.sum((X * w).max(0)),
        lambda w: gw.max(X @ w, 0),
        lambda w: gw.sum(gw.max(X * w, 0) * np.array([1.0, 2.0])),
        lambda w: gw.mean(gw.max(X * w, 1)),
        lambda w: gw.mean(gw.max(X * w, axis=1) ** 2),
        lambda w: gw.sum(gw.sum(X * w, 0) ** 2),
    ],
)
def test_reductions_that_are_meant(loss: Callable[[Any], Any]) -> None:
    silent(lambda: gw.grad(loss)(W))
