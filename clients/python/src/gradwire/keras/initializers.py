"""What weights start from, under Keras's names: settings that travel with a layer to whoever draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gradwire._names.own import own_class
from gradwire._names.strict import Strict
from gradwire.keras.naming import snake_case

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
]

OWN_VALUES = "draw the values yourself: `model.build((None, …))`, then `model.set_weights([…])`"


class Initializer(Strict):
    """What initialisers share: a name on the wire and settings; those that are None are left out."""

    _fixed: ClassVar[frozenset[str]] = frozenset({"settings"})
    _cures: ClassVar[Mapping[str, str]] = {"dtype": "a model has one dtype: Sequential(dtype=…)"}

    def __init__(self, **settings: Any) -> None:
        self.settings = {name: value for name, value in settings.items() if value is not None}

    def document(self) -> dict[str, Any]:
        """As the wire has it; raises NotTraced for a class of the user's own."""
        return {"name": snake_case(own_class(self, "initializer", OWN_VALUES)), **self.settings}


class Zeros(Initializer):
    """Zeros everywhere."""

    def __init__(self) -> None:
        super().__init__()


class Ones(Initializer):
    """Ones everywhere."""

    def __init__(self) -> None:
        super().__init__()


class Constant(Initializer):
    """One value everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(value=value)


class RandomNormal(Initializer):
    """Normal draws."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed)


class TruncatedNormal(RandomNormal):
    """Normal draws, cut at two deviations."""


class RandomUniform(Initializer):
    """Uniform draws from an interval."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(minval=minval, maxval=maxval, seed=seed)


class VarianceScaling(Initializer):
    """Draws whose variance is `scale` divided by how many numbers go in, come out, or their mean."""

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution, seed=seed)


class _Scaled(Initializer):
    """A scaling whose settings are in its name."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class GlorotUniform(_Scaled):
    """Uniform, by the mean of both fans (Glorot and Bengio, 2010)."""


class GlorotNormal(_Scaled):
    """Truncated normal, by the mean of both fans (Glorot and Bengio, 2010)."""


class HeUniform(_Scaled):
    """Uniform, twice as wide, by what goes in (He et al., 2015)."""


class HeNormal(_Scaled):
    """Truncated normal, twice as wide, by what goes in (He et al., 2015)."""


class LecunUniform(_Scaled):
    """Uniform, by what goes in (LeCun et al., 1998)."""


class LecunNormal(_Scaled):
    """Truncated normal, by what goes in (LeCun et al., 1998)."""


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, times `gain` (Saxe et al., 2014)."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(gain=gain, seed=seed)


class Identity(Initializer):
    """The identity matrix, times `gain`."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)
