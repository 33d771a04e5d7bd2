"""`tape.explain` for every status: what, why, and the user's own line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw

pytestmark = pytest.mark.usefixtures("client")


def explained(function: Callable[..., Any], value: Any, *, others: tuple[Any, ...] = ()) -> str:
    """What is printed about a variable `w`."""
    w = gw.Variable(value, name="w")
    with gw.GradientTape() as tape:
        tape.watch(w)
        target = function(w, *others)
    return str(tape.explain(target, w))


@pytest.mark.parametrize(
    ("status", "value", "function", "line"),
    [
        ("invalid_target", [0.5, 2.0], lambda w: gw.sum(w) > 0, "gw.sum(w) > 0"),
        ("integer", np.array([1, 2]), lambda w: gw.sum(w * 1.5), 'w = gw.Variable(value, name="w")'),
        ("disconnected", [0.5, 2.0], lambda w: gw.sum(gw.zeros_like(w) + 1.5), "gw.zeros_like(w) + 1.5"),
        ("stopped", [0.5, 2.0], lambda w: gw.sum(gw.stop_gradient(w) * 2.5), "gw.stop_gradient(w) * 2.5"),
        ("blocked", [0.5, 2.0], lambda w: gw.sum(gw.round(w) * 3.5), "gw.round(w) * 3.5"),
        ("nan", [0.5, -2.0], lambda w: gw.sum(gw.sqrt(w) * 4.5), "gw.sqrt(w) * 4.5"),
        ("inf", [0.5, 2000.0], lambda w: gw.sum(gw.exp(w) * 5.5), "gw.exp(w) * 5.5"),
        ("zero", [50.0, -60.0], lambda w: gw.sum(gw.tanh(w) * 6.5), "gw.tanh(w) * 6.5"),
        ("ok", [0.0, 2.0], lambda w: gw.sum(gw.abs(w) + w * 7.5), "gw.abs(w) + w * 7.5"),
    ],
)
def test_every_status_points_at_the_users_line(
    status: str, value: Any, function: Callable[..., Any], line: str
) -> None:
    told = explained(function, value)
    assert told.startswith(f"w: {status}")
    assert "  why: " in told
    assert status == "ok" or "  fix: " in told
    assert f"{__file__}:" in told
    assert line in told, told


def test_an_unused_variable_and_the_line_of_the_target() -> None:
    told = explained(lambda w, u: gw.sum(u * 8.5), [1.0], others=(gw.Variable([1.0], name="u"),))
    assert told.startswith("w: disconnected (unused)")
    assert "target made at" in told
    assert "gw.sum(u * 8.5)" in told
