"""Limits of memory and time of a child, and the process that it ends with; the child sets them first."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have this process killed when its parent ends; it ends at once if `parent` has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(0)


def confine(parent: int, address_space: int | None, *, cpu_seconds: int | None = None) -> None:
    """Bound this process to `address_space` bytes beyond what it has mapped, and to its parent's life.

    None leaves its memory unbounded: CUDA maps the memory of the machine and of its devices, and more.
    `cpu_seconds`, if given, bounds its processor time too. It ends at once if `parent` has ended already.
    """
    die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if address_space is not None:
        bound_memory(address_space)
    if cpu_seconds is not None:
        # SIGXCPU at the limit, which tells why; SIGKILL a little later.
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    os.nice(5)  # the event loop comes first


def bound_memory(address_space: int) -> None:
    """Bound this process to `address_space` bytes beyond what it has mapped."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, mapped + address_space)


def _lower(what: int, limit: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(what, (limit, limit))
