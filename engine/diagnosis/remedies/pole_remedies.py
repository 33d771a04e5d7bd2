"""The remedies for gradients that are NaN or infinite: what is undefined, too steep or too large."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    at_zero,
    cube_root,
    is_odd_root,
    negative_whole,
    nonnegative,
    of_three,
    one_number,
    pole,
    power_below,
    scale,
    square,
    whole,
)
from engine.diagnosis.remedies.table import ANY, DOMAIN, EDGE, STEEP, Remedy

_NORM = "power_norm({0}, axis={1}, keepdims={2}, ord=2)"
_ROOT_OF_SQUARES = "sqrt(sum({0} ** 2, axis={1}, keepdims={2}))"
_NX, _NY = _NORM.format("x", "A", "K"), _NORM.format("y", "B", "L")
_RX, _RY = _ROOT_OF_SQUARES.format("x", "A", "K"), _ROOT_OF_SQUARES.format("y", "B", "L")
_COSINES = (
    *(
        f"{above} / ({x} * {y})"
        for above in ("matmul(x, y)", "sum(x * y, axis=D)")
        for x, y in ((_NX, _NY), (_RX, _RY), ("sqrt(matmul(x, x))", "sqrt(matmul(y, y))"))
    ),
    "matmul(x, y) / sqrt(matmul(x, x) * matmul(y, y))",
    "sum(x * y, axis=D) / sqrt(sum(x ** 2, axis=A) * sum(y ** 2, axis=B))",
)
_ACOSINES = tuple(f"acos({text})" for text in _COSINES)
_CLIPPED = tuple(f"acos(clip({text}, min=L, max=U))" for text in ("matmul(x, y)", "sum(x * y, axis=A)"))
_ANGLE = "it keeps its digits where the two are parallel, where acos has an infinite slope"


POLE_REMEDIES: Sequence[Remedy] = (
    # -- angles
    Remedy(_ACOSINES, ANY, ("atan2(norm(cross(x, y)), dot(x, y))",), _ANGLE, right=True, when=of_three),
    Remedy(
        _ACOSINES,
        ANY,
        ("2 * atan2(norm(x / norm(x) - y / norm(y)), norm(x / norm(x) + y / norm(y)))",),
        _ANGLE,
        right=True,
        when=whole,
    ),
    Remedy(
        ("acos(matmul(x, y))", "acos(sum(x * y, axis=A))", *_CLIPPED),
        ANY,
        ("2 * atan2(norm(x - y), norm(x + y))",),
        _ANGLE,
        right=True,
        when=whole,
    ),
    Remedy(
        ("acos(x)",),
        STEEP,
        ("acos(0.9999999 * x)",),
        "at -1 and 1 its slope is infinite; 1 - x orders angles alike, with a slope of -1",
    ),
    Remedy(("asin(x)",), STEEP, ("asin(0.9999999 * x)",), "at -1 and 1 its slope is infinite"),
    Remedy(
        ("atanh(x)",),
        EDGE,
        ("atanh(0.9999999 * x)", "atanh(clip(x, -0.9999999, 0.9999999))"),
        "it is defined between -1 and 1",
    ),
    Remedy(
        ("acos(x)",),
        EDGE,
        ("acos(clip(x, -0.9999999, 0.9999999))", "acos(0.999999 * x)"),
        "it is defined from -1 to 1",
        right=True,
    ),
    Remedy(
        ("asin(x)",),
        EDGE,
        ("asin(clip(x, -0.9999999, 0.9999999))", "asin(0.999999 * x)"),
        "it is defined from -1 to 1",
        right=True,
    ),
    Remedy(
        ("acosh(x)",),
        EDGE,
        ("acosh(x + 1e-7)", "acosh(maximum(x, 1.0000001))"),
        "it is defined from 1 on",
        right=True,
    ),
    # -- powers and roots
    Remedy(
        ("sqrt(mean(x ** 2, axis=A, keepdims=K) - mean(x, axis=A, keepdims=K) ** 2)",),
        ANY,
        ("std(x, axis=A, keepdims=K)",),
        "the difference of the two loses all digits, and can be negative",
        right=True,
    ),
    Remedy(("pow(x, y)",), DOMAIN, ("cbrt(x)",), "it is defined for negative numbers", when=cube_root),
    Remedy(
        ("pow(x, y)",),
        DOMAIN,
        ("sign(x) * abs(x) ** y",),
        "it is the odd root of negative numbers, too",
        when=is_odd_root,
    ),
    Remedy(
        ("pow(x, y)",),
        EDGE,
        ("(x + 1e-12) ** y", "(x + 1e-6) ** y"),
        "it keeps away from the base 0",
        when=at_zero,
    ),
    Remedy(
        ("pow(x, y)",),
        DOMAIN,
        ("divide_no_nan(1, x ** E)",),
        "it is 0 where the base is 0",
        when=negative_whole,
        words=power_below,
    ),
    Remedy(
        ("pow(x, y)",),
        EDGE,
        ("maximum(x, 1e-12) ** y", "abs(x) ** y"),
        "a broken power is defined for positive numbers",
    ),
    Remedy(
        ("sqrt(x)",),
        STEEP,
        ("sqrt(x + 1e-12)",),
        "it keeps away from 0, where the slope is infinite",
        right=True,
    ),
    Remedy(
        ("sqrt(x)",),
        DOMAIN,
        ("sqrt(maximum(x, 1e-12))", "sqrt(abs(x) + 1e-12)"),
        "it is defined for positive numbers",
    ),
    Remedy(("rsqrt(x)",), EDGE, ("rsqrt(x + 1e-12)",), "it keeps away from 0", when=at_zero),
    Remedy(
        ("rsqrt(x)",),
        EDGE,
        ("rsqrt(maximum(x, 1e-12))", "rsqrt(abs(x) + 1e-12)"),
        "it is defined for positive numbers",
    ),
    Remedy(("cbrt(x)",), EDGE, ("cbrt(x + 1e-12)",), "it keeps away from 0, where the slope is infinite"),
    # -- logarithms
    Remedy(
        (
            "y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x))",
            "(1 - y) * log(1 - sigmoid(x)) + y * log(sigmoid(x))",
        ),
        ANY,
        ("-sigmoid_cross_entropy(y, x)",),
        "it takes the logits, and neither logarithm meets a 0",
    ),
    Remedy(
        ("sum(y * exp(x), axis=A, keepdims=K) / sum(exp(x), axis=A, keepdims=K)",),
        ANY,
        ("sum(y * softmax(x, axis=A), axis=A, keepdims=K)",),
        "it can neither overflow nor underflow",
    ),
    Remedy(
        ("log(prod(exp(x) / y, axis=A))",),
        ANY,
        ("sum(x - log(y), axis=A)",),
        "a product underflows, and a sum of logarithms does not",
    ),
    Remedy(
        ("log(prod(y * exp(x), axis=A))",),
        ANY,
        ("sum(x + log(y), axis=A)",),
        "a product underflows, and a sum of logarithms does not",
    ),
    Remedy(
        ("log(prod(exp(x), axis=A))",), ANY, ("sum(x, axis=A)",), "a product underflows, and a sum does not"
    ),
    Remedy(
        ("log(prod(x, axis=A))",),
        ANY,
        ("sum(log(x), axis=A)", "sum(log(maximum(x, 1e-12)), axis=A)"),
        "a product underflows, and a sum of logarithms does not",
    ),
    Remedy(
        ("pow(prod(x, axis=A), y)",),
        ANY,
        ("exp(y * sum(log(x + 1e-12), axis=A))",),
        "it is the geometric mean, of positive numbers",
        when=at_zero,
    ),
    Remedy(("log(exp(x) / y)",), ANY, ("x - log(y)",), "exp underflows where its logarithm does not"),
    Remedy(("log(y / exp(x))",), ANY, ("log(y) - x",), "exp overflows where its logarithm does not"),
    Remedy(("log(y * exp(x))",), ANY, ("log(y) + x",), "exp underflows where its logarithm does not"),
    Remedy(
        ("log(sum(y * exp(x), axis=A, keepdims=K))",),
        ANY,
        ("logsumexp(log(y) + x, axis=A, keepdims=K)",),
        "it can neither overflow nor underflow",
    ),
    Remedy(
        ("log(mean(x ** 2, axis=A, keepdims=K) - mean(x, axis=A, keepdims=K) ** 2)",),
        ANY,
        ("log(var(x, axis=A, keepdims=K))",),
        "the difference of the two loses all digits",
    ),
    Remedy(
        ("log(det(x))", "log(abs(det(x)))"),
        ANY,
        ("slogdet(x)[1]", "log(det(x + 1e-6 * eye(N)))", "0.5 * log(det(x @ x.T + 1e-6 * eye(N)))"),
        why="it is defined for a singular matrix, too; for a covariance build the matrix as L @ L.T",
        words=square,
    ),
    *(
        remedy
        for op in ("log", "log2", "log10")
        for remedy in (
            Remedy(
                (f"{op}(x)",), DOMAIN, (f"{op}(maximum(x, 1e-12))",), "it is defined for positive numbers"
            ),
            Remedy(
                (f"{op}(x)",),
                DOMAIN,
                (f"{op}(x + 1e-12)",),
                "it is defined for positive numbers",
                when=at_zero,
            ),
            Remedy(
                (f"{op}(x)",),
                DOMAIN,
                (f"{op}(softplus(x))",),
                "softplus(x) is positive for any x, and close to x where x is large",
            ),
        )
    ),
    Remedy(
        ("log1p(x)",), DOMAIN, ("log1p(maximum(x, -0.999999))", "log1p(x + 1e-12)"), "it is defined beyond -1"
    ),
    Remedy(
        ("logit(x)",),
        DOMAIN,
        ("logit(clip(x, 1e-7, 0.9999999))", "logit(0.999999 * x + 5e-7)"),
        "it is defined between 0 and 1",
    ),
    Remedy(
        ("gammaln(x)",),
        DOMAIN,
        ("gammaln(maximum(x, 1e-6))", "gammaln(x + 1e-6)"),
        "it has poles at 0 and the negative whole numbers",
    ),
    Remedy(
        ("digamma(x)",),
        DOMAIN,
        ("digamma(maximum(x, 1e-6))", "digamma(x + 1e-6)"),
        "it has poles at 0 and the negative whole numbers",
    ),
    Remedy(("erfinv(x)",), EDGE, ("erfinv(0.9999999 * x)",), "at -1 and 1 it is infinite"),
    Remedy(
        ("ndtri(x)",),
        EDGE,
        ("ndtri(clip(x, 1e-7, 0.9999999))", "ndtri(0.999999 * x + 5e-7)"),
        "it is defined between 0 and 1",
    ),
    # -- quotients
    Remedy(
        _COSINES,
        EDGE,
        ("cosine_similarity(x, y)",),
        "it is 0 where one of the vectors is",
        right=True,
        when=whole,
    ),
    Remedy(
        (f"x / {_NX}", f"x / {_RX}", "x / sqrt(matmul(x, x))"),
        EDGE,
        ("normalize(x, axis=A)", "normalize(x)"),
        "it is 0 for the zero vector, which has no direction",
        right=True,
    ),
    Remedy(
        ("y / std(x, axis=A, keepdims=K, correction=C)",),
        EDGE,
        ("y / sqrt(var(x, axis=A, keepdims=K, correction=C) + 1e-6)",),
        "it is finite where all values of {x} are the same",
    ),
    Remedy(
        ("y / sqrt(x)",),
        EDGE,
        ("y / sqrt(x + 1e-12)", "y / sqrt(x + 1e-6)"),
        "it keeps away from 0",
        when=at_zero,
    ),
    Remedy(("sin(x) / x",), EDGE, ("sinc(x / pi)",), "it is 1 at 0, and smooth there"),
    Remedy(("sin(pi * x) / (pi * x)",), EDGE, ("sinc(x)",), "it is 1 at 0, and smooth there"),
    *(
        Remedy(
            (f"{op}(x) / x",),
            EDGE,
            (f"{op}(x + 1e-6) / (x + 1e-6)",),
            "at 0 it is 0 / 0, and its limit close by",
        )
        for op in ("tanh", "atan", "log1p", "expm1", "sinh", "tan", "asin", "erf")
    ),
    Remedy(
        ("(exp(x) - 1) / x",),
        EDGE,
        ("expm1(x + 1e-6) / (x + 1e-6)",),
        "at 0 it is 0 / 0, and its limit close by",
    ),
    Remedy(
        ("(1 - cos(x)) / x ** 2",),
        EDGE,
        ("0.5 * sinc(x / (2 * pi)) ** 2",),
        "it is 0.5 at 0, and smooth there",
    ),
    Remedy(
        ("atan(x / y)",), EDGE, ("atan2(x, y)",), "it is the angle of the point, defined for a divisor of 0"
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / (y + 1e-12)", "x / (y + 1e-6)"),
        "it keeps away from a divisor of 0",
        when=one_number,
    ),
    Remedy(("x / y",), EDGE, ("divide_no_nan(x, y)",), "it is 0 where the divisor is 0", when=pole),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / (y + 1e-12)", "x / (y + 1e-6)"),
        "it keeps away from a divisor of 0",
        when=nonnegative,
    ),
    Remedy(
        ("x / y",),
        EDGE,
        ("x / where(y == 0, 1e-12, y)", "divide_no_nan(x, y)"),
        "it keeps away from a divisor of 0",
    ),
    Remedy(
        ("reciprocal(x)",), EDGE, ("divide_no_nan(1, x)", "1 / (x + 1e-12)"), "it is 0 where the divisor is 0"
    ),
    # -- matrices
    Remedy(
        ("inv(x)",),
        EDGE,
        ("inv(x + 1e-6 * eye(N))",),
        "a little on the diagonal makes a singular matrix regular",
        words=square,
    ),
    Remedy(
        ("solve(x, y)",),
        EDGE,
        ("solve(x + 1e-6 * eye(N), y)",),
        "a little on the diagonal makes a singular matrix regular",
        words=square,
    ),
    Remedy(
        ("cholesky(x)",),
        EDGE,
        ("cholesky(x + 1e-6 * eye(N))", "cholesky(x @ x.T + 1e-6 * eye(N))"),
        "it takes symmetric matrices with positive eigenvalues, as b @ b.T has",
        words=square,
    ),
    # -- too large, too small
    *(
        Remedy(
            (f"{op}(x)",),
            frozenset({"overflow", "underflow"}),
            (f"{op}(x / S)",),
            "scale the data, or start from smaller weights, so that it stays in range (for exp within 700, "
            "in float32 within 80); or work with logarithms",
            words=scale,
        )
        for op in ("exp", "exp2", "expm1", "sinh", "cosh")
    ),
)
