"""Variables whose own value is infinite or NaN: said when it happens, and when a gradient shows it."""

from __future__ import annotations

import warnings
from collections.abc import Container
from dataclasses import replace
from typing import Any

import numpy as np

from gradwire._locations import here
from gradwire._tracing.node import Array, as_array
from gradwire.errors import TrainingWarning
from gradwire.results import Finding

_CURE = (
    "the steps are too large (lower the learning rate, or clip: global_clipnorm=1.0), or go the wrong way "
    "(descent subtracts the gradient: assign_sub)"
)


def warn_of_divergence(name: str, before: Array, after: Array, given: Any) -> None:
    """Warn if an assignment makes a finite variable infinite or NaN, unless a plain number was assigned."""
    if type(given) in (int, float, complex) or np.isfinite(after).all() or not np.isfinite(before).all():
        return
    place = np.argwhere(~np.isfinite(after))[0].tolist()
    element = f" at {place}" if place else ""
    message = (
        f"the variable '{name}' became {after[tuple(place)]}{element}, and was finite before this "
        f"assignment: {_CURE}, or the gradient was not finite already: tape.explain(loss, variables) says "
        "where it began"
    )
    at = here()
    if at is None:
        warnings.warn(message, TrainingWarning, stacklevel=2)
    else:
        warnings.warn_explicit(message, TrainingWarning, at.file, at.line)


def blaming_variables(finding: Finding, variables: Container[str]) -> Finding:
    """A finding that blames "the data" of an input, said of a variable: updates made it so, no data."""
    first = finding.culprits[0] if finding.culprits else {}
    name = first.get("node")
    if first.get("reason") != "nonfinite_input" or name not in variables:
        return finding
    start = finding.message.partition(": ")[0]
    return replace(
        finding,
        message=f"{start}: the variable '{name}' itself is not finite; earlier steps made it so.",
        fix=f"Start again from a finite value of '{name}'; most often {_CURE}.",
    )


def mixed(label: str, count: int) -> str:
    """What is said of a variable of which a target uses several values."""
    return (
        f"the target uses {count} values of the variable '{label}', which was assigned while the tape "
        "recorded: what was computed before keeps the old value, and the gradient adds up the slopes at each "
        "of them. Assign after the `with` block, or use one value throughout: v = variable.value()"
    )


def with_mixing(finding: Finding, count: int) -> Finding:
    """A finding of a variable of which the target uses `count` values, with a warning of that."""
    if count < 2:
        return finding
    warning = {"code": "assigned", "node": None, "message": mixed(finding.name, count)}
    places = finding.warned or (None,) * len(finding.warnings)
    return replace(finding, warnings=(*finding.warnings, warning), warned=(*places, None))


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
    return array.astype(dtype)
