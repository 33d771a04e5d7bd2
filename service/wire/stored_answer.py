"""A large answer in a file of memory, so that whoever reads it slowly holds none of the server's own.

The child that computed it makes the file, which has no name, and goes on with the next request while the
server sends it in pieces.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

_PIECE = 256 * 1024


def store(pieces: Sequence[bytes | memoryview]) -> int:
    """The descriptor of a new file of memory with these pieces. Raises OSError."""
    descriptor = os.memfd_create("answer", os.MFD_CLOEXEC)
    try:
        for piece in pieces:
            rest = memoryview(piece).cast("B") if len(piece) else memoryview(b"")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class StoredAnswer:
    """The file, open for reading; `size` is its length in bytes.

    It is closed when it is read to the end, with `close`, or when nobody refers to it any more.
    """

    def __init__(self, path: str) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size
        self._on_close: Callable[[], None] | None = None

    def when_closed(self, call: Callable[[], None]) -> None:
        """Have `call` called once, when the file is closed."""
        self._on_close = call

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, a quarter of a mebibyte at a time; the file is closed at the end."""
        try:
            for start in range(0, self.size, _PIECE):
                if self._descriptor is None:
                    return
                yield os.pread(self._descriptor, _PIECE, start)
        finally:
            self.close()

    def close(self) -> None:
        """Give the memory back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            call, self._on_close = self._on_close, None
            if call is not None:
                call()

    def __del__(self) -> None:
        self.close()
