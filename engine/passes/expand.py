"""Replace calls of functions with their own gradient by the functions' forward parts."""

from __future__ import annotations

from engine.ir.tape import Tape
from engine.passes.rewrite import Rewrite


def expand(tape: Tape) -> Tape:
    """The tape without `custom_gradient`, whose backward part was already recorded by the walk."""
    if not any(step.op.name == "custom_gradient" for step in tape.instructions):
        return tape
    rewrite = Rewrite(tape)
    for step in tape.instructions:
        inputs = rewrite.resolved(step.inputs)
        if step.op.name != "custom_gradient":
            rewrite.keep(step, inputs)
            continue
        target = rewrite.target
        with target.at(step.origin):
            inner = expand(step.attributes["forward"])
            outputs = target.inline(inner, [target.variable(slot) for slot in inputs])
        rewrite.stands_for.update(zip(step.outputs, (v.slot for v in outputs), strict=True))
    return rewrite.finish()
