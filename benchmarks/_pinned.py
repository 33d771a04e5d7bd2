"""Pins a measurement to one core and one thread.

A library decides on its number of threads when it is imported: `threads()` belongs into the environment of
the process, and `pin()` comes before NumPy is imported. XLA's pool has as many threads as the process has
cores, whatever OMP_NUM_THREADS and XLA_FLAGS say: the affinity is what limits JAX.
"""

from __future__ import annotations

import os

_can_pin = hasattr(os, "sched_setaffinity")
_allowed = sorted(os.sched_getaffinity(0)) if _can_pin else [0]
_ONE = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


def threads() -> dict[str, str]:
    """Environment variables that give every library one thread."""
    return dict.fromkeys(_ONE, "1")


def cores() -> tuple[int, int]:
    """The core for what is measured, and the one for its clients; the same where there is only one."""
    return _allowed[-1], _allowed[0]


def pin() -> None:
    """Keep this process, and the children that it starts from now on, on the measured core."""
    if _can_pin:
        os.sched_setaffinity(0, {cores()[0]})


def pin_client() -> None:
    """Move this process to the core of the clients. Children that are running stay where they are."""
    if _can_pin:
        os.sched_setaffinity(0, {cores()[1]})
