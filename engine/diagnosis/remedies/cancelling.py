"""The table of differences that lose their digits: what was written, when digits are lost, what keeps them.

A row is told only if digits matter: always for a variance, and for what is left of 1 if its logarithm is
taken or something is divided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from engine.arrays.types import Array
from engine.diagnosis.remedies.table import ANY, Remedy
from engine.passes.stable.patterns import Call, parse

LOST = 1e-4  # of a result, what rounding may take from it

#: Ways to write the upper tail of the normal distribution as 1 less the lower, of x = z / sqrt(2).
_TAILS_OF_ERF = (
    "1 - 0.5 * (1 + erf(x))",
    "1 - (1 + erf(x)) / 2",
    "1 - (0.5 + 0.5 * erf(x))",
    "1 - (0.5 + erf(x) / 2)",
    "0.5 * (1 - erf(x))",
    "(1 - erf(x)) / 2",
    "0.5 - 0.5 * erf(x)",
    "0.5 - erf(x) / 2",
)
#: Ways to write the lower tail, which is as small on the other side.
_LOWER_TAILS = (
    "0.5 * (1 + erf(x))",
    "0.5 * (erf(x) + 1)",
    "(1 + erf(x)) / 2",
    "0.5 + 0.5 * erf(x)",
    "0.5 + erf(x) / 2",
)
#: What is left of 1, as it is written, without a loss of digits, and by its logarithm.
_LEFT_OF_ONE = (
    *(
        (tail, "0.5 * erfc(x)", ("log(0.5 * erfc(x))", "log_ndtr(-1.4142135623730951 * x)"))
        for tail in _TAILS_OF_ERF
    ),
    *(
        (tail, "ndtr(x)", ("log_ndtr(x)",))
        for inner in ("x / sqrt(2)", "x / 1.4142135623730951", "x * 0.7071067811865476", "x * sqrt(0.5)")
        for tail in (form.replace("erf(x)", f"erf({inner})") for form in _LOWER_TAILS)
    ),
    *(
        (tail, "0.5 * erfc(-x)", ("log_ndtr(1.4142135623730951 * x)",))
        for tail in (*_LOWER_TAILS, "0.5 * erfc(-x)", "erfc(-x) / 2")
    ),
    *(
        (tail, "0.5 * erfc(x)", ("log_ndtr(-1.4142135623730951 * x)",))
        for tail in ("0.5 * erfc(x)", "erfc(x) / 2")
    ),
    ("1 + erf(x)", "erfc(-x)", ("log(2) + log_ndtr(1.4142135623730951 * x)",)),
    ("ndtr(x)", "ndtr(x)", ("log_ndtr(x)",)),
    ("1 - erf(x)", "erfc(x)", ("log(erfc(x))", "log(2) + log_ndtr(-1.4142135623730951 * x)")),
    ("1 - ndtr(x)", "ndtr(-x)", ("log_ndtr(-x)",)),
    ("1 - exp(-x)", "-expm1(-x)", ("log(-expm1(-x))",)),
    ("1 - exp(x)", "-expm1(x)", ("log(-expm1(x))",)),
    ("exp(x) - 1", "expm1(x)", ("log(expm1(x))",)),
    ("1 - cos(x)", "2 * sin(x / 2) ** 2", ("log(2 * sin(x / 2) ** 2)",)),
)
_KEEPS = "a difference of two numbers that are nearly the same keeps none of their digits, and this one does"

#: Logistic functions with a numerator of their own, whose exponential overflows.
LOGISTIC_REMEDIES: Sequence[Remedy] = tuple(
    Remedy((written,), ANY, (form,), "no exponential overflows in it", known=True, exact=True)
    for written, form in (
        ("k / (1 + exp(-x))", "k * sigmoid(x)"),
        ("k / (exp(-x) + 1)", "k * sigmoid(x)"),
        ("k / (1 + exp(x))", "k * sigmoid(-x)"),
        ("k / (exp(x) + 1)", "k * sigmoid(-x)"),
    )
)

#: For gradients that are not finite: the logarithm of what is left, and what is divided by it.
TAIL_REMEDIES: Sequence[Remedy] = tuple(
    remedy
    for written, plain, logarithms in _LEFT_OF_ONE
    for remedy in (
        Remedy((f"log({written})",), ANY, logarithms, _KEEPS, known=True, exact=True),
        Remedy((f"y / ({written})",), ANY, (f"y / ({plain})",), _KEEPS, known=True, exact=True),
    )
)


@dataclass(frozen=True)
class Cancelling:
    """A difference, the form that keeps its digits, and how large what is left of it is, of the letter x.

    `relative` rows are told only if a logarithm or a quotient reads what is left.
    """

    before: str
    form: str
    remainder: Callable[[Array, Any], Array]
    relative: bool = False

    @cached_property
    def patterns(self) -> tuple[Call, ...]:
        """The expression that is matched."""
        pattern = parse(self.before)
        assert isinstance(pattern, Call), self.before
        return (pattern,)

    def is_lost(self, x: Array, axes: Any) -> bool:
        """Whether rounding takes more than `LOST` of what is left."""
        unit = float(np.finfo(x.dtype).eps)
        with np.errstate(all="ignore"):
            remainder = np.abs(self.remainder(x, axes))
            return bool(((remainder > 0) & (remainder < unit / LOST)).any())


def _spread(x: Array, axes: Any) -> Array:
    """The variance beside the mean square."""
    wide = x.astype(np.float64)
    axes = axes if axes is None or isinstance(axes, int) else tuple(axes)
    mean = wide.mean(axis=axes, keepdims=True)
    deviation: Array = ((wide - mean) ** 2).mean(axis=axes) / (wide**2).mean(axis=axes)
    return deviation


CANCELLING: Sequence[Cancelling] = (
    Cancelling(
        "mean(x ** 2, axis=A, keepdims=K) - mean(x, axis=A, keepdims=K) ** 2",
        "var(x, axis=A, keepdims=K)",
        _spread,
    ),
    Cancelling(
        "sum(x ** 2, axis=A, keepdims=K) / n - (sum(x, axis=A, keepdims=K) / n) ** 2",
        "var(x, axis=A, keepdims=K)",
        _spread,
    ),
    Cancelling(
        "sum(x ** 2, axis=A, keepdims=K) / n - mean(x, axis=A, keepdims=K) ** 2",
        "var(x, axis=A, keepdims=K)",
        _spread,
    ),
    Cancelling(
        "sum(x ** 2, axis=A) - sum(x, axis=A) ** 2 / n",
        "sum((x - mean(x, axis=A, keepdims=True)) ** 2, axis=A)",
        _spread,
    ),
    Cancelling(
        "sum(x ** 2, axis=A) - n * mean(x, axis=A) ** 2",
        "sum((x - mean(x, axis=A, keepdims=True)) ** 2, axis=A)",
        _spread,
    ),
    Cancelling(
        "mean(x * y, axis=A) - mean(x, axis=A) * mean(y, axis=A)",
        "mean((x - mean(x, axis=A, keepdims=True)) * (y - mean(y, axis=A, keepdims=True)), axis=A)",
        _spread,
    ),
    *(
        Cancelling(tail, "0.5 * erfc(x)", lambda x, _: special.erfc(x), relative=True)
        for tail in _TAILS_OF_ERF
    ),
    Cancelling("1 - erf(x)", "erfc(x)", lambda x, _: special.erfc(x), relative=True),
    Cancelling("1 - ndtr(x)", "ndtr(-x)", lambda x, _: special.ndtr(-x), relative=True),
    Cancelling("1 - sigmoid(x)", "sigmoid(-x)", lambda x, _: special.expit(-x), relative=True),
    Cancelling("1 - tanh(x)", "2 * sigmoid(-2 * x)", lambda x, _: special.expit(-2 * x), relative=True),
    Cancelling("1 - tanh(x) ** 2", "1 / cosh(x) ** 2", lambda x, _: 1 / np.cosh(x) ** 2, relative=True),
    Cancelling("1 - exp(-x)", "-expm1(-x)", lambda x, _: np.expm1(-x), relative=True),
    Cancelling("1 - exp(x)", "-expm1(x)", lambda x, _: np.expm1(x), relative=True),
    Cancelling("1 / sqrt(1 - x) - 1", "x / (sqrt(1 - x) * (1 + sqrt(1 - x)))", lambda x, _: x / 2),
    Cancelling("log(1 + x)", "log1p(x)", lambda x, _: np.log1p(x), relative=True),
    Cancelling("sqrt(1 + x) - 1", "x / (sqrt(1 + x) + 1)", lambda x, _: x / 2, relative=True),
    Cancelling("1 - sqrt(1 - x)", "x / (1 + sqrt(1 - x))", lambda x, _: x / 2, relative=True),
    Cancelling("cosh(x) - 1", "2 * sinh(x / 2) ** 2", lambda x, _: 2 * np.sinh(x / 2) ** 2, relative=True),
    Cancelling("exp(x) - 1", "expm1(x)", lambda x, _: np.expm1(x), relative=True),
    Cancelling("1 - cos(x)", "2 * sin(x / 2) ** 2", lambda x, _: 2 * np.sin(x / 2) ** 2, relative=True),
)
