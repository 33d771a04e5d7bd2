"""The BLAS library behind NumPy: which it is, and the kernel that it chose for this processor.

OpenBLAS has kernels for many processors and picks one when it is loaded; each rounds in its own way. The
variable OPENBLAS_CORETYPE chooses another, if it is set before NumPy is imported. Therefore this module
imports NumPy only where it looks at it.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from service import interpreter

PIN = "OPENBLAS_CORETYPE"
#: OpenBLAS's functions are named differently in NumPy's wheels, SciPy's builds and distributions.
_PREFIXES, _SUFFIXES = ("scipy_openblas_", "openblas_"), ("64_", "_64", "")
_TRIAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Blas:
    """A library with its version, its kernel, and its number of threads.

    Kernel and threads are None for libraries other than OpenBLAS, which do not tell.
    """

    library: str
    kernel: str | None
    threads: int | None


@cache
def in_use() -> Blas:
    """What this process computes with."""
    import numpy as np  # noqa: PLC0415

    built: Any = np.show_config("dicts")
    dependency = built.get("Build Dependencies", {}).get("blas", {})
    library = f"{dependency.get('name', 'unknown')} {dependency.get('version', '')}".strip()
    for loaded in _loaded("openblas"):
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                try:
                    name = getattr(loaded, f"{prefix}get_corename{suffix}")
                    count = getattr(loaded, f"{prefix}get_num_threads{suffix}")
                except AttributeError:
                    continue
                name.restype = ctypes.c_char_p
                return Blas(library, name().decode(), count())
    return Blas(library, None, None)


def why_not(kernel: str) -> str | None:
    """Why this machine cannot compute with a kernel, None if it can; tried in another process.

    A kernel for another processor is an illegal instruction, not an error.
    """
    tried = subprocess.run(
        interpreter.command("service.blas"),
        env=interpreter.environment({PIN: kernel}),
        capture_output=True,
        text=True,
        timeout=_TRIAL_S,
        check=False,
    )
    if tried.returncode < 0:
        return f"the kernel '{kernel}' does not run on this processor"
    came = tried.stdout.strip()
    if tried.returncode or not came:
        return "only OpenBLAS lets its kernel be chosen, and NumPy uses another BLAS library here"
    if came.lower() != kernel.lower():
        return f"expected a kernel that NumPy's OpenBLAS has, got '{kernel}': here it takes {came}"
    return None


def _try() -> None:
    """Use the kernel, so that an instruction that the processor does not have shows; print its name."""
    import numpy as np  # noqa: PLC0415

    for dtype in (np.float32, np.float64):
        a = np.ones((96, 96), dtype)
        _ = a @ a, a @ a[0], a[0] @ a[0], a @ a.T
    sys.stdout.write(in_use().kernel or "")


def _loaded(word: str) -> list[ctypes.CDLL]:
    """The libraries of this process with a word in their file's name, NumPy's own first."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    files = {fields[5].strip() for line in lines if len(fields := line.split(maxsplit=5)) == 6}
    named = [file for file in files if re.search(rf"{word}[^/]*\.so", file)]
    return [ctypes.CDLL(file) for file in sorted(named, key=lambda file: ("numpy" not in file, file))]


if __name__ == "__main__":
    _try()
