"""Fills a small file system: all that is left, or all but some pages."""

from __future__ import annotations

import os
from pathlib import Path

PAGE = 4096


class Ballast:
    """A file that takes the room that is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ballast"

    def fill(self) -> None:
        """Leave nothing."""
        with self._path.open("ab", buffering=0) as file:
            for size in (2**16, PAGE, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def leave(self, pages: int) -> None:
        """Leave just so many pages."""
        self._path.unlink(missing_ok=True)
        with self._path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (self.free() - pages) * PAGE)
        assert self.free() == pages

    def free(self) -> int:
        """Pages that nothing takes."""
        return os.statvfs(self._folder).f_bfree

    def drop(self) -> None:
        """Make room."""
        self._path.unlink()
