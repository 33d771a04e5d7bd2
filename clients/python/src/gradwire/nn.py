"""The ops of neural networks under one roof, as in TensorFlow's `nn` and JAX's `nn`."""

from typing import TYPE_CHECKING

from gradwire._names.counterparts import NN
from gradwire._names.missing import INSTEAD
from gradwire._names.refusals import names_of
from gradwire._tracing.ops import (
    celu,
    elu,
    gelu,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    logsumexp,
    relu,
    relu6,
    selu,
    sigmoid,
    sigmoid_cross_entropy_with_logits,
    silu,
    softmax,
    softplus,
    softsign,
    swish,
    tanh,
)
from gradwire._tracing.respelling import respell as _respell

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

__path__: list[str] = []  # so that `import gradwire.nn.functional` is told what to write instead

_respell(globals())

if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), NN, INSTEAD)
