"""The branch that `where` does not take, kept away from where its ops are undefined or too steep.

A cotangent of 0 that meets an infinite slope is NaN, so that `where(x > 0, sqrt(x), 0)` has no gradient at 0.
The cure is a second `where` inside, around the argument of the op in question.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.ir.table import F
from engine.ir.tape import Instruction, Variable
from engine.passes.stable.patterns import Matcher

#: By op the position of the argument that decides, and a value of it at which nothing can go wrong.
HARMLESS: Mapping[str, tuple[int, float]] = {
    "sqrt": (0, 1.0),
    "rsqrt": (0, 1.0),
    "cbrt": (0, 1.0),
    "log": (0, 1.0),
    "log2": (0, 1.0),
    "log10": (0, 1.0),
    "log1p": (0, 0.0),
    "reciprocal": (0, 1.0),
    "divide": (1, 1.0),
    "pow": (0, 1.0),
    "acos": (0, 0.0),
    "asin": (0, 0.0),
    "atanh": (0, 0.0),
    "acosh": (0, 2.0),
    "tan": (0, 0.0),
    "exp": (0, 0.0),
    "exp2": (0, 0.0),
    "expm1": (0, 0.0),
    "sinh": (0, 0.0),
    "cosh": (0, 0.0),
    "gammaln": (0, 2.0),
    "digamma": (0, 2.0),
    "logit": (0, 0.5),
    "erfinv": (0, 0.0),
    "ndtri": (0, 0.5),
    "erfcx": (0, 0.0),
    "xlogy": (1, 1.0),
    "xlog1py": (1, 0.0),
}
MOST = 256  # steps of one branch that are recorded anew


def guarded(matcher: Matcher, step: Instruction) -> tuple[Variable, list[Instruction]] | None:
    """A `where` recorded anew with the argument of every op of `HARMLESS` in its branches guarded.

    The steps that were guarded come with it; None if there is none.
    """
    condition = step.inputs[0]
    branches = list(step.inputs[1:])
    dangerous: list[Instruction] = []
    for side in (0, 1):
        anew = _Branch(matcher, condition, chosen_side=side == 0)
        branches[side] = anew.copy(branches[side])
        dangerous += anew.dangerous
    if not dangerous:
        return None
    variables = [matcher.tape.variable(slot) for slot in (condition, *branches)]
    return matcher.tape.apply(step.op, variables, step.attributes), dangerous


class _Branch:
    """One branch copied where a guard changes it: at the ops that can go wrong, and behind them."""

    def __init__(self, matcher: Matcher, condition: int, *, chosen_side: bool) -> None:
        self.matcher, self.condition, self.chosen_side = matcher, condition, chosen_side
        self.dangerous: list[Instruction] = []

    def copy(self, slot: int) -> int:
        """The slot that holds the branch's value now."""
        steps = self._steps(slot)
        copies: dict[int, int] = {}
        tape = self.matcher.tape
        for step in steps or ():
            inputs = [copies.get(operand, operand) for operand in step.inputs]
            guard = HARMLESS.get(step.op.name)
            if guard is not None and self._can_go_wrong(step, guard[0]):
                inputs[guard[0]] = self._guard(inputs[guard[0]], guard[1])
                self.dangerous.append(step)
            if inputs != list(step.inputs):
                with tape.at(step.origin):
                    outputs = tape.apply(step.op, [tape.variable(i) for i in inputs], step.attributes)
                answers = outputs if isinstance(outputs, tuple) else (outputs,)
                copies.update((old, new.slot) for old, new in zip(step.outputs, answers, strict=True))
        return copies.get(slot, slot)

    def _steps(self, slot: int) -> list[Instruction] | None:
        """The steps behind a slot that work element by element, in order; None for too many of them."""
        whole = not self.matcher.tape.types[self.condition].shape  # one condition for all elements
        steps: dict[int, Instruction] = {}
        ahead = [slot]
        while ahead:
            reached = ahead.pop()
            step = self.matcher.makers.get(reached)
            if step is None or reached in self.matcher.opaque or step.outputs[0] in steps:
                continue
            if step.op.family.name == "elementwise" or (whole and _is_plain(step)):
                steps[step.outputs[0]] = step
                ahead += step.inputs
                if len(steps) > MOST:
                    return None
        places = self.matcher.places
        return sorted(steps.values(), key=lambda step: places[step.outputs[0]])

    def _can_go_wrong(self, step: Instruction, position: int) -> bool:
        """Whether the argument is neither harmless anywhere nor guarded by the same condition already."""
        argument = step.inputs[position]
        if argument in self.matcher.tape.constants:
            return False
        exponent = self.matcher.number(step.inputs[1]) if step.op.name == "pow" else None
        if exponent is not None and exponent >= 1 and exponent.is_integer():
            return False
        maker = self.matcher.makers.get(argument)
        return maker is None or maker.op.name != "where" or maker.inputs[0] != self.condition

    def _guard(self, argument: int, harmless: float) -> int:
        tape = self.matcher.tape
        condition, value = tape.variable(self.condition), tape.variable(argument)
        chosen: Variable = F.where(condition, *((value, harmless) if self.chosen_side else (harmless, value)))
        return chosen.slot


def _is_plain(step: Instruction) -> bool:
    """Whether a step can be repeated on other values of the same shape."""
    kernel = step.op.kernel
    return (
        kernel.forward is not None
        and not step.op.rules.functions
        and not kernel.takes_needed
        and not kernel.in_place
    )
