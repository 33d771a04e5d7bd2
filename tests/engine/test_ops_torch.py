"""Elementwise ops against PyTorch: value, first and second derivative, on ordinary points and on the edges.

Where the two differ, DEVIATIONS says at which points and why; a difference that is not listed fails,
and so does a listed one that is gone.
"""

import math
from typing import Any

import pytest

from tests.engine.peer import Case, differing, named

pytestmark = pytest.mark.oracle

inf, nan = math.inf, math.nan
REAL = [-800.0, -40.0, -6.0, -3.0, -1.0, -0.5, -1e-9, 0.0, 1e-9, 0.5, 1.0, 3.0, 6.0, 40.0, 800.0]
REAL += [inf, -inf, nan]
POSITIVE = [0.0, 1e-300, 1e-9, 0.5, 1.0, 50.0, 1e10, inf, nan]
INSIDE = [-1.0, -0.999999, -0.5, -1e-5, 0.0, 1e-5, 0.5, 0.999999, 1.0]
PROBABILITY = [0.0, 1e-12, 1e-3, 0.5, 0.9, 1.0]
GAMMA = [-2.3, -0.7, 1e-5, 0.3, 1.0, 1.5, 10.0, 100.0]
PAIRS = tuple(
    map(list, zip(*[(a, b) for a in (-3.0, 0.0, 2.0, inf) for b in (-3.0, 0.0, 2.0, 5.0, inf)], strict=True))
)
INTEGERS = ([12, 10, -7, 1], [3, 6, 2, 5])
BOOLEANS = ([True, True, False, False], [True, False, True, False])


F = "nn.functional."
ELEMENTWISE = {
    **named("exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh square negative abs positive sign", REAL),
    **named("erf erfc sigmoid sinc deg2rad rad2deg floor ceil trunc round reciprocal", REAL),
    **named("ndtr=special.ndtr log_ndtr=special.log_ndtr isnan isinf isfinite signbit", REAL),
    **named("log log2 log10 sqrt rsqrt", POSITIVE),
    **named("asin acos atanh erfinv", INSIDE),
    **named("logit ndtri=special.ndtri", PROBABILITY),
    **named("gammaln=lgamma digamma", GAMMA),
    **named("log1p", [-1.0, -0.5, -1e-9, 0.0, 1e-9, 2.0, 1e10, inf]),
    **named("acosh", [1.0, 1.0001, 2.0, 50.0, 1e5]),
    **named("erfcx=special.erfcx", [-6.0, -1.0, 0.0, 1e-9, 1.0, 40.0]),
    **named("add subtract multiply divide pow maximum minimum fmax fmin atan2 hypot logaddexp", *PAIRS),
    **named("copysign xlogy xlog1py=special.xlog1py equal=eq not_equal=ne less=lt", *PAIRS),
    **named("less_equal=le greater=gt greater_equal=ge isclose", *PAIRS),
    **named("fmod remainder", [5.3, -5.3, 1.0, 7.5], [2.0, 2.0, -3.0, 2.0]),
    **named("logical_and logical_or logical_xor", *BOOLEANS),
    **named("logical_not", BOOLEANS[1]),
    **named("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift", *INTEGERS),
    **named("bitwise_invert=bitwise_not", INTEGERS[0]),
    **named(
        f"relu={F}relu relu6={F}relu6 elu={F}elu selu={F}selu gelu={F}gelu silu={F}silu mish={F}mish", REAL
    ),
    **named(
        f"log_sigmoid={F}logsigmoid softplus={F}softplus softsign={F}softsign hard_tanh={F}hardtanh", REAL
    ),
    **named(f"hard_swish={F}hardswish tanhshrink={F}tanhshrink soft_shrink={F}softshrink", REAL),
    **named(f"hard_shrink={F}hardshrink", REAL),
    "polygamma": Case(lambda torch, x: torch.polygamma(1, x), (GAMMA,)),
    "polygamma of order 3": Case(lambda torch, x: torch.polygamma(3, x), (GAMMA[2:],), {"order": 3}),
    "clip": Case(lambda torch, x: torch.clamp(x, -1, 3), (REAL,), {"min": -1, "max": 3}),
    "round to decimals": Case(
        lambda torch, x: torch.round(x, decimals=2), ([-2.344, 0.125, 7.5],), {"decimals": 2}
    ),
    "floor_divide": Case(
        lambda torch, a, b: torch.floor_divide(a.detach(), b.detach()), ([5.3, -5.3, 7.5], [2.0, 2.0, -3.0])
    ),
    "where": Case(lambda torch, c, a, b: torch.where(c, a, b), ([True, False], [1.0, nan], [inf, 2.0])),
    "squared_difference": Case(lambda torch, a, b: (a - b) ** 2, PAIRS),
    "leaky_relu": Case(lambda torch, x: torch.nn.functional.leaky_relu(x, 0.3), (REAL,), {"alpha": 0.3}),
    "prelu": Case(
        lambda torch, x, a: torch.where(x > 0, x, a * x), ([-2.0, -0.5, 0.5, 3.0], [0.1, 0.2, 0.3, 0.4])
    ),
    "celu": Case(lambda torch, x: torch.nn.functional.celu(x, 0.5), (REAL,), {"alpha": 0.5}),
    "gelu by tanh": Case(
        lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"), (REAL,), {"approximate": True}
    ),
    "threshold": Case(
        lambda torch, x: torch.nn.functional.threshold(x, 0.5, 2.0), (REAL,), {"threshold": 0.5, "value": 2.0}
    ),
    # torch's own has no second derivative and takes 1/6 in single precision
    "hard_sigmoid": Case(lambda torch, x: torch.nn.functional.relu6(x + 3) / 6, (REAL,)),
    "sigmoid_cross_entropy": Case(
        lambda torch, t, z: torch.nn.functional.binary_cross_entropy_with_logits(z, t, reduction="none"),
        ([0.0, 1.0, 0.3, 1.0, 0.0], [-50.0, 3.0, 0.0, -800.0, 800.0]),
    ),
    "real": Case(lambda torch, x: x, (REAL,)),
    "conj": Case(lambda torch, x: torch.conj(x), (REAL,)),
    "angle": Case(lambda torch, x: torch.angle(x), (REAL[:-1],)),
}

TIES = [(0.0, 0.0), (-3.0, -3.0), (2.0, 2.0), (inf, inf)]
ORIGIN = [(0.0, 0.0)]
POINTS = list(zip(*PAIRS, strict=True))
ONE_INFINITE = [(a, b) for a, b in POINTS if math.isinf(a) != math.isinf(b)]
EVEN = "ties are split evenly, as in maximum"
POLE = "the first derivative is infinite; the second is NaN, in return for full accuracy beside the pole"
SELECTED = "PyTorch multiplies 0 by infinity where the derivative has a limit"
NAN = "a NaN stays NaN"
KINK = "at the kink the second derivative belongs to the same piece as the first"

# (op, the quantity, the points of its inputs, why ours is the better answer)
DEVIATIONS: list[tuple[str, str, list[Any], str]] = [
    ("abs", "first", [nan], NAN),
    ("sign", "value", [nan], NAN),
    ("pow", "first", ORIGIN, "by the exponent: the limit from the right, -infinity; PyTorch's is 0"),
    ("pow", "first", [(inf, -3.0)], SELECTED),
    ("pow", "second", [(-3.0, 0.0), (inf, 0.0), (0.0, 0.0)], "follows from an infinite or NaN logarithm"),
    ("pow", "second", [(2.0, 0.0)], "PyTorch loses the mixed derivative 1/x where the exponent is 0"),
    ("pow", "second", [(0.0, 2.0), (0.0, 5.0)], SELECTED),
    ("logaddexp", "second", ONE_INFINITE, SELECTED),
    ("copysign", "first", [p for p in POINTS if math.isinf(p[0])], "PyTorch divides infinity by infinity"),
    ("copysign", "second", [p for p in POINTS if p[0] in (0.0, inf)], "PyTorch divides 0 by 0"),
    ("sinc", "first", [-1e-9, 1e-9, inf, -inf], "PyTorch cancels to 0 near 0; ours is a Bessel function"),
    ("sinc", "second", [-1e-9, 0.0, 1e-9, inf, -inf], "as above: -pi²/3 at 0"),
    ("asin", "second", [-1.0, 1.0], POLE),
    ("acos", "second", [-1.0, 1.0], POLE),
    ("atanh", "second", [-1.0, 1.0], POLE),
    ("acosh", "second", [1.0], POLE),
    ("log_ndtr", "first", [-inf], "ours is its limit, infinity"),
    ("log_ndtr", "second", [-800.0], "PyTorch's is wrong in the fifth place"),
    ("asinh", "second", [inf, -inf], SELECTED),
    ("atan2", "first", [*ONE_INFINITE, (inf, inf)], SELECTED),
    ("atan2", "second", [*ORIGIN, *ONE_INFINITE], "0 at the origin and at infinity, at every order"),
    ("hypot", "first", ORIGIN, "the norm's derivative at 0 is 0"),
    ("hypot", "first", ONE_INFINITE, SELECTED),
    ("hypot", "second", ORIGIN, "the norm's derivative at 0 is 0"),
    ("hypot", "second", ONE_INFINITE, SELECTED),
    ("clip", "first", [nan], "NaN comes out, so the derivative is not 0: as in relu"),
    ("fmax", "first", TIES, EVEN),
    ("fmin", "first", TIES, EVEN),
    ("xlogy", "first", ORIGIN, "0 in the corner, in both inputs, at every order"),
    ("xlogy", "second", [(0.0, -3.0), (0.0, 0.0)], "0 in the corner, in both inputs, at every order"),
    ("xlog1py", "second", [(0.0, -3.0)], "0 in the corner, in both inputs, at every order"),
    ("elu", "first", [nan], NAN),
    ("elu", "second", [0.0], KINK),
    ("elu", "second", [nan], NAN),
    ("selu", "first", [nan], NAN),
    ("selu", "second", [0.0], KINK),
    ("selu", "second", [nan], NAN),
    ("celu", "first", [nan], NAN),
    ("celu", "second", [0.0], KINK),
    ("celu", "second", [nan], NAN),
    ("hard_swish", "first", [nan], NAN),
    ("hard_swish", "second", [nan], "torch's is that of a constant"),
    ("mish", "second", [800.0], SELECTED),
    ("softsign", "first", [inf, -inf], SELECTED),
]


@pytest.fixture(scope="module")
def torch(oracle):
    return oracle("torch")


@pytest.mark.parametrize("key", ELEMENTWISE)
def test_elementwise(torch, key):
    listed = {(quantity, repr(point)) for op, quantity, at, _ in DEVIATIONS if op == key for point in at}
    assert differing(torch, key, ELEMENTWISE[key], atol=1e-14) == listed
