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
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRU",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "Input",
    "InputLayer",
    "LSTM",
    "Layer",
    "LayerNormalization",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Reshape",
    "SimpleRNN",
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


class AveragePooling1D(Layer):
    """The mean of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
        )


class AveragePooling2D(Layer):
    """The mean of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
        )


class AveragePooling3D(Layer):
    """The mean of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
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


class Conv1D(Layer):
    """activation(convolution + bias) over one axis of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows; causal: none reads ahead.
    `dilation_rate`: the distance between the elements that a window reads.
    `groups`: groups of channels, each with kernels of its own.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        "groups": 1,
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Conv1DTranspose(Layer):
    """activation(transposed convolution + bias) over one axis of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "output_padding": "the result has sizes times strides; the op conv2d_transpose takes others",
        "dilation_rate": "the op conv2d_transpose takes it",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Conv2D(Layer):
    """activation(convolution + bias) over 2 axes of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    `dilation_rate`: the distance between the elements that a window reads.
    `groups`: groups of channels, each with kernels of its own.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        "groups": 1,
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Conv2DTranspose(Layer):
    """activation(transposed convolution + bias) over 2 axes of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "output_padding": "the result has sizes times strides; the op conv2d_transpose takes others",
        "dilation_rate": "the op conv2d_transpose takes it",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Conv3D(Layer):
    """activation(convolution + bias) over 3 axes of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    `dilation_rate`: the distance between the elements that a window reads.
    `groups`: groups of channels, each with kernels of its own.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "dilation_rate": 1,
        "groups": 1,
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Conv3DTranspose(Layer):
    """activation(transposed convolution + bias) over 3 axes of rows (*sizes, channels).

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "use_bias": True,
        "kernel_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "output_padding": "the result has sizes times strides; the op conv2d_transpose takes others",
        "dilation_rate": "the op conv2d_transpose takes it",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
    }

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
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
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
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


class DepthwiseConv2D(Layer):
    """activation(convolution + bias) with kernels of its own for each channel.

    `kernel_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves.
    `padding`: same: ceil(size / stride) windows.
    `depth_multiplier`: how many kernels each channel has.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "strides": 1,
        "padding": "valid",
        "depth_multiplier": 1,
        "use_bias": True,
        "depthwise_initializer": "glorot_uniform",
        "bias_initializer": "zeros",
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
        "dilation_rate": "the op conv2d takes it",
    }

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        activation: str | Callable[..., Any] | None = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
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
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
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


class GRU(Layer):
    """A gated recurrent unit over the steps of a row (Cho et al. 2014).

    `reset_after`: whether the reset gate comes behind the product.
    `return_sequences`: all steps' results, else the last one's.
    `go_backwards`: whether the last step comes first.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "reset_after": True,
        "kernel_initializer": "glorot_uniform",
        "recurrent_initializer": "orthogonal",
        "bias_initializer": "zeros",
        "return_sequences": False,
        "go_backwards": False,
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "use_bias": "a bias of zeros adds nothing",
        "dropout": "put a Dropout layer before it",
        "recurrent_dropout": "there is none",
        "return_state": "the op returns states",
        "stateful": "each row starts from zeros",
        "unroll": "it is a loop: leave it out",
        "activation": "it is tanh",
        "recurrent_activation": "it is the sigmoid",
    }

    def __init__(
        self,
        units: int,
        reset_after: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        return_sequences: bool = False,
        go_backwards: bool = False,
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
            reset_after=reset_after,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            return_sequences=return_sequences,
            go_backwards=go_backwards,
        )


class GlobalAveragePooling1D(Layer):
    """The mean of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class GlobalAveragePooling2D(Layer):
    """The mean of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class GlobalAveragePooling3D(Layer):
    """The mean of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class GlobalMaxPooling1D(Layer):
    """The largest element of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class GlobalMaxPooling2D(Layer):
    """The largest element of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class GlobalMaxPooling3D(Layer):
    """The largest element of each channel of rows (*sizes, channels).

    `keepdims`: keep the axes with size 1.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"keepdims": False}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        keepdims: bool = False,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name, input_dim if input_shape is None else input_shape, trainable, keepdims=keepdims
        )


class LSTM(Layer):
    """A long short-term memory over the steps of a row (Hochreiter and Schmidhuber 1997).

    `return_sequences`: all steps' results, else the last one's.
    `go_backwards`: whether the last step comes first.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "kernel_initializer": "glorot_uniform",
        "recurrent_initializer": "orthogonal",
        "bias_initializer": "unit_forget_bias",
        "return_sequences": False,
        "go_backwards": False,
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "use_bias": "a bias of zeros adds nothing",
        "dropout": "put a Dropout layer before it",
        "recurrent_dropout": "there is none",
        "return_state": "the op returns states",
        "stateful": "each row starts from zeros",
        "unroll": "it is a loop: leave it out",
        "activation": "it is tanh",
        "recurrent_activation": "it is the sigmoid",
        "unit_forget_bias": "bias_initializer='unit_forget_bias' is the default, 'zeros' is without",
    }

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "unit_forget_bias",
        return_sequences: bool = False,
        go_backwards: bool = False,
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
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            return_sequences=return_sequences,
            go_backwards=go_backwards,
        )


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


class MaxPooling1D(Layer):
    """The largest element of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
        )


class MaxPooling2D(Layer):
    """The largest element of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
        )


class MaxPooling3D(Layer):
    """The largest element of each window of rows (*sizes, channels).

    `pool_size`: the size of a window: one for all axes, or one for each.
    `strides`: how far the window moves; pool_size when absent.
    `padding`: same: ceil(size / stride) windows.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {"pool_size": 2, "padding": "valid"}
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "data_format": "rows are (*sizes, channels): move the channels of the data to the last axis",
    }

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
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
            pool_size=pool_size,
            strides=strides,
            padding=padding,
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


class SimpleRNN(Layer):
    """h = activation(x @ kernel + h @ recurrent_kernel + bias), step by step.

    `return_sequences`: all steps' results, else the last one's.
    `go_backwards`: whether the last step comes first.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {
        "activation": "tanh",
        "kernel_initializer": "glorot_uniform",
        "recurrent_initializer": "orthogonal",
        "bias_initializer": "zeros",
        "return_sequences": False,
        "go_backwards": False,
    }
    _cures: ClassVar[Mapping[str, str]] = {
        **Layer._cures,
        "use_bias": "a bias of zeros adds nothing",
        "dropout": "put a Dropout layer before it",
        "recurrent_dropout": "there is none",
        "return_state": "the op returns states",
        "stateful": "each row starts from zeros",
        "unroll": "it is a loop: leave it out",
    }

    def __init__(
        self,
        units: int,
        activation: str = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        return_sequences: bool = False,
        go_backwards: bool = False,
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
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            return_sequences=return_sequences,
            go_backwards=go_backwards,
        )


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LAYERS)
