"""The backward walk: from the targets' cotangents to those of `wrt`, recorded on the same tape.

The walk does once what no rule should do: it prunes what `wrt` does not need, brings a cotangent back
to its input's shape, and sums where a tensor is used more than once. Because it records ordinary
instructions, walking again gives the next derivative.

A cotangent g of a complex slot y says that the target moves by Re(Σ g dy), without a conjugate. What users
give and get is PyTorch's conjugate of that, dL/dRe y + i dL/dIm y; it is taken where they meet the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from engine import dtypes
from engine.errors import DerivativeNotImplemented, EngineError, InternalError
from engine.ir.derivative import JOINT, Accumulate
from engine.ir.no_gradient import NoGradient
from engine.ir.table import F
from engine.ir.tape import Instruction, Tape, Variable


class Passing(Protocol):
    """What looks at everything that a walk passes back, and may change it: `engine.transforms.masks`."""

    def pass_on(self, step: Instruction, position: int, answer: Any) -> Any:
        """The rule's answer for the input at `position`, as it is to be gathered."""


def backward(
    tape: Tape,
    cotangents: Mapping[int, Variable],
    wrt: Iterable[int],
    *,
    since: int = 0,
    masks: Passing | None = None,
) -> dict[int, Variable]:
    """Record the adjoints of `wrt` given cotangents of some slots; a slot without a path is absent.

    The walk goes back to the instruction `since`. Raises DerivativeNotImplemented if a needed edge has
    no rule.
    """
    steps = tape.instructions[since:]
    targets = set(wrt)
    needed = depending_on(tape, steps, targets)
    walk = _Walk(tape, {slot: g for slot, g in cotangents.items() if slot in needed}, masks)
    for step in reversed(steps):
        if any(slot in walk.gathered for slot in step.outputs):
            inputs = [i for i, slot in enumerate(step.inputs) if slot in needed and carries(tape, step, i)]
            if inputs:
                walk.step(step, inputs)
            for slot in step.outputs:  # spent, unless asked for
                if slot not in targets:
                    walk.gathered.pop(slot, None)
    return {slot: walk.gathered[slot] for slot in targets if slot in walk.gathered}


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
    if isinstance(rule, NoGradient) and rule.kind != "not_implemented":
        return False
    if not dtypes.is_inexact(tape.types[step.inputs[position]].dtype):
        return False
    return any(dtypes.is_inexact(tape.types[slot].dtype) for slot in step.outputs)


class _Walk:
    """The cotangents gathered so far, by slot."""

    def __init__(self, tape: Tape, gathered: dict[int, Variable], masks: Passing | None) -> None:
        self.tape = tape
        self.gathered = gathered
        self.masks = masks

    def step(self, step: Instruction, positions: Sequence[int]) -> None:
        """Pull the outputs' cotangents back to the inputs at `positions`."""
        tape = self.tape
        with tape.at(step.origin):
            cotangents = [self._cotangent(slot) for slot in step.outputs]
            for position, answer in pull(tape, step, positions, cotangents):
                slot = step.inputs[position]
                passed = answer if self.masks is None else self.masks.pass_on(step, position, answer)
                self.gathered[slot] = gather(tape.variable(slot), self.gathered.get(slot), passed)

    def _cotangent(self, slot: int) -> Variable:
        """What was gathered for an output; zeros for one of several outputs that the target does not use."""
        cotangent = self.gathered.get(slot)
        return zeros(self.tape, self.tape.variable(slot)) if cotangent is None else cotangent


def pull(
    tape: Tape, step: Instruction, positions: Sequence[int], gs: Sequence[Variable]
) -> list[tuple[int, Any]]:
    """Record what the rules of `step` return for the inputs at `positions`, given its outputs' cotangents.

    Answers are variables, not yet in their input's shape, or `Accumulate`. Raises DerivativeNotImplemented.
    """
    _refuse(tape, step, positions)
    op = step.op
    inputs = [tape.variable(slot) for slot in step.inputs]
    ys = [tape.variable(slot) for slot in step.outputs]
    try:
        pullback = op.derivative.pullback
        if pullback is not None:
            answers = pullback(gs, ys, *inputs, **step.attributes)
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
    except EngineError as error:
        raise error.at(step.origin) from None


def gather(variable: Variable, total: Variable | None, answer: Any) -> Variable:
    """A rule's answer for `variable` added to the cotangent gathered so far, in the variable's shape."""
    if isinstance(answer, Accumulate):
        gathered: Variable = answer.add(zeros(variable.tape, variable) if total is None else total)
    else:
        fitted = fit(answer, variable)
        gathered = fitted if total is None else total + fitted
    if gathered.dtype != variable.dtype:
        raise InternalError(f"a rule answered {gathered.dtype} for an input of {variable.dtype}")
    return gathered


def _refuse(tape: Tape, step: Instruction, positions: Sequence[int]) -> None:
    """Raise DerivativeNotImplemented for edges that have no rule yet."""
    for position in positions:
        rule = step.op.input(position).vjp
        if isinstance(rule, NoGradient):
            name = step.op.input(position).name
            raise DerivativeNotImplemented(
                f"the derivative with respect to '{name}' is not implemented: {rule.why}",
                op=step.op.name,
                hint="keep this input out of `wrt`, or cut the path with stop_gradient",
            ).at(step.origin)


def _rule(rule: Callable[..., Any] | NoGradient) -> Callable[..., Any]:
    if isinstance(rule, NoGradient) or rule is JOINT:
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
    """A cotangent in the shape of what it belongs to: summed over the axes that broadcasting added.

    A real tensor takes the real part of a complex cotangent, a complex one a real cotangent as it is. There
    are no complex numbers in half precision: what comes back from those is rounded.
    """
    if not dtypes.is_complex(x.dtype):
        real = _shaped(g.real(), x)
        return real.astype(x.dtype) if dtypes.is_complex(g.dtype) and real.dtype != x.dtype else real
    shaped = _shaped(g, x)
    return shaped.astype(x.dtype) if shaped.dtype == dtypes.real_of(x.dtype) else shaped


def _shaped(g: Variable, x: Variable) -> Variable:
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
