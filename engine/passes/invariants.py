"""Move out of a loop what is the same at each of its steps: it is computed once, before the first.

Ops that may refuse their operands stay, since a loop may take no step at all, and views, which cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.dtypes import TensorType
from engine.ir.tape import Instruction, Tape, nested

_FUNCTIONS: Mapping[str, tuple[str, ...]] = {"scan_loop": ("body",), "while_steps": ("condition", "body")}
_FAMILIES = frozenset({"elementwise", "reduction", "softmax", "shaping"})


def invariants(tape: Tape) -> Tape:
    """The tape with the invariants of its loops before them."""
    if not any(step.op.name in _FUNCTIONS for step in tape.instructions):
        return tape
    moving = _Moving(tape)
    for step in tape.instructions:
        moving.steps.append(moving.shortened(step) if step.op.name in _FUNCTIONS else step)
    return Tape(moving.types, tape.inputs, moving.constants, moving.steps, list(tape.outputs))


@dataclass(slots=True)
class _Function:
    """A function of a loop without its invariants, and the slots of those that it reads."""

    tape: Tape
    moved: list[Instruction]
    read: list[int]


@dataclass(slots=True)
class _Moving:
    """The tape in the making."""

    source: Tape
    types: list[TensorType] = field(init=False)
    constants: dict[int, Any] = field(init=False)
    steps: list[Instruction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.types, self.constants = list(self.source.types), dict(self.source.constants)

    def shortened(self, step: Instruction) -> Instruction:
        """The loop with what was moved among its constants; the moved steps are written before it."""
        attributes = step.attributes
        fixed = attributes["carry"] + attributes.get("scanned", 0)
        names = _FUNCTIONS[step.op.name]
        functions = [_divided(attributes[name], fixed) for name in names]
        if not any(function.moved for function in functions):
            return step
        count = step.inputs[-1:] if attributes.get("counted") else ()
        inputs = step.inputs[: len(step.inputs) - len(count)]
        more: list[int] = []
        for function in functions:
            more += self._written(function, inputs[fixed:], fixed, step)
        tapes = {}
        for name, own in zip(names, functions, strict=True):
            tapes[name] = _with_inputs(own, functions)
        return replace(step, inputs=(*inputs, *more, *count), attributes={**attributes, **tapes})

    def _written(
        self, function: _Function, constants: tuple[int, ...], fixed: int, loop: Instruction
    ) -> list[int]:
        """Write the moved steps of a function; the slots of those that the loop reads."""
        tape = function.tape
        places = dict(zip(list(tape.inputs.values())[fixed:], constants, strict=True))
        for step in function.moved:
            for slot in step.inputs:
                if slot not in places:
                    places[slot] = self._slot(tape.types[slot])
                    self.constants[places[slot]] = tape.constants[slot]
            outputs = tuple(self._slot(tape.types[slot]) for slot in step.outputs)
            places.update(zip(step.outputs, outputs, strict=True))
            inputs = tuple(places[slot] for slot in step.inputs)
            origin = nested(loop.origin, step.origin)
            self.steps.append(replace(step, inputs=inputs, outputs=outputs, origin=origin))
        return [places[slot] for slot in function.read]

    def _slot(self, type: TensorType) -> int:
        self.types.append(type)
        return len(self.types) - 1


def _divided(tape: Tape, fixed: int) -> _Function:
    """What of a function can move: what depends on the inputs from `fixed` on alone, the loop's constants."""
    same = {*list(tape.inputs.values())[fixed:], *tape.constants}
    moved = []
    for step in tape.instructions:
        if all(slot in same for slot in step.inputs) and _is_movable(step):
            moved.append(step)
            same.update(step.outputs)
    moved = _leading_to_work(moved)
    outputs = {slot for step in moved for slot in step.outputs}
    gone = {id(step) for step in moved}
    rest = [step for step in tape.instructions if id(step) not in gone]
    read = {slot for step in rest for slot in step.inputs}.union(tape.outputs)
    return _Function(
        Tape(tape.types, tape.inputs, tape.constants, rest, list(tape.outputs)),
        moved,
        [slot for step in moved for slot in step.outputs if slot in read and slot in outputs],
    )


def _leading_to_work(moved: list[Instruction]) -> list[Instruction]:
    """The steps without views that nothing but the rest of the loop reads."""
    live: set[int] = set()
    leading = []
    for step in reversed(moved):
        if not step.op.kernel.is_view(step.attributes) or any(slot in live for slot in step.outputs):
            leading.append(step)
            live.update(step.inputs)
    return leading[::-1]


def _is_movable(step: Instruction) -> bool:
    kernel = step.op.kernel
    if kernel.forward is None or kernel.takes_needed or step.op.rules.functions or not step.inputs:
        return False
    return step.op.family.name in _FAMILIES or step.op.name in ("matmul", "row_dot")


def _with_inputs(own: _Function, functions: Iterable[_Function]) -> Tape:
    """The function with an input for each invariant of all functions, its own in the slots that it reads."""
    tape = own.tape
    types, inputs = list(tape.types), dict(tape.inputs)
    for function in functions:
        for slot in function.read:
            place = slot
            if function is not own:
                types.append(function.tape.types[slot])
                place = len(types) - 1
            inputs[f"invariant {len(inputs)}"] = place
    return Tape(types, inputs, tape.constants, tape.instructions, list(tape.outputs))
