"""How much a step passes on when nothing can cancel: |J| applied instead of J.

The instructions that a pullback recorded are linear in the cotangents. Evaluated with the cotangents'
magnitudes, with every coefficient made absolute, they give Σ |∂y/∂x| M: zero exactly where nothing gets
through, and otherwise the size against which a sum of cotangents has to be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.interpreter import Values, execute
from engine.ir.no_gradient import NoGradient
from engine.ir.tape import Instruction


def sweep_magnitudes(steps: Iterable[Instruction], values: Mapping[int, Array], seeds: Values) -> Values:
    """The magnitude of every slot that depends on a cotangent; `seeds` are those of the cotangents.

    `values` are the values of all slots that the steps read or make.
    """
    magnitudes = dict(seeds)
    with np.errstate(all="ignore"):
        for step in steps:
            moving = {
                i: magnitudes[slot]
                for i, slot in enumerate(step.inputs)
                if slot in magnitudes and not isinstance(step.op.input(i).vjp, NoGradient)
            }
            if moving:
                operands = [values[slot] for slot in step.inputs]
                magnitudes.update(zip(step.outputs, _absolute(step, operands, moving), strict=True))
    return magnitudes


def _absolute(step: Instruction, operands: Sequence[Array], moving: Mapping[int, Array]) -> list[Array]:
    if step.op.family.name == "elementwise":
        return [_diagonal(step, operands, moving)]
    if step.op.name == "solve" and set(moving) == {1}:
        return [_through_inverse(operands[0], moving[1])]
    if step.op.family.name == "fourier":
        return [_through_transform(step, operands[0], moving[0])]
    whole = step.op.family.name == "control"  # a loop's or branch's own course depends on its values
    filled = []
    for position, operand in enumerate(operands):
        if position not in moving:
            filled.append(operand if whole else _coefficient(operand))
        else:
            size = moving[position]
            filled.append(size.astype(operand.dtype) if whole and operand.dtype.kind == "c" else size)
    return [np.abs(output) for output in execute(step, filled)]


def _diagonal(step: Instruction, operands: Sequence[Array], moving: Mapping[int, Array]) -> Array:
    """One term for each moving operand, the others at zero: a sum, a difference and a choice add up."""
    total: Array | None = None
    for position in moving:
        term = [
            moving[i] if i == position else np.zeros_like(operand) if i in moving else operand
            for i, operand in enumerate(operands)
        ]
        size = np.abs(execute(step, term)[0])
        total = size if total is None else total + size
    assert total is not None
    return total


def _through_inverse(matrix: Array, right: Array) -> Array:
    """|A⁻¹| M: the coefficients of a solution are those of the inverse, not of the matrix."""
    try:
        inverse = np.abs(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        inverse = np.full(matrix.shape, np.nan, matrix.dtype)
    return np.asarray(inverse @ right)


def _through_transform(step: Instruction, x: Array, size: Array) -> Array:
    """Every coefficient of a Fourier transform has the same magnitude; with its mirror image twice that."""
    axes, norm = step.attributes["axis"], step.attributes["norm"]
    shape = list(x.shape)
    count = prod(shape[a] for a in axes)
    inverse, mirrored = bool(step.attributes.get("inverse")), step.op.name == "irdft"
    if mirrored:
        inverse, shape[axes[0]] = True, step.attributes["size"]
        count = shape[axes[0]]
    elif step.op.name == "rdft":
        shape[axes[0]] = count // 2 + 1
    factor = count**-0.5 if norm == "ortho" else 1 / count if (norm == "forward") != inverse else 1.0
    total = np.sum(size, axis=axes, keepdims=True) * factor * (2 if mirrored else 1)
    return np.broadcast_to(total, shape).copy()


def _coefficient(operand: Array) -> Array:
    return np.abs(operand) if operand.dtype.kind in "fc" else operand
