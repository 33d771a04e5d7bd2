"""Where in the user's own code a node was made. It stays in the client: nothing of it is ever sent."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

_SKIPPED = (str(Path(__file__).parent), str(Path(np.__file__).parent))


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line, counted from 1."""

    file: str
    line: int

    @property
    def text(self) -> str:
        """The source text of the line; empty where it cannot be read, as in an interactive session."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.text}" if self.text else where


def here() -> Place | None:
    """The innermost frame that belongs neither to this package nor to NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_SKIPPED):
            return Place(file, frame.f_lineno)
        frame = frame.f_back
    return None
