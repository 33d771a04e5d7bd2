"""Gradients kept within bounds before they move parameters, as Keras's optimisers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from engine.ir.table import F


def clipped(gradients: Sequence[Any], settings: Mapping[str, Any]) -> list[Any]:
    """The gradients under `clipnorm` (each one), `clipvalue` (each element) or `global_clipnorm` (all)."""
    if settings["clipvalue"] is not None:
        bound = settings["clipvalue"]
        return [F.clip(g, min=-bound, max=bound) for g in gradients]
    if settings["clipnorm"] is not None:
        return [_shrunk(g, F.sum(F.square(g)), settings["clipnorm"]) for g in gradients]
    if settings["global_clipnorm"] is not None:
        squares = reduce(lambda a, b: a + b, [F.sum(F.square(g)) for g in gradients])
        return [_shrunk(g, squares, settings["global_clipnorm"]) for g in gradients]
    return list(gradients)


def _shrunk(g: Any, squares: Any, bound: float) -> Any:
    """G · bound / max(norm, bound): itself, up to rounding, where the norm is within the bound."""
    return g * (bound / F.maximum(F.sqrt(squares), bound))
