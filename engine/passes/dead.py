"""Drop what no output needs."""

from __future__ import annotations

from engine.ir.budget import charge_walk
from engine.ir.tape import Tape


def dead(tape: Tape) -> Tape:
    """The tape without instructions and constants that no output depends on; inputs stay declared."""
    charge_walk(tape.instructions)
    live = set(tape.outputs)
    live_steps = []
    for step in reversed(tape.instructions):
        if any(slot in live for slot in step.outputs):
            live.update(step.inputs)
            live_steps.append(step)
    live_steps.reverse()
    return Tape(
        types=tape.types,
        inputs=tape.inputs,
        constants={slot: value for slot, value in tape.constants.items() if slot in live},
        instructions=live_steps,
        outputs=list(tape.outputs),
    )
