"""The plan: which buffer each value has and for how long, and the cost of the run.

Values that a kernel can write into a given place (`out=`) share an arena of buffers, reused as soon as
their last reader is done; the rest is allocated by its kernel and dropped after its last use. Liveness
follows views: a buffer lives while anything that looks at it does. Answers never lie in the arena.
The plan holds no memory itself: an executor's context does.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.budget import charge_walk
from engine.ir.tape import Instruction, Tape
from engine.runtime.cost import NOTHING, Estimate, cost_of, seconds

KEPT_CONTEXTS = 4  # of threads that run a program at once, each with its buffers
KEPT_BYTES = 64 << 20  # larger buffers are given back to the system after a run


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction, the buffer of its output (None: the kernel's own), the slots that die after it.

    `owned` says that the first input may be overwritten: it is a value of the plan's own that dies here.
    """

    instruction: Instruction
    buffer: int | None
    dying: tuple[int, ...]
    owned: bool


@dataclass(slots=True)
class Plan:
    """Steps in order over numbered slots.

    `buffers` are sizes in bytes; `roots` the slot that owns each slot's memory, `members` the slots that look
    at it, `whole` those that are all of it; `foreign` the inputs and constants, which are never written;
    `writes` the steps whose kernel writes into its first input; `copied` the outputs that would alias
    something else; `read` what a step or the caller reads.
    """

    tape: Tape
    steps: list[Step] = field(default_factory=list)
    buffers: list[int] = field(default_factory=list)
    roots: dict[int, int] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)
    writes: set[int] = field(default_factory=set)
    copied: set[int] = field(default_factory=set)
    read: set[int] = field(default_factory=set)
    estimate: Estimate = NOTHING


def make_plan(tape: Tape) -> Plan:
    """Plan a lowered tape: liveness, buffers, cost."""
    charge_walk(tape.instructions)
    plan = Plan(tape)
    plan.read = {slot for step in tape.instructions for slot in step.inputs}.union(tape.outputs)
    _find_roots(plan)
    _place(plan, _deaths(plan))
    return plan


def _find_roots(plan: Plan) -> None:
    """For each slot the slot that owns its memory, and which in-place kernels may write into it."""
    tape, roots, members, whole = plan.tape, plan.roots, plan.members, plan.whole
    readers = _last_readers(tape)
    for slot in (*tape.inputs.values(), *tape.constants):
        roots[slot] = slot
    plan.foreign = set(roots)
    for index, step in enumerate(tape.instructions):
        kernel = step.op.kernel
        shares = kernel.is_view(step.attributes)
        if kernel.in_place:
            shares = _may_write(step, index, roots, members, readers, whole)
            if shares:
                plan.writes.add(index)
        for slot in step.outputs:
            root = roots[slot] = roots[step.inputs[0]] if shares else slot
            members.setdefault(root, []).append(slot)
            if root == slot or index in plan.writes:
                whole.add(slot)


def _last_readers(tape: Tape) -> dict[int, int]:
    """For each slot the index of the last instruction that reads it; outputs are read at the end."""
    last = {slot: index for index, step in enumerate(tape.instructions) for slot in step.inputs}
    last.update(dict.fromkeys(tape.outputs, len(tape.instructions)))
    return last


def _may_write(
    step: Instruction,
    index: int,
    roots: dict[int, int],
    members: dict[int, list[int]],
    readers: dict[int, int],
    whole: set[int],
) -> bool:
    """Whether an in-place kernel may write into its first input: a value of the plan's own, no view of
    part of one, and read by nobody else from here on.
    """
    target, others = step.inputs[0], step.inputs[1:]
    root = roots[target]
    if target not in whole or any(roots[slot] == root for slot in others):
        return False
    return all(readers.get(slot, -1) <= index for slot in members[root])


def _deaths(plan: Plan) -> dict[int, int]:
    """For each root the index of the last step that reads or makes it; outputs never die."""
    last: dict[int, int] = {}
    for index, step in enumerate(plan.tape.instructions):
        for slot in (*step.inputs, *step.outputs):
            last[plan.roots[slot]] = index
    for slot in plan.tape.outputs:
        last[plan.roots[slot]] = len(plan.tape.instructions)
    return last


def _place(plan: Plan, deaths: dict[int, int]) -> None:
    """Give every value its place and add up the cost."""
    tape, roots = plan.tape, plan.roots
    arena = _Arena(plan)
    live = peak = flops = moved = slow = 0
    fresh: dict[int, int] = {}  # bytes of roots that their kernels allocated
    functions: set[int] = set()  # ids of the function tapes whose buffers are counted
    ends: dict[int, list[int]] = {}
    for root, index in deaths.items():
        ends.setdefault(index, []).append(root)
    for index, step in enumerate(tape.instructions):
        cost = cost_of(tape, step)
        flops, moved, slow = flops + cost.flops, moved + cost.bytes, slow + cost.slow
        dying = ends.get(index, [])
        slot = step.outputs[0]
        buffer = None
        if takes_out(step) and roots[slot] == slot and deaths[slot] < len(tape.instructions):
            buffer = arena.take(slot, tape.types[slot].nbytes, _reusable(step, tape, dying))
        else:
            outputs = (
                [slot for slot in step.outputs if slot in plan.read]
                if step.op.kernel.takes_needed
                else step.outputs
            )
            sizes = {output: tape.types[output].nbytes for output in outputs if roots[output] == output}
            fresh.update(sizes)
            live += sum(sizes.values())
        peak = max(peak, live + cost.workspace)
        if cost.retained:
            own = {id(value) for value in step.attributes.values() if isinstance(value, Tape)}
            live += 0 if own <= functions else cost.retained
            functions |= own
        dead = tuple(root for root in dying if root not in plan.foreign)
        for root in dead:
            arena.release(root)
            live -= fresh.pop(root, 0)
        gone = tuple(member for root in dead for member in plan.members.get(root, ()))
        plan.steps.append(Step(step, buffer, gone, index in plan.writes))
    _mark_copied(plan)
    inputs = sum(tape.types[slot].nbytes for slot in (*tape.inputs.values(), *tape.constants))
    answers = sum(tape.types[slot].nbytes for slot in plan.copied)
    total = inputs + sum(plan.buffers) + max(peak, live + answers)
    plan.estimate = Estimate(
        flops, moved, total, len(plan.steps), seconds(flops + slow, moved + 2 * answers, len(plan.steps))
    )


def takes_out(step: Instruction) -> bool:
    """Whether the kernel can write into a given buffer."""
    return step.op.kernel.takes_out and len(step.outputs) == 1


def _reusable(step: Instruction, tape: Tape, dying: list[int]) -> list[int]:
    """Inputs that die here and whose memory an elementwise kernel may overwrite while it reads.

    Not one complex number: NumPy takes its product into itself for a reduction, which rounds otherwise.
    """
    out = tape.types[step.outputs[0]]
    if step.op.family.name != "elementwise" or (dtypes.is_complex(out.dtype) and out.size == 1):
        return []
    return [s for s in step.inputs if s in dying and _alike(tape.types[s], out)]


def _alike(a: TensorType, b: TensorType) -> bool:
    return (a.shape, a.dtype) == (b.shape, b.dtype)


class _Arena:
    """Buffers by size; a freed one is used for the next value that fits without wasting half of it."""

    def __init__(self, plan: Plan) -> None:
        self.sizes = plan.buffers
        self.free: dict[int, list[int]] = {}  # by size, so that a chain of many values stays quick
        self.sized: list[int] = []  # the sizes of which some are free, in order
        self.buffer_of: dict[int, int] = {}

    def take(self, slot: int, nbytes: int, overwritten: list[int]) -> int:
        for other in overwritten:
            if other in self.buffer_of:
                buffer = self.buffer_of.pop(other)
                self.buffer_of[slot] = buffer
                return buffer
        place = bisect_left(self.sized, nbytes)
        if place < len(self.sized) and self.sized[place] <= 2 * nbytes:
            size = self.sized[place]
            buffer = self.free[size].pop()
            if not self.free[size]:
                del self.sized[place]
        else:
            self.sizes.append(nbytes)
            buffer = len(self.sizes) - 1
        self.buffer_of[slot] = buffer
        return buffer

    def release(self, root: int) -> None:
        buffer = self.buffer_of.pop(root, None)
        if buffer is not None:
            size = self.sizes[buffer]
            if not self.free.get(size):
                insort(self.sized, size)
            self.free.setdefault(size, []).append(buffer)


def _mark_copied(plan: Plan) -> None:
    """Outputs that would alias an input, a constant or another output, are part of a value, or lie as an
    answer may not, are copied.
    """
    roots_out = set(plan.foreign)
    makers = {slot: step.instruction for step in plan.steps for slot in step.instruction.outputs}
    for slot in plan.tape.outputs:
        root, step = plan.roots[slot], makers.get(slot)
        may_alias = step is not None and step.op.kernel.needs_copy(step.attributes)
        if root in roots_out or slot not in plan.whole or may_alias:
            plan.copied.add(slot)
        roots_out.add(root)
