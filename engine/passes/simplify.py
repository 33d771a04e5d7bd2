"""Remove multiplications by one, such as the seed of a gradient leaves; no other bit can change.

Of complex numbers they stay: (inf + 0i) (1 + 0i) is no longer inf + 0i.
"""

from __future__ import annotations

from engine.ir.tape import Instruction, Tape
from engine.passes.rewrite import Rewrite

SMALL = 64  # elements of a constant that are looked at


def simplify(tape: Tape) -> Tape:
    """The tape without `x * 1` and without no-op casts, reshapes and identities."""
    rewrite = Rewrite(tape)
    ones = {
        slot
        for slot, value in tape.constants.items()
        if 0 < value.size <= SMALL and value.dtype.kind != "c" and (value == 1).all()
    }
    for step in tape.instructions:
        inputs = rewrite.resolved(step.inputs)
        if step.op.name == "broadcast_to" and inputs[0] in ones:
            ones.add(step.outputs[0])
        same = _same_as(tape, step, inputs, ones)
        if same is None:
            rewrite.keep(step, inputs)
        else:
            rewrite.stands_for[step.outputs[0]] = same
    return rewrite.finish()


def _same_as(tape: Tape, step: Instruction, inputs: tuple[int, ...], ones: set[int]) -> int | None:
    """The input whose value the output repeats exactly, or None."""
    if step.op.name == "multiply":
        candidates = [b for a, b in (inputs, inputs[::-1]) if a in ones]
    elif step.op.name in _TRANSPARENT:
        candidates = [inputs[0]]
    else:
        return None
    output = tape.types[step.outputs[0]]
    for slot in candidates:
        type = tape.types[slot]
        if (type.shape, type.dtype) == (output.shape, output.dtype):
            return slot
    return None


_TRANSPARENT = frozenset(
    {"identity", "stop_gradient", "positive", "astype", "reshape", "broadcast_to", "sum_to"}
)
