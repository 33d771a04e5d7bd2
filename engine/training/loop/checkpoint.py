"""Everything that a run needs to go on: arrays, and a position that is plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.arrays.types import Array


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a run between two events. A run that resumes from it gives the bits of one that went on.

    `arrays` are those of parameters (`parameters/W`), state (`state/…`), optimiser slots (`slots/m`, flat)
    and, with early stopping, the best epoch (`best/…`).
    """

    arrays: Mapping[str, Array]
    position: Mapping[str, Any]
