"""What is assigned to variables: values that would be cut off, or that are infinite or NaN."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gradwire._locations import here
from gradwire._tracing.node import Array, as_array
from gradwire.errors import TrainingWarning

TOO_LARGE = (
    "the steps are too large (lower the learning rate, or clip: global_clipnorm=1.0), or go the wrong way "
    "(descent subtracts the gradient: assign_sub)"
)


def warn_of_divergence(name: str, before: Array, after: Array, value: Any) -> None:
    """Warn if an assignment makes a finite variable infinite or NaN, unless a plain number was assigned."""
    if type(value) in (int, float, complex) or np.isfinite(after).all() or not np.isfinite(before).all():
        return
    place = np.argwhere(~np.isfinite(after))[0].tolist()
    element = f" at {place}" if place else ""
    message = (
        f"the variable '{name}' became {after[tuple(place)]}{element}, and was finite before this "
        f"assignment: {TOO_LARGE}, or the gradient was not finite already: tape.explain(loss, variables) "
        "says where it began"
    )
    at = here()
    if at is None:
        warnings.warn(message, TrainingWarning, stacklevel=2)
    else:
        warnings.warn_explicit(message, TrainingWarning, at.file, at.line)


def fitting(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """`value` as an array of a variable's dtype; raises ValueError for parts that would be cut off."""
    array = as_array(value)
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise ValueError(
            f"expected real numbers for the variable '{name}' of {dtype}, got {array.dtype}: take value.real "
            "or abs(value), or make the variable complex, gw.Variable(value, dtype=complex)"
        )
    if array.dtype.kind == "f" and dtype.kind in "iub" and not np.array_equal(array, array.astype(dtype)):
        raise ValueError(
            f"expected whole numbers for the variable '{name}' of {dtype}, got fractions: make the variable "
            "a floating one, gw.Variable(value, dtype=float)"
        )
    return array if array.dtype == dtype else array.astype(dtype)
