"""The passes over the functions of loops and branches, each function once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.ir.tape import Tape


def inner(tape: Tape, rewritten: Callable[[Tape], Tape]) -> Tape:
    """The tape with `rewritten(function)` in place of every function attribute."""
    if not any(step.op.rules.functions or step.op.kernel.takes_needed for step in tape.instructions):
        return tape

    def value_of(value: Any) -> Any:
        if not isinstance(value, Tape):
            return value
        if rewritten not in value.derived:
            value.derived[rewritten] = rewritten(value)
        return value.derived[rewritten]

    steps = [
        replace(step, attributes={name: value_of(value) for name, value in step.attributes.items()})
        if any(isinstance(value, Tape) for value in step.attributes.values())
        else step
        for step in tape.instructions
    ]
    return Tape(tape.types, tape.inputs, tape.constants, steps, list(tape.outputs))
