"""Reductions that leave out NaN, running extrema and segments: values beside NumPy's where NaN is, and the
derivatives there.
"""

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import InvalidTensor
from engine.ir.table import lookup
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from tests.engine.derive import derive

inf, nan = np.inf, np.nan
HOLES = np.array([[1.5, nan, -0.5, 4.0], [2.0, 0.25, nan, nan], [3.0, -1.0, 0.5, 2.5]])
WHOLE = np.where(np.isnan(HOLES), 0.0, HOLES)
REDUCTIONS = ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanmedian", "nanvar", "nanstd")


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_is_left_out_does_not_count(name, axis):
    given = derive(name, HOLES, axis=axis)
    np.testing.assert_allclose(given.value, getattr(np, name)(HOLES, axis=axis), rtol=1e-13)
    (first,), (second,) = given.first, given.second
    assert not np.isnan(first).any()
    assert (first[np.isnan(HOLES)] == 0).all()
    assert second is None or (second[np.isnan(HOLES)] == 0).all()


@pytest.mark.parametrize("name", ["nanmean", "nanvar", "nanstd", "nanmedian"])
def test_derivatives_are_those_of_what_is_there(name):
    row = HOLES[0]
    there = ~np.isnan(row)
    first = derive(name, row).first[0]
    np.testing.assert_allclose(first[there], derive(name, row[there]).first[0], rtol=1e-13)


@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 0.85, 1.0])
def test_quantiles_of_what_is_there(q):
    for axis in (None, 0, 1):
        ours = derive("nanquantile", HOLES, q=q, axis=axis).value
        np.testing.assert_allclose(ours, np.nanquantile(HOLES, q, axis=axis), rtol=1e-13)


@pytest.mark.filterwarnings("ignore:.*(All-NaN|empty slice|Degrees of freedom)")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_of_nan_alone_it_is_numpys(name):
    nothing = np.full(3, nan)
    np.testing.assert_array_equal(derive(name, nothing).value, getattr(np, name)(nothing))


def test_running_forms_and_replacement():
    for name in ("nancumsum", "nancumprod"):
        for axis in (None, 0, 1):
            ours = derive(name, HOLES, axis=axis).value
            np.testing.assert_allclose(ours, getattr(np, name)(HOLES, axis=axis), rtol=1e-13)
    x = np.array([1.5, nan, inf, -inf])
    for settings in ({}, {"nan": 2.0, "posinf": 7.0}, {"neginf": -3.0}):
        found = derive("nan_to_num", x, **settings)
        np.testing.assert_array_equal(found.value, np.nan_to_num(x, **settings))
        assert found.first[0].tolist() == [1.0, 0.0, 0.0, 0.0]


# -- running extrema ---------------------------------------------------------------------------------

RUNS = np.array([[1.0, 3.0, 3.0, nan, 5.0], [inf, -inf, 2.0, 2.0, inf], [0.0, -0.0, -1.0, 4.0, 4.0]])


@pytest.mark.parametrize(("name", "ufunc"), [("cumulative_max", np.maximum), ("cumulative_min", np.minimum)])
def test_running_extrema_are_numpys(name, ufunc):
    for axis in (0, 1):
        ours = derive(name, RUNS, axis=axis).value
        np.testing.assert_array_equal(ours, ufunc.accumulate(RUNS, axis=axis))


def test_of_equal_elements_the_last_has_the_gradient():
    first = derive("cumulative_max", [1.0, 1.0, 0.0, 1.0], axis=0).first[0]
    weights = derive("identity", [1.0, 1.0, 0.0, 1.0]).first[0]
    np.testing.assert_allclose(first, [weights[0], weights[1] + weights[2], 0.0, weights[3]])


def test_the_running_logarithm_of_sums_does_not_overflow():
    x = np.array([-inf, -800.0, 0.0, 800.0, -800.0, 800.0])
    found = derive("cumulative_logsumexp", x, axis=0)
    np.testing.assert_allclose(found.value, np.logaddexp.accumulate(x), rtol=1e-13)
    assert np.isfinite(found.first[0]).all()


# -- tables, segments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["searchsorted", "interp"])
def test_a_table_that_does_not_ascend_is_refused(name):
    table = [0.0, 2.0, 1.0]
    given = (table, [0.5]) if name == "searchsorted" else ([0.5], table, [1.0, 2.0, 3.0])
    with pytest.raises(InvalidTensor, match="ascend"):
        derive(name, *given)


def test_interpolation_beyond_the_table_and_at_its_points():
    x, xp, fp = np.array([-1.0, 0.0, 1.0, 2.5, 9.0]), np.array([0.0, 1.0, 2.5]), np.array([1.0, 3.0, -1.0])
    np.testing.assert_array_equal(derive("interp", x, xp, fp).value, np.interp(x, xp, fp))
    ours = derive("interp", x, xp, fp, left=7.0, right=8.0).value
    np.testing.assert_array_equal(ours, np.interp(x, xp, fp, 7.0, 8.0))


@pytest.mark.parametrize(("name", "sign"), [("segment_max", 1), ("segment_min", -1)])
def test_extrema_of_segments_share_ties_and_keep_nan(name, sign):
    x, ids = sign * np.array([2.0, 2.0, 1.0, nan, 5.0]), np.array([0, 0, 0, 2, 2])
    found = derive(name, x, ids, num_segments=4, fill_value=-9.0)
    np.testing.assert_array_equal(found.value, [2.0 * sign, -9.0, nan, -9.0])
    weight = derive("identity", np.zeros(4)).first[0][0]
    np.testing.assert_allclose(found.first[0][:3], [weight / 2, weight / 2, 0.0])


def test_histograms_of_what_is_beyond_and_of_one_value():
    for x, low, high in (([0.1, 0.5, 2.0, -3.0], 0.0, 1.0), ([1.0, 1.0], None, None)):
        array = np.array(x)
        span = None if low is None else (low, high)
        counts, _ = np.histogram(array, 4, span)
        settings = {} if low is None else {"low": low, "high": high}
        np.testing.assert_array_equal(derive_counts(array, bins=4, **settings), counts)


def derive_counts(x, **attributes):
    """The counts alone: the histogram has two outputs."""
    tape = Tape()
    counts, _ = lookup("histogram")(tape.input("x", TensorType(x.shape)), **attributes)
    tape.outputs = [counts.slot]
    return run_tape(tape, {"x": x})[0]
