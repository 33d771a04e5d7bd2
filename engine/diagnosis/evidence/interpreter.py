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
from engine.ir.tape import Instruction, Tape
from engine.runtime.executors.bound import runnable

Values = dict[int, Array]


def execute(step: Instruction, operands: Sequence[Array]) -> list[Array]:
    """The outputs of one instruction; the operands are not written."""
    if step.op.name == "custom_gradient":
        return play(step.attributes["forward"], operands)
    kernel = step.op.kernel.forward
    assert kernel is not None, step.op.name
    given = [np.array(operands[0]), *operands[1:]] if step.op.kernel.in_place else operands
    xp = arrays.numpy_namespace()
    answer = kernel(xp, *given, **runnable(step, [True] * len(step.outputs), xp))
    return [np.asarray(value) for value in (answer if len(step.outputs) != 1 else [_only(answer)])]


def _only(answer: Any) -> Any:
    return answer[0] if isinstance(answer, tuple | list) else answer


def play(tape: Tape, operands: Sequence[Array]) -> list[Array]:
    """The outputs of a whole tape, its inputs bound in order."""
    values = {**tape.constants, **dict(zip(tape.inputs.values(), operands, strict=True))}
    run_steps(tape.instructions, values)
    return [values[slot] for slot in tape.outputs]


def replay(tape: Tape, steps: Iterable[Instruction], inputs: Mapping[str, Array]) -> Values:
    """The value of every slot that `steps` make, and of the inputs and constants."""
    values: Values = dict(tape.constants)
    for name, slot in tape.inputs.items():
        if name in inputs:
            values[slot] = np.asarray(inputs[name], tape.types[slot].dtype)
    run_steps(steps, values)
    return values


def run_steps(steps: Iterable[Instruction], values: Values) -> None:
    """Run `steps` in order, reading from and adding to `values`."""
    with np.errstate(all="ignore"):
        for step in steps:
            try:
                outputs = execute(step, [values[slot] for slot in step.inputs])
            except EngineError as error:
                raise error.at(step.origin) from None
            values.update(zip(step.outputs, outputs, strict=True))
