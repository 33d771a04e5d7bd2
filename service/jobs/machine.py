"""What a job's bits depend on beside the job: recorded with checkpoints, compared when it goes on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from engine.runtime import devices
from service import blas

#: What each entry of a record is called in a message.
_WORDS = {
    "machine": "machine type",
    "device": "device",
    "executor": "executor",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "blas": "BLAS library",
    "blas_kernel": "BLAS kernel",
    "simd": "vector instructions of NumPy",
    "threads": "BLAS threads",
}


def record(device: str, executor: str = "numpy") -> dict[str, Any]:
    """The hardware, libraries and kernels that the last bits of numbers computed on `device` depend on.

    `executor` is what runs the steps on a CPU.
    """
    if device != devices.CPU:
        return {
            "machine": devices.gpu(device).model,
            "numpy": np.__version__,
            "executor": "cupy",
            "device": device,
            "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", "0")),
        }
    library = blas.in_use()
    return {
        "machine": platform.machine(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "executor": executor,
        "device": device,
        "blas": library.library,
        "blas_kernel": library.kernel,
        "simd": _simd(),
        "threads": int(os.environ.get("OPENBLAS_NUM_THREADS", "0")),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two records: `what`, `before`, `now`. What only one has is not compared."""
    before = {"device": devices.CPU, **before}
    return [
        {"what": what, "before": before[what], "now": value}
        for what, value in now.items()
        if what in before and before[what] != value
    ]


def warning(differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The warning of a job that goes on from a checkpoint that was written elsewhere."""
    listed = ", ".join(f"{_WORDS[one['what']]} {one['before']}, now {one['now']}" for one in differences)
    message = (
        f"the last checkpoint was written with another machine or library ({listed}): the same bits are not "
        "promised, from here on the last digits may differ from those of an undisturbed run"
    )
    if [one["what"] for one in differences] == ["blas_kernel"]:
        message += f"; GRADWIRE_BLAS_KERNEL={differences[0]['before']} on every worker keeps them the same"
    return {"code": "other_machine", "message": message, "differences": list(differences)}


def _simd() -> str:
    """The instruction sets that NumPy's own loops choose here, beside those that it was built for."""
    built: Any = np.show_config("dicts")
    return " ".join(built.get("SIMD Extensions", {}).get("found", ())) or "baseline"
