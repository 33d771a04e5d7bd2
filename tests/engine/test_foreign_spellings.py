"""MATLAB's left division, Fortran's doubles and Greek letters: each hint is pasted, and computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.pasting import CURE, computed, error_of, mended

A = np.array([[2.0, 1.0], [0.0, 3.0]])
B = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        ("r = A \\ b\nsum(r .^ 2)", np.sum(np.linalg.solve(A, B) ** 2)),
        ("A\\b + b", np.linalg.solve(A, B) + B),
        ("x = (A'*A)\\(A'*b)\nx", np.linalg.solve(A.T @ A, A.T @ B)),
    ],
)
def test_left_division_is_solve(program: str, wanted: Any) -> None:
    text, errors = mended(program, {"A": A, "b": B})
    assert len(errors) == 1
    np.testing.assert_allclose(computed(text, {"A": A, "b": B}), wanted)


@pytest.mark.parametrize("program", ["A * A \\ b", "A \\ b .^ 2", "A \\ A \\ b"])
def test_left_division_that_binds_otherwise_than_a_call_is_not_guessed(program: str) -> None:
    error = error_of(program, {"A": A, "b": B})
    assert error is not None
    assert "solve" not in (error.hint or "")


@pytest.mark.parametrize(
    ("number", "value"), [("1.5d0", 1.5), ("1.5D0", 1.5), ("2d0", 2.0), ("1.5d-3", 1.5e-3), (".5d+2", 50.0)]
)
def test_a_fortran_double_is_a_number(number: str, value: float) -> None:
    text, errors = mended(f"{number} * x", {"x": 4.0})
    assert len(errors) == 1
    np.testing.assert_allclose(computed(text, {"x": 4.0}), value * 4.0)


@pytest.mark.parametrize(
    ("program", "given", "value"),
    [("2d0 * x", {"x": 4.0, "d0": 3.0}, 24.0), ("d0 = 3\n2d0 * x", {"x": 4.0}, 24.0)],
)
def test_a_number_beside_a_name_that_is_there_is_a_product(
    program: str, given: dict[str, float], value: float
) -> None:
    np.testing.assert_allclose(computed(mended(program, given)[0], given), value)


def test_greek_inputs_and_signs_come_in_one_hint() -> None:
    program = "loss = sum((x − μ) ** 2 / (2 * σ ** 2))"
    x = np.array([1.0, 2.0])
    error = error_of(program, {"x": x, "μ": 0.0, "σ": 1.0})
    assert error is not None
    hint = error.hint or ""
    assert "'μ' as 'mu' and 'σ' as 'sigma'" in hint
    cure = CURE.search(hint)
    assert cure is not None
    new, old = cure.groups()
    assert old == program
    np.testing.assert_allclose(computed(new, {"x": x, "mu": 0.0, "sigma": 1.0}), 2.5)


@pytest.mark.parametrize("names", [("μ", "mu"), ("ε", "ϵ"), ("汉",)])
def test_names_without_an_ascii_form_of_their_own_are_told_the_rule(names: tuple[str, ...]) -> None:
    error = error_of("x * 2", {"x": 1.0, **dict.fromkeys(names, 1.0)})
    assert error is not None
    assert (error.hint or "").startswith("an ASCII letter")
