"""Layers under Keras's names. They hold settings only: a server turns a list of them into graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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

Shape = int | Sequence[int]


class Layer:
    """What layers share: a type, a name, settings; those that are None are left to the server's defaults."""

    def __init__(self, name: str | None, input_shape: Shape | None = None, **settings: Any) -> None:
        self.name = name
        self.input_shape = None if input_shape is None else shape_of(input_shape)
        self.settings = {key: _written(value) for key, value in settings.items() if value is not None}

    def document(self) -> dict[str, Any]:
        """As the wire has it."""
        named = {} if self.name is None else {"name": self.name}
        return {"type": type(self).__name__, **named, **self.settings}

    def __repr__(self) -> str:
        listed = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        return f"{type(self).__name__}({listed})"


class InputLayer(Layer):
    """The shape, and for integers the dtype, of one row that goes in."""

    def __init__(
        self, shape: Shape | None = None, dtype: Any = None, name: str | None = None, **old: Any
    ) -> None:
        given = old.pop("input_shape", shape)
        if given is None or old:
            raise TypeError(f"expected a shape for the input, got {', '.join(old) or 'none'}")
        super().__init__(name, given, dtype=None if dtype is None else str(dtype))

    def document(self) -> dict[str, Any]:
        """As the wire has it."""
        return {"type": "Input", "shape": list(self.input_shape or ()), **self.settings}


def Input(shape: Shape, dtype: Any = None, name: str | None = None) -> InputLayer:  # Keras's name
    """The first entry of a model: the shape of one row."""
    return InputLayer(shape, dtype, name)


class Dense(Layer):
    """activation(x @ kernel + bias) over the last axis."""

    def __init__(
        self,
        units: int,
        activation: str | Callable[..., Any] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        *,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name,
            input_dim if input_shape is None else input_shape,
            units=units,
            activation=activation,
            use_bias=None if use_bias else False,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
        )


class Activation(Layer):
    """A function by its name, or one of `gradwire.nn`."""

    def __init__(
        self,
        activation: str | Callable[..., Any],
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name, input_shape, activation=activation)


class Dropout(Layer):
    """While training, a fraction `rate` of the elements becomes 0 and the others grow by 1/(1 − rate)."""

    def __init__(self, rate: float, *, input_shape: Shape | None = None, name: str | None = None) -> None:
        super().__init__(name, input_shape, rate=rate)


class Flatten(Layer):
    """Every row as one axis."""

    def __init__(self, *, input_shape: Shape | None = None, name: str | None = None) -> None:
        super().__init__(name, input_shape)


class Reshape(Layer):
    """Every row in another shape; one size may be -1."""

    def __init__(
        self, target_shape: Sequence[int], *, input_shape: Shape | None = None, name: str | None = None
    ) -> None:
        super().__init__(name, input_shape, target_shape=list(target_shape))


class Embedding(Layer):
    """A learned row of `output_dim` numbers for each integer from 0 to input_dim − 1."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name,
            input_shape,
            input_dim=input_dim,
            output_dim=output_dim,
            embeddings_initializer=embeddings_initializer,
        )


class LayerNormalization(Layer):
    """Each row centred and scaled over `axis`, times gamma, plus beta."""

    def __init__(
        self,
        axis: int | Sequence[int] | None = None,
        epsilon: float | None = None,
        center: bool | None = None,
        scale: bool | None = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name, input_shape, axis=axis, epsilon=epsilon, center=center, scale=scale)


class BatchNormalization(Layer):
    """Centred and scaled by the batch while training, by running averages else."""

    def __init__(
        self,
        axis: int | None = None,
        momentum: float | None = None,
        epsilon: float | None = None,
        center: bool | None = None,
        scale: bool | None = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            name, input_shape, axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale
        )


def shape_of(shape: Shape) -> tuple[int, ...]:
    """A shape of one row; a bare number is a single axis."""
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _written(value: Any) -> Any:
    if hasattr(value, "document"):
        return value.document()
    if callable(value):
        return value.__name__
    return list(value) if isinstance(value, tuple) else value
