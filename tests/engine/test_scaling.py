"""Norms and deviations of huge and tiny numbers, whose squares are out of range, against SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from tests.engine.diagnosis.asking import ask

X = np.array([1.0, 2.0, -2.0, 0.5])
SIZES = [1e-300, 1e-200, 1.0, 1e200, 1e300]


def norm_of(x: np.ndarray, ord: float) -> float:
    """BLAS's nrm2, which scales; of another order the definition on scaled numbers."""
    if ord == 2:
        return float(scipy.linalg.norm(x))
    top = np.abs(x).max()
    return float(top * (np.abs(x / top) ** ord).sum() ** (1 / ord))


@pytest.mark.parametrize("ord", [2, 3, 1.5])
@pytest.mark.parametrize("size", SIZES)
def test_a_norm_has_the_size_of_its_elements(size: float, ord: float) -> None:
    x = X * size
    answer = ask(f"norm(x, ord={ord})", {"x": x}, kind="gradient", wrt=("x",), diagnose="off")
    np.testing.assert_allclose(answer["value"], norm_of(x, ord), rtol=1e-14 if ord == 2 else 1e-12)
    unit = X / norm_of(X, ord)
    slope = np.sign(unit) * np.abs(unit) ** (ord - 1)
    np.testing.assert_allclose(answer["gradients"]["x"], slope, rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("correction", [0, 1])
def test_a_deviation_has_the_size_of_its_elements(size: float, correction: int) -> None:
    program = f"std(x, correction={correction})"
    answer = ask(program, {"x": X * size}, kind="gradient", wrt=("x",), diagnose="off")
    deviation = np.std(X, ddof=correction)
    np.testing.assert_allclose(answer["value"], deviation * size, rtol=1e-14)
    slope = (X - X.mean()) / (deviation * (X.size - correction))
    np.testing.assert_allclose(answer["gradients"]["x"], slope, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e200, 1e300])
def test_a_direction_does_not_vanish(size: float) -> None:
    y = np.array([1.0, -1.0, 2.0, 0.3])
    inputs = {"x": X * size, "y": y}
    answer = ask("sum(normalize(x) * y)", inputs, kind="gradient", wrt=("x",), diagnose="off")
    unit = X / np.linalg.norm(X)
    np.testing.assert_allclose(answer["value"], unit @ y, rtol=1e-14)
    slope = (y - unit * (unit @ y)) / np.linalg.norm(X) / size
    np.testing.assert_allclose(answer["gradients"]["x"], slope, rtol=1e-12)
    cosine = ask("cosine_similarity(x, y)", inputs, kind="gradient", wrt=("x", "y"), diagnose="off")
    np.testing.assert_allclose(cosine["value"], unit @ y / np.linalg.norm(y), rtol=1e-14)
    np.testing.assert_allclose(cosine["gradients"]["x"], slope / np.linalg.norm(y), rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_a_hypotenuse_and_a_sum_of_exponentials(size: float) -> None:
    answer = ask("hypot(x[0], x[1])", {"x": X * size}, kind="gradient", wrt=("x",), diagnose="off")
    np.testing.assert_allclose(answer["value"], np.hypot(*(X * size)[:2]), rtol=1e-15)
    np.testing.assert_allclose(answer["gradients"]["x"][:2], X[:2] / np.hypot(*X[:2]), rtol=1e-14)
    sums = ask("logsumexp(x)", {"x": X * size}, kind="gradient", wrt=("x",), diagnose="off")
    np.testing.assert_allclose(sums["value"], scipy.special.logsumexp(X * size), rtol=1e-14)
    np.testing.assert_allclose(sums["gradients"]["x"], scipy.special.softmax(X * size), rtol=1e-13)


def test_rows_out_of_range_leave_the_others_their_bits() -> None:
    rows = np.stack([X, X * 1e200, X * 0, X * 1e-200])
    norms = ask("norm(x, axis=1)", {"x": rows}, kind="evaluate")["outputs"]["result"]
    assert norms[0] == ask("norm(x)", {"x": X}, kind="evaluate")["outputs"]["result"]
    np.testing.assert_allclose(norms, np.linalg.norm(X) * np.array([1, 1e200, 0, 1e-200]), rtol=1e-14)


def test_infinities_and_nothing_at_all() -> None:
    rows = [[np.inf, 1.0], [np.nan, 1.0], [3.0, 4.0]]
    norms = ask("norm(x, axis=1)", {"x": rows}, kind="evaluate")["outputs"]["result"]
    np.testing.assert_array_equal(norms, [np.inf, np.nan, 5.0])
    assert ask("norm(x)", {"x": np.zeros(0)}, kind="evaluate")["outputs"]["result"] == 0


def test_single_precision_of_what_double_would_hold() -> None:
    answer = ask("norm(x)", {"x": X * 1e30}, kind="evaluate", dtype="float32")
    np.testing.assert_allclose(answer["outputs"]["result"], np.linalg.norm(X) * 1e30, rtol=1e-6)
