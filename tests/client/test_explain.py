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


def test_what_was_computed_outside_of_the_tape_is_no_stop_of_the_users() -> None:
    w = gw.Variable([1.0, 2.0], name="w")
    with gw.GradientTape() as tape:
        y = gw.sum(w * w)
    late = y * 9.5
    told = str(tape.explain(late, w))
    assert told.startswith("w: stopped (outside_tape)")
    assert "outside of the tape" in told
    assert "late = y * 9.5" in told
    assert "`with` block" in told
    assert "stop_gradient" not in told
    assert "on purpose" not in told


def test_a_part_that_another_tape_recorded_is_a_constant_to_this_one() -> None:
    w = gw.Variable([1.0, 2.0], name="w")
    with gw.GradientTape():
        y = gw.sum(w * 10.5)
    with gw.GradientTape() as tape:
        loss = y * gw.sum(w)
    told = str(tape.explain(loss, w))
    assert told.startswith("w: ok")
    assert "partial_path" in told
    assert "outside of the tape" in told
    assert "y = gw.sum(w * 10.5)" in told
    assert "stop_gradient" not in told


def test_a_stop_of_the_users_stays_one_beside_what_is_outside() -> None:
    w = gw.Variable([1.0, 2.0], name="w")
    with gw.GradientTape():
        y = gw.sum(w * w)
    with gw.GradientTape() as tape:
        loss = y * gw.sum(gw.stop_gradient(w) * 11.5)
    told = tape.explain(loss, w)
    assert told["w"].status == "stopped"
    assert {culprit["reason"] for culprit in told["w"].culprits} == {"stop_gradient", "outside_tape"}


def test_a_fix_is_written_in_the_variables_that_the_code_has() -> None:
    told = explained(
        lambda w, v: gw.sum(gw.log(w - 1.0) * v), [1.0, 2.0], others=(gw.Variable([0.0, 1.0], name="v"),)
    )
    assert "Write gw.xlogy(v, w - 1) for v * gw.log(w - 1)" in told


def test_a_choice_is_written_with_the_sign_of_its_condition() -> None:
    told = explained(lambda w: gw.sum(gw.where(w > 0, gw.sqrt(w), 0.0)), [0.0, 2.0])
    assert "gw.where(w > 0, gw.sqrt(gw.where(w > 0, w, 1)), 0)" in told
