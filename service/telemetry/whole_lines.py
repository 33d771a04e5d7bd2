"""Lines of several processes on one standard error, none in the middle of another.

The kernel keeps a write to a pipe together up to 4,096 bytes. Longer lines, such as tracebacks, are written
under a lock that excludes all others; short ones share it, which costs two cheap system calls.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

#: POSIX promises 512, Linux 4,096.
_ATOMIC = 4096


class WholeLines:
    """A stream that writes whole lines to `descriptor`; `lock` is a file that all writers open themselves."""

    def __init__(self, descriptor: int, lock: Path) -> None:
        self._descriptor = descriptor
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._turn = threading.Lock()  # one open file has one lock of the kernel's
        self._begun = threading.local()

    def write(self, text: str) -> int:
        """Write the lines that are complete; keep what has no end yet, for each thread apart."""
        begun = getattr(self._begun, "text", "") + text
        whole, newline, rest = begun.rpartition("\n")
        self._begun.text = rest
        if newline:
            self.write_bytes(f"{whole}\n".encode(errors="backslashreplace"))
        return len(text)

    def write_bytes(self, lines: bytes) -> None:
        """Write whole lines; they are lost if nothing can be written."""
        kind = fcntl.LOCK_SH if len(lines) <= _ATOMIC else fcntl.LOCK_EX
        with self._turn, suppress(OSError):
            fcntl.flock(self._lock, kind)
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def flush(self) -> None:
        """Do nothing: lines are written at once."""
