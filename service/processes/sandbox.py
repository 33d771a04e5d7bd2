"""What a child process may touch: a few folders, no network, no other process.

Landlock, a part of the Linux kernel, takes away access to files beyond the folders that are named, and to the
processes outside. libseccomp takes away sockets, new processes and rarely used system calls. Both bind this
process for good, need no privileges, and are used as far as they are here: `Isolation.probe` says how far.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from service.interpreter import ROOT
from service.processes import syscalls

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the numbers of Landlock's calls on every architecture
_PR_SET_NO_NEW_PRIVS = 38
_PATH_BENEATH = 1
#: By version of Landlock: how many rights over files it knows, and how many bytes of the ruleset it reads.
_RIGHTS = {1: (13, 8), 2: (14, 8), 3: (15, 8), 4: (15, 16), 5: (16, 16), 6: (16, 24)}
_NEWEST = max(_RIGHTS)
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
#: Rights that a file can have; the others are those of folders.
_OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
_TCP, _SCOPES = 0b11, 0b11  # binding and connecting; abstract sockets and signals
#: What Python, NumPy and the C library read when they are used.
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc/localtime", "/dev/null", "/dev/zero", "/dev/urandom", "/proc/self",
           "/sys/devices/system/cpu")  # fmt: skip


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class Isolation:
    """What children are kept from: other files, the network, starting processes."""

    files: bool
    network: bool
    processes: bool

    @classmethod
    def probe(cls) -> Isolation:
        """What this machine can do."""
        filter = syscalls.available()
        return cls(files=landlock_version() > 0, network=filter, processes=filter)

    @classmethod
    def none(cls) -> Isolation:
        """Children that are not isolated."""
        return cls(files=False, network=False, processes=False)

    def as_dict(self) -> dict[str, bool]:
        """By name."""
        return asdict(self)


def landlock_version() -> int:
    """The version of Landlock's interface that the kernel has; 0 if it has none, or does not allow it."""
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def enter(*, hidden: Path | None = None, read: Iterable[Path] = (), write: Iterable[Path] = ()) -> None:
    """Keep this process, for good, to reading its own code and `read`, and to writing in `write`.

    `hidden` is a folder that the search path for modules must not make readable. Raises OSError if the kernel
    has what is needed and refuses it.
    """
    version = min(landlock_version(), _NEWEST)
    libc = _libc()
    if version:
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _restrict_files(version, [*_code(hidden), *read], write)
    if syscalls.available():
        syscalls.restrict()


def _code(hidden: Path | None) -> list[Path]:
    """Where modules and libraries are."""
    places = [Path(entry) for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry]
    if hidden is not None:
        places = [place for place in places if not hidden.is_relative_to(place.absolute())]
    own = [Path(ROOT, package) for package in ("engine", "service")]
    return [*places, *own, *map(Path, _SYSTEM)]


def _restrict_files(version: int, read: Iterable[Path], write: Iterable[Path]) -> None:
    count, size = _RIGHTS[version]
    everything = (1 << count) - 1
    rules = _Ruleset(everything, _TCP if size >= 16 else 0, _SCOPES if size >= 24 else 0)
    libc = _libc()
    ruleset = _check(libc.syscall(_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    try:
        for places, rights in ((read, _READ_FILE | _READ_DIR), (write, everything & ~_EXECUTE)):
            for place in places:
                _allow(ruleset, place, rights)
        _check(libc.syscall(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: Path, rights: int) -> None:
    """Allow what is beneath a place; one that does not exist has nothing to allow."""
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not place.is_dir():
            rights &= _OF_FILES
        rule = _Beneath(rights, descriptor)
        _check(
            _libc().syscall(
                _ADD,
                ctypes.c_int(ruleset),
                ctypes.c_int(_PATH_BENEATH),
                ctypes.byref(rule),
                ctypes.c_uint32(0),
            )
        )
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
