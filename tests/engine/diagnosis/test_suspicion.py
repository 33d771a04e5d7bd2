"""The one test of a healthy gradient, against its definition: element by element, row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from engine.diagnosis import first_suspicious, suspicion_of
from engine.dtypes import TensorType

SPECIAL = [0.0, -0.0, 1e-320, 1e-200, 1e-30, 1.0, -2.0, 1e30, 1e200, np.nan, np.inf, -np.inf]


def suspicious(gradient: np.ndarray, *, rows: bool = False) -> bool:
    shape = gradient.shape[1:] if rows else gradient.shape
    return suspicion_of(TensorType(shape, gradient.dtype.name), rows=rows)(gradient)


def plainly(gradient: np.ndarray) -> bool:
    return gradient.size > 0 and (not np.any(gradient) or not np.all(np.isfinite(gradient)))


@st.composite
def gradients(draw: st.DrawFn, least: int = 0) -> np.ndarray:
    dtype = draw(st.sampled_from(["float16", "float32", "float64", "complex64", "complex128"]))
    shape = draw(arrays_of.array_shapes(min_dims=least, max_dims=3, min_side=0, max_side=4))
    few = draw(st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=3))
    with np.errstate(all="ignore"):
        array = draw(arrays_of.arrays(np.float64, shape, elements=st.sampled_from(few))).astype(dtype)
        if dtype.startswith("complex") and draw(st.booleans()):
            array = array * np.asarray(1j, dtype)
    if draw(st.booleans()):
        array = array.T
    if draw(st.booleans()) and array.ndim:
        array = array[::-1]
    return array


@settings(max_examples=500, deadline=None)
@given(gradients())
def test_it_means_what_it_says(gradient: np.ndarray) -> None:
    assert suspicious(gradient) == plainly(gradient)


@settings(max_examples=500, deadline=None)
@given(gradients(least=1))
def test_of_a_batch_the_first_bad_row(gradient: np.ndarray) -> None:
    bad = [row for row, one in enumerate(gradient) if plainly(np.asarray(one))]
    assert suspicious(gradient, rows=True) == bool(bad)
    if len(gradient):
        assert first_suspicious(gradient) == (bad[0] if bad else None)


@pytest.mark.parametrize("size", [1, 1000, 100_000])
@pytest.mark.parametrize("value", [1e-30, 1e30, 65504.0, 1e-7, 3e38, 1.7e308])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_out_of_range_are_no_reason(size: int, value: float, dtype: str) -> None:
    with np.errstate(all="ignore"):
        gradient = np.full(size, value).astype(dtype)
    assert suspicious(gradient) == plainly(gradient)
