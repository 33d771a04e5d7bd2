"""The remedies for logarithms, whose arguments have to be positive and in range."""

from __future__ import annotations

from collections.abc import Sequence

from engine.diagnosis.remedies.conditions import (
    at_zero,
    negative,
    square,
)
from engine.diagnosis.remedies.table import (
    ANY,
    DOMAIN,
    EDGE,
    Remedy,
)

_SIGMOIDS = (
    ("sigmoid(x)", "x"),
    ("1 / (1 + exp(-x))", "x"),
    ("1 / (1 + exp(x))", "-x"),
    ("exp(x) / (1 + exp(x))", "x"),
)
_FROM_LOGITS = (
    "it is the binary cross-entropy from logits: no exponential overflows, and no logarithm meets a 0"
)
_NOT_POSITIVE = (
    "{node} is not defined for 0 and negative numbers: start from values for which {x} is positive, or "
    "compute it in a way that keeps it so, as softplus does"
)
_POSITIVE = "it is defined for positive numbers; below 1e-12 it is constant, without a slope"

LOGARITHM_REMEDIES: Sequence[Remedy] = (
    *(
        Remedy((before,), ANY, (form,), _FROM_LOGITS, right=True, known=True)
        for sigmoid, x in _SIGMOIDS
        for one, other in (
            (f"log({sigmoid})", f"log(1 - {sigmoid})"),
            (f"log({sigmoid})", f"log1p(-{sigmoid})"),
        )
        for before, form in (
            *(
                (
                    f"-{op}(y * {one} + (1 - y) * {other}, axis=A, keepdims=K)",
                    f"{op}(sigmoid_cross_entropy(y, {x}), axis=A, keepdims=K)",
                )
                for op in ("sum", "mean")
            ),
            (f"y * {one} + (1 - y) * {other}", f"-sigmoid_cross_entropy(y, {x})"),
            (f"-y * {one} - (1 - y) * {other}", f"sigmoid_cross_entropy(y, {x})"),
            (f"-(y * {one}) - (1 - y) * {other}", f"sigmoid_cross_entropy(y, {x})"),
            *(
                (text, form)
                for op in ("sum", "mean")
                for text, form in (
                    (
                        f"{op}(y * {one}, axis=A, keepdims=K) + {op}((1 - y) * {other}, axis=A, keepdims=K)",
                        f"-{op}(sigmoid_cross_entropy(y, {x}), axis=A, keepdims=K)",
                    ),
                    (
                        f"-{op}(y * {one}, axis=A, keepdims=K) - {op}((1 - y) * {other}, axis=A, keepdims=K)",
                        f"{op}(sigmoid_cross_entropy(y, {x}), axis=A, keepdims=K)",
                    ),
                )
            ),
            (f"where(y, {one}, {other})", f"where(y, log_sigmoid({x}), log_sigmoid(-({x})))"),
        )
    ),
    Remedy(
        ("log(1 / (1 + exp(x)))", "log1p(-(exp(x) / (1 + exp(x))))"),
        ANY,
        ("-softplus(x)",),
        "it can neither overflow nor underflow",
        known=True,
    ),
    Remedy(
        ("log(1 - 1 / (1 + exp(x)))", "log1p(-(1 / (1 + exp(x))))"),
        ANY,
        ("log_sigmoid(x)",),
        "it can neither overflow nor underflow",
        known=True,
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
            Remedy((f"{op}(x)",), DOMAIN, (f"{op}(maximum(x, 1e-12))",), _POSITIVE, plain=_NOT_POSITIVE),
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
                "softplus(x) is positive for any x, and close to x only where x is large",
                when=negative,
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
)
