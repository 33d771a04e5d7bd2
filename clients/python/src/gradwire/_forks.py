"""What a forked child must not share with its parent: connections, and locks that nobody will release.

The child has the parent's sockets and the memory of all its threads, but only the thread that forked. It
must not write to those sockets, nor shut them down, nor wait for a lock that another thread held.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Protocol


class Shared(Protocol):
    """Something with state of its process."""

    def forked(self) -> None:
        """Begin anew in a child process: no lock may be taken, nothing of the parent's be closed."""


_shared: weakref.WeakSet[Any] = weakref.WeakSet()
_parents: list[Any] = []


def renew_after_fork(shared: Shared) -> None:
    """Have `shared.forked()` called in every child process forked from here on."""
    _shared.add(shared)


def leave(thing: object) -> None:
    """Never finalise `thing`, which belongs to the parent.

    Finalising a connection would reach into what both processes share: an event loop's poll set, for example,
    or wait for a lock that a thread of the parent held. So one reference to it is never given back.
    """
    _parents.append(thing)
    with contextlib.suppress(ImportError, AttributeError):  # without it, it lives until the child ends
        import ctypes  # noqa: PLC0415  # only forked children need it

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _renew() -> None:
    for shared in list(_shared):
        shared.forked()
    workers = sys.modules.get("multiprocessing.util")
    if workers is not None:
        workers.register_after_fork(_worker, _Worker.start)


class _Worker:
    """A process of a pool. It runs a function from its start, so that it is not on the parent's tape; a plain
    os.fork goes on where it is, on its copy of the tape.
    """

    def __init__(self) -> None:
        self.starts: list[Callable[[], object]] = []

    def start(self) -> None:
        for call in self.starts:
            call()


_worker = _Worker()


def on_worker_start(call: Callable[[], object]) -> None:
    """Have `call` called in every worker of a pool that is forked from here on."""
    _worker.starts.append(call)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
