"""The same computation in wider floats: what would not have overflowed or vanished there did so here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.interpreter import execute
from engine.ir.tape import Instruction

_WIDER: dict[str, type[np.inexact]] = {
    "float16": np.float64,
    "float32": np.float64,
    "float64": np.longdouble,
    "complex64": np.complex128,
    "complex128": np.clongdouble,
}


def compute_wider(step: Instruction, operands: Sequence[Array]) -> list[Array] | None:
    """The outputs computed in wider floats, None where the kernel cannot."""
    dtype = step.attributes.get("dtype") if step.op.family.name == "reduction" else None
    if dtype in _WIDER:  # what it adds up in
        step = replace(step, attributes={**step.attributes, "dtype": _WIDER[dtype].__name__})
    try:
        with np.errstate(all="ignore"):
            return execute(step, [widen(operand) for operand in operands])
    except (TypeError, ValueError, AttributeError, KeyError):
        return None  # special functions stop at float64


def widen(array: Array) -> Array:
    """An array of floats in the next wider format; others as they are."""
    wider = _WIDER.get(array.dtype.name)
    return array if wider is None else array.astype(wider)
