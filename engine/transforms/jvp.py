"""The forward walk: tangents of the inputs pushed to the outputs, recorded on the same tape.

A linear op is its own derivative, an affine one has that of its linear part. An elementwise op has a diagonal
Jacobian, so its VJP formula with the tangent in place of the cotangent is its JVP; on complex numbers only
where it is holomorphic. Any other op is pulled back twice: the VJP is linear in its cotangent, and the VJP of
that is the JVP. Nothing is transposed as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine import dtypes
from engine.errors import EngineError
from engine.ir.table import F
from engine.ir.tape import Instruction, Tape, Variable
from engine.transforms.vjp import backward, carries, gather, pull, zeros


def forward(
    tape: Tape, tangents: Mapping[int, Variable], steps: Sequence[Instruction], *, joint: bool = False
) -> dict[int, Variable]:
    """Record the tangents of every slot that the given ones reach through `steps`.

    A slot without a path is absent: its tangent is zero. A slot that is given a tangent keeps it, whatever
    reaches it; with `joint` both are added, as if each given tangent had a walk of its own.
    Raises DerivativeNotImplemented.
    """
    reached = dict(tangents)
    for step in steps:
        moving = [i for i, slot in enumerate(step.inputs) if slot in reached and carries(tape, step, i)]
        if not moving:
            continue
        with tape.at(step.origin):
            try:
                answers = _push(tape, step, moving, reached)
            except EngineError as error:
                raise error.at(step.origin) from None
        for slot, tangent in zip(step.outputs, answers, strict=True):
            if tangent is not None and slot not in tangents:
                reached[slot] = tangent
            elif tangent is not None and joint:
                reached[slot] = tangents[slot] + tangent
    return reached


def _push(
    tape: Tape, step: Instruction, moving: Sequence[int], reached: Mapping[int, Variable]
) -> Sequence[Variable | None]:
    outputs = [tape.variable(slot) for slot in step.outputs]
    pushforward = step.op.derivative.pushforward
    if pushforward is not None:
        inputs = [tape.variable(slot) for slot in step.inputs]
        tangents = [reached.get(slot) if i in moving else None for i, slot in enumerate(step.inputs)]
        pushed: Sequence[Variable | None] = pushforward(tangents, inputs, **step.attributes)
        return pushed
    if _is_diagonal(tape, step, moving, outputs[0]):
        return [_diagonal(tape, step, moving, reached, outputs[0])]
    if _is_linear(step, moving):
        return _apply_itself(tape, step, reached)
    return _pull_twice(tape, step, moving, reached, outputs)


def _is_diagonal(tape: Tape, step: Instruction, moving: Sequence[int], output: Variable) -> bool:
    """Whether the op's Jacobian is a diagonal of numbers, not of 2 x 2 blocks of real and imaginary parts."""
    if step.op.family.jvp != "elementwise" or not dtypes.is_inexact(output.dtype):
        return False
    types = [output.type, *(tape.types[step.inputs[position]] for position in moving)]
    return step.op.derivative.holomorphic or not any(dtypes.is_complex(type.dtype) for type in types)


def _diagonal(
    tape: Tape, step: Instruction, moving: Sequence[int], reached: Mapping[int, Variable], output: Variable
) -> Variable | None:
    """The VJP formulas at the tangents: a diagonal Jacobian is its own transpose."""
    total: Variable | None = None
    for position in moving:
        tangent = reached[step.inputs[position]].broadcast_to(output.shape)
        ((_, term),) = pull(tape, step, [position], [tangent])
        total = gather(output, total, term)
    return total


def _linear_position(step: Instruction, position: int) -> bool:
    last = len(step.op.inputs) - 1 if step.op.variadic else position
    return min(position, last) in step.op.derivative.linear_in


def _is_linear(step: Instruction, moving: Sequence[int]) -> bool:
    """Whether the op is linear in the inputs that move, taken together."""
    return all(_linear_position(step, position) for position in moving)


def _apply_itself(
    tape: Tape, step: Instruction, reached: Mapping[int, Variable]
) -> Sequence[Variable | None]:
    """The linear part of the op on the tangents; a linear input that does not move has the tangent zero."""
    operands = []
    for position, slot in enumerate(step.inputs):
        still = tape.variable(slot)
        if _linear_position(step, position) and dtypes.is_inexact(still.dtype):
            operands.append(reached[slot] if slot in reached else zeros(tape, still))
        else:
            operands.append(still)
    answer = tape.apply(step.op, operands, {**step.attributes, **step.op.derivative.linear_at})
    return answer if isinstance(answer, tuple) else [answer]


def _pull_twice(
    tape: Tape,
    step: Instruction,
    moving: Sequence[int],
    reached: Mapping[int, Variable],
    outputs: Sequence[Variable],
) -> Sequence[Variable | None]:
    """The VJP of the VJP with respect to its cotangent, with the tangents as cotangents."""
    probes = [F.identity(zeros(tape, output)) for output in outputs]
    start = len(tape.instructions)
    seeds: dict[int, Variable] = {}
    for position, answer in pull(tape, step, moving, probes):
        slot = step.inputs[position]
        pulled = F.identity(gather(tape.variable(slot), None, answer))
        seeds[pulled.slot] = reached[slot]
    adjoints = backward(tape, seeds, [probe.slot for probe in probes], since=start)
    return [adjoints.get(probe.slot) for probe in probes]
