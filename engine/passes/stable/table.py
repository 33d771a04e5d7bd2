"""The rewrites that turn what overflows, underflows or is not defined into the finite result it stands for.

Each is mathematically the same function where the original is defined, and no less exact. `after` is what is
computed, and `shown` what a diagnosis advises where that has no name of its own in the table of ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt

from engine.ir.tape import Instruction
from engine.passes.stable.patterns import Bound, Call, Matcher, Pattern, parse

Condition = Callable[[Matcher, Instruction, Bound], bool]

_LOG_2, _SQRT_2 = repr(log(2)), repr(sqrt(2))


@dataclass(frozen=True)
class Rewrite:
    """One rewrite: any expression of `before` becomes `after`, provided that `when` holds.

    `why` is the end of the sentence "Write … for …: it …".
    """

    name: str
    before: tuple[str, ...]
    after: str
    why: str
    shown: str = ""
    when: Condition | None = None

    @cached_property
    def patterns(self) -> tuple[Call, ...]:
        """The expressions that are matched."""
        return tuple(_call(text) for text in self.before)

    @cached_property
    def replacement(self) -> Pattern:
        """What is recorded instead."""
        return parse(self.after)

    @property
    def advice(self) -> str:
        """What a user can write."""
        return self.shown or self.after


def _call(text: str) -> Call:
    pattern = parse(text)
    assert isinstance(pattern, Call), text
    return pattern


def _aligned(matcher: Matcher, step: Instruction, bound: Bound) -> bool:
    """Whether a quotient divides each row by its own sum."""
    types = matcher.tape.types
    shape, axes = types[bound["x"]].shape, bound["A"]
    reduced_shape = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    below = types[step.inputs[1]].shape
    return bool(shape) and (1,) * (len(shape) - len(below)) + below == reduced_shape


def _may_be_zero(matcher: Matcher, step: Instruction, bound: Bound) -> bool:
    """Whether the factor of a logarithm can be 0."""
    number = matcher.number(bound["x"])
    return number is None or number == 0


def _rows(matcher: Matcher, step: Instruction, bound: Bound) -> bool:
    """Whether there is an axis to reduce."""
    return bool(bound["A"])


_OVER, _UNDER, _BOTH = "it cannot overflow", "it cannot underflow", "it can neither overflow nor underflow"
_ABSORBS, _CANCELS = "it is 0 where its factor is 0", "it keeps the digits that cancel"

REWRITES: Sequence[Rewrite] = (
    # -- logarithms of probabilities and of sums of exponentials
    Rewrite("log_softmax", ("log(softmax(x, axis=A))",), "log_softmax(x, axis=A)", _UNDER),
    Rewrite(
        "log_sigmoid",
        ("log(sigmoid(x))", "log(1 / (1 + exp(-x)))", "log(exp(x) / (1 + exp(x)))"),
        "log_sigmoid(x)",
        _BOTH,
    ),
    Rewrite(
        "log_sigmoid_of_complement",
        (
            "log(1 - sigmoid(x))",
            "log1p(-sigmoid(x))",
            "log(1 - 1 / (1 + exp(-x)))",
            "log1p(-(1 / (1 + exp(-x))))",
            "log(1 - exp(x) / (1 + exp(x)))",
        ),
        "log_sigmoid(-x)",
        _BOTH,
    ),
    Rewrite(
        "logit_of_sigmoid",
        ("log(sigmoid(x) / (1 - sigmoid(x)))", "log(sigmoid(x) / sigmoid(-x))", "logit(sigmoid(x))"),
        "x",
        _BOTH,
    ),
    Rewrite(
        "log_of_squared_sech",
        ("log(1 - tanh(x) ** 2)", "log1p(-tanh(x) ** 2)", "log((1 - tanh(x)) * (1 + tanh(x)))"),
        "-2 * log_of_cosh(x)",
        _UNDER,
        shown="2 * (log(2) - x - softplus(-2 * x))",
    ),
    Rewrite(
        "log_of_tanh_below_one",
        ("log(1 - tanh(x))",),
        f"{_LOG_2} - softplus(2 * x)",
        _UNDER,
        shown="log(2) - softplus(2 * x)",
    ),
    Rewrite(
        "log_of_tanh_above_minus_one",
        ("log(1 + tanh(x))",),
        f"{_LOG_2} - softplus(-2 * x)",
        _UNDER,
        shown="log(2) - softplus(-2 * x)",
    ),
    Rewrite(
        "logsumexp",
        ("log(sum(exp(x), axis=A, keepdims=K))",),
        "logsumexp(x, axis=A, keepdims=K)",
        _BOTH,
        when=_rows,
    ),
    Rewrite(
        "logmeanexp",
        ("log(mean(exp(x), axis=A, keepdims=K))",),
        "logsumexp(x, axis=A, keepdims=K) - log(n)",
        _BOTH,
        when=_rows,
    ),
    Rewrite("softplus", ("log(1 + exp(x))", "log1p(exp(x))"), "softplus(x)", _OVER),
    Rewrite("logaddexp", ("log(exp(x) + exp(y))",), "logaddexp(x, y)", _BOTH),
    Rewrite("logsubexp", ("log(exp(x) - exp(y))",), "x + log(-expm1(y - x))", _BOTH),
    Rewrite(
        "log1mexp",
        ("log(1 - exp(x))", "log1p(-exp(x))", "log(-expm1(x))"),
        f"where(greater(x, -{_LOG_2}), log(-expm1(where(greater(x, -{_LOG_2}), x, -1))), "
        f"log1p(-exp(where(greater(x, -{_LOG_2}), -1, x))))",
        "it keeps its digits at both ends",
        shown="where(x > -0.7, log(-expm1(x)), log1p(-exp(x)))",
    ),
    Rewrite("log_expm1", ("log(exp(x) - 1)", "log(expm1(x))"), "x + log(-expm1(-x))", _OVER),
    Rewrite("log_of_exp", ("log(exp(x))",), "x", _BOTH, shown="x"),
    Rewrite(
        "log_cosh",
        ("log(cosh(x))",),
        "log_of_cosh(x)",
        _OVER,
        shown="abs(x) + log1p(exp(-2 * abs(x))) - log(2)",
    ),
    Rewrite("log_sinh", ("log(sinh(x))",), f"x + log(-expm1(-2 * x)) - {_LOG_2}", _OVER),
    Rewrite("log_ndtr", ("log(ndtr(x))",), "log_ndtr(x)", _UNDER),
    Rewrite("log_ndtr_of_complement", ("log(1 - ndtr(x))", "log1p(-ndtr(x))"), "log_ndtr(-x)", _UNDER),
    Rewrite("log_erfc", ("log(erfc(x))", "log(1 - erf(x))"), f"log_ndtr(-{_SQRT_2} * x) + {_LOG_2}", _UNDER),
    Rewrite("log1p", ("log(1 + x)",), "log1p(x)", _CANCELS),
    Rewrite("log1p_of_complement", ("log(1 - x)",), "log1p(-x)", _CANCELS),
    # -- a factor that may be 0 times a logarithm
    Rewrite("xlogy", ("x * log(y)",), "xlogy(x, y)", _ABSORBS, when=_may_be_zero),
    Rewrite("negative_xlogy", ("x * -log(y)",), "-xlogy(x, y)", _ABSORBS, when=_may_be_zero),
    Rewrite("xlog1py", ("x * log1p(y)",), "xlog1py(x, y)", _ABSORBS, when=_may_be_zero),
    Rewrite(
        "negative_xlog1py",
        ("x * -log1p(y)",),
        "-xlog1py(x, y)",
        _ABSORBS,
        when=_may_be_zero,
    ),
    # -- quotients of exponentials
    Rewrite(
        "softmax",
        ("exp(x) / sum(exp(x), axis=A, keepdims=K)",),
        "softmax(x, axis=A)",
        _BOTH,
        when=_aligned,
    ),
    Rewrite("sigmoid", ("exp(x) / (1 + exp(x))", "1 / (1 + exp(-x))"), "sigmoid(x)", _OVER),
    Rewrite("sigmoid_of_difference", ("exp(x) / (exp(x) + exp(y))",), "sigmoid(x - y)", _BOTH),
    Rewrite("sigmoid_of_negative", ("1 / (1 + exp(x))",), "sigmoid(-x)", _OVER),
    Rewrite(
        "tanh",
        ("(exp(x) - exp(-x)) / (exp(x) + exp(-x))", "sinh(x) / cosh(x)"),
        "tanh(x)",
        _OVER,
    ),
    Rewrite(
        "tanh_of_half",
        ("(exp(x) - 1) / (exp(x) + 1)", "expm1(x) / (exp(x) + 1)"),
        "tanh(0.5 * x)",
        _OVER,
    ),
    Rewrite(
        "tanh_of_negative_half",
        ("(1 - exp(x)) / (1 + exp(x))", "-expm1(x) / (1 + exp(x))"),
        "tanh(-0.5 * x)",
        _OVER,
    ),
    Rewrite("exp_of_difference", ("exp(x) / exp(y)",), "exp(x - y)", _BOTH),
    Rewrite("exp_of_sum", ("exp(x) * exp(y)",), "exp(x + y)", _BOTH),
    Rewrite("erfcx", ("exp(x ** 2) * erfc(x)",), "erfcx(x)", _BOTH),
    # -- differences whose digits cancel
    Rewrite("expm1", ("exp(x) - 1",), "expm1(x)", _CANCELS),
    Rewrite("negative_expm1", ("1 - exp(x)",), "-expm1(x)", _CANCELS),
    Rewrite("sigmoid_of_complement", ("1 - sigmoid(x)",), "sigmoid(-x)", _CANCELS),
    Rewrite("ndtr_of_complement", ("1 - ndtr(x)",), "ndtr(-x)", _CANCELS),
    Rewrite("erfc", ("1 - erf(x)",), "erfc(x)", _CANCELS),
    Rewrite("versine", ("1 - cos(x)",), "2 * sin(0.5 * x) ** 2", _CANCELS),
    Rewrite(
        "variance",
        ("mean(x ** 2, axis=A, keepdims=K) - mean(x, axis=A, keepdims=K) ** 2",),
        "var(x, axis=A, keepdims=K)",
        "it cannot be negative",
        when=_rows,
    ),
    # -- roots of sums of squares
    Rewrite(
        "norm",
        ("sqrt(sum(x ** 2, axis=A, keepdims=K))",),
        "vector_norm(x, axis=A, keepdims=K)",
        "its gradient at the zero vector is 0",
        shown="norm(x, axis=A, keepdims=K)",
        when=_rows,
    ),
    Rewrite(
        "norm_of_difference",
        ("sqrt(sum(squared_difference(x, y), axis=A, keepdims=K))",),
        "vector_norm(x - y, axis=A, keepdims=K)",
        "its gradient at the zero vector is 0",
        shown="norm(x - y, axis=A, keepdims=K)",
        when=_rows,
    ),
    Rewrite(
        "root_mean_square",
        ("sqrt(mean(x ** 2, axis=A, keepdims=K))",),
        "vector_norm(x, axis=A, keepdims=K) / sqrt(n)",
        "its gradient at the zero vector is 0",
        shown="norm(x, axis=A, keepdims=K) / sqrt(n)",
        when=_rows,
    ),
    Rewrite(
        "root_mean_square_difference",
        ("sqrt(mean(squared_difference(x, y), axis=A, keepdims=K))",),
        "vector_norm(x - y, axis=A, keepdims=K) / sqrt(n)",
        "its gradient at the zero vector is 0",
        shown="norm(x - y, axis=A, keepdims=K) / sqrt(n)",
        when=_rows,
    ),
    Rewrite(
        "std",
        ("sqrt(var(x, axis=A, keepdims=K, correction=C))",),
        "std(x, axis=A, keepdims=K, correction=C)",
        "its gradient at a constant is 0",
        when=_rows,
    ),
    Rewrite(
        "hypot",
        ("sqrt(x ** 2 + y ** 2)",),
        "hypot(x, y)",
        "it cannot overflow, and its gradient at the origin is 0",
    ),
    Rewrite("abs", ("sqrt(x ** 2)",), "abs(x)", "it cannot overflow, and its gradient at 0 is 0"),
)

GUARD = Rewrite(
    "safe_where",
    ("where(c, f(x), y)",),
    "where(c, f(where(c, x, a)), y)",
    "the branch that is not taken is kept where it is defined",
)
