"""A CUDA device for tests without one: `cupy` is the stand-in of the folder `fake`, counted and strict."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from engine import arrays
from engine.runtime import devices
from engine.runtime.executors.cupy import cuda

FAKE = Path(__file__).parent / "fake"
collect_ignore = ["fake"]  # looking for doctests would import it under the name of CuPy
_REPLACED = ("cupy", "cupyx", "cupy_backends", "array_api_compat.cupy")


def _forget() -> dict[str, ModuleType]:
    """Take what is CuPy's, or made of it, out of this process."""
    found = {
        name: module
        for name, module in sys.modules.items()
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in _REPLACED)
    }
    for name in found:
        del sys.modules[name]
    for known in (arrays.cupy_namespace, devices.inventory, cuda):
        known.cache_clear()
    return found


@pytest.fixture(scope="module")
def fake_cupy() -> Iterator[ModuleType]:
    """The stand-in, in place of CuPy for everything in this process; the real one is back afterwards."""
    before = _forget()
    sys.path.insert(0, str(FAKE))
    try:
        yield importlib.import_module("cupy")
    finally:
        sys.path.remove(str(FAKE))
        _forget()
        sys.modules.update(before)
        compat = importlib.import_module("array_api_compat")
        if "array_api_compat.cupy" in before:
            compat.cupy = before["array_api_compat.cupy"]
        elif hasattr(compat, "cupy"):
            del compat.cupy


@pytest.fixture
def device(fake_cupy: ModuleType) -> Iterator[dict[str, int]]:
    """The stand-in with its counts of transfers at zero."""
    fake_cupy.counts.update(uploads=0, downloads=0)
    return fake_cupy.counts
