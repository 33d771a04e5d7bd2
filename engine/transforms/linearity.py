"""Is a function linear in some of its inputs? Proven instruction by instruction from the op records.

A slot is zero, free of the inputs in question, linear in them, or unknown. Linear stays linear through an
op that is linear in the inputs it comes in by, taken together, while its other linear inputs are zero; or
through a bilinear op whose other input is free. A yes is a proof; a no may only mean that none was found.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

import numpy as np

from engine import dtypes
from engine.ir.tape import Instruction, Tape


class Degree(Enum):
    """How a slot depends on the inputs in question."""

    ZERO = "zero"
    FREE = "free"
    LINEAR = "linear"
    UNKNOWN = "unknown"


def first_nonlinear(tape: Tape, names: Collection[str], places: Collection[int]) -> Instruction | str | None:
    """None if the outputs at `places` are linear in the inputs `names` together.

    Else the first instruction that could not be shown to be linear, or why an output is not.
    """
    degrees = dict.fromkeys(tape.inputs.values(), Degree.FREE)
    degrees.update({tape.inputs[name]: Degree.LINEAR for name in names})
    for slot, value in tape.constants.items():
        free = ((value != 0) & ~np.isnan(value)).any()  # NaN marks where there is no derivative at all
        degrees[slot] = Degree.FREE if free else Degree.ZERO
    culprits: dict[int, Instruction] = {}
    for step in tape.instructions:
        degree = _degree(tape, step, [degrees[slot] for slot in step.inputs])
        degrees.update(dict.fromkeys(step.outputs, degree))
        if degree is Degree.UNKNOWN:
            culprit = next((culprits[slot] for slot in step.inputs if slot in culprits), step)
            culprits.update(dict.fromkeys(step.outputs, culprit))
    for place in places:
        slot = tape.outputs[place]
        if degrees[slot] is Degree.UNKNOWN:
            return culprits[slot]
        if degrees[slot] is Degree.FREE:
            return f"its output {place} does not depend on them and is not zero"
    return None


def _degree(tape: Tape, step: Instruction, degrees: Sequence[Degree]) -> Degree:
    op = step.op
    if Degree.UNKNOWN in degrees:
        return Degree.UNKNOWN
    if Degree.LINEAR not in degrees:
        vanishes = bool(degrees) and _all_linear(step, degrees, Degree.ZERO)
        return Degree.ZERO if vanishes or op.name in ("zeros", "zeros_like") else Degree.FREE
    if not all(dtypes.is_inexact(tape.types[slot].dtype) for slot in step.outputs):
        return Degree.UNKNOWN
    if op.derivative.bilinear:
        if Degree.ZERO in degrees:
            return Degree.ZERO
        return Degree.LINEAR if list(degrees).count(Degree.LINEAR) == 1 else Degree.UNKNOWN
    return Degree.LINEAR if _all_linear(step, degrees, Degree.LINEAR) else Degree.UNKNOWN


def _all_linear(step: Instruction, degrees: Sequence[Degree], degree: Degree) -> bool:
    """Whether the op is linear in the inputs of `degree`, with zeros at the rest of its linear inputs."""
    last = len(step.op.inputs) - 1
    linear = [min(i, last) in step.op.derivative.linear_in for i in range(len(degrees))]
    if not any(linear) or step.op.derivative.is_affine(step.attributes):
        return False
    allowed = (degree, Degree.ZERO)
    return all(
        own in allowed if flag else own in (Degree.FREE, Degree.ZERO)
        for own, flag in zip(degrees, linear, strict=True)
    )
