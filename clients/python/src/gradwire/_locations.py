"""Where in the user's own code a node was made. It stays in the client: nothing of it is ever sent."""

from __future__ import annotations

import functools
import linecache
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

_SKIPPED = (str(Path(__file__).parent), str(Path(np.__file__).parent))
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True, slots=True)
class Place:
    """A file and a line, counted from 1; `code` and `offset` say which part of the line, if known."""

    file: str
    line: int
    code: CodeType | None = field(default=None, compare=False, repr=False)
    offset: int = field(default=0, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (self.file, self.line)  # code objects cannot be pickled

    @property
    def text(self) -> str:
        """The source text of the line; empty where it cannot be read, as in an interactive session."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.text}" if self.text else where


_places: dict[tuple[int, int], Place] = {}
_MOST = 4096


def here() -> Place | None:
    """The user's own line that runs: the innermost frame of neither this package nor an installed one."""
    frame: FrameType | None = sys._getframe(1)
    first: FrameType | None = None
    while frame is not None:
        file = frame.f_code.co_filename
        if not _is_skipped(file):
            if not _is_library(file):
                return place_at(frame)
            first = first or frame
        frame = frame.f_back
    return None if first is None else place_at(first)


@functools.cache
def _is_skipped(file: str) -> bool:
    return file.startswith(_SKIPPED)


@functools.cache
def _is_library(file: str) -> bool:
    return file.startswith(_LIBRARIES)


def user_frames() -> list[FrameType]:
    """The frames of the user's own code, innermost first.

    What lies in the standard library or among installed packages is left out, unless there is nothing else.
    """
    frames = [frame for frame in _frames() if not _is_library(frame.f_code.co_filename)]
    return frames or list(_frames())


def user_frame() -> FrameType | None:
    """The first of `user_frames`."""
    first: FrameType | None = None
    for frame in _frames():
        if not _is_library(frame.f_code.co_filename):
            return frame
        first = first or frame
    return first


def place_at(frame: FrameType) -> Place:
    """Where a frame is; the same object at every turn of a loop, since the line is slow to look up."""
    code, at = frame.f_code, frame.f_lasti
    key = (id(code), at)  # the entry keeps the code, so that its id stays its own
    place = _places.get(key)
    if place is None:
        if len(_places) >= _MOST:
            _places.clear()
        place = _places[key] = Place(code.co_filename, frame.f_lineno, code, at)
    return place


def _frames() -> Iterator[FrameType]:
    """The frames that belong neither to this package nor to NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _is_skipped(frame.f_code.co_filename):
            yield frame
        frame = frame.f_back
