"""Is a function of complex numbers holomorphic? Told from the op records along its paths.

Where every op between a variable and an output is, the output is: dy = f'(z) dz with one complex number f'. A
yes is a proof; a no names an op, and may be wrong where two such ops undo each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine import dtypes
from engine.ir.op import Op
from engine.ir.tape import Instruction, Tape
from engine.transforms.vjp import carries, depending_on


def first_not_holomorphic(
    tape: Tape, sources: Iterable[int], targets: Iterable[int], *, since: int = 0
) -> Instruction | None:
    """The first instruction on a path from some source to some target that is not holomorphic, else None.

    Paths are those that carry a derivative; of functions with a gradient of their own it is that gradient.
    """
    steps = tape.instructions[since:]
    reached = depending_on(tape, steps, sources)
    leading = set(targets)
    first = None
    for step in reversed(steps):
        if leading.isdisjoint(step.outputs):
            continue
        moving = [i for i, slot in enumerate(step.inputs) if slot in reached and carries(tape, step, i)]
        leading.update(step.inputs[i] for i in moving)
        if any(dtypes.is_complex(tape.types[step.inputs[i]].dtype) for i in moving) and _breaks(step):
            first = step
    return first


def _breaks(step: Instruction) -> bool:
    """Whether an instruction, or a function that it calls, is not holomorphic."""
    if not step.op.derivative.holomorphic:
        return True
    if step.op.name == "custom_gradient":
        return _custom_breaks(step)
    inner = step.attributes.values()
    return any(isinstance(value, Op) and not value.derivative.holomorphic for value in inner) or any(
        first_not_holomorphic(value, value.inputs.values(), value.outputs) is not None
        for value in inner
        if isinstance(value, Tape)
    )


def _custom_breaks(step: Instruction) -> bool:
    """Whether what a user's functions return is not linear, over complex numbers, in the direction given."""
    forward, backward, jvp = (step.attributes.get(name) for name in ("forward", "backward", "jvp"))
    assert isinstance(forward, Tape)
    directed = jvp if jvp is not None else backward
    assert isinstance(directed, Tape)
    first = len(forward.inputs) + len(forward.outputs)
    directions = list(directed.inputs.values())[first:]
    return first_not_holomorphic(directed, directions, directed.outputs) is not None
