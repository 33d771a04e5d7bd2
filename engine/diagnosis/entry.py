"""A verdict as the entry that goes on the wire, with the gradient's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix
from engine.diagnosis.texts.origin import Culprit
from engine.diagnosis.texts.rendering import render_caveat, render_fix


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is found of one variable: `path` as slots, the fix and the warnings as data."""

    status: str
    reason: str | None
    culprits: tuple[Culprit, ...]
    path: tuple[int, ...]
    message: str
    fix: Fix | None
    warnings: tuple[Caveat, ...] = ()

    def entry(self, names: Mapping[int, str], shape: tuple[int, ...], gradient: Any) -> dict[str, Any]:
        """The entry of a variable of `shape`; `names` are the user's names of slots."""
        return {
            "status": self.status,
            "reason": self.reason,
            "culprits": [culprit.document() for culprit in self.culprits],
            "path": _path(self.path, names),
            "message": self.message,
            "fix": None if self.fix is None else render_fix(self.fix),
            "warnings": [render_caveat(warning) for warning in self.warnings],
            "stats": stats(gradient, shape),
        }


def stats(gradient: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> dict[str, Any]:
    """Least, greatest, Euclidean norm, and how many elements are zero or not finite.

    Complex numbers have no order: of them it is the least and the greatest magnitude.
    """
    if gradient is None or gradient.size == 0:
        blank = dict.fromkeys(("min", "max", "norm", "zeros", "nonfinite"))
        return {"shape": list(shape), **blank}
    with np.errstate(all="ignore"):
        ordered = np.abs(gradient) if gradient.dtype.kind == "c" else gradient
        return {
            "shape": list(shape),
            "min": float(ordered.min()),
            "max": float(ordered.max()),
            "norm": float(np.linalg.norm(ordered.astype(np.float64).ravel())),
            "zeros": int(gradient.size - np.count_nonzero(gradient)),
            "nonfinite": int(gradient.size - np.isfinite(gradient).sum()),
        }


def _path(slots: Iterable[int], names: Mapping[int, str]) -> list[str]:
    """Each name once: a path through a loop passes its nodes in every iteration."""
    return list(dict.fromkeys(names[slot] for slot in slots if slot in names))
