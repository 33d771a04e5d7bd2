"""An input that is where something stops to be defined: found, and moved in a line of its own."""

from __future__ import annotations

from dataclasses import dataclass

from engine import dtypes
from engine.diagnosis.remedies.factors import POLE_AT, cause_of
from engine.diagnosis.remedies.forms import Form, fill
from engine.diagnosis.remedies.prescription import Prescriber
from engine.diagnosis.texts.fix import Edit, Fix
from engine.ir.tape import Instruction

#: Names that are given to what has to be positive.
_SCALES = frozenset(
    [
        "sigma",
        "sig",
        "sd",
        "std",
        "stddev",
        "scale",
        "tau",
        "l",
        "ls",
        "ell",
        "lengthscale",
        "length_scale",
        "bandwidth",
        "bw",
        "width",
        "var",
        "variance",
        "s",
        "temperature",
        "temp",
        "noise",
        "rate",
        "lam",
        "lambda_",
        "precision",
        "kappa",
        "nu",
        "alpha",
        "beta",
        "theta",
    ]
)
_POSITIVE = (
    "softplus(x)",
    (
        "it is positive for any number, so that training can move it freely; it is another number than the "
        "one that was sent"
    ),
)
_NEAR = ("x + 1e-12", "it keeps a little away from 0, and what is a limit there comes out right")
_INSIDE = (
    "0.999999 * x",
    "it keeps a little inside of where this is defined; as a parameter, tanh or sigmoid do",
)
_SCALE_FORMS = (_POSITIVE, _NEAR, _INSIDE)
_DATA_FORMS = (_NEAR, ("x + 1e-6", _NEAR[1]), _INSIDE, _POSITIVE)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An input at the edge of where something is defined; `first` says that it is looked at before the op."""

    slot: int
    negative: bool
    first: bool


def leaf_behind(prescriber: Prescriber, step: Instruction) -> Leaf | None:
    """The input that is where a step stops to be defined, if it is one alone."""
    position = POLE_AT.get(step.op.name)
    if position is None:
        return None
    slot = step.inputs[position]
    value = prescriber.value(slot)
    if value.dtype.kind != "f":
        return None
    cause = cause_of(prescriber, step)
    inputs = prescriber.expressions.graph.tape.inputs.values()
    negative = bool((value < 0).any())
    leaf = cause.leaf if cause is not None else prescriber.causes.leaf_of(slot) if negative else None
    if leaf is None or leaf not in inputs:
        return None
    scalar = prescriber.value(leaf).size == 1
    if not scalar and not prescriber.value(leaf).any():
        return None  # the zero vector has no direction: a little of it is no better
    name = prescriber.expressions.text(leaf)
    direct = leaf == slot and not is_scale(name)
    return Leaf(leaf, negative and leaf == slot, first=scalar and not direct)


def move_leaf(prescriber: Prescriber, leaf: int, *, negative: bool = False) -> Fix | None:
    """What to make of an input that is at the edge of where something is defined, in a line of its own."""
    name = prescriber.expressions.text(leaf)
    if not name.isidentifier() or dtypes.is_complex(prescriber.type(leaf).dtype):
        return None
    for text, why in _SCALE_FORMS if negative or is_scale(name) else _DATA_FORMS:
        outcome = prescriber.outcome(None, leaf, Form(text, {"x": leaf})) if prescriber.can_try else None
        if (outcome is not None and outcome.is_healthy) or (not prescriber.can_try and negative):
            new = fill(text, {"x": name})
            return Fix("begin", {"name": name, "new": new, "why": why}, (Edit(new, name),))
        if outcome is not None and outcome.is_finite and not outcome.is_sensible:
            return None  # a pole: the nearer to it, the larger the numbers
    return None


def is_scale(name: str) -> bool:
    """Whether a name is one of those that are given to what has to be positive."""
    return name.lower() in _SCALES or name.lower().split("_")[0] in _SCALES
