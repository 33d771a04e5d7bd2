"""Slips from other languages: a decimal comma, MATLAB's transposes, a function that nothing calls."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import SyntaxFault
from engine.frontend.program import parse_program
from tests.engine.pasting import computed, error_of, mended

W, X = np.array([[2.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("program", "wanted"), [("0,5 * x", 2.0), ("E = 0,5 * x ** 2\nE", 8.0), ("c = 1,25\nc * x", 5.0)]
)
def test_a_decimal_comma_is_a_point(program: str, wanted: float) -> None:
    text, errors = mended(program, {"x": 4.0})
    assert len(errors) == 1
    assert "is two numbers" in str(errors[0])
    np.testing.assert_allclose(computed(text, {"x": 4.0}), wanted)


@pytest.mark.parametrize(
    "program", ["p = (1,2)\nsum(p * x)", "p = [0,5]\nsum(p * x)", "p = 1,2,3\nsum(p) * x"]
)
def test_lists_of_numbers_stay_lists(program: str) -> None:
    assert error_of(program, {"x": 4.0}) is None


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("W*X'", W @ X.T),
        ("W * X' .^ 2", W @ X.T**2),
        ("W.*X'", W * X.T),
        ("2*X'", 2 * X.T),
        ("(W + 1)*X'", (W + 1) @ X.T),
    ],
)
def test_a_product_with_a_transposed_matrix(program: str, wanted: np.ndarray) -> None:
    text, errors = mended(program, {"W": W, "X": X})
    assert len(errors) == 1
    np.testing.assert_allclose(computed(text, {"W": W, "X": X}), wanted)


def test_a_function_that_nothing_calls_is_named_with_its_call() -> None:
    program = "def loss(W, x):\n    return mean((W * x) ** 2)"
    with pytest.raises(SyntaxFault, match="'loss' is defined and never called") as caught:
        parse_program(program)
    assert caught.value.hint == "end with a line that calls it: loss(W, x)"
    parse_program(f"{program}\nloss(W, x)")


def test_a_bound_that_rounds_to_one_is_told() -> None:
    with pytest.raises(Exception, match="written out") as caught:
        parse_program("log(1 - clip(x, 1e-20, 1 - 1e-20))")
    assert "it is exactly 1:" in caught.value.hint  # type: ignore[attr-defined]  # a UserError
    with pytest.raises(Exception, match="written out") as caught:
        parse_program("log(1 - clip(x, 1e-7, 1 - 1e-7))")
    assert "exactly" not in caught.value.hint  # type: ignore[attr-defined]  # a UserError
