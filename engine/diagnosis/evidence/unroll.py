"""Loops and branches laid out as one run took them: each step of each iteration an instruction.

A diagnosis then names the node inside the function and the iteration, where it could only have named the
loop. Which steps there are depends on the values, so laying out runs them as it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from engine import dtypes
from engine.arrays.types import Array
from engine.diagnosis.evidence.interpreter import Values, play, run_steps
from engine.errors import Origin
from engine.ir.table import TABLE, F
from engine.ir.tape import Instruction, Tape, Variable, nested

UNROLLABLE = frozenset({"scan_loop", "while_steps", "cond", "checkpoint"})
MOST = 10_000  # instructions beyond which a loop stays one step: about three seconds
MOST_BY_DEFAULT = 2_000  # the same where nobody asked for a diagnosis

Iteration = tuple[int, ...]


class TooLong(Exception):
    """More steps, or more bytes, than are laid out; `always` if they are too many whatever the inputs."""

    always = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What the way through a recording hung on, known after `at` of its steps.

    It is the value in the last of `slots`, or what the `condition` returns for the values in them.
    """

    at: int
    slots: tuple[int, ...]
    condition: Tape | None
    outcome: int

    def taken(self, values: Values) -> int:
        """How it comes out with these values."""
        operands = [values[slot] for slot in self.slots]
        return int((operands if self.condition is None else play(self.condition, operands))[-1])


@dataclass(slots=True)
class Layout:
    """A tape without loops and branches, the values of its slots, and what is known of those that are new.

    `names` are the local names of slots inside functions, `iterations` says in which passes, from the
    outermost loop in, the step ran that makes a slot, `starts` where each outer step begins. `decided` has
    for what comes out of a branch or a while loop the predicate that it hung on, which carries no gradient.
    """

    tape: Tape
    values: Values
    steps: list[Instruction] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    iterations: dict[int, Iteration] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    decided: dict[int, int] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def dependences(self) -> tuple[Instruction, ...]:
        """The steps as they depend on each other: a copy of what was decided reads its predicate as well."""
        return tuple(
            replace(step, op=TABLE["where"], inputs=(self.decided[slot], *step.inputs, *step.inputs))
            if (slot := step.outputs[0]) in self.decided
            else step
            for step in self.steps
        )

    def iteration(self, step: Instruction | None) -> int | list[int] | None:
        """In which iteration a step ran, of nested loops in which of each; None outside of loops."""
        at = () if step is None or not step.outputs else self.iterations.get(step.outputs[0], ())
        return None if not at else at[0] if len(at) == 1 else list(at)


def has_functions(steps: Iterable[Instruction]) -> bool:
    """Whether there is something to lay out."""
    return any(step.op.name in UNROLLABLE for step in steps)


def lay_out(
    tape: Tape,
    steps: Sequence[Instruction],
    inputs: Mapping[str, Array],
    *,
    limit: int,
    most: int = MOST,
    read: Iterable[int] = (),
) -> Layout:
    """Run `steps` of a recording and lay them out. Outer slots keep their numbers.

    What neither a step nor the caller does `read` of a loop's stacked answers is not made.

    Raises TooLong where that takes more than `most` instructions, or values of more than `limit` bytes.
    """
    own = Tape(list(tape.types), dict(tape.inputs), dict(tape.constants))
    values: Values = dict(tape.constants)
    for name, slot in tape.inputs.items():
        if name in inputs:
            values[slot] = np.asarray(inputs[name], tape.types[slot].dtype)
    wanted = {slot for step in steps for slot in step.inputs}.union(tape.outputs, read)
    course = _Course(Layout(own, values), limit, most, wanted)
    try:
        for step in steps:
            course.layout.starts.append(len(course.layout.steps))
            course.take(step, ())
    except TooLong as error:
        error.always = not course.layout.decisions
        raise
    return course.layout


class _Course:
    """The layout in the making."""

    def __init__(self, layout: Layout, limit: int, most: int, read: set[int]) -> None:
        self.layout, self.limit, self.most, self.read = layout, limit, most, read
        self.tape, self.values = layout.tape, layout.values

    def take(self, step: Instruction, iteration: Iteration) -> None:
        """One step: run, or laid out."""
        if step.op.name not in UNROLLABLE:
            self._run([step], iteration)
            return
        operands = list(step.inputs)
        with self.tape.at(step.origin):
            outputs = getattr(self, f"_{step.op.name}")(step, operands, iteration)
            for slot, output in zip(step.outputs, outputs, strict=True):
                if output is not None:
                    copied = Instruction(TABLE["identity"], (output,), {}, (slot,), step.origin)
                    self._run([copied], iteration)

    # -- the ops that take functions ---------------------------------------------------------------------

    def _checkpoint(self, step: Instruction, operands: list[int], at: Iteration) -> Sequence[int | None]:
        return self._inline(step.attributes["function"], operands, step.origin, at)

    def _cond(self, step: Instruction, operands: list[int], at: Iteration) -> Sequence[int | None]:
        predicate, *rest = operands
        holds = bool(self._decide((predicate,)))
        chosen, other = (step.attributes[key] for key in (("then", "else") if holds else ("else", "then")))
        answers = self._inline(chosen, rest, step.origin, at)
        self.layout.decided.update(dict.fromkeys(step.outputs, predicate))
        others = [slot for slot in rest if self._only_in(slot, rest, other, chosen)]
        return [self._beside(answer, others, predicate, at, chosen=holds) for answer in answers]

    def _scan_loop(self, step: Instruction, operands: list[int], at: Iteration) -> Sequence[int | None]:
        attributes = step.attributes
        body, carry, scanned = attributes["body"], attributes["carry"], attributes["scanned"]
        count = self._decide(operands[-1:]) if attributes["counted"] else None
        operands = operands[:-1] if attributes["counted"] else operands
        carried, walked, constants = (
            operands[:carry],
            operands[carry : carry + scanned],
            operands[carry + scanned :],
        )
        length = self.values[walked[0]].shape[0] if walked else int(attributes["length"] or 0)
        order: Iterable[int] = range(length if count is None else min(count, length))
        answered = len(body.outputs) - carry
        rows: dict[int, list[int]] = {}
        for k in reversed(list(order)) if attributes["reverse"] else order:
            with self.tape.at(step.origin):
                now = [self._row(x, k, at) for x in walked]
            entries = list(carried)
            answers = self._inline(body, [*carried, *now, *constants], step.origin, (*at, k))
            carried = answers[:carry]
            rows[k] = [*answers[carry:], *entries]
        stacks = [
            self._stacked(step, place + carry, place, rows, length, at) for place in range(answered + carry)
        ]
        return [*carried, *stacks]

    def _while_steps(self, step: Instruction, operands: list[int], at: Iteration) -> Sequence[int | None]:
        attributes = step.attributes
        carry, most = attributes["carry"], attributes["max_steps"]
        carried, constants = operands[:carry], operands[carry:]
        rows: dict[int, list[int]] = {}
        now = [*carried, *constants]
        while len(rows) < most:
            now = [*carried, *constants]
            if not self._decide(now, attributes["condition"]):
                break
            rows[len(rows)] = list(carried)
            carried = self._inline(attributes["body"], now, step.origin, (*at, len(rows) - 1))
        (last,) = self._inline(attributes["condition"], now, step.origin, (*at, len(rows)))
        self.layout.decided.update(dict.fromkeys(step.outputs, last))
        count = self.tape.constant(len(rows), "int64").slot
        self.values[count] = np.asarray(len(rows), "int64")
        stacks = [self._stacked(step, carry + 1 + i, i, rows, most, at) for i in range(carry)]
        return [*carried, count, *stacks]

    def _decide(self, slots: Sequence[int], condition: Tape | None = None) -> int:
        decision = Decision(len(self.layout.steps), tuple(slots), condition, 0)
        outcome = decision.taken(self.values)
        self.layout.decisions.append(replace(decision, outcome=outcome))
        return outcome

    # -- pieces --------------------------------------------------------------------------------------------

    def _inline(self, sub: Tape, operands: Sequence[int], outer: Origin, at: Iteration) -> list[int]:
        """A function's steps; its parameters are copies, so that they keep their names."""
        slots: dict[int, int] = {}
        for slot, value in sub.constants.items():
            slots[slot] = self.tape.constant(value, weak=sub.types[slot].weak).slot
            self.values[slots[slot]] = value
        for (name, slot), operand in zip(sub.inputs.items(), operands, strict=True):
            slots[slot] = self._slot(sub, slot)
            origin = nested(outer, Origin(node=name))
            self._run([Instruction(TABLE["identity"], (operand,), {}, (slots[slot],), origin)], at)
            self.layout.names[slots[slot]] = name
        read = {slot for step in sub.instructions for slot in step.inputs}.union(sub.outputs)
        for step in sub.instructions:
            fresh = tuple(self._slot(sub, slot) for slot in step.outputs)
            inputs = tuple(slots[slot] for slot in step.inputs)
            slots.update(zip(step.outputs, fresh, strict=True))
            if step.origin.node is not None:
                self.layout.names.update(dict.fromkeys(fresh, step.origin.node))
            instruction = replace(step, inputs=inputs, outputs=fresh, origin=nested(outer, step.origin))
            self.read.update(slot for own, slot in zip(step.outputs, fresh, strict=True) if own in read)
            self.take(instruction, at)
        return [slots[slot] for slot in sub.outputs]

    def _slot(self, sub: Tape, slot: int) -> int:
        self.tape.types.append(sub.types[slot])
        return len(self.tape.types) - 1

    def _row(self, operand: int, k: int, at: Iteration) -> int:
        """One step of what is scanned."""
        start = len(self.tape.instructions)
        row: Variable = F.getitem(self.tape.variable(operand), index=(k,))
        self._take_recorded(start, at)
        return row.slot

    def _take_recorded(self, start: int, at: Iteration) -> None:
        recorded = self.tape.instructions[start:]
        del self.tape.instructions[start:]
        self.values.update({s: v for s, v in self.tape.constants.items() if s not in self.values})
        self._run(recorded, at)

    def _stacked(
        self,
        step: Instruction,
        output: int,
        place: int,
        rows: Mapping[int, Sequence[int]],
        length: int,
        at: Iteration,
    ) -> int | None:
        """The answers of all iterations along a first axis, 0 where there was none; only where it is read."""
        if step.outputs[output] not in self.read:
            return None
        type = self.tape.types[step.outputs[output]]
        start = len(self.tape.instructions)
        blank = self.tape.constant(0, type.dtype).broadcast_to((1, *type.shape[1:]))
        parts = [
            self.tape.variable(rows[k][place]).reshape((1, *type.shape[1:])) if k in rows else blank
            for k in range(length)
        ]
        whole = (
            F.concat(*parts, axis=0) if parts else self.tape.constant(0, type.dtype).broadcast_to(type.shape)
        )
        self._take_recorded(start, at)
        slot: int = whole.slot
        return slot

    def _only_in(self, slot: int, operands: Sequence[int], other: Tape, chosen: Tape) -> bool:
        """Whether the branch that is not taken reads a floating operand, and the one taken does not."""
        if not dtypes.is_floating(self.tape.types[slot].dtype) or self.values[slot].size == 0:
            return False
        places = [i for i, operand in enumerate(operands) if operand == slot]
        return _reads(other, places) and not _reads(chosen, places)

    def _beside(
        self, answer: int, others: Sequence[int], predicate: int, at: Iteration, *, chosen: bool
    ) -> int:
        """The answer of a branch beside what only the other one reads, so that the choice is to blame."""
        if not others or not dtypes.is_floating(self.tape.types[answer].dtype):
            return answer
        start = len(self.tape.instructions)
        y = self.tape.variable(answer)
        for slot in others:
            z = F.sum(self.tape.variable(slot)).astype(y.dtype)
            y = F.where(self.tape.variable(predicate), *((y, z) if chosen else (z, y)))
        self._take_recorded(start, at)
        return y.slot

    def _run(self, steps: Sequence[Instruction], at: Iteration) -> None:
        run_steps(steps, self.values)
        self.layout.steps += steps
        self.tape.instructions += steps
        for step in steps:
            self.layout.iterations.update(dict.fromkeys(step.outputs, at))
            self.limit -= sum(self.values[slot].nbytes for slot in step.outputs)
        if len(self.layout.steps) > self.most or self.limit < 0:
            raise TooLong


def _reads(function: Tape, places: Sequence[int]) -> bool:
    """Whether the outputs of a function depend on any of its inputs at these places."""
    slots = list(function.inputs.values())
    reached = set(function.outputs)
    for step in reversed(function.instructions):
        if reached.intersection(step.outputs):
            reached.update(step.inputs)
    return any(slots[place] in reached for place in places)
