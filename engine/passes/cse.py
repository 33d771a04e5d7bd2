"""Common subexpressions: the same op on the same slots with the same attributes is done once."""

from __future__ import annotations

from typing import Any

from engine.ir.tape import Tape
from engine.passes.rewrite import Rewrite


def cse(tape: Tape) -> Tape:
    """The tape with each repeated instruction replaced by its first occurrence."""
    rewrite = Rewrite(tape)
    first_outputs: dict[Any, tuple[int, ...]] = {}
    for step in tape.instructions:
        inputs = rewrite.resolved(step.inputs)
        key = (step.op.name, inputs, repr(step.attributes) if step.attributes else "")
        outputs = first_outputs.get(key)
        if outputs is None:
            first_outputs[key] = step.outputs
            rewrite.keep(step, inputs)
        else:
            rewrite.stands_for.update(zip(step.outputs, outputs, strict=True))
    return rewrite.finish()
