"""Bodies of loops and branches: their cost, and their tapes with tangents beside the values."""

from __future__ import annotations

from collections.abc import Sequence

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.cost import Cost
from engine.ir.table import F
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.runtime.cost import CALL_SECONDS, operations, seconds
from engine.runtime.plan import KEPT_BYTES, make_plan
from engine.transforms.jvp import forward
from engine.transforms.vjp import zeros

TANGENT = "tangent "  # how tangent inputs of a body are named, before a number


def inexact(types: Sequence[TensorType]) -> list[int]:
    """The places of the real and complex floating types: what cotangents and tangents belong to."""
    return [i for i, type in enumerate(types) if dtypes.is_inexact(type.dtype)]


def cost_of_runs(body: Tape, runs: int, *, answered: bool = False) -> Cost:
    """`runs` runs of a body; its memory is taken once, and what it is given lies outside already.

    What it is `answered` as well, where its outputs are those of the op.
    """
    plan = body.derived.get("plan")
    if plan is None:
        plan = body.derived["plan"] = make_plan(lower(body))
    estimate, buffered = plan.estimate, sum(plan.buffers)
    outside = [*body.inputs.values(), *(body.outputs if answered else ())]
    scratch = max(0, estimate.peak_bytes - sum(body.types[slot].nbytes for slot in outside))
    flops, moved = runs * estimate.flops, runs * estimate.bytes
    slow = runs * operations(estimate.seconds + CALL_SECONDS) - operations(seconds(flops, moved, 0))
    return Cost(flops, moved, scratch, max(0, slow), buffered if buffered <= KEPT_BYTES else 0)


class Body:
    """A sub-tape that is being recorded, whose inputs are named by number."""

    def __init__(self) -> None:
        self.tape = Tape()

    def input(self, type: TensorType, prefix: str = "") -> Variable:
        """The next input."""
        return self.tape.input(f"{prefix}{len(self.tape.inputs)}", TensorType(type.shape, type.dtype))

    def inputs(self, types: Sequence[TensorType]) -> list[Variable]:
        """The next inputs."""
        return [self.input(type) for type in types]

    def play(self, body: Tape, arguments: Sequence[Variable]) -> list[Variable]:
        """The outputs of `body`, each in a slot of its own."""
        return [F.identity(output) for output in self.tape.inline(body, arguments)]

    def finish(self, outputs: Sequence[Variable]) -> Tape:
        """The tape with these outputs."""
        self.tape.outputs = [output.slot for output in outputs]
        return self.tape


def input_types(body: Tape) -> list[TensorType]:
    """The types of a sub-tape's inputs, in order."""
    return [body.types[slot] for slot in body.inputs.values()]


def with_tangents(
    body: Tape, moving: Sequence[int], *, carried: Sequence[int] = (), carry: int = 0
) -> tuple[Tape, list[int]]:
    """The body with tangents of its inputs at `moving`, which come as further inputs.

    Outputs are the carried ones, the tangents of those at `carried`, the other outputs, and the tangents of
    those others that move; their places among the others are answered too.
    """
    longer = Body()
    arguments = longer.inputs(input_types(body))
    tangents = {arguments[i].slot: longer.input(arguments[i].type, TANGENT) for i in moving}
    outputs = longer.play(body, arguments)
    reached = forward(longer.tape, tangents, tuple(longer.tape.instructions))
    others = outputs[carry:]
    emitted = [
        i for i, v in enumerate(others) if v.slot in reached or (not carry and dtypes.is_inexact(v.dtype))
    ]

    def tangent(v: Variable) -> Variable:
        return reached[v.slot] if v.slot in reached else zeros(longer.tape, v)

    return longer.finish(
        [
            *outputs[:carry],
            *(tangent(outputs[i]) for i in carried),
            *others,
            *(tangent(others[i]) for i in emitted),
        ]
    ), emitted
