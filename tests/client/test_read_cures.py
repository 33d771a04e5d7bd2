"""What to write instead of a line that reads a value: each cure is followed and gives the right gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, ReadError, ReadWarning

pytestmark = pytest.mark.usefixtures("client")

RNG = np.random.default_rng(0)


def _normal(m: Any) -> Any:
    return gw.mean(RNG.normal(m, 2.0, 5))


def _exponential(m: Any) -> Any:
    return gw.mean(np.random.exponential(m, size=5))


def _uniform(m: Any) -> Any:
    return gw.mean(RNG.uniform(0.0, m, 5))


def _poisson(m: Any) -> Any:
    return gw.mean(RNG.poisson(m, 5))


def _steps(m: Any) -> Any:
    y: Any = 1.0
    for _ in range(int(m)):
        y = y * m
    return y


def _index(m: Any) -> Any:
    return gw.constant([1.0, 2.0, 3.0])[int(m)]


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_normal, r"m \+ 2\.0 \* RNG\.normal\(size=5\)"),
        (_exponential, r"m \* np\.random\.exponential\(size=5\)"),
        (_uniform, r"0\.0 \+ \(m - 0\.0\) \* RNG\.uniform\(size=5\)"),
        (_poisson, "no gradient by its parameters"),
        (_steps, "a number of steps has no gradient"),
        (_index, "an index has no gradient"),
    ],
)
def test_what_a_value_is_read_for_has_a_cure_of_its_own(function: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ReadError, match=told):
        gw.grad(function)(1.5)


def test_draws_that_are_moved_and_stretched_have_the_slope_of_the_noise() -> None:
    noise = np.random.default_rng(3).normal(size=50)

    def loss(m: Any, s: Any) -> Any:
        rng = np.random.default_rng(3)
        return gw.mean((m + s * rng.normal(size=50) - 2.0) ** 2)

    found = gw.grad(loss, argnums=(0, 1))(0.5, 1.5)
    residual = 0.5 + 1.5 * noise - 2.0
    np.testing.assert_allclose(found, [2 * residual.mean(), 2 * (residual * noise).mean()])


def test_a_draw_on_a_tape_is_told_with_the_line_to_paste_for_all_its_parameters() -> None:
    mu, log_s = gw.Variable(0.0), gw.Variable(0.0)
    with gw.GradientTape() as tape:
        z = RNG.normal(mu.numpy(), np.exp(log_s.numpy()), 9)
        with pytest.warns(ReadWarning, match=r"mu \+ np\.exp\(log_s\) \* RNG\.normal\(size=9\)"):
            drawn = gw.constant(z) - 2.0
        loss = gw.mean(drawn**2)
    with pytest.warns(
        GradientWarning, match=r"'mu' and 'log_s' are None: .* RNG\.normal\(size=9\)"
    ) as caught:
        assert tape.gradient(loss, [mu, log_s]) == [None, None]
    assert len(caught) == 1


def test_a_variable_made_of_a_tensor_and_one_assigned_on_a_tape_are_told_to_use_the_tensor() -> None:
    w, s = gw.Variable(2.0), gw.Variable(0.0)
    with gw.GradientTape(persistent=True) as tape:
        h = gw.Variable(gw.tanh(w))
        s.assign(w * 3.0)
        with pytest.warns(
            ReadWarning, match=r"Leave gw\.Variable out and use the tensor itself, gw\.tanh\(w\)"
        ):
            first = h**2
        with pytest.warns(ReadWarning, match=r"Use the tensor itself in place of `s`: w \* 3\.0"):
            second = s**2
    with pytest.warns(GradientWarning, match="was read at"):
        assert tape.gradient(first, w) is None
    with pytest.warns(GradientWarning, match="was read at"):
        assert tape.gradient(second, w) is None


def test_a_target_that_is_a_number_names_the_line_that_read_it() -> None:
    w = gw.Variable(1.0)
    with gw.GradientTape() as tape:
        loss = ((w - 2.0) ** 2).item()
    with pytest.raises(
        gw.errors.TapeError, match=r"loss = \(\(w - 2\.0\) \*\* 2\)\.item\(\); leave \.item\(\) out"
    ):
        tape.gradient(loss, w)


def test_a_function_of_scipy_is_named() -> None:
    from scipy.stats import norm

    with pytest.raises(ReadError, match=r"norm\.logpdf of scipy computes with plain numbers"):
        gw.grad(lambda m: norm.logpdf(m, 0.0, 1.0))(0.5)


def test_a_setting_that_is_a_tensor_is_told_with_the_formula() -> None:
    with pytest.raises(gw.errors.TraceError, match=r"start \+ \(stop - start\) \* np\.linspace"):
        gw.grad(lambda m: gw.sum(gw.linspace(0.0, m, 3)))(2.0)
    found = gw.grad(lambda m: gw.sum(0.0 + (m - 0.0) * np.linspace(0, 1, 3)))(2.0)
    assert found == pytest.approx(np.linspace(0, 1, 3).sum())
    with pytest.raises(gw.errors.TraceError, match=r"gw\.minimum\(gw\.maximum\(x, low\), high\)"):
        gw.grad(lambda m: gw.sum(gw.clip(np.arange(3.0), 0.0, m)))(2.0)


def test_a_condition_of_several_elements_names_where() -> None:
    with pytest.raises(ValueError, match=r"2 elements .* write gw\.where\(x > 0, gw\.sum\(x\)"):
        gw.grad(lambda x: gw.sum(x) if x > 0 else gw.sum(-x))(np.array([1.0, -1.0]))
