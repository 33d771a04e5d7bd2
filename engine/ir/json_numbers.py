"""NaN and the infinities in JSON, which has no numbers for them: three strings, named only here."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

NAN: Final = "NaN"
INFINITY: Final = "Infinity"
NEGATIVE_INFINITY: Final = "-Infinity"

NON_FINITE: Final[Mapping[str, float]] = {NAN: math.nan, INFINITY: math.inf, NEGATIVE_INFINITY: -math.inf}

#: The names as a message lists them.
LISTED: Final = f'"{NAN}", "{INFINITY}" and "{NEGATIVE_INFINITY}"'


def named(value: float) -> float | str:
    """A number as JSON has it: itself if it is finite, else its name."""
    if math.isfinite(value):
        return value
    return NAN if math.isnan(value) else INFINITY if value > 0 else NEGATIVE_INFINITY


def canonical(document: Any) -> str:
    """A document as the one text that all its spellings share; raises ValueError for a non-finite number."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
