"""Write small whole powers as products: x ** 3 as x * x * x, which costs a twentieth.

A product of three is rounded twice, a power of the system's library about once: they differ by at most two
units in the last place. What is not finite stays so, and so do signs of zeros. Squares need no rewriting,
because NumPy takes them as products itself. Only real floating numbers are rewritten.
"""

from __future__ import annotations

from dataclasses import replace

from engine import dtypes
from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape
from engine.passes.rewrite import Rewrite

_CUBE = 3


def powers(tape: Tape) -> Tape:
    """The tape with its cubes as products."""
    cubes = {
        slot
        for slot, value in tape.constants.items()
        if value.ndim == 0 and value.dtype.kind == "f" and value == _CUBE
    }
    if not cubes or not any(step.op.name == "pow" and step.inputs[1] in cubes for step in tape.instructions):
        return tape
    rewrite = Rewrite(tape)
    for step in tape.instructions:
        inputs = rewrite.resolved(step.inputs)
        out = tape.types[step.outputs[0]] if step.outputs else None
        if step.op.name == "pow" and inputs[1] in cubes and out is not None and dtypes.is_floating(out.dtype):
            square = len(rewrite.target.types)
            rewrite.target.types.append(out)
            multiply, base = TABLE["multiply"], inputs[0]
            first = Instruction(multiply, (base, base), {}, (square,), step.origin)
            rewrite.keep(first, first.inputs)
            rewrite.keep(replace(step, op=multiply, attributes={}), (square, base))
        else:
            rewrite.keep(step, inputs)
    return rewrite.finish()
