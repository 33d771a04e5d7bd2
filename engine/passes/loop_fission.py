"""Split loops: what does not wait for the step before is done for many steps at once.

Of a loop's body some instructions read only what is scanned: they run before, for a chunk of steps in one
batch. What only results and sums read can wait until the chunk has been walked: it runs behind, in
one batch too. A sum that grows by a term a step becomes one sum, and a sum of matrix products one
product of stacked matrices. Only what one step hands to the next stays in the loop. Sums and products
then round in another order: results agree with the plain loop to rounding, not bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine import dtypes
from engine.ir.table import TABLE, F
from engine.ir.tape import Instruction, Tape, Variable
from engine.transforms.vmap import batch

CHUNK_BYTES = 512 << 10  # of one value of a chunk: a few of them fit the second-level cache
CHUNKS = (4, 128)  # the fewest and the most steps that are worth a chunk
FIXED, STEP, CARRIED = range(3)  # what a slot depends on: constants, what is scanned, what is carried


def fission(tape: Tape, tidied: Callable[[Tape], Tape]) -> Tape:
    """The tape with its loops split where that saves work in the steps; `tidied` cleans the parts up."""
    if not any(step.op.name == "scan_loop" for step in tape.instructions):
        return tape
    read = {slot for step in tape.instructions for slot in step.inputs}.union(tape.outputs)
    steps = [
        _split(tape, step, read, tidied) if step.op.name == "scan_loop" else step
        for step in tape.instructions
    ]
    return Tape(tape.types, tape.inputs, tape.constants, steps, list(tape.outputs))


def _split(
    tape: Tape, step: Instruction, read: Collection[int], tidied: Callable[[Tape], Tape]
) -> Instruction:
    attributes = step.attributes
    needed = [slot in read for slot in step.outputs]
    body = _Body(attributes["body"], attributes["carry"], attributes["scanned"], needed)
    steps = attributes["length"]
    if attributes["scanned"]:
        steps = tape.types[step.inputs[attributes["carry"]]].shape[0]
    chunk = 0 if attributes["counted"] else min(body.chunk(), (steps or 0) // 2)  # a count may be small
    if chunk < CHUNKS[0] or not body.worthwhile():
        return step
    parts = body.attributes(chunk)
    if any(own.op.name == "rowwise" for name in ("before", "after") for own in parts[name].instructions):
        return step  # a case for which an op has no rule after all
    parts = {name: tidied(part) if isinstance(part, Tape) else part for name, part in parts.items()}
    return replace(step, op=TABLE["chunked_loop"], attributes={**attributes, **parts})


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of a sum's term: a slot, or a product of two matrices, the first one perhaps transposed."""

    slots: tuple[int, ...]
    transposed: bool = False


@dataclass(slots=True)
class _Body:
    """A loop's body taken apart. `needed` says which of the loop's outputs somebody reads."""

    tape: Tape
    carry: int
    scanned: int
    needed: Sequence[bool]
    makers: dict[int, Instruction] = field(default_factory=dict)
    level: dict[int, int] = field(default_factory=dict)
    uses: Counter[int] = field(default_factory=Counter)
    sums: dict[int, int] = field(default_factory=dict)  # of a carried place: the slot of its terms
    core: set[int] = field(default_factory=set)
    later: set[int] = field(default_factory=set)
    terms: list[list[_Term]] = field(default_factory=list)
    behind: list[Instruction] = field(default_factory=list)  # what waits and is needed

    def __post_init__(self) -> None:
        tape = self.tape
        for step in tape.instructions:
            self.uses.update(step.inputs)
            self.makers.update(dict.fromkeys(step.outputs, step))
        self.uses.update(tape.outputs)
        self._find_levels()
        self._find_sums()
        self._divide()

    # -- what depends on what ----------------------------------------------------------------------

    def _find_levels(self) -> None:
        slots = list(self.tape.inputs.values())
        walked = self.carry + self.scanned
        self.level = dict.fromkeys([*slots[walked:], *self.tape.constants], FIXED)
        self.level.update(dict.fromkeys(slots[self.carry : walked], STEP))
        self.level.update(dict.fromkeys(slots[: self.carry], CARRIED))
        for step in self.tape.instructions:
            level = max((self.level[slot] for slot in step.inputs), default=FIXED)
            self.level.update(dict.fromkeys(step.outputs, level if _movable(step) else CARRIED))

    def _find_sums(self) -> None:
        """Carried values that only grow by a term in each step, and whose way there nobody reads."""
        slots = list(self.tape.inputs.values())
        entries = self.needed[len(self.tape.outputs) :]
        for place in range(self.carry):
            own, end = slots[place], self.tape.outputs[place]
            maker = self.makers.get(end)
            if maker is None or maker.op.name != "add" or own not in maker.inputs or entries[place]:
                continue
            alone = self.uses[own] == 1 and self.uses[end] == 1
            if alone and dtypes.is_inexact(self.tape.types[own].dtype):
                (term,) = (slot for slot in maker.inputs if slot != own)
                types = (self.tape.types[term], self.tape.types[own])
                if types[0].shape == types[1].shape and types[0].dtype == types[1].dtype:
                    self.sums[place] = term

    def _divide(self) -> None:
        """What steps hand on stays in the loop; what else results and sums need waits."""
        ends = [slot for place, slot in enumerate(self.tape.outputs[: self.carry]) if place not in self.sums]
        self._stay(ends)
        waiting = [*self.sums.values(), *(self.tape.outputs[self.carry + i] for i in self.emitted)]
        while waiting:
            slot = waiting.pop()
            maker = self.makers.get(slot)
            if maker is None or slot in self.core or slot in self.later or self.level[slot] != CARRIED:
                continue
            if _movable(maker):
                self.later.update(maker.outputs)
                waiting += maker.inputs
            else:
                self._stay([slot])
        self.later -= self.core
        self.terms = [_terms(self, term) for term in self.sums.values()]
        self.behind = _reaching(self._steps(lambda slot: slot in self.later), self._ends())

    def _ends(self) -> list[int]:
        """What the rest is for: the results that are read, then the operands of the sums."""
        operands = [slot for parts in self.terms for part in parts for slot in part.slots]
        return [*(self.tape.outputs[self.carry + i] for i in self.emitted), *operands]

    def _stay(self, slots: Iterable[int]) -> None:
        waiting = list(slots)
        while waiting:
            slot = waiting.pop()
            maker = self.makers.get(slot)
            if maker is not None and slot not in self.core and self.level[slot] == CARRIED:
                self.core.update(maker.outputs)
                waiting += maker.inputs

    # -- what it is worth --------------------------------------------------------------------------

    @property
    def emitted(self) -> list[int]:
        """The places of the results that somebody reads."""
        results = len(self.tape.outputs) - self.carry
        return [i for i in range(results) if self.needed[self.carry + i]]

    def _moved(self) -> list[Instruction]:
        return [*self._steps(lambda slot: self.level[slot] != CARRIED), *self.behind]

    def worthwhile(self) -> bool:
        """Whether anything but views leaves the steps."""
        return bool(self.sums) or any(not step.op.kernel.is_view(step.attributes) for step in self._moved())

    def chunk(self) -> int:
        """How many steps at once."""
        slots = [slot for step in self._moved() for slot in step.outputs if self.level[slot] != FIXED]
        largest = max((self.tape.types[slot].nbytes for slot in slots), default=1)
        return min(CHUNKS[1], CHUNK_BYTES // max(1, largest))

    # -- the parts ---------------------------------------------------------------------------------

    def attributes(self, chunk: int) -> dict[str, Any]:
        """The parts as tapes, and how they hang together: see `engine.ops.control.chunked_loop`."""
        tape, carry = self.tape, self.carry
        slots = list(tape.inputs.values())
        walked, constants = slots[carry : carry + self.scanned], slots[carry + self.scanned :]
        carried = [place for place in range(carry) if place not in self.sums]
        ends = [tape.outputs[place] for place in carried]
        results = {i: tape.outputs[carry + i] for i in self.emitted}
        outputs_later, later = self._ends(), self.behind
        core = self._steps(lambda slot: slot in self.core)
        read_later = {*outputs_later, *_read_by(later)}
        handed = [slot for slot in self.makers if slot in self.core and slot in read_later]
        read_in_core = {*ends, *_read_by(core)}
        step_slots = self._made_at(STEP, read_in_core | read_later)
        before = _reaching(self._steps(lambda slot: self.level[slot] == STEP), step_slots)
        fixed = self._made_at(FIXED, read_in_core | read_later | _read_by(before))
        once = _reaching(self._steps(lambda slot: self.level[slot] == FIXED), fixed)
        constant_slots = [*fixed, *constants]
        entered = [place for place in carried if slots[place] in read_later]
        direct = {slot: i for i, slot in reversed(results.items()) if slot in handed}
        late = [i for i in results if i not in direct.values()]
        stacked = [*(slots[place] for place in entered), *handed, *step_slots, *walked]
        made_read = [k for k, slot in enumerate(step_slots) if slot in read_in_core]
        walked_read = [k for k, slot in enumerate(walked) if slot in read_in_core]
        stepped = [*(step_slots[k] for k in made_read), *(walked[k] for k in walked_read)]
        ahead = _part(tape, before, [*walked, *constant_slots], step_slots)
        inside = _part(
            tape, core, [*(slots[place] for place in carried), *stepped, *constant_slots], [*ends, *handed]
        )
        behind = _part(
            tape,
            later,
            [*stacked, *constant_slots],
            [*(results[i] for i in late), *outputs_later[len(results) :]],
        )
        after = batch(behind, list(behind.inputs)[: len(stacked)], chunk)
        _add_up(after, len(late), self.terms)
        return {
            "chunk": chunk,
            "core_carry": tuple(carried),
            "sums": tuple(self.sums),
            "entered": tuple(entered),
            "made_read": tuple(made_read),
            "walked_read": tuple(walked_read),
            "direct": tuple(direct.get(slot, -1) for slot in handed),
            "late": tuple(late),
            "once": _part(tape, once, constants, fixed),
            "before": batch(ahead, list(ahead.inputs)[: len(walked)], chunk),
            "core": inside,
            "after": after,
        }

    def _steps(self, belongs: Callable[[int], bool]) -> list[Instruction]:
        return [step for step in self.tape.instructions if belongs(step.outputs[0])]

    def _made_at(self, level: int, read: Collection[int]) -> list[int]:
        return [slot for slot in self.makers if self.level[slot] == level and slot in read]


def _terms(body: _Body, slot: int) -> list[_Term]:
    """What to add up over the steps for a sum whose term is in `slot`."""
    tape, maker = body.tape, body.makers.get(slot)
    if maker is None or body.uses[slot] != 1 or slot in body.core:
        return [_Term((slot,))]
    first, *rest = maker.inputs
    types = [tape.types[own] for own in maker.inputs]
    if maker.op.name == "add" and all(type.shape == tape.types[slot].shape for type in types):
        return [*_terms(body, first), *_terms(body, rest[0])]
    varying = all(body.level[own] != FIXED for own in maker.inputs)
    if maker.op.name == "matmul" and varying and all(type.ndim == 2 for type in types):
        turned = body.makers.get(first)
        if turned is not None and turned.op.name == "permute_dims" and turned.attributes["axes"] == (1, 0):
            return [_Term((turned.inputs[0], rest[0]), transposed=True)]
        return [_Term((first, rest[0]))]
    return [_Term((slot,))]


def _add_up(tape: Tape, start: int, terms: Sequence[Sequence[_Term]]) -> None:
    """Sums over the steps of a chunk in place of the outputs from `start` on, which are their operands."""
    operands = iter([tape.variable(slot) for slot in tape.outputs[start:]])
    sums = []
    for parts in terms:
        added = [_sum([next(operands) for _ in part.slots], part.transposed) for part in parts]
        total = added[0]
        for more in added[1:]:
            total = total + more
        sums.append(total.slot)
    tape.outputs[start:] = sums


def _sum(operands: Sequence[Variable], transposed: bool) -> Variable:
    """The sum over the first axis, of one stack or of the products of the matrices in two."""
    first, *rest = operands
    if not rest:
        total: Variable = F.sum(first, axis=0)
        return total
    steps, rows, columns = first.shape
    if transposed:
        left = F.permute_dims(first.reshape((steps * rows, columns)))
    else:
        left = F.permute_dims(first, axes=(1, 0, 2)).reshape((rows, steps * columns))
    (right,) = rest
    product: Variable = F.matmul(left, right.reshape((steps * right.shape[1], right.shape[2])))
    return product


def _movable(step: Instruction) -> bool:
    """Whether an instruction may run for many steps in one: no functions inside, and a rule for rows."""
    op = step.op
    if op.kernel.forward is None or op.kernel.takes_needed:
        return False
    return op.rules.functions is None and op.rules.batch is not None and op.family.name != "control"


def _read_by(steps: Iterable[Instruction]) -> set[int]:
    return {slot for step in steps for slot in step.inputs}


def _reaching(steps: Sequence[Instruction], ends: Iterable[int]) -> list[Instruction]:
    """The steps that `ends` need."""
    live = set(ends)
    steps_before = []
    for step in reversed(steps):
        if any(slot in live for slot in step.outputs):
            live.update(step.inputs)
            steps_before.append(step)
    return steps_before[::-1]


def _part(tape: Tape, steps: Sequence[Instruction], inputs: Sequence[int], outputs: Sequence[int]) -> Tape:
    """Some of a tape's steps as a tape of their own, over the same slots."""
    read = _read_by(steps).union(outputs)
    return Tape(
        types=list(tape.types),
        inputs={f"input_{k}": slot for k, slot in enumerate(inputs)},
        constants={slot: value for slot, value in tape.constants.items() if slot in read},
        instructions=list(steps),
        outputs=list(outputs),
    )
