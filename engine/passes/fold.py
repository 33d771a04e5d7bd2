"""Compute once what depends on constants alone; sizes and shapes are constants from here on."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import arrays
from engine.ir.no_gradient import NoGradient
from engine.ir.tape import Instruction, Tape
from engine.passes.rewrite import Rewrite

LARGEST = 4096  # bytes: folding must not make a small program carry large constants


def fold(tape: Tape) -> Tape:
    """The tape with small constant results in place of the instructions that computed them."""
    rewrite = Rewrite(tape)
    constants = rewrite.target.constants
    for step in tape.instructions:
        inputs = rewrite.resolved(step.inputs)
        values = _compute(tape, step, inputs, constants)
        if values is None:
            rewrite.keep(step, inputs)
        else:
            constants.update(zip(step.outputs, values, strict=True))
    return rewrite.finish()


def _compute(
    tape: Tape, step: Instruction, inputs: tuple[int, ...], constants: dict[int, Any]
) -> list[np.ndarray[Any, Any]] | None:
    """The outputs of `step` where they are known and small, else None."""
    kernel = step.op.kernel
    operands: list[Any] = []
    for position, slot in enumerate(inputs):
        value = constants.get(slot)
        if value is None and _shape_only(step, position):
            type = tape.types[slot]
            value = np.broadcast_to(np.zeros((), type.dtype), type.shape)
        if value is None:
            return None
        operands.append(np.array(value) if kernel.in_place and position == 0 else value)
    if kernel.forward is None or step.op.rules.functions or kernel.takes_needed:
        return None
    if sum(tape.types[slot].nbytes for slot in step.outputs) > LARGEST:
        return None
    try:
        with np.errstate(all="ignore"):
            answer = kernel.forward(arrays.numpy_namespace(), *operands, **step.attributes)
    except Exception:  # whatever it is: the run says it, with its place
        return None
    outputs = answer if isinstance(answer, tuple | list) else (answer,)
    return [np.array(value) for value in outputs]


def _shape_only(step: Instruction, position: int) -> bool:
    rule = step.op.input(position).vjp
    return isinstance(rule, NoGradient) and rule.reason == "shape_only"
