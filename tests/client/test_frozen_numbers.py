"""Plain numbers that change after a function was published are told at the call; others are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import ReadWarning
from tests.client.test_lost_steps import silent

pytestmark = pytest.mark.usefixtures("client")

X = np.array([1.0, 2.0, 4.0])
temperature = 5.0
scale = 1.0
settings = {"rate": 1.0, "names": ["a"]}
counter = 0


def _scaled(x: Any) -> Any:
    return x * scale


class Cell:
    gain = 3.0

    def __init__(self) -> None:
        self.k = 2.0

    def published(self) -> Any:
        @gw.function
        def scaled(x: Any) -> Any:
            return self.k * x

        return scaled


def _a_global() -> None:
    global temperature  # noqa: PLW0603  # it is what is tested
    soft = gw.function(lambda x: gw.softmax(x / temperature))
    temperature = 5.0
    soft(X)
    temperature = 1.0
    soft(X)


def _an_attribute() -> None:
    cell = Cell()
    scaled = cell.published()
    scaled(X)
    cell.k = 3.0
    scaled(X)


def _an_attribute_of_a_class() -> None:
    @gw.function
    def gained(x: Any) -> Any:
        return Cell.gain * x

    gained(X)
    Cell.gain += 1.0
    gained(X)


def _an_item() -> None:
    @gw.function
    def rated(x: Any) -> Any:
        return settings["rate"] * x

    rated(X)
    settings["rate"] = float(settings["rate"]) + 1.0  # type: ignore[arg-type]  # it is a number
    rated(X)


def _a_variable_of_the_function_around() -> None:
    power = 1.0

    @gw.function
    def raised(x: Any) -> Any:
        return x**power

    raised(X)
    power = 2.0
    raised(X)


def _a_helper() -> None:
    global scale  # noqa: PLW0603  # it is what is tested
    helped = gw.function(lambda x: _scaled(x) + 1)
    scale = 1.0
    helped(X)
    scale = 2.0
    helped(X)


def _a_counter() -> None:
    @gw.function
    def counted(x: Any) -> Any:
        global counter  # noqa: PLW0603  # it is what is tested
        counter += 1
        return x * counter

    counted(X)
    counted(X)


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (_a_global, r"'temperature' was 5\.0 .* and is 1\.0 now: .* a parameter, lambda x, temperature"),
        (_an_attribute, r"'self\.k' was 2\.0 .* and is 3\.0 now: .* def scaled\(x, k\)"),
        (_an_attribute_of_a_class, r"'Cell\.gain' was .* def gained\(x, gain\)"),
        (_an_item, r"'settings\['rate'\]' was .* def rated\(x, rate\)"),
        (_a_variable_of_the_function_around, r"'power' was 1\.0 .* def raised\(x, power\)"),
        (_a_helper, r"'scale' was 1\.0"),
        (_a_counter, r"'counted' changes 'counter', from \d+ to \d+, and runs only once"),
    ],
)
def test_a_number_that_has_changed(program: Callable[[], None], told: str) -> None:
    with pytest.warns(ReadWarning, match=told) as found:
        program()
    assert len(found) == 1


def test_numbers_that_stay() -> None:
    gain = 2.0
    cell = Cell()

    @gw.function
    def healthy(x: Any, power: float = 2.0) -> Any:
        total = 0.0
        for step in range(3):  # names of its own
            total = total + step
        return gain * x**power + np.pi + cell.k * Cell.gain + total

    def program() -> None:
        global counter  # noqa: PLW0603  # nothing reads it here
        for _ in range(3):
            healthy(X)
            counter += 1

    silent(program)


def test_a_parameter_is_the_cure() -> None:
    soft = gw.function(lambda x, heat: gw.softmax(x / heat))
    for heat in (5.0, 1.0):
        given = silent(lambda heat=heat: soft(X, heat))
        expected = np.exp(X / heat) / np.exp(X / heat).sum()
        np.testing.assert_allclose(given, expected, rtol=1e-12)
