"""What weights start from, drawn here by NumPy for models that start in this process.

A model that is fitted before anything reads its weights leaves this to the server instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np

from gradwire._tracing.node import Array

__all__ = ["draw"]

_SCALED = {  # scale, fan, distribution
    "glorot_uniform": (1.0, "avg", "uniform"),
    "glorot_normal": (1.0, "avg", "normal"),
    "he_uniform": (2.0, "in", "uniform"),
    "he_normal": (2.0, "in", "normal"),
    "lecun_uniform": (1.0, "in", "uniform"),
    "lecun_normal": (1.0, "in", "normal"),
}
_TRUNCATED_DEVIATION = 0.87962566103423978  # of a normal distribution cut at two deviations


def draw(initializer: Any, shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> Array:
    """Values of a shape; `initializer` is a name, or a mapping with a name and settings, as on the wire.

    Raises ValueError for one that only the server knows.
    """
    settings = {"name": initializer} if isinstance(initializer, str) else dict(initializer)
    name = settings.pop("name")
    return np.asarray(_values(name, settings, shape, random), dtype)


def _values(
    name: str, settings: Mapping[str, Any], shape: tuple[int, ...], random: np.random.Generator
) -> Any:
    if settings.get("seed") is not None:
        random = np.random.default_rng(settings["seed"])
    if name in ("zeros", "ones", "constant"):
        return np.full(shape, {"zeros": 0.0, "ones": 1.0}.get(name, settings.get("value", 0.0)))
    if name == "random_uniform":
        return random.uniform(settings.get("minval", -0.05), settings.get("maxval", 0.05), shape)
    if name in ("random_normal", "truncated_normal"):
        draws = random.standard_normal(shape) if name == "random_normal" else _truncated(shape, random)
        return settings.get("mean", 0.0) + settings.get("stddev", 0.05) * draws
    if name in _SCALED:
        scale, mode, distribution = _SCALED[name]
        into, out = _fans(shape)
        variance = scale / max(1.0, into if mode == "in" else (into + out) / 2)
        if distribution == "uniform":
            return sqrt(3 * variance) * random.uniform(-1.0, 1.0, shape)
        return sqrt(variance) / _TRUNCATED_DEVIATION * _truncated(shape, random)
    raise ValueError(
        f"the initializer '{name}' is drawn by the server only; fit or set_weights first, or choose one "
        f"of zeros, ones, constant, random_uniform, random_normal, truncated_normal, {', '.join(_SCALED)}"
    )


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _truncated(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Normal draws; what falls beyond two deviations is drawn again."""
    values = random.standard_normal(shape)
    while (far := np.abs(values) > 2.0).any():
        values = np.where(far, random.standard_normal(shape), values)
    return np.asarray(values)
