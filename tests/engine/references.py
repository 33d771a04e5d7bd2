"""NumPy's and SciPy's function for each op by its name here: the oracle of the comparisons.

Losses and activations that neither has are written out as their papers and libraries define them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.special

from tests.engine.network_references import NETWORK_REFERENCES
from tests.engine.test_ops_numpy import REFERENCES as ARRAYS
from tests.engine.test_ops_numpy import axes

Reference = Callable[..., Any]


def _cholesky(x: Any, *, upper: bool) -> Any:
    """Of the Hermitian part."""
    return np.linalg.cholesky((x + np.conj(np.matrix_transpose(x))) / 2, upper=upper)


def _elu(x: Any, *, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _complex(x1: Any, x2: Any) -> Any:
    """By its parts: x1 + 1j * x2 makes NaN of an infinite one."""
    x1, x2 = np.broadcast_arrays(*_floating(x1, x2))
    answer = np.empty(x1.shape, np.result_type(x1, x2, np.complex64))
    answer.real, answer.imag = x1, x2
    return answer


def _floating(*xs: Any) -> list[Any]:
    """Integers and booleans as float64, as our own formulas compute with them."""
    return [x if x.dtype.kind in "fc" else x.astype(np.float64) for x in xs]


def _formula(reference: Reference) -> Reference:
    """A formula of our own: it takes floating numbers."""
    return lambda *xs, **attributes: reference(*_floating(*xs), **attributes)


def _isclose(x1: Any, x2: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    return np.isclose(x1, x2, rtol, atol, equal_nan)


def _relu6(x: Any) -> Any:
    return np.clip(x, 0, 6)


def _normalize(x: Any, *, axis: Any, epsilon: float) -> Any:
    squares = np.sum(np.square(x), axis=axes(axis), keepdims=True)
    return x / np.sqrt(np.maximum(squares, epsilon))


def _cosine(x1: Any, x2: Any, *, axis: Any, epsilon: float) -> Any:
    x1, x2 = (_normalize(x, axis=axis, epsilon=epsilon) for x in (x1, x2))
    return np.sum(x1 * x2, axis=axes(axis))


def _reduced(losses: Any, reduction: str) -> Any:
    return {"none": losses, "mean": np.mean(losses), "sum": np.sum(losses)}[reduction]


def _pointwise(loss: Reference) -> Reference:
    def reference(y_true: Any, y_pred: Any, *, reduction: str, **settings: Any) -> Any:
        if y_pred.ndim > y_true.ndim:
            y_pred = y_pred[..., 0]
        return _reduced(loss(y_true, y_pred, **settings), reduction)

    return reference


def _per_sample(loss: Reference) -> Reference:
    def reference(y_true: Any, y_pred: Any, *, axis: int, reduction: str, **settings: Any) -> Any:
        return _reduced(loss(y_true, y_pred, axis=axis, **settings), reduction)

    return reference


def _smoothed(labels: Any, share: float, classes: int) -> Any:
    return labels * (1 - share) + share / classes


def _sigmoid_cross_entropy(t: Any, z: Any) -> Any:
    """By the tails of both logarithms; for labels beyond 0 and 1 log(1 + exp(z)) - t z, or its limit."""
    tails = [np.where(w == 0, 0, w * -scipy.special.log_expit(side)) for w, side in ((t, z), (1 - t, -z))]
    wrong = np.where(z > 0, 1 - t, t)
    whole = np.where(np.isinf(z), np.where(wrong == 0, 0, wrong * np.inf), np.logaddexp(0, z) - t * z)
    return np.where((t >= 0) & (t <= 1), sum(tails), whole)


def _binary(t: Any, p: Any, *, from_logits: bool, label_smoothing: float, epsilon: float) -> Any:
    t = _smoothed(t, label_smoothing, 2)
    if from_logits:
        return -t * scipy.special.log_expit(p) - (1 - t) * scipy.special.log_expit(-p)
    return -t * np.log(np.maximum(p, epsilon)) - (1 - t) * np.log(np.maximum(1 - p, epsilon))


def _categorical(
    t: Any, p: Any, *, axis: int, from_logits: bool, label_smoothing: float, epsilon: float
) -> Any:
    t = _smoothed(t, label_smoothing, p.shape[axis])
    if from_logits:
        logs = scipy.special.log_softmax(p, axis=axis)
    else:
        logs = np.log(np.maximum(p / np.sum(p, axis=axis, keepdims=True), epsilon))
    return -np.sum(t * logs, axis=axis)


def _sparse(t: Any, p: Any, *, axis: int, from_logits: bool, epsilon: float, reduction: str) -> Any:
    (p,) = _floating(p)
    classes = np.moveaxis(np.eye(p.shape[axis], dtype=p.dtype)[t.reshape(np.delete(p.shape, axis))], -1, axis)
    settings = {"axis": axis, "from_logits": from_logits, "label_smoothing": 0.0, "epsilon": epsilon}
    return _reduced(_categorical(classes, p, **settings), reduction)


def _huber(t: Any, p: Any, *, delta: float) -> Any:
    return scipy.special.huber(delta, p - t)


def _hinge(t: Any, p: Any) -> Any:
    return np.maximum(1 - np.where(t == 0, -1, t) * p, 0)


def _categorical_hinge(t: Any, p: Any, *, axis: int) -> Any:
    right, wrong = np.sum(t * p, axis=axis), np.max((1 - t) * p, axis=axis)
    return np.maximum(wrong - right + 1, 0)


def _gelu(x: Any, *, approximate: bool) -> Any:
    if approximate:
        return x * scipy.special.expit(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    return x * scipy.special.ndtr(x)


def _glu(x: Any, *, axis: int) -> Any:
    a, b = np.split(x, 2, axis)
    return a * scipy.special.expit(b)


_SELU = (1.6732632423543772, 1.0507009873554805)

_OF_NUMPY = """
    abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift
    bitwise_or bitwise_right_shift bitwise_xor cbrt ceil conj copysign cos cosh deg2rad divide equal exp
    exp2 expm1 floor floor_divide fmax fmin fmod greater greater_equal heaviside hypot isfinite isinf
    isnan less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
    maximum minimum multiply negative not_equal positive pow rad2deg reciprocal remainder sign signbit
    sin sinh sqrt square subtract tan tanh trunc where sinc
"""
_OF_SCIPY = """
    xlog1py xlogy digamma erf erfc erfcx erfinv gammaln log_ndtr logit ndtr ndtri
"""
_NAMED: Mapping[str, Reference] = {
    **{name: getattr(np, name) for name in _OF_NUMPY.split()},
    **{name: getattr(scipy.special, name) for name in _OF_SCIPY.split()},
}

_OWN = """
    complex rsqrt divide_no_nan leaky_relu prelu elu selu celu hard_sigmoid hard_swish soft_shrink
    hard_shrink threshold softsign tanhshrink gelu silu mish glu normalize cosine_similarity
    spherical_jn sigmoid_cross_entropy binary_crossentropy categorical_crossentropy kl_divergence
    mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error
    huber log_cosh poisson hinge squared_hinge categorical_hinge cosine_similarity_loss
"""

_REFERENCES: Mapping[str, Reference] = {
    **ARRAYS,
    **_NAMED,
    "cholesky": _cholesky,
    "angle": np.angle,
    "real": np.real,
    "imag": np.imag,
    "complex": _complex,
    "isclose": _isclose,
    "clip": lambda x, *, min, max: np.clip(x, min, max),
    "round": lambda x, *, decimals: np.round(x, decimals),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "divide_no_nan": lambda x1, x2: np.where(x2 == 0, 0 * x2, x1 / np.where(x2 == 0, 1, x2)),
    "squared_difference": lambda x1, x2: np.square(x1 - x2),
    "polygamma": lambda x, *, order: scipy.special.polygamma(order, x),
    "spherical_jn": lambda x, *, order: scipy.special.spherical_jn(order, x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": _relu6,
    "leaky_relu": lambda x, *, alpha: np.where(x > 0, x, alpha * x),
    "prelu": lambda x, alpha: np.where(x > 0, x, alpha * x),
    "elu": _elu,
    "selu": lambda x: _SELU[1] * _elu(x, alpha=_SELU[0]),
    "celu": lambda x, *, alpha: (
        alpha * np.where(x / alpha > 0, x / alpha, np.expm1(np.minimum(x / alpha, 0)))
    ),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_sigmoid": lambda x: _relu6(x + 3) / 6,
    "hard_swish": lambda x: x * (_relu6(x + 3) / 6),
    "soft_shrink": lambda x, *, threshold: np.where(
        x > threshold, x - threshold, np.where(x < -threshold, x + threshold, 0 * x)
    ),
    "hard_shrink": lambda x, *, threshold: np.where(np.abs(x) <= threshold, 0, x),
    "threshold": lambda x, *, threshold, value: np.where(x <= threshold, value, x),
    "sigmoid": scipy.special.expit,
    "log_sigmoid": scipy.special.log_expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "gelu": _gelu,
    "silu": lambda x: x * scipy.special.expit(x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "glu": _glu,
    "softmax": lambda x, *, axis: scipy.special.softmax(x, axis=axes(axis)),
    "log_softmax": lambda x, *, axis: scipy.special.log_softmax(x, axis=axes(axis)),
    "logsumexp": lambda x, *, axis, keepdims: scipy.special.logsumexp(x, axis=axes(axis), keepdims=keepdims),
    "normalize": _normalize,
    "cosine_similarity": _cosine,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "binary_crossentropy": _pointwise(_binary),
    "categorical_crossentropy": _per_sample(_categorical),
    "sparse_categorical_crossentropy": _sparse,
    "kl_divergence": _per_sample(
        lambda t, p, *, axis, epsilon: np.sum(
            scipy.special.xlogy(t, t) - t * np.log(np.maximum(p, epsilon)), axis
        )
    ),
    "mean_squared_error": _pointwise(lambda t, p: np.square(t - p)),
    "mean_absolute_error": _pointwise(lambda t, p: np.abs(t - p)),
    "mean_absolute_percentage_error": _pointwise(
        lambda t, p, *, epsilon: 100 * np.abs(t - p) / np.maximum(np.abs(t), epsilon)
    ),
    "mean_squared_logarithmic_error": _pointwise(lambda t, p: np.square(np.log1p(t) - np.log1p(p))),
    "huber": _pointwise(_huber),
    "log_cosh": _pointwise(lambda t, p: np.logaddexp(p - t, t - p) - math.log(2)),
    "poisson": _pointwise(lambda t, p, *, epsilon: p - t * np.log(np.maximum(p, epsilon))),
    "hinge": _pointwise(_hinge),
    "squared_hinge": _pointwise(lambda t, p: np.square(_hinge(t, p))),
    "categorical_hinge": _per_sample(_categorical_hinge),
    "cosine_similarity_loss": _per_sample(lambda t, p, *, axis: -_cosine(t, p, axis=axis, epsilon=1e-12)),
}

REFERENCES: Mapping[str, Reference] = {
    name: _formula(reference) if name in _OWN.split() else reference
    for name, reference in _REFERENCES.items()
} | dict(NETWORK_REFERENCES)
