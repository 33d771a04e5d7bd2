"""The backward walk: from the targets' cotangents to those of `wrt`, recorded on the same tape.

The walk does once what no rule should do: it prunes what `wrt` does not need, brings a cotangent back
to its input's shape, and sums where a tensor is used more than once. Because it records ordinary
instructions, walking again gives the next derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from engine import dtypes
from engine.errors import DerivativeNotImplemented, EngineError, InternalError
from engine.op import Accumulate, Cut, F, jointly
from engine.tape import Instruction, Tape
from engine.variable import Variable


def backward(tape: Tape, cotangents: Mapping[int, Variable], wrt: Iterable[int]) -> dict[int, Variable]:
    """Record the adjoints of `wrt` given cotangents of some slots; a slot without a path is absent.

    Raises DerivativeNotImplemented where a needed edge has no rule.
    """
    steps = list(tape.instructions)
    wanted = set(wrt)
    needed = depending_on(tape, steps, wanted)
    walk = _Walk(tape, {slot: g for slot, g in cotangents.items() if slot in needed})
    for step in reversed(steps):
        if any(slot in walk.gathered for slot in step.outputs):
            inputs = [i for i, slot in enumerate(step.inputs) if slot in needed and carries(tape, step, i)]
            if inputs:
                walk.step(step, inputs)
            for slot in step.outputs:  # spent, unless asked for
                if slot not in wanted:
                    walk.gathered.pop(slot, None)
    return {slot: walk.gathered[slot] for slot in wanted if slot in walk.gathered}


def depending_on(tape: Tape, steps: Sequence[Instruction], sources: Iterable[int]) -> set[int]:
    """The slots to which some source has a path that carries a gradient, the sources included."""
    reached = {slot for slot in sources if dtypes.is_inexact(tape.types[slot].dtype)}
    for step in steps:
        if any(slot in reached and carries(tape, step, i) for i, slot in enumerate(step.inputs)):
            reached.update(slot for slot in step.outputs if dtypes.is_inexact(tape.types[slot].dtype))
    return reached


def carries(tape: Tape, step: Instruction, position: int) -> bool:
    """Whether a gradient passes from the outputs of `step` to its input at `position`."""
    rule = step.op.input(position).vjp
    if isinstance(rule, Cut) and rule.kind != "not_implemented":
        return False
    if not dtypes.is_inexact(tape.types[step.inputs[position]].dtype):
        return False
    return any(dtypes.is_inexact(tape.types[slot].dtype) for slot in step.outputs)


class _Walk:
    """The cotangents gathered so far, by slot."""

    def __init__(self, tape: Tape, gathered: dict[int, Variable]) -> None:
        self.tape = tape
        self.gathered = gathered

    def step(self, step: Instruction, positions: Sequence[int]) -> None:
        """Pull the outputs' cotangents back to the inputs at `positions`."""
        self._refuse(step, positions)
        inputs = [self.tape.variable(slot) for slot in step.inputs]
        outputs = [self.tape.variable(slot) for slot in step.outputs]
        with self.tape.at(step.origin):
            cotangents = [self._cotangent(variable) for variable in outputs]
            try:
                answers = self._answers(step, positions, cotangents, outputs, inputs)
            except EngineError as error:
                raise error.at(step.origin) from None
            for position, answer in answers:
                self._gather(inputs[position], answer)

    def _answers(
        self,
        step: Instruction,
        positions: Sequence[int],
        gs: Sequence[Variable],
        ys: Sequence[Variable],
        inputs: Sequence[Variable],
    ) -> list[tuple[int, Any]]:
        op = step.op
        if op.pullback is not None:
            answers = op.pullback(gs, ys, *inputs, **step.attributes)
            return [(position, answers[position]) for position in positions]
        single = len(ys) == 1 and op.outputs is not None
        g, y = (gs[0], ys[0]) if single else (tuple(gs), tuple(ys))
        pulled = []
        for position in positions:
            parameter = op.input(position)
            rule = _rule(parameter.vjp)
            first = (position - len(op.inputs) + 1,) if parameter.variadic else ()
            pulled.append((position, rule(*first, g, y, *inputs, **step.attributes)))
        return pulled

    def _cotangent(self, output: Variable) -> Variable:
        """What was gathered for an output; zeros for one of several outputs that the target does not use."""
        known = self.gathered.get(output.slot)
        return zeros(self.tape, output) if known is None else known

    def _gather(self, variable: Variable, answer: Any) -> None:
        slot = variable.slot
        total = self.gathered.get(slot)
        if isinstance(answer, Accumulate):
            answer = answer.add(zeros(self.tape, variable) if total is None else total)
        else:
            answer = fit(answer, variable)
            if total is not None:
                answer = total + answer
        if answer.dtype != variable.dtype:
            raise InternalError(f"a rule answered {answer.dtype} for an input of {variable.dtype}")
        self.gathered[slot] = answer

    def _refuse(self, step: Instruction, positions: Sequence[int]) -> None:
        for position in positions:
            rule = step.op.input(position).vjp
            if isinstance(rule, Cut):
                name = step.op.input(position).name
                raise DerivativeNotImplemented(
                    f"the derivative with respect to '{name}' is not implemented: {rule.why}",
                    op=step.op.name,
                    hint="keep this input out of `wrt`, or cut the path with stop_gradient",
                ).at(step.origin)
            if dtypes.is_complex(self.tape.types[step.inputs[position]].dtype):
                raise DerivativeNotImplemented(
                    "derivatives with respect to complex tensors are not implemented yet",
                    op=step.op.name,
                    hint="split the value into real and imaginary inputs",
                ).at(step.origin)


def _rule(rule: Callable[..., Any] | Cut) -> Callable[..., Any]:
    if isinstance(rule, Cut) or rule is jointly:
        raise InternalError("an input without a rule was walked")
    return rule


def zeros(tape: Tape, like: Variable) -> Variable:
    """A cotangent of nothing: zeros of a slot's type, made when the program runs."""
    zero = tape.constant(0, like.dtype)
    return zero.broadcast_to(like.shape)


def ones(tape: Tape, like: Variable) -> Variable:
    """The seed of a gradient: ones of a slot's type."""
    one = tape.constant(1, like.dtype)
    return one.broadcast_to(like.shape)


def fit(g: Variable, x: Variable) -> Variable:
    """A cotangent in the shape of what it belongs to: summed over the axes that broadcasting added."""
    if g.shape == x.shape:
        return g
    if broadcasts_to(g.shape, x.shape):
        return g.broadcast_to(x.shape)
    summed: Variable = F.sum_to(g, shape=x.shape)
    return summed


def broadcasts_to(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` can be repeated to the shape `to`."""
    if len(shape) > len(to):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))
