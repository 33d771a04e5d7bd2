"""Square matrices in difficult cases: singular, not finite, empty, narrow."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, ShapeMismatch
from engine.ir.table import F, lookup
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward
from tests.engine.derive import derive, weights


def minors(x: np.ndarray) -> np.ndarray:
    """The transposed adjugate, from its definition."""
    n = len(x)
    answer = np.empty((n, n))
    for i, j in np.ndindex(n, n):
        rest = np.delete(np.delete(x, i, 0), j, 1)
        answer[i, j] = (-1) ** (i + j) * np.linalg.det(rest)
    return answer


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_the_derivative_of_a_determinant_is_the_adjugate_at_every_rank(rank: int) -> None:
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((4, rank)) @ rng.standard_normal((rank, 4))
    np.testing.assert_allclose(derive("det", x).first[0], minors(x), atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_second_derivative_of_a_determinant_holds_at_every_rank(rank: int) -> None:
    """Against polynomials: in two elements the determinant is a x y + b x + c y + d."""
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 3))
    hessian = np.zeros((9, 9))
    for i, j in combinations(range(9), 2):
        corners = {}
        for place in np.ndindex(2, 2):
            moved = x.copy().reshape(-1)
            moved[[i, j]] += place
            corners[place] = np.linalg.det(moved.reshape(3, 3))
        mixed = corners[1, 1] - corners[1, 0] - corners[0, 1] + corners[0, 0]
        hessian[i, j] = hessian[j, i] = mixed
    found = derive("det", x).second[0]
    np.testing.assert_allclose(found.reshape(-1), hessian @ weights((9,), 1.0), atol=1e-11)


@pytest.mark.parametrize("name", ["inv", "solve", "cholesky"])
def test_one_bad_matrix_does_not_lose_the_others(name: str) -> None:
    good, bad = np.eye(2) * 4.0, np.array([[1.0, 2.0], [2.0, 4.0]]) * (-1 if name == "cholesky" else 1)
    stack = np.stack([good, bad, good])
    given = (stack, np.ones((2, 1))) if name == "solve" else (stack,)
    value = derive(name, *given).value
    assert np.isnan(value[1]).all()
    assert np.isfinite(value[[0, 2]]).all()
    alone = derive(name, bad, np.ones(2)) if name == "solve" else derive(name, bad)
    assert np.isnan(alone.value).all()


@pytest.mark.parametrize("name", ["inv", "det", "cholesky"])
def test_a_matrix_with_nan_answers_nan(name: str) -> None:
    x = np.array([[np.nan, 1.0], [1.0, 2.0]])
    found = derive(name, x)
    assert np.isnan(found.value).any()
    assert np.isnan(found.first[0]).any()


def test_the_determinant_of_nothing_is_one() -> None:
    found = derive("det", np.zeros((0, 0)))
    assert found.value == 1
    assert found.first[0].shape == (0, 0)


def test_the_logarithm_of_a_determinant_has_the_inverse_as_its_derivative() -> None:
    x = np.array([[2.0, 1.0], [-3.0, 0.5]])
    tape = Tape()
    variable = tape.input("x", TensorType((2, 2)))
    sign, logarithm = F.slogdet(variable)
    found = backward(tape, {logarithm.slot: tape.constant(1.0)}, [variable.slot])
    tape.outputs = [sign.slot, logarithm.slot, found[variable.slot].slot]
    answers = run_tape(tape, {"x": x})
    np.testing.assert_allclose(answers[1], np.log(4.0))
    np.testing.assert_allclose(answers[2], np.linalg.inv(x).T)


def test_the_factor_is_that_of_the_symmetric_part() -> None:
    x = np.array([[2.0, 1.0], [0.0, 3.0]])
    np.testing.assert_allclose(derive("cholesky", x).value, np.linalg.cholesky((x + x.T) / 2))


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "cholesky"])
def test_refusals_name_the_cause(name: str) -> None:
    tape = Tape()
    for number, (shape, dtype, error) in enumerate(
        [
            ((2, 3), "float64", ShapeMismatch),
            ((4,), "float64", ShapeMismatch),
            ((2, 2), "float16", DtypeMismatch),
        ]
    ):
        x = tape.input(f"x{number}", TensorType(shape, dtype))
        with pytest.raises(error, match="expected"):
            lookup(name)(x)


def test_a_right_side_has_as_many_rows() -> None:
    tape = Tape()
    a, b = tape.input("a", TensorType((3, 3))), tape.input("b", TensorType((2,)))
    with pytest.raises(ShapeMismatch, match="expected 3 rows"):
        F.solve(a, b)
