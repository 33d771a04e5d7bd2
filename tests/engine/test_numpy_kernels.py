"""What stands in for a function of NumPy's gives its bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import numpy_namespace

xp = numpy_namespace()
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e300, 1.5]


def same_bits(ours: Any, theirs: Any) -> bool:
    ours, theirs = np.ascontiguousarray(ours), np.ascontiguousarray(theirs)
    return (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) and ours.tobytes() == theirs.tobytes()


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> Any:
    draw = np.random.default_rng(seed)
    array = draw.normal(size=shape)
    places = draw.random(shape) < 0.2
    array[places] = draw.choice(SPECIAL, places.sum())
    with np.errstate(over="ignore"):
        return array.astype(dtype)


SIDES = st.one_of(st.just("array"), st.sampled_from([*SPECIAL, 0, 3]))


@given(
    seed=st.integers(0, 9),
    shape=st.sampled_from([(200, 200), (40_000,), (10, 10), (0,), ()]),
    dtypes=st.tuples(*[st.sampled_from(["float32", "float64", "float16", "int64"])] * 2),
    sides=st.tuples(SIDES, SIDES),
    layout=st.sampled_from(["C", "F", "reversed", "whole"]),
)
def test_where_is_numpys_to_the_bit(
    seed: int, shape: tuple[int, ...], dtypes: tuple[str, str], sides: tuple[Any, Any], layout: str
) -> None:
    condition = np.random.default_rng(seed).random(shape) < 0.5
    values = []
    for number, (side, dtype) in enumerate(zip(sides, dtypes, strict=True)):
        kept = np.nan_to_num(numbers(seed + number, shape, "float64")) if dtype == "int64" else None
        array = numbers(seed + number, shape, dtype) if kept is None else np.clip(kept, -9, 9).astype(dtype)
        values.append(array if side == "array" else side)
    if layout == "F":
        condition = np.asfortranarray(condition)
    if layout == "reversed" and shape:
        condition = condition[::-1]
    if layout == "whole":
        condition = np.array(True)
    with np.errstate(over="ignore"):  # a number too large for float32 is infinite, as in a run
        assert same_bits(xp.where(condition, *values), np.where(condition, *values))


@pytest.mark.parametrize(
    "sides", [(np.float32(1.5), 2.0), (0, np.float64(3)), (np.float32(1), np.float32(2))]
)
def test_where_takes_scalars_that_kernels_return(sides: tuple[Any, Any]) -> None:
    condition = np.random.default_rng(0).random(50_000) < 0.5
    assert same_bits(xp.where(condition, *sides), np.where(condition, *sides))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "int64"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (0, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_mean_is_numpys_to_the_bit(dtype: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(size=(7, 33, 5)).astype(dtype)
    for array in (x, x[:, ::-1], np.asfortranarray(x)):
        ours, theirs = (m(array, axis=axis, keepdims=keepdims) for m in (xp.mean, np.mean))
        assert same_bits(ours, theirs)
        assert type(ours) is type(theirs)


def test_the_mean_of_many_is_numpys_to_the_bit() -> None:
    x = np.random.default_rng(0).random((1 << 24) + 3, dtype=np.float32)
    assert same_bits(xp.mean(x), np.mean(x))
    assert same_bits(xp.mean(x[: 1 << 20]), np.mean(x[: 1 << 20]))
