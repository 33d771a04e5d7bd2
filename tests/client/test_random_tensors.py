"""Draws with tensors for mean and deviation are noise that is moved and stretched: gradients flow to both."""

from __future__ import annotations

import numpy as np
import pytest

import gradwire as gw
from tests.client.test_lost_steps import silent

pytestmark = pytest.mark.usefixtures("client")


def test_a_normal_draw_of_variables_has_the_gradient_of_its_noise() -> None:
    mu, log_sd = gw.Variable(0.4, name="mu"), gw.Variable(-1.0, name="log_sd")

    def gradients() -> list[float]:
        gw.random.set_seed(3)
        with gw.GradientTape() as tape:
            z = gw.random.normal((50,), mu, gw.exp(log_sd))
            loss = gw.mean(0.5 * (z - 3.0) ** 2) - log_sd
        return [float(g) for g in tape.gradient(loss, [mu, log_sd])]

    noise = np.random.default_rng(3).standard_normal((50,))
    z = 0.4 + np.exp(-1.0) * noise
    expected = [(z - 3.0).mean(), ((z - 3.0) * np.exp(-1.0) * noise).mean() - 1.0]
    np.testing.assert_allclose(silent(gradients), expected, rtol=1e-10)


@pytest.mark.parametrize("place", [0, 1])
def test_in_a_function_that_is_differentiated(place: int) -> None:
    def normal(m: float) -> float:
        gw.random.set_seed(1)
        given = (m, 1.0) if place == 0 else (1.0, m)
        return gw.mean((gw.random.normal((20,), *given) - 3) ** 2)  # type: ignore[no-any-return]  # a tensor

    def uniform(b: float) -> float:
        gw.random.set_seed(1)
        given = (b, 5.0) if place == 0 else (0.5, b)
        return gw.mean(gw.random.uniform((20,), *given) ** 2)  # type: ignore[no-any-return]  # a tensor

    for function in (normal, uniform):
        gradient = silent(lambda function=function: gw.grad(function)(2.0))
        difference = (float(function(2.0 + 1e-5)) - float(function(2.0 - 1e-5))) / 2e-5
        assert gradient == pytest.approx(difference, rel=1e-6)


def test_the_numbers_are_those_of_plain_bounds() -> None:
    gw.random.set_seed(7)
    plain = gw.random.uniform((4,), 1.0, 3.0).numpy()
    gw.random.set_seed(7)
    np.testing.assert_allclose(gw.random.uniform((4,), gw.constant(1.0), 3.0).numpy(), plain, rtol=1e-14)
    whole = gw.random.uniform((4,), 0, gw.constant(5.0), dtype="int64")
    assert whole.dtype == np.int64
