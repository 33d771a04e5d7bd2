"""Names that other libraries have, or that belong elsewhere in a job: what to write instead."""

from __future__ import annotations

from collections.abc import Mapping

_OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
_ENTROPY = (
    "'sparse_categorical_crossentropy' for the index of a class, 'categorical_crossentropy' for one-hot rows"
)
_LOGITS = '{"name": "sparse_categorical_crossentropy", "from_logits": true}'

_TABLE: Mapping[str, Mapping[str, str]] = {
    "loss": {
        **dict.fromkeys(_OPTIMIZERS, "this is an optimizer, and a loss is expected: they may be swapped"),
        "crossentropy": _ENTROPY,
        "crossentropyloss": _LOGITS,
        "logloss": "'binary_crossentropy'",
        "nll": _ENTROPY,
        "nllloss": _ENTROPY,
        "softmaxcrossentropy": _LOGITS,
        "l1": "'mean_absolute_error'",
        "l2": "'mean_squared_error'",
        "rmse": "'mean_squared_error': its minimum is at the same place, and 'rmse' is a metric",
        "accuracy": "accuracy is a metric and has no gradient; as the loss take a cross-entropy: " + _ENTROPY,
        "auc": "it has no gradient; as the loss take 'binary_crossentropy'",
        "focal": "there is none: write it in a program, with its parameters",
    },
    "metric": {
        "f1": "there is none: compute it of the answers of predict; 'binary_accuracy' is there",
        "f1score": "there is none: compute it of the answers of predict; 'binary_accuracy' is there",
        "precision": "there is none: compute it of the answers of predict; 'binary_accuracy' is there",
        "recall": "there is none: compute it of the answers of predict; 'binary_accuracy' is there",
        "auc": "there is none: compute it of the answers of predict; 'binary_accuracy' is there",
        "r2": "there is none: compute it of the answers of predict; 'mean_squared_error' is there",
        "r2score": "there is none: compute it of the answers of predict; 'mean_squared_error' is there",
        "loss": "the loss is reported without being asked for",
    },
    "optimizer": {
        **dict.fromkeys(
            ("mse", "mae", "meansquarederror", "binarycrossentropy", "categoricalcrossentropy"),
            "this is a loss, and an optimizer is expected: they may be swapped",
        ),
        "gd": "'sgd'",
        "gradientdescent": "'sgd'",
        "momentum": '{"name": "sgd", "momentum": 0.9}',
        "nesterov": '{"name": "sgd", "momentum": 0.9, "nesterov": true}',
        "nadam": "there is none: 'adam' is nearest",
        "adamax": "there is none: 'adam' is nearest",
        "adadelta": "there is none: 'adagrad' and 'rmsprop' are nearest",
        "lbfgs": "there is none: jobs step on batches; 'adam' is there",
    },
    "activation": {
        "none": "leave the activation out, or 'linear'",
        "identity": "'linear'",
        "logistic": "'sigmoid'",
        "lrelu": "'leaky_relu'",
        "prelu": "'leaky_relu'",
        "expit": "'sigmoid'",
    },
}


def foreign(what: str, name: str) -> str | None:
    """What to write for a `name` without case and underscores; None if nothing is known."""
    return _TABLE.get(what, {}).get(name)
