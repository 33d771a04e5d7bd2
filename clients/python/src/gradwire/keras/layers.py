"""Layers under Keras's names and defaults.

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gradwire._names.counterparts import LAYERS
from gradwire._names.refusals import names_of
from gradwire.keras.layer import Input, InputLayer, Layer, Shape

__all__ = [
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "Reshape",
]


class Activation(Layer):
    """An activation alone."""

    def __init__(
        self,
        activation: str | Callable[..., Any],
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, activation=activation
        )


class BatchNormalization(Layer):
    """(x - mean) / √(var + ε) · gamma + beta over the batch, for each feature on `axis`; predicting, with
    running averages (Ioffe and Szegedy 2015).

    `momentum`: how slowly the running averages are forgotten.
    `center`: add beta.
    `scale`: multiply by gamma.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "axis": -1,
        "momentum": 0.99,
        "epsilon": 0.001,
        "center": True,
        "scale": True,
        "beta_initializer": "zeros",
        "gamma_initializer": "ones",
        "moving_mean_initializer": "zeros",
        "moving_variance_initializer": "ones",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "renorm": "there is no renormalisation",
        "synchronized": "a job runs in one process: leave it out",
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_dim if input_shape is None else input_shape,
            trainable,
            axis=axis,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
        )


class Dense(Layer):
    """activation(x @ kernel + bias) over the last axis."""

    _defaults: ClassVar[Mapping[str, Any]] = {
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        units: int,
        activation: str | Callable[..., Any] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_dim if input_shape is None else input_shape,
            trainable,
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Dropout(Layer):
    """While training, a fraction `rate` of the elements becomes 0 and the others grow by 1 / (1 - rate).

    `rate`: the fraction that is set to 0.
    """

    _cures: ClassVar[Mapping[str, str]] = {**Layer._cures, "noise_shape": "each element is drawn by itself"}

    def __init__(
        self,
        rate: float,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, input_dim if input_shape is None else input_shape, trainable, rate=rate)


class Embedding(Layer):
    """A learned row of `output_dim` numbers for each integer from 0 to input_dim - 1.

    `input_dim`: how many integers there are: 0 to input_dim - 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"embeddings_initializer": "random_uniform"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "mask_zero": "there are no masks",
        "input_length": "it follows from the data: leave it out",
        "lora_rank": "there is no LoRA",
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "random_uniform",
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_shape,
            trainable,
            input_dim=input_dim,
            output_dim=output_dim,
            embeddings_initializer=embeddings_initializer,
        )


class Flatten(Layer):
    """Every row as one axis."""

    def __init__(
        self,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, input_dim if input_shape is None else input_shape, trainable)


class LayerNormalization(Layer):
    """(x - mean) / √(var + ε) · gamma + beta over `axis` of each row (Ba et al. 2016).

    `center`: add beta.
    `scale`: multiply by gamma.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "axis": -1,
        "epsilon": 0.001,
        "center": True,
        "scale": True,
        "beta_initializer": "zeros",
        "gamma_initializer": "ones",
    }

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_dim if input_shape is None else input_shape,
            trainable,
            axis=axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
        )


class Reshape(Layer):
    """Every row in another shape; one size may be -1."""

    def __init__(
        self,
        target_shape: int | Sequence[int],
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, target_shape=target_shape
        )


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LAYERS)
