"""What weights start from, under Keras's names and defaults.

Generated from the server's records by clients/python/generate.py; do not edit.
"""

from __future__ import annotations

from gradwire.keras.initializer import Initializer

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
    "UnitForgetBias",
    "VarianceScaling",
    "Zeros",
]


class Constant(Initializer):
    """One value everywhere."""

    _wire_name = "constant"

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(value=value)


class GlorotNormal(Initializer):
    """Truncated normal, by the mean of both fans (Glorot and Bengio 2010).

    `seed`: in place of the job's seed.
    """

    _wire_name = "glorot_normal"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class GlorotUniform(Initializer):
    """Uniform, by the mean of both fans (Glorot and Bengio 2010).

    `seed`: in place of the job's seed.
    """

    _wire_name = "glorot_uniform"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class HeNormal(Initializer):
    """Truncated normal, twice the variance, by what goes in (He et al. 2015).

    `seed`: in place of the job's seed.
    """

    _wire_name = "he_normal"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class HeUniform(Initializer):
    """Uniform, twice the variance, by what goes in (He et al. 2015).

    `seed`: in place of the job's seed.
    """

    _wire_name = "he_uniform"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class Identity(Initializer):
    """The identity matrix, times `gain`."""

    _wire_name = "identity"

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)


class LecunNormal(Initializer):
    """Truncated normal, by what goes in (LeCun et al. 1998).

    `seed`: in place of the job's seed.
    """

    _wire_name = "lecun_normal"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class LecunUniform(Initializer):
    """Uniform, by what goes in (LeCun et al. 1998).

    `seed`: in place of the job's seed.
    """

    _wire_name = "lecun_uniform"

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed)


class Ones(Initializer):
    """Ones everywhere."""

    _wire_name = "ones"

    def __init__(
        self,
    ) -> None:
        super().__init__()


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns, times `gain` (Saxe et al. 2014).

    `seed`: in place of the job's seed.
    """

    _wire_name = "orthogonal"

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(gain=gain, seed=seed)


class RandomNormal(Initializer):
    """Normal draws.

    `seed`: in place of the job's seed.
    """

    _wire_name = "random_normal"

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed)


class RandomUniform(Initializer):
    """Uniform draws from an interval.

    `seed`: in place of the job's seed.
    """

    _wire_name = "random_uniform"

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(minval=minval, maxval=maxval, seed=seed)


class TruncatedNormal(Initializer):
    """Normal draws, cut at two deviations.

    `seed`: in place of the job's seed.
    """

    _wire_name = "truncated_normal"

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(mean=mean, stddev=stddev, seed=seed)


class UnitForgetBias(Initializer):
    """Zeros, and ones in the second quarter: an LSTM's forget gate starts open."""

    _wire_name = "unit_forget_bias"

    def __init__(
        self,
    ) -> None:
        super().__init__()


class VarianceScaling(Initializer):
    """Draws whose variance is `scale` divided by how many numbers go in, come out, or their mean.

    `seed`: in place of the job's seed.
    """

    _wire_name = "variance_scaling"

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution, seed=seed)


class Zeros(Initializer):
    """Zeros everywhere."""

    _wire_name = "zeros"

    def __init__(
        self,
    ) -> None:
        super().__init__()
