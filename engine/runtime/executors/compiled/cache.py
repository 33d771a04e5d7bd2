"""Machine code on disk, by the hash of everything that it depends on.

An object file is code that this process will run. So the folder has to belong to this user and be closed to
all others, and so has each file; whatever is not so, or is not what was written, is left alone and compiled
anew. Files are replaced in one step, so a reader never meets half of one.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_HEADER = b"gradwire object 1\n"
_DIGEST = hashlib.sha256().digest_size


class ObjectCache:
    """Object files in a folder, up to `max_bytes` together; those that were used longest ago go first."""

    def __init__(self, folder: Path, max_bytes: int = 256 << 20) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def get(self, key: str) -> bytes | None:
        """The object of a key; None if there is none that can be trusted."""
        path = self._path(key)
        try:
            if not self._is_ours(os.lstat(self._folder), stat.S_ISDIR):
                return None
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                if not self._is_ours(os.fstat(descriptor), stat.S_ISREG):
                    return None
                content = file.read()
        except OSError:
            return None
        start = len(_HEADER) + _DIGEST
        code = content[start:]
        if content[:start] != _HEADER + hashlib.sha256(code).digest():
            return None
        with suppress(OSError):
            os.utime(path)
        return code

    def put(self, key: str, code: bytes) -> None:
        """Keep an object. A folder that cannot be written, or is not ours alone, is left as it is."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours(os.lstat(self._folder), stat.S_ISDIR):
                return
            descriptor, name = tempfile.mkstemp(dir=self._folder)  # with mode 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_HEADER + hashlib.sha256(code).digest() + code)
                os.replace(name, self._path(key))
            except OSError:
                os.unlink(name)
                raise
            self._shrink()
        except OSError:
            return

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.o"

    @staticmethod
    def _is_ours(status: os.stat_result, of_kind: object) -> bool:
        """Whether it is of the kind (`stat.S_ISDIR`, say), this user's, and closed to all others."""
        closed = not status.st_mode & 0o077
        return (
            bool(callable(of_kind) and of_kind(status.st_mode)) and status.st_uid == os.geteuid() and closed
        )

    def _shrink(self) -> None:
        files = [
            (entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(self._folder)
        ]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._max_bytes:
                return
            with suppress(OSError):
                os.unlink(path)
            total -= size
