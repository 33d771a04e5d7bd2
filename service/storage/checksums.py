"""Checksums of what is kept: recorded when it is written, verified when it is read.

SHA-256, because processors compute it themselves: 0.6 ms for 1 MB, less than the disk takes to sync it.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from service.wire.problems import Problem

_CHUNK = 2**20
#: The start of a file, which has a checksum of its own: readers of a few rows need not read it all.
HEAD = 2**17


class Damaged(Problem):
    """What is kept on the disk is not what was stored there; `what` names it for a person."""

    def __init__(self, what: str, hint: str, *, missing: bool = False) -> None:
        state = "is no longer on the server's disk" if missing else "is damaged on the server's disk"
        super().__init__("internal", f"{what} {state}", hint=hint)
        self.what = what


@dataclass(frozen=True, slots=True)
class Checksum:
    """The size of a file in bytes, and the hashes of its first `HEAD` bytes and of all of it."""

    bytes: int
    head: str
    whole: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """That of a file as it is now. Raises OSError."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            start = file.read(HEAD)
            digest.update(start)
            head, size = digest.hexdigest(), len(start)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return cls(size, head, digest.hexdigest())

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """The checksum that `record` came from."""
        return cls(record["bytes"], record["head"], record["whole"])

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def fits(self, path: Path, *, most: int | None = None) -> bool:
        """Whether a file is the one it was; if at most the first `most` bytes are read, these may be enough.

        Raises OSError.
        """
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a file system that is away, not damage
            raise OSError(errno.EIO, "there is no file", str(path))
        if status.st_size != self.bytes:
            return False
        if most is not None and most <= HEAD:
            with path.open("rb") as file:
                return hashlib.sha256(file.read(HEAD)).hexdigest() == self.head
        return Checksum.of(path) == self


def of_texts(*parts: str | bytes) -> str:
    """The checksum of a row's columns: a hash in which each has its length."""
    digest = hashlib.sha256()
    for part in parts:
        octets = part.encode() if isinstance(part, str) else part
        digest.update(len(octets).to_bytes(8, "little"))
        digest.update(octets)
    return digest.hexdigest()
