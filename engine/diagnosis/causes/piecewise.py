"""Functions that are linear in pieces, which have kinks and no curvature."""

from __future__ import annotations

from engine import dtypes
from engine.diagnosis.evidence.structure import Graphing
from engine.ir.tape import Instruction
from engine.transforms.vjp import carries

#: Ops that are linear on either side of their kinks, and those that choose elements.
_KINKED = frozenset(
    {
        *(
            "abs",
            "relu",
            "relu6",
            "leaky_relu",
            "prelu",
            "hard_tanh",
            "hard_sigmoid",
            "soft_shrink",
            "hard_shrink",
        ),
        *("maximum", "minimum", "fmax", "fmin", "clip", "max", "min", "sort", "median", "top_k", "quantile"),
    }
)


def kinks_of(graph: Graphing, source: int, target: int, *, flat: bool = False) -> list[Instruction] | None:
    """The steps at which a piecewise linear function of `source` has its kinks, in order; None of a function
    that is curved. With `flat` the steps on the way that have a kink, whatever the others are.
    """
    tape, toward = graph.tape, graph.toward(target, "gradient")
    reached, kinks = {source}, []
    for step in graph.downstream(source):
        entered = [
            position
            for position, slot in enumerate(step.inputs)
            if slot in reached and carries(tape, step, position)
        ]
        if not entered or not any(slot in toward for slot in step.outputs):
            continue
        reached.update(slot for slot in step.outputs if dtypes.is_inexact(tape.types[slot].dtype))
        if step.op.name in _KINKED or (step.op.name == "where" and _chooses_by(graph, step, source)):
            kinks.append(step)
        elif not flat and not _is_linear(step, entered):
            return None
    return kinks


def _is_linear(step: Instruction, entered: list[int]) -> bool:
    """Whether a step is linear in the operands by which it is entered, taken together."""
    derivative, last = step.op.derivative, len(step.op.inputs) - 1
    if derivative.bilinear:
        return len(entered) == 1
    if step.op.name == "where":
        return True
    return all(min(position, last) in derivative.linear_in for position in entered)


def _chooses_by(graph: Graphing, step: Instruction, source: int) -> bool:
    """Whether the condition of a choice depends on the source."""
    return step.inputs[0] in {slot for one in graph.downstream(source) for slot in one.outputs}
