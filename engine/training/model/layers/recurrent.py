"""SimpleRNN, LSTM and GRU over rows (steps, features), with Keras's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.ir.attributes import BOOLEAN, Attribute, choice
from engine.training.catalogue.initializers import Initializer, initializer
from engine.training.catalogue.registry import Choice, whole
from engine.training.model.builder import GraphBuilder, Symbol
from engine.training.model.layers.layer import Layer, needs_axis


def _recurrent(kind: str, op: str, gates: int, states: int) -> Callable[..., Symbol]:
    def write(
        scope: GraphBuilder,
        x: Symbol,
        *,
        units: int,
        kernel_initializer: Choice[Initializer],
        recurrent_initializer: Choice[Initializer],
        bias_initializer: Choice[Initializer],
        return_sequences: bool,
        go_backwards: bool,
        **settings: Any,
    ) -> Symbol:
        needs_axis(x, kind, 2)
        wide = gates * units
        kernel = scope.weight("kernel", (x.shape[-1], wide), kernel_initializer)
        recurrent = scope.weight("recurrent_kernel", (units, wide), recurrent_initializer)
        biases = (2, wide) if settings.get("reset_after") else (wide,)
        bias = scope.weight("bias", biases, bias_initializer)
        first = (0.0,) * states
        node = scope.node(op, x.name, *first, kernel, recurrent, bias, reverse=go_backwards, **settings)
        if not return_sequences:
            return Symbol(f"{node}:1", (*x.shape[:-2], units), x.dtype)
        if go_backwards:  # Keras returns them in the order in which they were computed
            node = scope.node("flip", node, axis=-2)
        return Symbol(node, (*x.shape[:-1], units), x.dtype)

    return write


def _layer(
    name: str, summary: str, gates: int, *more: Attribute, bias: str = "zeros", **fields: Any
) -> Layer:
    stem = {"SimpleRNN": "simple_rnn"}.get(name, name.lower())
    states = 2 if name == "LSTM" else 1
    return Layer(
        name,
        stem,
        summary,
        _recurrent(name, stem, gates, states),
        (
            Attribute("units", whole(1, 2**31 - 1)),
            *more,
            initializer("kernel_initializer", "glorot_uniform"),
            initializer("recurrent_initializer", "orthogonal"),
            initializer("bias_initializer", bias),
            Attribute("return_sequences", BOOLEAN, False, "all steps' results, else the last one's"),
            Attribute("go_backwards", BOOLEAN, False, "whether the last step comes first"),
        ),
        absent={
            "use_bias": "a bias of zeros adds nothing",
            "dropout": "put a Dropout layer before it",
            "recurrent_dropout": "there is none",
            "return_state": "the op returns states",
            "stateful": "each row starts from zeros",
            "unroll": "it is a loop: leave it out",
            **fields.pop("absent", {}),
        },
    )


_NO_GATES = {
    "activation": "it is tanh",
    "recurrent_activation": "it is the sigmoid",
}

LAYERS = (
    _layer(
        "SimpleRNN",
        "h = activation(x @ kernel + h @ recurrent_kernel + bias), step by step.",
        1,
        Attribute("activation", choice("tanh", "relu"), "tanh"),
    ),
    _layer(
        "LSTM",
        "A long short-term memory over the steps of a row (Hochreiter and Schmidhuber 1997).",
        4,
        bias="unit_forget_bias",
        absent={
            **_NO_GATES,
            "unit_forget_bias": "bias_initializer='unit_forget_bias' is the default, 'zeros' is without",
        },
    ),
    _layer(
        "GRU",
        "A gated recurrent unit over the steps of a row (Cho et al. 2014).",
        3,
        Attribute("reset_after", BOOLEAN, True, "whether the reset gate comes behind the product"),
        absent=_NO_GATES,
    ),
)
