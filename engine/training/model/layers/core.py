"""Dense, Activation, Dropout, Embedding."""

from __future__ import annotations

from dataclasses import replace

from engine import dtypes
from engine.errors import DtypeMismatch
from engine.ir.attributes import BOOLEAN, REQUIRED, Attribute
from engine.training.catalogue.activations import ACTIVATION, Activation
from engine.training.catalogue.initializers import Initializer, initializer
from engine.training.catalogue.registry import Choice, number, whole
from engine.training.model.builder import GraphBuilder, Symbol
from engine.training.model.layers.layer import Layer, needs_axis

SIZE = whole(1, 2**31 - 1)
NO_LORA = "there is no LoRA"


def _dense(
    scope: GraphBuilder,
    x: Symbol,
    *,
    units: int,
    activation: Activation,
    use_bias: bool,
    kernel_initializer: Choice[Initializer],
    bias_initializer: Choice[Initializer],
) -> Symbol:
    """X @ kernel + bias over the last axis."""
    needs_axis(x, "Dense")
    kernel = scope.weight("kernel", (x.shape[-1], units), kernel_initializer)
    y = scope.node("matmul", x.name, kernel)
    if use_bias:
        y = scope.node("add", y, scope.weight("bias", (units,), bias_initializer))
    return scope.activate(Symbol(y, (*x.shape[:-1], units), x.dtype), activation)


def _dropout(scope: GraphBuilder, x: Symbol, *, rate: float) -> Symbol:
    """While training, x times the mask; else x."""
    if not scope.training or rate == 0:
        return x
    return Symbol(scope.node("multiply", x.name, scope.draw_mask(x, rate)), x.shape, x.dtype)


def _embedding(
    scope: GraphBuilder,
    x: Symbol,
    *,
    input_dim: int,
    output_dim: int,
    embeddings_initializer: Choice[Initializer],
) -> Symbol:
    """The row of the table at each integer of x."""
    if not dtypes.is_integer(x.dtype):
        raise DtypeMismatch(
            f"Embedding reads integers, got {x.dtype}", hint="put it first, or give an Input an integer dtype"
        )
    table = scope.weight("embeddings", (input_dim, output_dim), embeddings_initializer)
    return Symbol(scope.node("gather", table, x.name), (*x.shape, output_dim), scope.dtype)


LAYERS = (
    Layer(
        "Dense",
        "dense",
        "activation(x @ kernel + bias) over the last axis.",
        _dense,
        (
            Attribute("units", SIZE),
            ACTIVATION,
            Attribute("use_bias", BOOLEAN, True),
            initializer("kernel_initializer", "glorot_uniform"),
            initializer("bias_initializer", "zeros"),
        ),
        absent={"lora_rank": NO_LORA, "quantization_config": "there is no quantisation"},
    ),
    Layer(
        "Activation",
        "activation",
        "An activation alone.",
        lambda scope, x, *, activation: scope.activate(x, activation),
        (replace(ACTIVATION, default=REQUIRED),),
    ),
    Layer(
        "Dropout",
        "dropout",
        "While training, a fraction `rate` of the elements becomes 0 and the others grow by 1 / (1 - rate).",
        _dropout,
        (Attribute("rate", number(0.0, 1.0, below=True), doc="the fraction that is set to 0"),),
        absent={"noise_shape": "each element is drawn by itself"},
    ),
    Layer(
        "Embedding",
        "embedding",
        "A learned row of `output_dim` numbers for each integer from 0 to input_dim - 1.",
        _embedding,
        (
            Attribute("input_dim", SIZE, doc="how many integers there are: 0 to input_dim - 1"),
            Attribute("output_dim", SIZE),
            initializer("embeddings_initializer", "random_uniform"),
        ),
        integers=True,
        absent={
            "mask_zero": "there are no masks",
            "input_length": "it follows from the data: leave it out",
            "lora_rank": NO_LORA,
        },
    ),
)
