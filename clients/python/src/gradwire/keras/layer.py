"""What layers share: they hold settings only, and a server turns a list of them into graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from gradwire._names.counterparts import LAYER
from gradwire._names.own import own_class, own_function
from gradwire._names.strict import Strict
from gradwire.keras import cures
from gradwire.keras.initializer import OWN_VALUES, Initializer

Shape = int | Sequence[int]


_APPLY = "leave it out, and apply your function to what `model(x)` returns, in a loop of your own"


class Layer(Strict):
    """What layers share: a type, a name, settings; those at the server's defaults are left out.

    The weights of a layer that is not `trainable` stay as they are, in `fit` and on tapes; it may be set at
    any time. A BatchNormalization that is not trainable works as in predictions, as in Keras.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset({"settings", "input_shape"})
    _cures: ClassVar[Mapping[str, str]] = cures.LAYER

    _absent: ClassVar[Mapping[str, str]] = LAYER
    _defaults: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self, name: str | None, input_shape: Shape | None = None, trainable: bool = True, **settings: Any
    ) -> None:
        self.name = name
        self.input_shape = None if input_shape is None else shape_of(input_shape)
        self.trainable = trainable
        written = {key: _written(key, value) for key, value in settings.items() if value is not None}
        self.settings = {key: value for key, value in written.items() if not self._is_default(key, value)}

    def _is_default(self, setting: str, value: Any) -> bool:
        default = self._defaults.get(setting)
        return type(value) is type(default) and bool(value == default)

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
        sizes = old.pop("input_shape", shape)
        if sizes is None or old:
            raise TypeError(f"expected a shape for the input, got {', '.join(old) or 'none'}")
        super().__init__(name, sizes, dtype=None if dtype is None else str(dtype))

    def document(self) -> dict[str, Any]:
        """As the wire has it."""
        return {"type": "Input", "shape": list(self.input_shape or ()), **self.settings}


def Input(shape: Shape, dtype: Any = None, name: str | None = None) -> InputLayer:  # Keras's name
    """The first entry of a model: the shape of one row."""
    return InputLayer(shape, dtype, name)


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
    if key == "activation" and isinstance(value, int | float):
        raise TypeError(
            f"expected an activation's name, such as 'relu', got {value!r}: a layer takes the number of its "
            f"outputs alone, gw.layers.Dense({value!r}); what comes in is known from the data"
        )
    if isinstance(value, np.ufunc):
        name = str(value.__name__)
        if getattr(np, name, None) is value:
            return name  # NumPy's tanh is that of everyone
    if callable(value):
        return own_function(value, key, _APPLY)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple | range) else value


def _initializer(key: str, value: Any) -> Any:
    """As the wire has it; classes are called, as in Keras."""
    if isinstance(value, type) and issubclass(value, Initializer):
        value = value()
    if isinstance(value, Initializer):
        return value.document()
    if callable(value):
        return own_function(value, key, OWN_VALUES)
    return value
