"""Layers under Keras's names. They hold settings only: a server turns a list of them into graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from gradwire._names.counterparts import LAYER, LAYERS
from gradwire._names.own import own_class, own_function
from gradwire._names.refusals import names_of
from gradwire._names.strict import Strict
from gradwire.keras.initializers import OWN_VALUES, Initializer

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


_PENALTY = (
    "weights are held small by the optimizer's weight_decay, or by a penalty that a loop of your own adds to "
    "the loss"
)
_CONSTRAINT = "a loop of your own may assign to the variables after each step"
_APPLY = "leave it out, and apply your function to what `model(x)` returns, in a loop of your own"


class Layer(Strict):
    """What layers share: a type, a name, settings; those that are None are left to the server's defaults.

    The weights of a layer that is not `trainable` stay as they are, in `fit` and on tapes; it may be set at
    any time. A BatchNormalization that is not trainable works as in predictions, as in Keras.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"settings", "input_shape"})
    _cures: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer"), _PENALTY),
        **dict.fromkeys(("embeddings_regularizer", "beta_regularizer", "gamma_regularizer"), _PENALTY),
        **dict.fromkeys(("kernel_constraint", "bias_constraint", "embeddings_constraint"), _CONSTRAINT),
        **dict.fromkeys(("beta_constraint", "gamma_constraint"), _CONSTRAINT),
        "dtype": "a model has one dtype: Sequential(dtype=…)",
        "batch_size": "fit takes it: leave it out here",
        "batch_shape": "give the shape of one row: input_shape=(…)",
        "batch_input_shape": "give the shape of one row: input_shape=(…)",
        "seed": "what is dropped follows the seed of fit, or gradwire.random.set_seed on tapes",
        "noise_shape": "each element is drawn by itself",
        "mask_zero": "there are no masks",
        "input_length": "it follows from the data: leave it out",
        "data_format": "channels come last",
        "renorm": "there is no renormalisation",
        "synchronized": "a job runs in one process: leave it out",
        "lora_rank": "there is no LoRA",
        "quantization_config": "there is no quantisation",
        "weights": "set them on the model: model.set_weights([…])",
        "sparse": "there are no sparse inputs",
    }

    _absent: ClassVar[Mapping[str, str]] = LAYER

    def __init__(
        self, name: str | None, input_shape: Shape | None = None, trainable: bool = True, **settings: Any
    ) -> None:
        self.name = name
        self.input_shape = None if input_shape is None else shape_of(input_shape)
        self.trainable = trainable
        self.settings = {key: _written(key, value) for key, value in settings.items() if value is not None}

    @property
    def trainable(self) -> bool:
        """Whether its weights are learned."""
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = flag("trainable", trainable)

    @staticmethod
    def restored(kind: type[Layer], name: str | None, settings: Mapping[str, Any]) -> Layer:
        """A layer as its document has it."""
        layer = kind.__new__(kind)
        Layer.__init__(layer, name, None, **settings)
        vars(layer)["_made"] = True
        return layer

    def document(self) -> dict[str, Any]:
        """As the wire has it; raises NotTraced for a class of the user's own."""
        named = {} if self.name is None else {"name": self.name}
        frozen = {} if self.trainable else {"trainable": False}
        return {"type": own_class(self, "layer", _APPLY).__name__, **named, **frozen, **self.settings}

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: layers hold settings, and a model of them is called."""
        raise TypeError(
            f"a {type(self).__name__} is no function: put layers into a model, model = gw.Sequential([...]), "
            "and call that, model(x)"
        )

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
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_dim if input_shape is None else input_shape,
            trainable,
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
        trainable: bool = True,
    ) -> None:
        super().__init__(name, input_shape, trainable, activation=activation)


class Dropout(Layer):
    """While training, a fraction `rate` of the elements becomes 0 and the others grow by 1/(1 − rate)."""

    def __init__(
        self,
        rate: float,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, input_shape, trainable, rate=rate)


class Flatten(Layer):
    """Every row as one axis."""

    def __init__(
        self, *, input_shape: Shape | None = None, name: str | None = None, trainable: bool = True
    ) -> None:
        super().__init__(name, input_shape, trainable)


class Reshape(Layer):
    """Every row in another shape; one size may be -1."""

    def __init__(
        self,
        target_shape: Sequence[int],
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, input_shape, trainable, target_shape=list(target_shape))


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


class LayerNormalization(Layer):
    """Each row centred and scaled over `axis`, times gamma, plus beta."""

    def __init__(
        self,
        axis: int | Sequence[int] | None = None,
        epsilon: float | None = None,
        center: bool | None = None,
        scale: bool | None = None,
        beta_initializer: Any = None,
        gamma_initializer: Any = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_shape,
            trainable,
            axis=axis,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
        )


class BatchNormalization(Layer):
    """Centred and scaled by the batch while training, by running averages else."""

    def __init__(
        self,
        axis: int | None = None,
        momentum: float | None = None,
        epsilon: float | None = None,
        center: bool | None = None,
        scale: bool | None = None,
        beta_initializer: Any = None,
        gamma_initializer: Any = None,
        moving_mean_initializer: Any = None,
        moving_variance_initializer: Any = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(
            name,
            input_shape,
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


def shape_of(shape: Shape) -> tuple[int, ...]:
    """A shape of one row; a bare number is a single axis."""
    return (shape,) if isinstance(shape, int) else tuple(shape)


def flag(name: str, value: Any) -> bool:
    """A truth value; raises TypeError for what only looks like one, as "False" does."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"expected True or False for {name}, got {value!r}")
    return bool(value)


def _written(key: str, value: Any) -> Any:
    if key.endswith("_initializer"):
        return _initializer(key, value)
    if isinstance(value, np.ufunc):
        name = str(value.__name__)
        if getattr(np, name, None) is value:
            return name  # NumPy's tanh is that of everyone
    if callable(value):
        return own_function(value, key, _APPLY)
    return list(value) if isinstance(value, tuple) else value


def _initializer(key: str, value: Any) -> Any:
    """As the wire has it; classes are called, as in Keras."""
    if isinstance(value, type) and issubclass(value, Initializer):
        value = value()
    if isinstance(value, Initializer):
        return value.document()
    if callable(value):
        return own_function(value, key, OWN_VALUES)
    return value


if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), LAYERS)
