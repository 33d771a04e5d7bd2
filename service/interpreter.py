"""How a Python process of ours is started, and where it may look for modules.

Python looks into the current folder first when it runs `-m`, and also for an empty entry of PYTHONPATH. A
server that is started in a folder with a `service/`, an `engine/` or a `struct.py` would import those instead
of its own. Processes are therefore started with `-P`, on the search path of this process without that folder.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping

#: How variables begin that a process needs which only computes.
_HARMLESS = (
    *("PATH", "PYTHON", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "LD_", "MALLOC_", "COVERAGE_"),
    *("OPENBLAS_", "OMP_", "MKL_", "GOTO_", "NPY_", "CUDA_", "NVIDIA_", "CUPY_"),
)
#: The folder that holds this package.
ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def search_path() -> list[str]:
    """`sys.path` without the current folder.

    The current folder stays if this package, the standard library or the installed packages are in it, or if
    PYTHONPATH names it; an empty entry of PYTHONPATH names nothing.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # it was deleted: nothing can be imported from it
        return [entry for entry in sys.path if entry]
    named = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    own = [ROOT, os.path.dirname(os.__file__), *site.getsitepackages()]
    if here in map(os.path.realpath, [*named, *own]):
        return [entry or here for entry in sys.path]
    return [entry for entry in sys.path if os.path.realpath(entry) != here]


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs `module` with this interpreter; it needs `environment`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def bare_environment(*layers: Mapping[str, str]) -> dict[str, str]:
    """As `environment`, without what computing does not need: settings, keys and addresses stay behind."""
    harmless = {name: value for name, value in environment().items() if name.startswith(_HARMLESS)}
    for layer in layers:
        harmless.update(layer)
    return harmless


def environment(*layers: Mapping[str, str]) -> dict[str, str]:
    """The variables for `command`: those of this process, those of `layers`, and the search path.

    PYTHONPATH holds the whole search path in its order, so that an installed package that is called like a
    module of the standard library does not come before it. `ROOT` comes last: it counts only if nothing else
    leads here.
    """
    folders = [entry for entry in search_path() if os.pathsep not in entry and os.path.exists(entry)]
    merged = dict(os.environ)
    for layer in layers:
        merged.update(layer)
    merged["PYTHONPATH"] = os.pathsep.join([*folders, ROOT])
    return merged
