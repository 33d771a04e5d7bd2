"""Runs plans on the CPU with NumPy."""

from __future__ import annotations

from collections.abc import Mapping

from engine import arrays
from engine.arrays.types import Array
from engine.ir.tape import Tape
from engine.passes import lower
from engine.runtime.executors import bound
from engine.runtime.plan import Plan, make_plan


class BoundPlan(bound.BoundPlan):
    """A plan ready to run on the CPU."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan, arrays.numpy_namespace())


def run_tape(tape: Tape, inputs: Mapping[str, Array]) -> list[Array]:
    """Plan and run a tape once: what tests and constant checks need."""
    return BoundPlan(make_plan(lower(tape))).run(inputs)
