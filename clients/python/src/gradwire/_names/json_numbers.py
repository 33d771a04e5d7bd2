"""NaN and the infinities in JSON, which has no numbers for them: three strings, named only here.

Python's `float` and NumPy read the strings back by themselves.
"""

from __future__ import annotations

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
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default)
    except ValueError:
        return json.dumps(_with_names(value), separators=(",", ":"), allow_nan=False, default=default)


def _with_names(value: Any) -> Any:
    if isinstance(value, float):
        return named(value)
    if isinstance(value, Mapping):
        return {key: _with_names(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_names(item) for item in value]
    return value
