"""A tape run step by step with every value kept: slower than a plan, and nothing is rewritten.

A diagnosis looks at the values that the user's own nodes made, so it runs the tape as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.errors import EngineError
from engine.ir.budget import charge
from engine.ir.tape import Instruction, Tape
from engine.runtime.executors.bound import runnable

Values = dict[int, Array]


Bound = dict[int, dict[str, Any]]  # by an instruction's identity: its attributes, their functions planned


def execute(step: Instruction, operands: Sequence[Array], bound: Bound | None = None) -> list[Array]:
    """The outputs of one instruction; the operands are not written.

    Functions are planned once for calls that share `bound`, during which the instruction has to be alive.
    """
    if step.op.name == "custom_gradient":
        return play(step.attributes["forward"], operands)
    kernel = step.op.kernel.forward
    assert kernel is not None, step.op.name
    arguments = [np.array(operands[0]), *operands[1:]] if step.op.kernel.in_place else operands
    xp = arrays.numpy_namespace()
    attributes = None if bound is None else bound.get(id(step))
    if attributes is None:
        attributes = runnable(step, [True] * len(step.outputs), xp)
        if bound is not None:
            bound[id(step)] = attributes
    answer = kernel(xp, *arguments, **attributes)
    return [np.asarray(value) for value in (answer if len(step.outputs) != 1 else [_only(answer)])]


def _only(answer: Any) -> Any:
    return answer[0] if isinstance(answer, tuple | list) else answer


def play(tape: Tape, operands: Sequence[Array]) -> list[Array]:
    """The outputs of a whole tape, its inputs bound in order."""
    values = {**tape.constants, **dict(zip(tape.inputs.values(), operands, strict=True))}
    run_steps(tape.instructions, values)
    return [values[slot] for slot in tape.outputs]


def replay(
    tape: Tape, steps: Iterable[Instruction], inputs: Mapping[str, Array], bound: Bound | None = None
) -> Values:
    """The value of every slot that `steps` make, and of the inputs and constants; `bound` as in `execute`."""
    values: Values = dict(tape.constants)
    for name, slot in tape.inputs.items():
        if name in inputs:
            values[slot] = np.asarray(inputs[name], tape.types[slot].dtype)
    run_steps(steps, values, bound)
    return values


def run_steps(steps: Iterable[Instruction], values: Values, bound: Bound | None = None) -> None:
    """Run `steps` in order, reading from and adding to `values`; `bound` as in `execute`."""
    with np.errstate(all="ignore"):
        for step in steps:
            try:
                outputs = execute(step, [values[slot] for slot in step.inputs], bound)
            except EngineError as error:
                raise error.at(step.origin) from None
            charge(1 + (sum(output.nbytes for output in outputs) >> 16))
            values.update(zip(step.outputs, outputs, strict=True))
