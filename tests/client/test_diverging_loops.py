"""A loop whose loss grows a thousandfold, or falls without end, is told early; one that trains is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import OptimizerError, TrainingWarning
from tests.client.test_lost_steps import silent

pytestmark = pytest.mark.usefixtures("client")

RNG = np.random.default_rng(8)
X = RNG.normal(size=20)
Y = 3 * X

Step = Callable[[gw.Variable, Any], Any]


def loop(step: Step, steps: int = 24, sign: float = 1.0) -> list[float]:
    """The losses of a loop of one variable."""
    w = gw.Variable(0.5, name="w")
    losses = []
    for _ in range(steps):
        with gw.GradientTape() as tape:
            loss = sign * gw.mean((w * X - Y) ** 2)
        step(w, tape.gradient(loss, w))
        losses.append(float(loss))
    return losses


def _by(optimizer: gw.optimizers.SGD | gw.optimizers.Adam) -> Step:
    return lambda w, g: optimizer.apply_gradients([(g, w)])


def test_house_prices() -> None:
    houses = np.column_stack([RNG.uniform(30, 200, 40), RNG.uniform(1900, 2020, 40)])
    prices = 3000 * houses[:, 0] + 50 * (houses[:, 1] - 1900) + 2e4

    def train(x: Any, y: Any, rate: float) -> None:
        w, b = gw.Variable(np.zeros(2), name="w"), gw.Variable(0.0, name="b")
        sgd = gw.optimizers.SGD(rate)
        for _ in range(6):
            with gw.GradientTape() as tape:
                loss = gw.mean((x @ w + b - y) ** 2)
            sgd.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))

    with pytest.warns(TrainingWarning, match="the loss grows: .* after 2 steps") as told:
        train(houses, prices, 0.01)
    [message] = [str(each.message) for each in told]
    assert "scale the data, which reach" in message
    scaled = (houses - houses.mean(axis=0)) / houses.std(axis=0)
    silent(lambda: train(scaled, prices / 1e5, 0.1))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (lambda w, g: w.assign_add(0.1 * g), "goes up the gradient.*assign_sub"),
        (lambda w, g: w.assign(w + 0.3 * g), "goes up the gradient.*assign_sub"),
    ],
)
def test_steps_that_go_up(step: Step, told: str) -> None:
    with pytest.warns(TrainingWarning, match=told):
        loop(step)


def test_steps_of_a_negative_loss() -> None:
    with pytest.warns(TrainingWarning, match="falls without end: .* is its sign right"):
        loop(_by(gw.optimizers.Adam(0.5)), 40, sign=-1.0)


def test_steps_that_are_too_large() -> None:
    with pytest.warns(TrainingWarning, match="the loss grows: .* too large. Lower the learning rate"):
        loop(lambda w, g: w.assign_sub(3.0 * g), 12)


@pytest.mark.parametrize(
    ("step", "steps"),
    [
        (_by(gw.optimizers.SGD(0.1)), 30),
        (_by(gw.optimizers.Adam(0.1)), 30),
        (lambda w, g: w.assign_sub(0.5 * g), 40),  # converges to the last bit
        (lambda w, g: None, 10),  # no step at all
    ],
)
def test_loops_that_train(step: Step, steps: int) -> None:
    silent(lambda: loop(step, steps))


def _descent(rate: float, steps: int) -> None:
    def loss(w: Any) -> Any:
        return gw.mean((X[:, None] @ w - Y) ** 2)

    w = np.array([0.5])
    for _ in range(steps):
        _, gradient = gw.value_and_grad(loss)(w)
        w = w - rate * gradient


def _of_a_dict(rate: float, steps: int) -> None:
    p = {"a": np.array(0.5), "b": np.array(0.1)}
    for _ in range(steps):
        g = gw.grad(lambda p: gw.mean((p["a"] * X + p["b"] - Y) ** 2))(p)
        p = {name: p[name] - rate * g[name] for name in p}


@pytest.mark.parametrize("descend", [_descent, _of_a_dict])
def test_descent_by_hand(descend: Callable[[float, int], None]) -> None:
    with pytest.warns(TrainingWarning, match="too large. Lower the learning rate") as told:
        descend(3.0, 12)
    assert len(told) == 1
    with pytest.warns(TrainingWarning, match=r"goes up the gradient.*write w - rate \* gradient"):
        descend(-0.5, 15)
    silent(lambda: descend(0.1, 20))
    silent(lambda: descend(0.0, 5))


def test_points_of_a_function_are_no_loop() -> None:
    f = gw.value_and_grad(lambda w: gw.mean((w * X - Y) ** 2))
    silent(lambda: [f(value) for value in (0.0, 1.0, -1.0, 1e2, -1e4, 3.0, 1e6)])


@pytest.mark.parametrize("function", [lambda x: gw.sum(x**3), lambda x: gw.sum(5 * x)])
def test_a_curve_is_no_loop(function: Callable[[Any], Any]) -> None:
    for k in range(250):
        gw.value_and_grad(function)(np.array([k + 0.25]))


def test_a_comparison_of_points_is_no_loop() -> None:
    w = gw.Variable(0.0, name="w")

    def look() -> None:
        for value in (0.0, 0.5, 1.0, 1e3, 1e5):
            point = gw.Variable(value, name="w")
            with gw.GradientTape() as tape:
                loss = gw.mean((point * X - Y) ** 2)
            tape.gradient(loss, point)

    silent(look)
    assert w.numpy() == 0.0


def test_a_schedule_that_brings_the_rate_to_nothing() -> None:
    schedules = gw.optimizers.schedules
    with pytest.warns(TrainingWarning, match="learning rate from 0.01 to .*decay_steps=k \\* n"):
        loop(_by(gw.optimizers.SGD(schedules.ExponentialDecay(0.01, decay_steps=2, decay_rate=0.1))), 40)
    silent(lambda: loop(_by(gw.optimizers.SGD(schedules.CosineDecay(0.1, 40))), 40))


def test_a_rate_that_is_text() -> None:
    with pytest.raises(OptimizerError, match=r"write float\('1e-3'\)"):
        gw.optimizers.Adam("1e-3")  # type: ignore[arg-type]  # it is what is tested
