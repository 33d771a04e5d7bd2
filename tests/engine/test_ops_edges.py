"""Ops in difficult cases: kinks, ties, tails, corners of the second order, dtypes, aliases, refusals."""

import math

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, InvalidAttribute, ShapeMismatch
from engine.ir.table import TABLE, lookup
from engine.ir.tape import Tape
from tests.engine.derive import derive

inf, nan = math.inf, math.nan
OWN = [op for op in TABLE.values() if op.group in {"elementwise", "special", "nn"}]


def slope(name, *points, **attributes):
    """The derivative by each scalar input; a gradient that does not exist is 0."""
    found = derive(name, *points, **attributes).first
    return [0.0 if g is None else float(g) for g in found]


# -- kinks -------------------------------------------------------------------------------------------

KINKS = [
    ("relu", 0.0, {}, 0.0),
    ("relu6", 0.0, {}, 0.0),
    ("relu6", 6.0, {}, 0.0),
    ("abs", 0.0, {}, 0.0),
    ("clip", -1.0, {"min": -1, "max": 2}, 1.0),
    ("clip", 2.0, {"min": -1, "max": 2}, 1.0),
    ("leaky_relu", 0.0, {"alpha": 0.3}, 0.3),
    ("elu", 0.0, {"alpha": 0.7}, 0.7),
    ("celu", 0.0, {"alpha": 0.7}, 1.0),
    ("hard_tanh", 1.0, {}, 0.0),
    ("hard_sigmoid", -3.0, {}, 0.0),
    ("soft_shrink", 0.5, {}, 0.0),
    ("hard_shrink", -0.5, {}, 0.0),
    ("threshold", 1.0, {"threshold": 1.0, "value": 5.0}, 0.0),
    ("softsign", 0.0, {}, 1.0),
    ("sinc", 0.0, {}, 0.0),
]


@pytest.mark.parametrize(("name", "point", "attributes", "expected"), KINKS)
def test_the_derivative_at_a_kink_is_the_documented_one(name, point, attributes, expected):
    assert slope(name, point, **attributes) == [pytest.approx(expected, abs=0)]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_ties_are_split_evenly(name):
    assert slope(name, 2.0, 2.0) == [0.5, 0.5]


def test_nan_is_skipped_by_fmax_and_kept_by_maximum():
    assert derive("fmax", nan, 1.0).value == 1.0
    assert slope("fmax", nan, 1.0) == [0.0, 1.0]
    assert math.isnan(derive("maximum", nan, 1.0).value)


@pytest.mark.parametrize(
    "op", [op for op in OWN if op.derivative.nonsmooth_at is not None], ids=lambda op: op.name
)
def test_a_kink_is_stated_in_the_conventions(op):
    assert op.conventions


KINK_MASKS = [
    ("relu", [-1.0, 0.0, 1.0], {}, [False, True, False]),
    ("clip", [-1.0, 0.0, 2.0], {"min": -1, "max": 2}, [True, False, True]),
    ("clip", [-1.0, 0.0, 2.0], {"min": None, "max": 2}, [False, False, True]),
    ("hard_shrink", [-0.5, 0.0, 0.5], {"threshold": 0.5}, [True, False, True]),
    ("leaky_relu", [0.0, 1.0], {"alpha": 0.1}, [True, False]),
]


@pytest.mark.parametrize(("name", "points", "attributes", "mask"), KINK_MASKS)
def test_the_kink_mask_finds_the_kinks(name, points, attributes, mask):
    assert lookup(name).derivative.nonsmooth_at(np, np.array(points), **attributes).tolist() == mask


# -- corners that are finite at second order -----------------------------------------------------------

CORNERS = [
    ("hypot", (0.0, 0.0), {}),
    ("atan2", (0.0, 0.0), {}),
    ("divide_no_nan", (1.0, 0.0), {}),
    ("xlogy", (0.0, 0.0), {}),
    ("xlogy", (0.0, -1.0), {}),
    ("xlog1py", (0.0, -1.0), {}),
    ("copysign", (0.0, 1.0), {}),
    ("normalize", ([0.0, 0.0],), {}),
    ("cosine_similarity", ([0.0, 0.0], [1.0, 2.0]), {}),
    ("elu", (800.0,), {}),
    ("selu", (800.0,), {}),
    ("celu", (800.0,), {"alpha": 0.5}),
    ("log_ndtr", (800.0,), {}),
    ("log_ndtr", (-800.0,), {}),
    ("mish", (800.0,), {}),
    ("gelu", (-800.0,), {}),
    ("softplus", (-800.0,), {}),
    ("log_sigmoid", (800.0,), {}),
    ("logaddexp", (-800.0, 800.0), {}),
    ("softmax", ([0.0, -inf, 1.0],), {}),
    ("logsumexp", ([0.0, -inf, 1e4],), {}),
    ("sinc", (0.0,), {}),
]


@pytest.mark.parametrize(("name", "points", "attributes"), CORNERS)
def test_both_derivatives_are_finite_in_the_corner(name, points, attributes):
    found = derive(name, *points, **attributes)
    for g in (*found.first, *found.second):
        assert g is None or np.isfinite(g).all()


def test_sinc_is_smooth_at_zero():
    _, (first,), (second,) = derive("sinc", [-1e-7, 0.0, 1e-7])
    w0, w1 = np.cos(np.arange(3)), np.cos(np.arange(3) + 1)
    np.testing.assert_allclose(first, w0 * -(np.pi**2) / 3 * np.array([-1e-7, 0.0, 1e-7]), rtol=1e-12)
    np.testing.assert_allclose(second, w0 * w1 * -(np.pi**2) / 3, rtol=1e-12)


def test_xlogy_is_infinite_where_the_logarithm_is():
    assert derive("xlogy", 2.0, 0.0).value == -inf
    assert slope("xlogy", 2.0, 0.0) == [-inf, inf]
    assert math.isnan(derive("xlogy", 0.0, nan).value)


# -- tails -------------------------------------------------------------------------------------------

TAILS = [  # (op, point, value, derivative), the numbers from 40-digit arithmetic
    ("expm1", 1e-12, 1.0000000000005e-12, 1.000000000001),
    ("expm1", -40.0, -1.0, 4.248354255291589e-18),
    ("log1p", 1e-12, 9.999999999995e-13, 0.999999999999),
    ("sigmoid", -700.0, 9.859676543759771e-305, 9.859676543759771e-305),
    ("log_sigmoid", -800.0, -800.0, 1.0),
    ("log_sigmoid", 40.0, -4.248354255291589e-18, 4.248354255291589e-18),
    ("softplus", 800.0, 800.0, 1.0),
    ("softplus", -40.0, 4.248354255291589e-18, 4.248354255291589e-18),
    ("tanhshrink", 0.1, 3.3200537504418294e-4, 9.933709152560223e-3),
    ("softsign", 1e8, 0.9999999900000001, 9.9999998e-17),
    ("elu", -40.0, -1.0, 4.248354255291589e-18),
    ("gelu", -10.0, -7.619853024160526e-23, -7.618400096464814e-22),
    ("erfc", 10.0, 2.088487583762545e-45, -4.197656231354417e-44),
    ("log_ndtr", -1e4, -50000010.12927892, 10000.000099999998),
    ("log_ndtr", 10.0, -7.619853024160527e-24, 7.694598626706420e-23),
    ("asinh", 1e200, 461.21016577936908, 1e-200),
    ("gammaln", 1e-300, 690.7755278982137, -1e300),
    ("log_of_cosh", 1e-8, 5e-17, 1e-8),
    ("log_of_cosh", 800.0, 799.3068528194400, 1.0),
]


@pytest.mark.parametrize(("name", "point", "value", "derivative"), TAILS)
def test_tails_are_accurate(name, point, value, derivative):
    found = derive(name, point)
    np.testing.assert_allclose(found.value, value, rtol=1e-11)
    np.testing.assert_allclose(found.first[0], derivative, rtol=1e-11)


def test_pairs_keep_their_tails():
    np.testing.assert_allclose(derive("logaddexp", -800.0, -800.0).value, -800 + math.log(2))
    np.testing.assert_allclose(slope("hypot", 3e200, 4e200), [0.6, 0.8])
    np.testing.assert_allclose(slope("atan2", 3e-200, 4e-200), [1.6e199, -1.2e199])
    found = derive("sigmoid_cross_entropy", 1.0, 50.0)
    np.testing.assert_allclose(found.value, 1.9287498479639178e-22)
    np.testing.assert_allclose(found.first[1], -1.9287498479639178e-22)


def test_polygamma_left_of_zero_by_its_recurrence():
    x = np.array([-1.5, -0.3, -4.75])
    for order in (1, 2, 3):
        right = derive("polygamma", x + 5, order=order).value
        steps = sum((x + k) ** -(order + 1.0) for k in range(5))
        expected = right - (-1) ** order * math.factorial(order) * steps
        np.testing.assert_allclose(derive("polygamma", x, order=order).value, expected, rtol=1e-12)
    assert derive("polygamma", np.array([0.0, -2.0]), order=1).value.tolist() == [inf, inf]


def test_the_softmax_family_does_not_overflow():
    x = np.array([[1e4, 0.0], [-1e4, -1e4]])
    np.testing.assert_allclose(derive("softmax", x).value, [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(derive("log_softmax", x).value, [[0, -1e4], [-math.log(2)] * 2])
    np.testing.assert_allclose(derive("logsumexp", x).value, [1e4, -1e4 + math.log(2)])


def test_the_softmax_family_of_nothing():
    empty = np.zeros((2, 0))
    assert derive("softmax", empty).value.shape == (2, 0)
    assert derive("log_softmax", empty).value.shape == (2, 0)
    assert derive("logsumexp", empty).value.tolist() == [-inf, -inf]


def test_round_takes_halves_to_the_even_number():
    assert derive("round", [0.5, 1.5, -2.5]).value.tolist() == [0.0, 2.0, -2.0]
    assert derive("round", [0.125, 2.675], decimals=2).value.tolist() == [0.12, 2.68]
    assert derive("round", np.array([1250, 1350]), decimals=-2).value.tolist() == [1200, 1400]


def test_integers_are_rounded_without_floats():
    large = np.array([2**53 + 1, -(2**53) - 1, 2**62 + 3, 15, 25, -15, -25])
    rounded = derive("round", large, decimals=-1).value
    assert rounded.tolist() == [round(int(x), -1) for x in large]
    assert derive("round", large, decimals=-30).value.tolist() == [0] * 7


# -- dtypes ------------------------------------------------------------------------------------------


def typed(name, *types, **attributes):
    tape = Tape()
    answer = lookup(name)(*(tape.input(f"x{i}", t) for i, t in enumerate(types)), **attributes)
    return answer.dtype


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(
    "name", ["exp", "erf", "gammaln", "sinc", "gelu", "softmax", "clip", "elu", "log_ndtr"]
)
def test_narrow_floats_stay_narrow_in_values_and_gradients(name, dtype):
    attributes = {"min": 0.1, "max": 0.5} if name == "clip" else {}
    found = derive(name, np.array([0.25, 0.75], dtype), **attributes)
    for array in (found.value, *found.first, *found.second):
        assert array is None or array.dtype == dtype


@pytest.mark.parametrize("name", ["exp", "sin", "sqrt", "erf", "sigmoid", "softmax", "gelu", "leaky_relu"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_floating_functions_of_integers_are_computed_in_float64(name, dtype):
    assert typed(name, TensorType((2,), dtype)) == "float64"


def test_ops_that_need_no_fraction_keep_integers():
    for name in ("relu", "relu6", "floor", "round", "real", "imag", "hard_tanh", "squared_difference"):
        count = len(lookup(name).inputs)
        assert typed(name, *[TensorType((2,), "int32")] * count) == "int32"
    assert derive("clip", np.array([1, 5, 9]), min=2, max=inf).value.tolist() == [2, 5, 9]
    assert derive("relu", np.array([-1, 2])).value.tolist() == [0, 2]


def test_bitwise_operators_on_booleans_are_logical():
    a, b = np.array([True, True]), np.array([True, False])
    assert derive("bitwise_and", a, b).value.dtype == bool
    assert derive("bitwise_xor", a, b).value.tolist() == [False, True]
    assert derive("bitwise_invert", b).value.tolist() == [False, True]


def test_parts_of_complex_numbers():
    z = np.array([3 + 4j, -1j])
    assert derive("real", z).value.tolist() == [3.0, 0.0]
    assert derive("imag", z).value.tolist() == [4.0, -1.0]
    assert derive("conj", z).value.tolist() == [3 - 4j, 1j]
    np.testing.assert_allclose(derive("angle", z).value, [math.atan2(4, 3), -math.pi / 2])
    assert derive("imag", [1.0, 2.0]).first[0].tolist() == [0.0, 0.0]


# -- refusals ------------------------------------------------------------------------------------------

REFUSED = [
    ("clip", [("int32", (2,))], {"min": 0.5}, InvalidAttribute, "astype"),
    ("clip", [("uint8", (2,))], {"max": -1}, InvalidAttribute, "astype"),
    ("polygamma", [("float64", (2,))], {"order": 101}, InvalidAttribute, None),
    ("polygamma", [("float64", (2,))], {"order": -1}, InvalidAttribute, None),
    ("celu", [("float64", (2,))], {"alpha": 0}, InvalidAttribute, None),
    ("glu", [("float64", (2, 3))], {}, ShapeMismatch, "halves"),
    ("less", [("complex128", (2,)), ("float64", (2,))], {}, DtypeMismatch, None),
    ("relu", [("complex128", (2,))], {}, DtypeMismatch, None),
    ("gammaln", [("complex64", (2,))], {}, DtypeMismatch, None),
    ("logical_and", [("float64", (2,)), ("bool", (2,))], {}, DtypeMismatch, "x != 0"),
    ("bitwise_and", [("float64", (2,)), ("int64", (2,))], {}, DtypeMismatch, None),
]


@pytest.mark.parametrize(("name", "types", "attributes", "error", "hint"), REFUSED)
def test_what_an_op_refuses(name, types, attributes, error, hint):
    given = [TensorType(shape, dtype) for dtype, shape in types]
    with pytest.raises(error) as raised:
        typed(name, *given, **attributes)
    assert hint is None or hint in (raised.value.hint or "")


# -- names -------------------------------------------------------------------------------------------

ALIASES = {
    "ln": "log", "arcsin": "asin", "arctan2": "atan2", "arctanh": "atanh", "radians": "deg2rad",
    "clip_by_value": "clip", "rint": "round", "fix": "trunc", "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift", "is_nan": "isnan", "conjugate": "conj", "lgamma": "gammaln",
    "psi": "digamma", "expit": "sigmoid", "swish": "silu", "softshrink": "soft_shrink",
    "l2_normalize": "normalize", "mse": "mean_squared_error", "mae": "mean_absolute_error",
    "bce": "binary_crossentropy", "kld": "kl_divergence",
}  # fmt: skip


def test_names_of_other_libraries_are_known():
    assert {alias: lookup(alias).name for alias in ALIASES} == ALIASES


def test_an_answer_never_is_the_input():
    x = np.array([1.0, 2.0])
    for name in ("clip", "real", "identity"):
        assert not np.shares_memory(derive(name, x).value, x)
    n = np.array([1, 2])
    for name in ("floor", "round", "real"):
        assert not np.shares_memory(derive(name, n).value, n)
