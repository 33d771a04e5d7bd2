"""The table of intended differences from NumPy and SciPy, with the reasons.

A test compares every op's defaults and edge values with its peer and demands exactly these differences; the
page of ops shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine.edges import DTYPES, Difference

FLOATS = ("float64", "float32")
WHOLE = ("int64", "int32", "uint8")
BOOL = ("bool",)
DEFAULTS = ("defaults",)


@dataclass(frozen=True)
class Deliberate:
    """Ops that differ in an aspect, for some dtypes or with their defaults; what they do, and why."""

    ops: str
    aspect: str
    where: tuple[str, ...]
    ours: str
    why: str

    @property
    def differences(self) -> set[Difference]:
        """One for each op and dtype."""
        return {Difference(op, self.aspect, where) for op in self.ops.split() for where in self.where}


TABLE: tuple[Deliberate, ...] = (
    Deliberate(
        "argmax argmin",
        "shape",
        DEFAULTS,
        "go along the last axis unless told otherwise; NumPy flattens",
        "predictions of classes lie along the last axis; `axis=None` is NumPy's default",
    ),
    Deliberate(
        "logsumexp",
        "shape",
        DEFAULTS,
        "goes along the last axis unless told otherwise; SciPy takes the whole array",
        "as softmax; `axis=None` is SciPy's default",
    ),
    Deliberate(
        "softmax log_softmax",
        "values",
        DEFAULTS,
        "go along the last axis unless told otherwise; SciPy takes the whole array",
        "as in every library for neural networks; `axis=None` is SciPy's default",
    ),
    Deliberate(
        "abs add argmax argmin argsort bitwise_left_shift bitwise_right_shift ceil clip conj diag diag_embed "
        "dot einsum floor floor_divide fmax fmin fmod greater greater_equal hard_tanh imag index_add inner "
        "kron less less_equal matmul max maximum min minimum multi_dot multiply outer pow real relu relu6 "
        "remainder round sort square tensordot top_k trace trunc vdot vecdot "
        "block_diag cumulative_max cumulative_min fftshift ifftshift nan_to_num nanmax nanmin searchsorted "
        "segment_sum",
        "refuses",
        BOOL,
        "refuse booleans",
        "NumPy has rules of its own for booleans; write `astype(x, int64)`, or a logical op",
    ),
    Deliberate(
        "full_like",
        "refuses",
        BOOL,
        "refuses a `fill_value` that the dtype would change, as 2 for booleans",
        "NumPy converts it in silence",
    ),
    Deliberate(
        "acos acosh asin asinh atan atan2 atanh cbrt copysign cos cosh deg2rad erfinv exp exp2 expm1 "
        "heaviside hypot log log10 log1p log2 logaddexp ndtri rad2deg sin sinh sqrt tan tanh",
        "dtype",
        ("uint8", "bool"),
        "compute integers and booleans in float64; NumPy and SciPy take float16 for narrow ones",
        "float16 overflows at 65,504 and holds three digits",
    ),
    Deliberate(
        "angle log_softmax softmax softplus",
        "dtype",
        ("uint8",),
        "compute integers in float64; NumPy and SciPy take float16 for narrow ones",
        "float16 overflows at 65,504 and holds three digits",
    ),
    Deliberate(
        "reciprocal",
        "dtype",
        (*WHOLE, "bool"),
        "is computed in float64",
        "NumPy's integer reciprocal is 0 for everything but 1",
    ),
    Deliberate(
        "quantile",
        "dtype",
        (*WHOLE, "bool"),
        "is float64 for integers, whatever `q`",
        "NumPy's dtype hangs on whether `q` is written 1 or 1.0",
    ),
    Deliberate(
        "clip",
        "dtype",
        WHOLE,
        "keeps the dtype of integers where the bounds are whole numbers",
        "bounds are attributes, and a bare number is weak",
    ),
    Deliberate(
        "polygamma spherical_jn",
        "dtype",
        ("float32",),
        "keep float32",
        "SciPy computes and answers in float64",
    ),
    Deliberate(
        "round",
        "values",
        FLOATS,
        "to decimals leaves a number as it is that is too large to have them",
        "NumPy's intermediate product overflows to infinity",
    ),
    Deliberate(
        "round",
        "values",
        ("int64",),
        "to tens and beyond is exact for integers",
        "NumPy goes through float64, which holds integers up to 2^53",
    ),
    Deliberate(
        "softmax log_softmax",
        "values",
        ("int64", "int32"),
        "convert integers to float64 first",
        "SciPy subtracts the maximum in the integers' own dtype, which overflows",
    ),
    Deliberate(
        "polygamma",
        "values",
        ("float64",),
        "is NaN at -Infinity",
        "poles lie dense there: there is no limit; SciPy answers infinity",
    ),
    Deliberate(
        "softmax log_softmax",
        "takes",
        DTYPES,
        "take empty slices and booleans",
        "the softmax of nothing is nothing; SciPy raises",
    ),
    Deliberate(
        "logsumexp",
        "takes",
        DTYPES,
        "takes several axes of an empty array, and booleans",
        "the logarithm of an empty sum is -Infinity; SciPy raises",
    ),
    Deliberate("quantile", "takes", BOOL, "takes booleans as 0 and 1", "as the mean does; NumPy raises"),
    Deliberate(
        "argmax argmin argsort cumulative_sum cumulative_prod logsumexp repeat",
        "refuses",
        (*FLOATS, *WHOLE),
        "refuse an axis of a scalar",
        "it has none; NumPy and SciPy take a scalar for a vector of one here, not elsewhere",
    ),
    Deliberate(
        "cumulative_sum cumulative_prod logsumexp repeat",
        "refuses",
        BOOL,
        "refuse an axis of a scalar, booleans included",
        "it has none; NumPy and SciPy take a scalar for a vector of one here, not elsewhere",
    ),
    Deliberate(
        "median nanmedian nanquantile vector_norm unstack",
        "refuses",
        DTYPES,
        "refuse to choose among no elements, and `unstack` an empty axis",
        "there is no element; NumPy answers NaN, 0 or an empty list",
    ),
    Deliberate(
        "diff nancumsum nancumprod",
        "refuses",
        DTYPES,
        "refuse an axis of a scalar, and `diff` booleans",
        "it has none; NumPy takes a scalar for a vector of one here, not elsewhere",
    ),
    Deliberate(
        "fftshift ifftshift",
        "takes",
        (*FLOATS, *WHOLE),
        "return a scalar as it is",
        "it has no axis to shift; NumPy raises",
    ),
    Deliberate(
        "dct dst idct idst",
        "values",
        BOOL,
        "are 1e-17 beside a 0 of SciPy's",
        "one rounding apart: booleans are compared without a tolerance",
    ),
    Deliberate(
        "bincount corrcoef cov",
        "dtype",
        ("float32",),
        "keep float32",
        "as every op; NumPy goes on in float64",
    ),
    Deliberate(
        "nanquantile",
        "dtype",
        WHOLE,
        "is float64 for integers, whatever `q`",
        "NumPy's dtype hangs on whether `q` is written 1 or 1.0",
    ),
    Deliberate(
        "tril triu",
        "refuses",
        DTYPES,
        "take matrices and stacks of them",
        "NumPy makes a matrix of a vector's copies first",
    ),
    Deliberate(
        "pad",
        "refuses",
        DTYPES,
        "mirrors or wraps a border once at most",
        "NumPy goes on from mirror to mirror; a border wider than the tensor is a mistake more often",
    ),
    Deliberate(
        "one_hot",
        "refuses",
        ("int64", "int32", "bool"),
        "takes indices of an integer dtype from 0 to `num_classes` - 1",
        "`eye(n)[x]` counts a negative index from the end, and takes booleans for a mask",
    ),
)
