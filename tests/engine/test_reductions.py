"""Reductions in difficult cases: zeros, ties, constants, no elements, narrow dtypes, refusals."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, IndexOutOfRange, InvalidAttribute, ShapeMismatch
from engine.ir.table import lookup
from engine.ir.tape import Tape
from tests.engine.derive import derive, weights

inf, nan = math.inf, math.nan


def refused(name: str, shape: tuple[int, ...], error: type[Exception], says: str, **attributes: Any) -> None:
    tape = Tape()
    with pytest.raises(error, match=says):
        lookup(name)(tape.input("x", TensorType(shape, attributes.pop("of", "float64"))), **attributes)


# -- zeros in products -------------------------------------------------------------------------------


def product_by_hand(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and Hessian of a product: the products of what is left when one or two factors go."""
    n = x.size
    first = np.array([np.prod(np.delete(x, i)) for i in range(n)])
    second = np.array(
        [[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(n)] for i in range(n)]
    )
    return first, second


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 2, 3)])
def test_products_are_exact_where_factors_are_zero(zeros: tuple[int, ...]) -> None:
    x = np.array([2.0, -3.0, 0.5, 7.0])
    x[list(zeros)] = 0.0
    gradient, hessian = product_by_hand(x)
    found = derive("prod", x)
    np.testing.assert_array_equal(found.first[0], gradient)
    np.testing.assert_allclose(found.second[0], hessian @ weights((4,), 1.0), rtol=1e-14)


@pytest.mark.parametrize(("exclusive", "reverse"), list(itertools.product([False, True], repeat=2)))
def test_running_products_are_exact_where_factors_are_zero(exclusive: bool, reverse: bool) -> None:
    x = np.array([2.0, 0.0, 0.5, 0.0, 7.0])
    found = derive("cumulative_prod", x, axis=0, exclusive=exclusive, reverse=reverse)
    gradient = np.zeros(5)
    for k, w in enumerate(weights((5,))):
        reads = [j for j in range(5) if (j > k if reverse else j < k) or (j == k and not exclusive)]
        for i in reads:
            gradient[i] += w * np.prod([x[j] for j in reads if j != i])
    np.testing.assert_allclose(found.first[0], gradient, rtol=1e-14)


def test_a_long_running_product_takes_few_steps() -> None:
    """The recurrence doubles: 4,000 factors are 12 passes, and the gradient is that of logarithms."""
    x = np.random.default_rng(0).uniform(0.9, 1.1, 4000)
    found = derive("cumulative_prod", x, axis=0)
    expected = np.cumsum((weights(x.shape) * np.cumprod(x))[::-1])[::-1] / x
    np.testing.assert_allclose(found.first[0], expected, rtol=1e-9, atol=1e-12)


# -- points where a derivative is chosen -------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 1.5, 2, 3, inf])
def test_every_norm_is_flat_at_zero(order: float) -> None:
    found = derive("vector_norm", np.zeros(3), ord=order)
    assert found.value == 0
    np.testing.assert_array_equal(found.first[0], np.zeros(3))
    assert found.second[0] is None or not found.second[0].any()


@pytest.mark.parametrize("name", ["std", "var"])
@pytest.mark.parametrize("value", [0.1, -3.7, 1e8])
def test_the_deviation_of_a_constant_is_flat(name: str, value: float) -> None:
    found = derive(name, np.full((7, 3), value), axis=0)
    if name == "std":
        np.testing.assert_array_equal(found.value, np.zeros(3))
        np.testing.assert_array_equal(found.first[0], np.zeros((7, 3)))
    assert np.isfinite(found.first[0]).all()
    assert np.isfinite(found.second[0]).all()


@pytest.mark.parametrize("name", ["max", "min"])
def test_ties_share_evenly(name: str) -> None:
    x = np.array([[2.0, 2.0, 5.0], [2.0, 5.0, 5.0]]) * (1 if name == "min" else -1)
    found = derive(name, x, axis=1)
    w = weights((2,))
    np.testing.assert_array_equal(found.first[0], [[w[0] / 2, w[0] / 2, 0], [w[1], 0, 0]])


def test_what_is_not_the_largest_may_be_infinite() -> None:
    np.testing.assert_array_equal(derive("max", [-inf, 3.0, 1.0]).first[0], [0, 1, 0])


def test_the_mean_of_nothing_is_nan_without_a_warning() -> None:
    for name in ("mean", "var", "std"):
        found = derive(name, np.zeros((0, 2)), axis=0)
        assert np.isnan(found.value).all()
        assert found.first[0].shape == (0, 2)


def test_one_value_has_no_sample_variance() -> None:
    assert np.isnan(derive("var", [3.0], ddof=1).value)
    assert np.isnan(derive("var", [3.0], ddof=1).first[0]).all()


def test_nan_reaches_the_quantile() -> None:
    assert np.isnan(derive("median", [1.0, nan, 2.0]).value)
    assert derive("quantile", [3.0, 1.0, 2.0], q=1).value == 3.0


# -- dtypes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "var", "std", "max", "vector_norm", "cumulative_sum"]
)
def test_floats_keep_their_dtype(name: str, dtype: str) -> None:
    found = derive(name, np.array([1.0, 2.0, 4.0], dtype))
    assert found.value.dtype == found.first[0].dtype == dtype


def test_the_mean_of_many_halves_does_not_overflow() -> None:
    assert derive("mean", np.full(100_000, 1000.0, np.float16)).value == 1000


@pytest.mark.parametrize(
    ("given", "answered"),
    [("bool", "int64"), ("int8", "int64"), ("uint8", "uint64"), ("int64", "int64"), ("uint64", "uint64")],
)
def test_small_integers_are_summed_in_64_bits(given: str, answered: str) -> None:
    x = np.ones(300, given)
    for name in ("sum", "cumulative_sum", "prod"):
        value = derive(name, x).value
        assert value.dtype == answered
    assert derive("sum", x).value == 300


def test_a_sum_accumulates_where_it_is_told_to() -> None:
    found = derive("sum", np.full(4, 0.1, np.float32), dtype="float64")
    assert found.value.dtype == "float64"
    assert found.first[0].dtype == "float32"


# -- refusals ----------------------------------------------------------------------------------------


def test_refusals_name_the_cause() -> None:
    refused("max", (0, 3), ShapeMismatch, "no element to choose from", axis=0)
    refused("argmin", (2, 0), ShapeMismatch, "no element to choose from")
    refused("median", (0,), ShapeMismatch, "no element to choose from")
    refused("sum", (2, 3), IndexOutOfRange, "axis 2 is out of range", axis=2)
    refused("sum", (), IndexOutOfRange, "axis 0 is out of range", axis=0)
    refused("sum", (2, 3), IndexOutOfRange, "name one axis twice", axis=[0, -2])
    refused("max", (3,), DtypeMismatch, "a real number's dtype", of="complex128")
    refused("quantile", (3,), InvalidAttribute, "between 0 and 1", q=1.5)
    refused("norm", (2, 2), InvalidAttribute, "ord", ord=3)
    refused("norm", (2, 2, 2), ShapeMismatch, "one axis .* or two", ord=1)
    refused("vector_norm", (3,), InvalidAttribute, "'fro' is a matrix norm", ord="fro")
