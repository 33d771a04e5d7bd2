"""NaN and the infinities in JSON, which has no numbers for them: three strings, named only here.

Python's `float` and NumPy read the strings back by themselves.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any


def named(value: float) -> float | str:
    """A number as JSON has it: itself if it is finite, else its name."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def dumps(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """Compact JSON, non-finite numbers by name; `default` converts what JSON does not have."""
    encode = _encoder(default).encode
    try:
        return encode(value)
    except ValueError:
        return encode(_with_names(value))


@functools.lru_cache(16)
def _encoder(default: Callable[[Any], Any] | None) -> json.JSONEncoder:
    return json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=default)


def _with_names(value: Any) -> Any:
    if isinstance(value, float):
        return named(value)
    if isinstance(value, Mapping):
        return {key: _with_names(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_names(item) for item in value]
    return value
