"""Linear recurrences against their definition, and the running products that they differentiate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import Compiler, Query, TensorType, arrays, parse_program
from engine.arrays.recurrence import doubled
from engine.ir.table import TABLE

RNG = np.random.default_rng(23)
SHAPES = [
    ((7,), 0),
    ((3000,), 0),
    ((400, 6), 1),
    ((6, 400), 0),
    ((2, 900, 3), 1),
    ((2, 900), 1),
    ((1, 4), 0),
    ((0,), 0),
]
ODD = {
    "plain": lambda x: x,
    "zeros": lambda x: np.where(RNG.random(x.shape) < 0.2, 0, x),
    "infinite factors": lambda x: np.where(RNG.random(x.shape) < 0.05, np.inf, x),
    "not a number": lambda x: np.where(RNG.random(x.shape) < 0.02, np.nan, x),
}


def step_by_step(a: Any, b: Any, axis: int, *, reverse: bool) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    total = b.copy()
    order = range(len(b) - 2, -1, -1) if reverse else range(1, len(b))
    for i in order:
        total[i] = b[i] + a[i + 1] * total[i + 1] if reverse else b[i] + a[i] * total[i - 1]
    return np.moveaxis(total, 0, axis)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "float16"])
@pytest.mark.parametrize("odd", ODD)
def test_it_is_what_it_says(shape: tuple[int, ...], axis: int, reverse: bool, dtype: str, odd: str) -> None:
    a = ODD[odd](RNG.normal(size=shape)).astype(dtype)
    b = RNG.normal(size=shape).astype(dtype)
    xp, kernel = arrays.numpy_namespace(), TABLE["linear_recurrence"].kernel.forward
    assert kernel is not None
    kept = a.copy(), b.copy()
    with np.errstate(all="ignore"):
        ours = kernel(xp, a, b, axis=axis, reverse=reverse)
        expected = step_by_step(a, b, axis, reverse=reverse)
    np.testing.assert_array_equal((a, b), kept)
    assert (ours.dtype, ours.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(expected))
    eps = float(np.finfo(dtype).eps)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    np.testing.assert_allclose(ours[finite], expected[finite], rtol=64 * eps, atol=64 * eps)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("reverse", [False, True])
def test_by_doubling_it_is_the_same(shape: tuple[int, ...], axis: int, reverse: bool) -> None:
    """As a device computes it, which rounds in another order."""
    a, b = RNG.uniform(-1, 1, shape), RNG.normal(size=shape)
    ours = doubled(np, a, b, axis, reverse=reverse)
    expected = step_by_step(a, b, axis, reverse=reverse)
    np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-13)


def gradient(program: str, x: Any, c: Any) -> Any:
    types = {"x": TensorType(x.shape, x.dtype.name), "c": TensorType(c.shape, c.dtype.name)}
    query = Query(
        graph=parse_program(program),
        kind="gradient",
        inputs=types,
        targets=("loss",),
        wrt=("x",),
        diagnose="off",
    )
    return Compiler().compile(query).run({"x": x, "c": c})["gradients"]["x"]


@pytest.mark.parametrize("zeros", [(), (3,), (3, 11), (0, 1), (19,)])
def test_gradients_of_running_products_are_exact_where_factors_are_zero(zeros: tuple[int, ...]) -> None:
    x, c = RNG.normal(size=20), RNG.normal(size=20)
    x[list(zeros)] = 0
    others = [[np.prod(np.delete(x[: k + 1], i)) if i <= k else 0.0 for i in range(20)] for k in range(20)]
    np.testing.assert_allclose(gradient("loss = sum(cumprod(x) * c)", x, c), c @ np.array(others), rtol=1e-12)


def test_products_that_overflow_on_the_way_do_not_spoil_what_is_zero() -> None:
    """1e200 * 1e200 is infinite, and yet each product with the last factor is 0."""
    x, c = np.array([0.0, 1e200, 1e200, 2.0]), np.array([0.0, 0.0, 0.0, 1e-300])
    ours = gradient("loss = sum(cumprod(x) * c)", x[:2], c[:2])
    np.testing.assert_array_equal(ours, [0.0, 0.0])
    ours = gradient("loss = sum(cumprod(x) * c)", x, c)
    assert ours[0] == pytest.approx(2e100)
    np.testing.assert_array_equal(ours[1:], 0.0)
