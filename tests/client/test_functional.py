"""grad and value_and_grad."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import InvalidTarget, TraceError

pytestmark = pytest.mark.usefixtures("client")


def test_grad_of_a_function_of_arrays() -> None:
    gradient = gw.grad(lambda x: gw.sum(x**3))(np.array([1.0, 2.0]))
    assert isinstance(gradient, np.ndarray)
    np.testing.assert_array_equal(gradient, [3.0, 12.0])
    assert gw.grad(gw.exp)(0.0) == 1.0


def test_value_and_grad_by_several_arguments() -> None:
    def loss(w: Any, b: Any, x: Any, *, power: int) -> Any:
        return np.mean((w * x + b) ** power)

    value, (dw, db) = gw.value_and_grad(loss, argnums=(0, 1))(2.0, 1.0, np.array([1.0, 2.0]), power=2)
    assert value == 17.0
    assert isinstance(value, float)
    assert (dw, db) == (13.0, 8.0)


def test_arguments_may_be_nested() -> None:
    parameters = {"w": np.ones(2), "layers": [(np.array(2.0),)]}
    gradient = gw.grad(lambda p: gw.sum(p["w"] * p["layers"][0][0]))(parameters)
    np.testing.assert_array_equal(gradient["w"], [2.0, 2.0])
    assert gradient["layers"][0][0] == 2.0


def test_aux_is_passed_on() -> None:
    function = lambda x: (gw.sum(x), {"twice": x * 2})  # noqa: E731  # a name for a line
    (value, aux), gradient = gw.value_and_grad(function, has_aux=True)(np.ones(2))
    assert value == 2.0
    np.testing.assert_array_equal(aux["twice"], [2.0, 2.0])
    np.testing.assert_array_equal(gradient, [1.0, 1.0])
    assert gw.grad(function, has_aux=True)(np.ones(2))[1].keys() == {"twice"}


def test_a_missing_gradient_is_none_or_zero() -> None:
    with pytest.warns(gw.errors.GradientWarning, match="'x' is None: The target is a constant"):
        assert gw.grad(lambda x, y: y * 1.0, argnums=0)(1.0, 2.0) is None
    assert gw.grad(lambda x, y: y * 1.0, unconnected_gradients="zero")(1.0, 2.0) == 0.0


def test_branches_may_look_at_values() -> None:
    gradient = gw.grad(lambda x: x * 2.0 if x > 0 else x * 3.0)
    assert (gradient(1.0), gradient(-1.0)) == (2.0, 3.0)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidTarget):
        gw.grad(lambda x: x * 2.0)(np.ones(3))
    with pytest.raises(TraceError, match=r"'x', got int64.*astype"):
        gw.grad(lambda x: x * 2)(np.arange(3))


def test_a_call_is_one_request_and_the_second_only_numbers(client: gw.Client) -> None:
    function = gw.value_and_grad(lambda x: gw.sum(gw.sin(x)))
    for size in (2, 3, 4):
        value, gradient = function(np.ones(size))
        assert value == pytest.approx(size * np.sin(1.0))
        np.testing.assert_allclose(gradient, np.cos(np.ones(size)))
    assert [entry.uses for entry in client._session._known.values()] == [3]


def test_gradients_equal_finite_differences() -> None:
    def function(x: Any) -> Any:
        return np.sum(np.tanh(x @ np.ones((3, 2))) ** 2) + np.exp(x[0, 1]) * np.max(x)

    x, step = np.random.default_rng(0).normal(size=(2, 3)), 1e-6
    gradient = gw.grad(function)(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        assert gradient[place] == pytest.approx((function(up) - function(down)) / (2 * step), abs=1e-6)
