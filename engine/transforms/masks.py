"""Masks of what a target selects, carried back beside the adjoints: `masked_backward`.

A branch that `where`, `maximum`, `clip`, `relu` or an index does not select gets a cotangent of 0, and behind
it 0 · inf is NaN. That is never defined as 0 at large. On request a walk back carries with each adjoint which
elements are selected at all, and sets to 0 what is passed on to the others. Every mask is recorded on the
tape as an ordinary comparison, so that the walk can be differentiated again.

Masks are followed element by element through elementwise steps and reductions, and exactly through what moves
elements. Behind any other step (a product of matrices, a loop) either something is selected or nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.ir.derivative import Accumulate
from engine.ir.shapes import spread
from engine.ir.table import F
from engine.ir.tape import Instruction, Tape, Variable
from engine.transforms.vjp import gather, ones, pull, zeros

_MOVING = frozenset({"shaping", "indexing", "reduction"})


def can_help(steps: Iterable[Instruction]) -> bool:
    """Whether any of these steps selects, so that a mask is not all true."""
    return any(
        step.op.derivative.zero_reason == "unselected" or step.op.family.name == "indexing" for step in steps
    )


@dataclass(frozen=True, slots=True)
class Acted:
    """Where the mask set something to 0 in what `step` passes back to its input at `position`."""

    step: Instruction
    position: int
    where: Variable


@dataclass(slots=True)
class Masks:
    """The masks of one walk back from slots that are selected as a whole.

    `masks` has the mask of each slot that was reached, None if all of it is selected.
    """

    tape: Tape
    masks: dict[int, Variable | None]
    acted: list[Acted] = field(default_factory=list)

    @classmethod
    def of(cls, tape: Tape, targets: Iterable[int]) -> Masks:
        """The masks of a walk back from `targets`."""
        return cls(tape, dict.fromkeys(targets))

    def pass_on(self, step: Instruction, position: int, answer: Any) -> Any:
        """What a rule returns for an input, 0 where nothing selects it; the input's mask is noted."""
        family = step.op.family.name
        if family == "elementwise":
            answer, mask = self._elementwise(step, position, answer)
        elif family in _MOVING and _moves(step, position):
            mask = self._origin_mask(step, position)
        elif family == "reduction" and "keepdims" in step.attributes:
            answer, mask = self._reduced(step, position, answer)
        else:
            answer, mask = self._whole(step, position, answer)
        self._note(step.inputs[position], mask)
        return answer

    def _note(self, slot: int, mask: Variable | None) -> None:
        """An element is selected where any reader selects it."""
        if slot in self.masks and mask is not None:
            before = self.masks[slot]
            mask = None if before is None else F.logical_or(before, mask)
        self.masks[slot] = mask

    def _elementwise(self, step: Instruction, position: int, answer: Any) -> tuple[Any, Variable | None]:
        mask = self.masks[step.outputs[0]]
        if mask is not None:
            answer = self._cut(step, position, mask, answer)
        if step.op.derivative.zero_reason == "unselected":
            own = self._own_mask(step, position)
            mask = own if mask is None else F.logical_and(mask, own)
        if mask is None:
            return answer, None
        return answer, _any_copy(mask, self.tape.variable(step.inputs[position]))

    def _reduced(self, step: Instruction, position: int, answer: Any) -> tuple[Any, Variable | None]:
        mask = self.masks[step.outputs[0]]
        x, axis = self.tape.variable(step.inputs[position]), step.attributes["axis"]
        if mask is not None:
            mask = spread(mask, x, axis)
            answer = self._cut(step, position, mask, answer)
        if step.op.derivative.zero_reason == "unselected":
            own = self._own_mask(step, position)
            mask = own if mask is None else F.logical_and(mask, own)
        return answer, mask

    def _origin_mask(self, step: Instruction, position: int) -> Variable | None:
        """Where any element that is selected came from."""
        chooses = step.op.family.name == "indexing" or step.op.derivative.zero_reason == "unselected"
        if not chooses and all(slot in self.masks and self.masks[slot] is None for slot in step.outputs):
            return None
        return self._nonzero(step, position, [self._weight(slot) for slot in step.outputs])

    def _weight(self, slot: int) -> Variable:
        """1 where a slot is selected, else 0; a slot that nothing reached is not."""
        y = self.tape.variable(slot)
        if slot not in self.masks:
            return zeros(self.tape, y)
        mask = self.masks[slot]
        return ones(self.tape, y) if mask is None else mask.astype(y.dtype)

    def _own_mask(self, step: Instruction, position: int) -> Variable:
        """Where the step's own rule lets something through."""
        return self._nonzero(
            step, position, [ones(self.tape, self.tape.variable(step.outputs[0]))], fitted=False
        )

    def _nonzero(
        self, step: Instruction, position: int, weights: list[Variable], *, fitted: bool = True
    ) -> Variable:
        ((_, cotangent),) = pull(self.tape, step, [position], weights)
        if fitted or isinstance(cotangent, Accumulate):
            cotangent = gather(self.tape.variable(step.inputs[position]), None, cotangent)
        chosen: Variable = F.not_equal(cotangent, 0)
        return chosen

    def _whole(self, step: Instruction, position: int, answer: Any) -> tuple[Any, Variable | None]:
        """All or nothing, by whether any element of any output is selected."""
        masks = [self.masks[slot] for slot in step.outputs if slot in self.masks]
        if any(mask is None for mask in masks) or isinstance(answer, Accumulate):
            return answer, None
        some: Variable | None = None
        for mask in masks:
            one = F.any(mask)
            some = one if some is None else F.logical_or(some, one)
        assert some is not None, "a step was walked that nothing reaches"
        return self._cut(step, position, some, answer), some.broadcast_to(
            self.tape.types[step.inputs[position]].shape
        )

    def _cut(self, step: Instruction, position: int, mask: Variable, answer: Any) -> Any:
        self.acted.append(Acted(step, position, F.logical_and(F.logical_not(mask), F.not_equal(answer, 0))))
        return F.where(mask, answer, 0)


def _moves(step: Instruction, position: int) -> bool:
    """Whether a step moves and adds elements of an input, with weights that cannot cancel each other."""
    linear = min(position, len(step.op.inputs) - 1) in step.op.derivative.linear_in
    return linear and step.op.name != "linear_recurrence"  # its factors may be negative


def _any_copy(mask: Variable, x: Variable) -> Variable:
    """A mask of a result as one of an operand that was broadcast to it."""
    if mask.shape == x.shape:
        return mask
    extra = mask.ndim - x.ndim
    aligned = (1,) * extra + x.shape
    repeated = tuple(axis for axis, size in enumerate(aligned) if size == 1 and mask.shape[axis] != 1)
    gathered = F.any(mask, axis=repeated, keepdims=True) if repeated else mask
    return gathered.reshape(x.shape)
