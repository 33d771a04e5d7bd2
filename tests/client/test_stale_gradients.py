"""One gradient that moves a variable again and again is told; steps that look like it are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import TrainingWarning

pytestmark = pytest.mark.usefixtures("client")

GOAL = np.array([1.0, -2.0])


def _gradient(p: gw.Variable) -> Any:
    with gw.GradientTape() as tape:
        cost = gw.sum((p - GOAL) ** 2)
    return tape.gradient(cost, p)


def _by_an_optimizer(p: gw.Variable, g: Any) -> Callable[[], Any]:
    sgd = gw.optimizers.SGD(0.01)
    return lambda: sgd.apply_gradients([(g, p)])


def _by_an_array(p: gw.Variable, g: Any) -> Callable[[], Any]:
    adam, array = gw.optimizers.Adam(0.01), g.numpy()
    return lambda: adam.apply_gradients([(array, p)])


def _by_a_function(p: gw.Variable, g: Any) -> Callable[[], Any]:
    del g
    sgd, array = gw.optimizers.SGD(0.01), gw.grad(lambda x: gw.sum((x - GOAL) ** 2))(p)
    return lambda: sgd.apply_gradients([(array, p)])


@pytest.mark.parametrize(
    "steps",
    [
        _by_an_optimizer,
        _by_an_array,
        _by_a_function,
        lambda p, g: lambda: p.assign_sub(0.01 * g),
        lambda p, g: lambda: p.assign_add(-0.01 * gw.clip(g, -1.0, 1.0)),
        lambda p, g: lambda: p.assign(p - 0.01 * g),
    ],
)
def test_a_gradient_that_is_applied_again(steps: Callable[[gw.Variable, Any], Callable[[], Any]]) -> None:
    p = gw.Variable([5.0, 5.0], name="p")
    step = steps(p, _gradient(p))
    step()
    step()
    with pytest.warns(TrainingWarning, match=r"the same gradient moves 'p' again and again.*inside the loop"):
        step()


def test_steps_that_compute_their_gradient() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p, sgd = gw.Variable([5.0, 5.0], name="p"), gw.optimizers.SGD(0.01)
        for _ in range(4):
            sgd.apply_gradients([(_gradient(p), p)])
        for _ in range(4):
            p.assign_sub(0.01 * _gradient(p))
        for _ in range(5):  # a gradient that is constant, as that of a linear function is
            sgd.apply_gradients([(np.array([1.0, 1.0]), p)])


def test_a_line_search_tries_one_gradient_from_one_point() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = gw.Variable([5.0, 5.0], name="p")
        start, g = p.numpy(), _gradient(p)
        for rate in (1.0, 0.5, 0.25, 0.125):
            p.assign(start - rate * g)
        for rate in (1.0, 0.5, 0.25, 0.125):
            p.assign_sub(rate * g)
            p.assign_add(rate * g)


def test_momentum_by_hand_keeps_earlier_gradients() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p, momentum = gw.Variable([5.0, 5.0], name="p"), gw.constant([0.0, 0.0])
        for _ in range(5):
            momentum = 0.9 * momentum + _gradient(p)
            p.assign_sub(0.01 * momentum)


@pytest.mark.parametrize(("rate", "decay"), [(0.1, 10.0), (0.5, 3.0)])
def test_a_decay_that_takes_the_weights_away(rate: float, decay: float) -> None:
    p, optimizer = gw.Variable([5.0, 5.0], name="p"), gw.optimizers.AdamW(rate, weight_decay=decay)
    with pytest.warns(TrainingWarning, match=r"Write weight_decay=0\.0\d+, or leave it out"):
        optimizer.apply_gradients([(_gradient(p), p)])


def test_common_decays() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = gw.Variable([5.0, 5.0], name="p")
        for optimizer in (gw.optimizers.AdamW(1.0), gw.optimizers.SGD(0.1, weight_decay=0.01)):
            optimizer.apply_gradients([(_gradient(p), p)])
