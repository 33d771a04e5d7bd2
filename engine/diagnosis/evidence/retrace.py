"""The steps of an earlier run taken again with other inputs, as long as every decision comes out alike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.interpreter import Values, run_steps
from engine.diagnosis.evidence.unroll import Layout


def retrace(layout: Layout, inputs: Mapping[str, Array]) -> Values | None:
    """The values of all slots of `layout` for these inputs; None if they lead through other steps."""
    tape, steps = layout.tape, layout.steps
    values: Values = dict(tape.constants)
    for name, slot in tape.inputs.items():
        if name in inputs:
            values[slot] = np.asarray(inputs[name], tape.types[slot].dtype)
    done = 0
    for decision in layout.decisions:
        run_steps(steps[done : decision.at], values)
        if decision.taken(values) != decision.outcome:
            return None
        done = decision.at
    run_steps(steps[done:], values)
    return values
