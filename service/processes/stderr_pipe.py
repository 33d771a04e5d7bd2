"""A process's standard error: passed on to ours as it comes, its end kept to say why the process ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from service.wire.visible_text import visible_bytes

_KEPT = 4096


class StderrPipe:
    """The reading end of a pipe, read on the running loop until it is closed or every writer has closed it.

    The children of the process may hold the writing end too, so nothing waits for its end. With `write`,
    that gets what is passed on, in whole lines.
    """

    def __init__(self, descriptor: int, write: Callable[[bytes], None] | None = None) -> None:
        self._descriptor = descriptor
        self._write = write
        self._begun = b""
        self._tail = b""
        self.closed = False
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._pass_on)

    def last_line(self) -> str:
        """The last line that is not empty, of what was written until now."""
        while self._pass_on():
            pass
        lines = self._tail.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Pass on what is left, and read no more."""
        while self._pass_on():
            pass
        self._release()

    def _pass_on(self) -> bool:
        """Pass one piece on; False if there is none now."""
        if self.closed:
            return False
        try:
            piece = os.read(self._descriptor, 2**16)
        except BlockingIOError:
            return False
        if not piece:
            self._release()
            return False
        piece = visible_bytes(piece)
        self._tail = (self._tail + piece)[-_KEPT:]
        if self._write is not None:
            whole, newline, self._begun = (self._begun + piece).rpartition(b"\n")
            if newline:
                self._write(whole + newline)
        elif sys.__stderr__ is not None:
            with suppress(OSError):  # a full disk must not stop who logs
                os.write(sys.__stderr__.fileno(), piece)
        return True

    def _release(self) -> None:
        if not self.closed:
            self.closed = True
            if self._begun and self._write is not None:
                self._write(self._begun + b"\n")
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
