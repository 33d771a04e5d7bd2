"""The cost of a plan, computed before it runs: operations, bytes, peak memory.

The seconds are a rough prediction for choosing where a query runs (inline, in a thread, in a child
process that can be killed): they come from a machine's rates and are no promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.dtypes import ITEMSIZE, TensorType
from engine.ir.cost import Cost
from engine.ir.tape import Instruction, Tape
from engine.runtime.scratch import scratch_bytes

# Sustained rates of one core, on the slow side of what docs/decisions/0007 measured.
CALL_SECONDS = 1.5e-6
FLOPS_PER_SECOND = 2e9
BYTES_PER_SECOND = 4e9


MOST = 2**512  # of a count that becomes a float: shapes may be declared whose size no float holds


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of one run: FLOPs, bytes moved, peak bytes alive, instructions, predicted seconds."""

    flops: int
    bytes: int
    peak_bytes: int
    nodes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name, as an error or an answer carries them."""
        return asdict(self)


NOTHING = Estimate(0, 0, 0, 0, 0.0)


def cost_of(tape: Tape, step: Instruction) -> Cost:
    """One instruction's cost, from its types alone."""
    types = [tape.types[slot] for slot in step.inputs]
    outputs = [tape.types[slot] for slot in step.outputs]
    rule, kernel = step.op.rules.cost, step.op.kernel
    if rule is None:
        return _moved(types, outputs)
    cost = rule(types, outputs, **step.attributes)
    if kernel.scalar is None or kernel.takes_out or cost.workspace:
        return cost  # what writes into a buffer holds nothing beside it
    itemsize = max(ITEMSIZE[type.dtype] for type in (*types, *outputs))
    return replace(cost, workspace=scratch_bytes(step, types[0].dtype, itemsize, outputs[0].size))


def _moved(types: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
    return Cost(0, sum(t.nbytes for t in (*types, *outputs)))


def operations(seconds: float) -> int:
    """How many simple operations take so long."""
    return int(seconds * FLOPS_PER_SECOND)


def seconds(flops: int, bytes: int, calls: int) -> float:
    """Predicted run time on one core."""
    flops, bytes = min(flops, MOST), min(bytes, MOST)
    return calls * CALL_SECONDS + flops / FLOPS_PER_SECOND + bytes / BYTES_PER_SECOND
