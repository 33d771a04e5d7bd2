"""Optimisers that step in this process."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import OptimizerError
from gradwire.keras import optimizers
from tests.engine.training.world import trained


def run(optimizer: optimizers.Optimizer, steps: int = 100, dtype: str = "float64") -> np.ndarray:
    """Steps down a bowl that is steeper one way than the other."""
    w = gw.Variable(np.array([1.0, -2.0], dtype))
    for _ in range(steps):
        optimizer.apply_gradients([(w.numpy() * np.array([2.0, 0.5], dtype), w)])
    return w.numpy()


def test_plain_descent() -> None:
    w = gw.Variable([1.0])
    optimizer = optimizers.SGD(learning_rate=0.5)
    optimizer.apply_gradients(zip([gw.constant([1.0])], [w], strict=True))
    assert w.numpy() == [0.5]
    assert optimizer.iterations == 1


def test_keras_defaults() -> None:
    assert optimizers.SGD().learning_rate == 0.01
    adam = optimizers.Adam()
    assert (adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon) == (0.001, 0.9, 0.999, 1e-7)
    assert optimizers.AdamW().weight_decay == 0.004
    rms = optimizers.RMSprop()
    assert (rms.rho, rms.momentum, rms.epsilon, rms.centered) == (0.9, 0.0, 1e-7, False)
    assert optimizers.Adagrad().initial_accumulator_value == 0.1
    assert gw.keras.optimizers.Adam is gw.optimizers.Adam


PEERS: dict[str, tuple[Callable[[], optimizers.Optimizer], Callable[[ModuleType, Any], Any]]] = {
    "sgd": (lambda: optimizers.SGD(0.1), lambda t, p: t.optim.SGD(p, 0.1)),
    "momentum": (lambda: optimizers.SGD(0.05, 0.9), lambda t, p: t.optim.SGD(p, 0.05, 0.9)),
    "nesterov": (
        lambda: optimizers.SGD(0.05, 0.9, nesterov=True),
        lambda t, p: t.optim.SGD(p, 0.05, 0.9, nesterov=True),
    ),
    "adagrad": (
        lambda: optimizers.Adagrad(0.1, epsilon=0.0),
        lambda t, p: t.optim.Adagrad(p, 0.1, initial_accumulator_value=0.1, eps=0.0),
    ),
    "adam": (lambda: optimizers.Adam(0.05, epsilon=0.0), lambda t, p: t.optim.Adam(p, 0.05, eps=0.0)),
    "adamw": (
        lambda: optimizers.AdamW(0.05, 0.1, epsilon=0.0),
        lambda t, p: t.optim.AdamW(p, 0.05, eps=0.0, weight_decay=0.1),
    ),
    "rmsprop": (
        lambda: optimizers.RMSprop(0.01, 0.9, 0.5, epsilon=0.0),
        lambda t, p: t.optim.RMSprop(p, 0.01, alpha=0.9, momentum=0.5, eps=0.0),
    ),
    "centered": (
        lambda: optimizers.RMSprop(0.001, 0.9, epsilon=1e-30, centered=True),
        lambda t, p: t.optim.RMSprop(p, 0.001, alpha=0.9, centered=True, eps=0.0),
    ),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", PEERS)
def test_a_hundred_steps_agree_with_pytorch(name: str, oracle: Callable[[str], ModuleType]) -> None:
    torch = oracle("torch")
    ours, theirs = PEERS[name]
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    peer = theirs(torch, [w])
    for _ in range(100):
        peer.zero_grad()
        (w * w * torch.tensor([1.0, 0.25])).sum().backward()
        peer.step()
    np.testing.assert_allclose(run(ours()), w.detach().numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.SGD(0.1, clipnorm=0.3),
        lambda: optimizers.SGD(0.1, 0.9, clipvalue=0.2),
        lambda: optimizers.Adam(0.05, global_clipnorm=0.3),
        lambda: optimizers.Adam(0.05, amsgrad=True, weight_decay=0.1),
        lambda: optimizers.AdamW(0.05, 0.2, clipnorm=0.5),
        lambda: optimizers.RMSprop(0.05, weight_decay=0.1),
        lambda: optimizers.Adagrad(0.1, clipvalue=0.05),
    ],
)
def test_steps_here_are_those_of_a_job(optimizer: Callable[[], optimizers.Optimizer]) -> None:
    """The settings that all optimisers share; gradients grow and shrink, so the largest is not the last."""
    x = np.array([[3.0], [-0.1], [2.0], [0.05]])
    data = {"x": x, "y": x}
    document = {
        "program": "loss = mean((W * x - y) ** 2) + sum((b - x) ** 2)",
        "parameters": {"W": {"value": [0.5, -1.0]}, "b": {"value": [[0.3]]}},
        "optimizer": optimizer().document(),
        "batch_size": 1,
        "epochs": 5,
        "shuffle": False,
        "dtype": "float64",
    }
    run, _ = trained(document, data)
    w, b = gw.Variable([0.5, -1.0]), gw.Variable([[0.3]])
    here = optimizer()
    for row in np.tile(x[:, 0], 5):
        slope = (w.numpy() * row - row) * row  # the mean over two elements halves 2 (W x - y) x
        here.apply_gradients([(slope, w), (2 * (b.numpy() - row), b)])
    np.testing.assert_allclose(w.numpy(), run.parameters["W"], rtol=1e-12)
    np.testing.assert_allclose(b.numpy(), run.parameters["b"], rtol=1e-12)


def test_two_ways_of_clipping_are_one_too_many() -> None:
    with pytest.raises(OptimizerError, match="clipnorm and clipvalue"):
        optimizers.Adam(clipnorm=1.0, clipvalue=1.0)


def test_keras_epsilon_stands_outside_of_the_root_in_adam_and_inside_in_rmsprop() -> None:
    w = gw.Variable([0.0])
    optimizers.Adam(1.0, epsilon=1.0).apply_gradients([(np.array([1.0]), w)])
    scale = np.sqrt(1 - 0.999) / (1 - 0.9)
    assert w.numpy()[0] == pytest.approx(-scale * 0.1 / (np.sqrt(0.001) + 1.0))
    w = gw.Variable([0.0])
    optimizers.RMSprop(1.0, epsilon=1.0).apply_gradients([(np.array([1.0]), w)])
    assert w.numpy()[0] == pytest.approx(-1.0 / np.sqrt(0.1 + 1.0))


@pytest.mark.parametrize(
    "kind", [optimizers.SGD, optimizers.Adam, optimizers.AdamW, optimizers.RMSprop, optimizers.Adagrad]
)
def test_the_dtype_of_a_variable_stays(kind: type[Any]) -> None:
    assert run(kind(0.01), 3, "float32").dtype == np.float32


def test_each_variable_has_its_own_state() -> None:
    a, b = gw.Variable([1.0]), gw.Variable([1.0, 1.0])
    optimizer = optimizers.SGD(0.1, momentum=0.9)
    for _ in range(2):
        optimizer.apply_gradients([(np.ones(1), a), (np.zeros(2), b)])
    assert a.numpy()[0] == pytest.approx(1.0 - 0.1 - 0.19)
    np.testing.assert_array_equal(b.numpy(), [1.0, 1.0])


def test_the_rate_may_be_a_schedule() -> None:
    w = gw.Variable([0.0])
    optimizer = optimizers.SGD(lambda step: 1.0 / (step + 1))
    for _ in range(2):
        optimizer.apply_gradients([(np.array([1.0]), w)])
    assert w.numpy() == [-1.5]


def test_a_missing_gradient_warns_and_all_missing_is_an_error() -> None:
    a, b = gw.Variable([1.0], name="a"), gw.Variable([1.0], name="b")
    optimizer = optimizers.SGD(1.0)
    with pytest.warns(UserWarning, match=r"'b'.*tape\.explain"):
        optimizer.apply_gradients([(np.ones(1), a), (None, b)])
    assert (a.numpy(), b.numpy()) == ([0.0], [1.0])
    with pytest.raises(OptimizerError, match=r"any variable: 'a', 'b'; tape\.explain"):
        optimizer.apply_gradients([(None, a), (None, b)])
    with pytest.raises(OptimizerError, match="got none"):
        optimizer.apply_gradients([])
    with pytest.raises(OptimizerError, match=r"shape \(1,\) for 'a', got \(2,\)"):
        optimizer.apply_gradients([(np.ones(2), a)])
    with pytest.raises(OptimizerError, match="momentum"):
        optimizers.SGD(momentum=2.0)
