"""The memory of a call: as NumPy reports it, and by the growth of the process."""

from __future__ import annotations

import ctypes
import gc
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray[Any, Any]]


def estimated_and_used(
    compile: Callable[[], Any], inputs: Arrays, directions: Arrays | None = None
) -> tuple[int, int]:
    """The estimated peak of a program in bytes, and what its first run uses.

    Used are the inputs, what NumPy allocates on the way, the answer included, and what the program keeps of a
    pattern. `compile` makes the program anew; it is called twice, so that what is made once is there.
    """
    compile().run(inputs, directions)
    program = compile()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        answer = program.run(inputs, directions)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del answer
    given = sum(array.nbytes for array in (*inputs.values(), *(directions or {}).values()))
    return program.estimate.peak_bytes, most - before + given + program.pattern_bytes


def resident(call: Callable[[], Any]) -> int:
    """Bytes by which one call raised the process's resident memory at most; Linux only."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is not there to be taken again
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
    before = _status("VmRSS")
    answer = call()
    grown = _status("VmHWM") - before
    del answer
    return max(0, grown)


def _status(field: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) << 10
