"""array_api_strict as a kernel's namespace: its own functions on one device, the kit through the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import array_api_strict as strict
import numpy as np

from engine import arrays
from engine.arrays import Namespace
from engine.arrays.namespace import BEYOND_THE_STANDARD, SPECIAL

CREATING = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")
PURE = (
    "inv",
    "solve",
    "cholesky",
    "complex_of",
    "svd",
    "eigh",
    "qr",
    "lu",
    "expm",
    "draw",
    "gamma_quantile",
    "gamma_quantile_slope",
    "repeat_each",
    "recurrence",
    "running_place",
)
WRITING = ("index_add", "index_put", "put_along_axis_add")
LOOKING = ("within", "check_indices", "watch_indices", "anywhere", "item")
ARRAY = type(strict.asarray(0))
CPU = strict.Device("CPU_DEVICE")


def to_host(x: Any) -> Any:
    """A strict array as NumPy has it, explicitly; anything else as it is."""
    if isinstance(x, tuple):
        return tuple(map(to_host, x))
    return np.asarray(x.to_device(CPU)) if isinstance(x, ARRAY) else x


def namespace(device: Any = CPU) -> Namespace:
    """What kernels get on `device`: whatever they make is made there, as on the current device of CuPy."""
    standard = {name: getattr(strict, name) for name in dir(strict) if not name.startswith("_")}
    made = {name: partial(getattr(strict, name), device=device) for name in CREATING}
    there = partial(strict.asarray, device=device)
    cpu = arrays.numpy_namespace()
    kit = {
        "constant": lambda values, dtype: there(values, dtype=dtype),
        "repeat": lambda x, counts, axis: there(np.repeat(to_host(x), counts, axis=axis)),
        **{name: _pure(getattr(cpu, name), there) for name in (*PURE, *SPECIAL, *BEYOND_THE_STANDARD)},
        **{name: _writing(getattr(cpu, name), there) for name in WRITING},
        **{name: _looking(getattr(cpu, name)) for name in LOOKING},
        "on_device": device != CPU,
    }
    return Namespace(**{**standard, "linalg": strict.linalg, "fft": strict.fft, **made, **kit})


def _pure(function: Callable[..., Any], there: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(*given: Any, **settings: Any) -> Any:
        answer = function(*map(to_host, given), **settings)
        return tuple(map(there, answer)) if isinstance(answer, tuple) else there(np.asarray(answer))

    return call


def _writing(function: Callable[..., Any], there: Callable[[Any], Any]) -> Callable[..., Any]:
    def call(target: Any, *given: Any) -> Any:
        target[...] = there(function(np.array(to_host(target)), *map(to_host, given)))
        return target

    return call


def _looking(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given, **settings: function(*map(to_host, given), **settings)
