"""Bodies of scan that return something else than (carry, y) are told with the `return` that is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning, ShapeMismatch, TraceError
from tests.client.test_lost_steps import silent

pytestmark = pytest.mark.usefixtures("client")

STEPS = np.linspace(0.0, 1.0, 5)


def _output_first(h: Any, x: Any) -> Any:
    h = gw.tanh(0.5 * h + x)
    total = gw.sum(h)
    return total, h


def _same_shapes(h: Any, x: Any) -> Any:
    h = gw.tanh(0.5 * h + x)
    return 2.0 * h, h


def _named(carry: Any, x: Any) -> Any:
    state = 0.9 * carry + x
    y = state**2
    return y, state


def _two_carried(state: Any, t: Any) -> Any:
    x, v = state
    return x + 0.1 * v, v - 0.1 * x + t


def _three(state: Any, t: Any) -> Any:
    x, v = state
    return x + 0.1 * v, v - 0.1 * x, t


def _lstm(state: Any, x: Any) -> Any:
    h, c = state
    c = 0.5 * c + x
    h = gw.tanh(c) + h
    return h, (h, c)


def _four_carried(state: Any, t: Any) -> Any:
    a, b, c, d = state
    return a + t, b, c, d


def test_an_output_of_another_shape_that_comes_first() -> None:
    with (
        pytest.warns(GradientWarning, match="Write `return h, total`"),
        pytest.raises(ShapeMismatch) as failed,
    ):
        gw.grad(lambda h: gw.mean(gw.scan(_output_first, h, STEPS)[1] ** 2))(np.zeros(4))
    assert "they look exchanged" in str(failed.value)
    assert "broadcast_to" not in str(failed.value)


@pytest.mark.parametrize(
    ("body", "cure"), [(_same_shapes, "`return h, 2.0 * h`"), (_named, "`return state, y`")]
)
def test_outputs_of_one_shape_that_look_exchanged(body: Callable[..., Any], cure: str) -> None:
    with pytest.warns(GradientWarning) as told:
        gw.grad(lambda h: gw.scan(body, h, STEPS)[0])(0.1)
    assert [cure in str(each.message) for each in told] == [True]


@pytest.mark.parametrize(
    ("body", "init", "cure"),
    [
        (_two_carried, (1.0, 0.0), "`return (x + 0.1 * v, v - 0.1 * x + t), None`"),
        (_three, (1.0, 0.0), "`return (x + 0.1 * v, v - 0.1 * x), t`"),
        (_lstm, (1.0, 0.0), "`return (h, c), h`"),
        (_four_carried, (1.0, 0.0, 0.0, 0.0), "`return (a + t, b, c, d), None`"),
        (lambda c, x: c + x, 0.0, "`return carry, y`"),
    ],
)
def test_what_is_no_pair_of_carry_and_output(body: Callable[..., Any], init: Any, cure: str) -> None:
    with pytest.raises(TraceError) as refused:
        gw.scan(body, init, STEPS)
    assert cure in str(refused.value)


def _old_state(h: Any, x: Any) -> Any:
    new = gw.tanh(h + x)
    return new, h


def _twice(h: Any, x: Any) -> Any:
    h = gw.tanh(h + x)
    return h, h


def _with_output(h: Any, x: Any) -> Any:
    h = gw.tanh(h + x)
    y = 2.0 * h
    return h, y


def _without_output(h: Any, x: Any) -> Any:
    return 0.5 * h + x, None


@pytest.mark.parametrize("body", [_old_state, _twice, _with_output, _without_output])
def test_bodies_that_are_right(body: Callable[..., Any]) -> None:
    silent(lambda: gw.grad(lambda h: gw.scan(body, h, STEPS)[0])(0.1))
