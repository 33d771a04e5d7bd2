"""Warnings that the server sends with gradients reach the user, at the line of the call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import GradientWarning

pytestmark = pytest.mark.usefixtures("client")

COLUMN, ROW = np.arange(4.0)[:, None], np.arange(4.0) + 1


def _loss(w: Any) -> Any:
    return gw.mean((w * COLUMN - ROW) ** 2)  # (4, 1) against (4,)


def _on_a_tape() -> None:
    w = gw.Variable(0.5)
    with gw.GradientTape() as tape:
        loss = _loss(w)
    tape.gradient(loss, w)


def _by_grad() -> None:
    gw.grad(_loss)(0.5)


def _by_value_and_grad() -> None:
    gw.value_and_grad(_loss)(0.5)


@pytest.mark.parametrize("ask", [_on_a_tape, _by_grad, _by_value_and_grad])
def test_rows_that_meet_a_column_are_warned_of_with_the_line_that_made_them(ask: Callable[[], None]) -> None:
    with pytest.warns(GradientWarning, match=r"broadcasts \(4, 1\) against \(4,\)") as caught:
        ask()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "(w * COLUMN - ROW)" in str(caught[0].message)


def test_shapes_that_are_meant_to_meet_and_a_mask_that_was_asked_for_come_without_a_warning() -> None:
    def masked(x: Any) -> Any:
        return gw.sum(gw.where(x > 0, gw.log(x), 0.0))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gw.grad(lambda w: gw.mean((w * COLUMN - ROW[:, None]) ** 2))(0.5)
        found = gw.grad(masked, masked_backward=True)(np.array([2.0, -0.0]))
    np.testing.assert_allclose(found, [0.5, 0.0])
