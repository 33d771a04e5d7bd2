"""A plan bound to one array library: arrays of the library in, arrays of the library out.

A plan is bound once: every step becomes a closure over slot numbers, with its kernel, attributes and
output buffer already looked up, so a run is a loop over calls. Memory belongs to a context; a
bound plan keeps a few contexts for reuse, and one context serves one run at a time. Views of buffers and
of constants are made once for a context. Loops run a plan many times over in one context: a session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from operator import length_hint
from typing import Any

from engine.arrays import Namespace, numpy_namespace
from engine.errors import InternalError
from engine.ir.budget import current, look
from engine.ir.tape import Instruction, Tape
from engine.passes import lower
from engine.runtime.executors.closures import Values, copying, dropping, into_buffer, placed, writing_into
from engine.runtime.executors.failures import failed, no_memory
from engine.runtime.executors.loop_code import MOST_STEPS, Part
from engine.runtime.executors.loops import Loops
from engine.runtime.plan import KEPT_BYTES, KEPT_CONTEXTS, Plan, Step, make_plan

#: Steps between two looks at a budget, which take 0.3 µs each.
_STEPS_A_LOOK = 16


class BoundPlan:
    """A plan ready to run; `run` may be called from several threads at once."""

    def __init__(self, plan: Plan, xp: Namespace) -> None:
        self.plan = plan
        self._xp = xp
        tape = plan.tape
        self._inputs = dict(tape.inputs)
        self._constants = {slot: xp.from_host(constant) for slot, constant in tape.constants.items()}
        persistent = {step.instruction.outputs[0] for step in plan.steps if step.buffer is not None}
        self._views = {} if xp.on_device else fixed_views(plan, persistent, xp)
        persistent.update(plan.steps[place].instruction.outputs[0] for place in self._views)
        self._places = [place for place in range(len(plan.steps)) if place not in self._views]
        self._steps = [bind(plan.steps[place], plan, persistent, xp) for place in self._places]
        self._long = len(self._steps) > _STEPS_A_LOOK
        self._contexts: deque[Values] = deque(maxlen=KEPT_CONTEXTS)
        self._keeps = sum(plan.buffers) <= KEPT_BYTES
        everything = (slot for step in plan.steps for slot in step.instruction.outputs)
        self._transient = [slot for slot in everything if slot not in persistent]
        self._transient += tape.inputs.values()

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs, in the tape's order, for arrays in the dtypes and shapes of the signature.

        Raises IndexOutOfRange, OverLimit (no memory), or what a kernel refuses, each at the user's node.
        """
        values = self.acquire()
        for name, slot in self._inputs.items():
            values[slot] = inputs[name]
        with self.suppress_warnings():
            self.execute(values)
        copied, answer = self.plan.copied, self._xp.answer
        answers = [answer(values[slot], slot in copied) for slot in self.plan.tape.outputs]
        self.release(values)
        return answers

    def execute(self, values: Values) -> None:
        """Every step once, in a context whose inputs are in place; floating-point errors are the caller's.

        A budget of the thread is looked at between a few steps and the next: it raises BudgetSpent.
        """
        steps = iter(self._steps)
        try:
            if self._long and (budget := current()) is not None:
                while length_hint(steps):
                    budget.look()
                    for step in islice(steps, _STEPS_A_LOOK):
                        step(values)
                return
            for step in steps:
                step(values)
        except Exception as error:
            place = self._places[len(self._steps) - length_hint(steps) - 1]
            failed(self.plan, error, place, self._xp.place)

    def suppress_warnings(self) -> Any:
        """Floating-point errors make NaN or infinity, and no noise."""
        return self._xp.errstate(all="ignore")

    def acquire(self) -> Values:
        """A context for the caller alone."""
        try:
            return self._contexts.pop()
        except IndexError:
            return self._context()

    def release(self, values: Values) -> None:
        """A context that the caller is done with."""
        if self._keeps:
            for slot in self._transient:
                values[slot] = None
            self._contexts.append(values)

    def _context(self) -> Values:
        """Slots with the constants and the arena's views in place."""
        plan, tape, xp = self.plan, self.plan.tape, self._xp
        values: Values = [None] * len(tape.types)
        for slot, constant in self._constants.items():
            values[slot] = constant
        try:
            arena = [xp.empty(size, dtype=xp.uint8) for size in plan.buffers]
        except MemoryError:
            raise no_memory(plan, xp.place) from None
        for step in plan.steps:
            if step.buffer is not None:
                slot = step.instruction.outputs[0]
                type = tape.types[slot]
                values[slot] = arena[step.buffer][: type.nbytes].view(type.dtype).reshape(type.shape)
        for place in self._views:
            instruction = plan.steps[place].instruction
            values[instruction.outputs[0]] = _view(instruction, values, xp)
        return values


def fixed_views(plan: Plan, buffered: Set[int], xp: Namespace) -> dict[int, None]:
    """The steps, by their places, that only look at buffers and constants: they see the same at every run."""
    tape = plan.tape
    slots: dict[int, None] = {}
    tried: dict[int, Any] = dict(tape.constants)
    for place, step in enumerate(plan.steps):
        instruction = step.instruction
        kernel = instruction.op.kernel
        if kernel.in_place or not kernel.is_view(instruction.attributes):
            continue
        for slot in instruction.inputs:
            if slot in buffered and slot not in tried:  # as it will be, and no byte of it is touched
                tried[slot] = xp.empty(tape.types[slot].shape, dtype=getattr(xp, tape.types[slot].dtype))
        if all(slot in tried for slot in instruction.inputs):
            view = _view(instruction, tried, xp)
            if xp.may_share_memory(view, tried[instruction.inputs[0]]):  # not a reshape that has to copy
                tried[instruction.outputs[0]] = view
                slots[place] = None
    return slots


def _view(step: Instruction, values: Any, xp: Namespace) -> Any:
    forward = step.op.kernel.forward
    assert forward is not None
    answer = forward(xp, *[values[slot] for slot in step.inputs], **step.attributes)
    return answer[0] if isinstance(answer, tuple | list) else answer


def bind(step: Step, plan: Plan, buffered: Set[int], xp: Namespace) -> Callable[[Values], None]:
    """One step as a closure over slots; `buffered` slots keep their view of the arena from run to run."""
    run = _bind(step, plan, buffered, xp)
    return placed(run, step.instruction.origin) if xp.on_device else run


def _bind(step: Step, plan: Plan, buffered: Set[int], xp: Namespace) -> Callable[[Values], None]:
    instruction = step.instruction
    if instruction.op.kernel.forward is None:
        raise InternalError(f"{instruction.op.name} has no kernel")
    inputs, outputs, tape = instruction.inputs, instruction.outputs, plan.tape
    dying = dead_slots(step, tape, buffered)
    if step.buffer is not None:
        run = writing(step, plan, xp)
        return dropping(run, dying) if dying else run
    attributes = runnable(instruction, [slot in plan.read for slot in outputs], xp)
    single = instruction.op.outputs is not None and len(instruction.op.outputs) == 1
    owned = step.owned if instruction.op.kernel.in_place else None
    function = instruction.op.kernel.bound(xp, attributes, tape.types[outputs[0]])
    return _allocating(function, xp, inputs, outputs, dying, single, owned)


def writing(step: Step, plan: Plan, xp: Namespace) -> Callable[[Values], None]:
    """A step that writes its one output where the context has memory for it."""
    instruction = step.instruction
    kernel, inputs, out = instruction.op.kernel, instruction.inputs, instruction.outputs[0]
    ufunc = getattr(xp, kernel.ufunc_for(plan.tape.types[out].dtype), None)
    if xp.is_ufunc(ufunc):
        return into_buffer(ufunc, inputs, out)
    attributes = runnable(instruction, [True], xp)
    if kernel.forward_into is not None:
        return writing_into(kernel.forward_into, xp, inputs, out, attributes)
    if kernel.forward is None:
        raise InternalError(f"{instruction.op.name} has no kernel")
    return copying(kernel.forward, xp, inputs, out, attributes)


def dead_slots(step: Step, tape: Tape, buffered: Set[int]) -> tuple[int, ...]:
    """The slots whose arrays are let go of after a step; small ones are not worth the call."""
    return tuple(slot for slot in step.dying if slot not in buffered and tape.types[slot].nbytes > 4096)


class Subprogram:
    """A function of a loop or branch, planned once: arrays in, arrays out; `outputs` are their types."""

    def __init__(self, tape: Tape, xp: Namespace) -> None:
        tape = lower(tape)
        self.outputs = [tape.types[slot] for slot in tape.outputs]
        self._xp, self._plan = xp, make_plan(tape)
        self._names = tuple(tape.inputs)
        self._slots = tuple(tape.inputs.values()), tuple(tape.outputs)

    @cached_property
    def _bound(self) -> BoundPlan:
        return BoundPlan(self._plan, self._xp)

    @cached_property
    def loops(self) -> Loops | None:
        """The function as the body of loops written in Python; None if it has to be interpreted."""
        plan, xp = self._plan, self._xp
        if xp is not numpy_namespace() or len(plan.steps) > MOST_STEPS:
            return None
        tape = plan.tape
        buffered = {step.instruction.outputs[0] for step in plan.steps if step.buffer is not None}
        buffered = {slot for slot in buffered if tape.types[slot].shape}  # the rest are scalars
        views = fixed_views(plan, buffered, xp)
        fixed = frozenset(
            (*buffered, *tape.constants, *(plan.steps[i].instruction.outputs[0] for i in views))
        )
        part = Part(
            plan,
            xp,
            fixed,
            frozenset(views),
            lambda step: runnable(step, [slot in plan.read for slot in step.outputs], xp),
            lambda step: dead_slots(step, tape, fixed),
        )
        return Loops(part, lambda: _numpy_context(plan, buffered, views, xp))

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Run the function once."""
        look()
        return list(self._bound.run(dict(zip(self._names, values, strict=True))))

    @contextmanager
    def session(self) -> Iterator[Callable[[Sequence[Any]], list[Any]]]:
        """The function for many runs in one context, from one thread.

        What it returns may look at its inputs or be a scalar: it is to be read, or copied, never written.
        """
        bound = self._bound
        inputs, outputs = self._slots
        values = bound.acquire()

        def run(arrays: Sequence[Any]) -> list[Any]:
            look()
            for slot, value in zip(inputs, arrays, strict=True):
                values[slot] = value
            bound.execute(values)
            return [values[slot] for slot in outputs]

        with bound.suppress_warnings():
            yield run
        bound.release(values)


def _numpy_context(plan: Plan, buffered: Set[int], views: Iterable[int], xp: Namespace) -> Values:
    """Slots with constants, buffers and views of both in place; what has no axes is a scalar."""
    tape = plan.tape
    values: Values = [None] * len(tape.types)
    for slot, constant in tape.constants.items():
        values[slot] = constant if constant.ndim else constant[()]
    try:
        arena = [xp.empty(size, dtype=xp.uint8) for size in plan.buffers]
    except MemoryError:
        raise no_memory(plan, xp.place) from None
    for step in plan.steps:
        slot = step.instruction.outputs[0] if step.instruction.outputs else -1
        if step.buffer is not None and slot in buffered:
            type = tape.types[slot]
            values[slot] = arena[step.buffer][: type.nbytes].view(type.dtype).reshape(type.shape)
    for place in views:
        instruction = plan.steps[place].instruction
        values[instruction.outputs[0]] = _view(instruction, values, xp)
    return values


def runnable(step: Instruction, needed: Sequence[bool], xp: Namespace) -> dict[str, Any]:
    """The attributes as a kernel takes them: functions can be called, a lazy kernel knows what is needed."""
    attributes = {
        name: _subprogram(value, xp) if isinstance(value, Tape) else value
        for name, value in step.attributes.items()
    }
    if step.op.kernel.takes_needed:
        attributes["needed"] = tuple(needed)
    return attributes


def _subprogram(tape: Tape, xp: Namespace) -> Any:
    """The function, planned once however many steps call it."""
    key = (Subprogram, id(xp))  # which what is stored holds on to
    if key not in tape.derived:
        tape.derived[key] = Subprogram(tape, xp)
    return tape.derived[key]


def _simple(function: Callable[..., Any], inputs: Sequence[int], out: int) -> Callable[[Values], None]:
    """A kernel of one or two arrays that returns one, and nothing else to do: the most frequent case."""
    if len(inputs) == 1:
        (a,) = inputs

        def unary(values: Values) -> None:
            values[out] = function(values[a])

        return unary
    a, b = inputs

    def binary(values: Values) -> None:
        values[out] = function(values[a], values[b])

    return binary


def _allocating(
    function: Callable[..., Any],
    xp: Any,
    inputs: Sequence[int],
    outputs: Sequence[int],
    dying: Sequence[int],
    single: bool,
    owned: bool | None,
) -> Callable[[Values], None]:
    """A kernel that makes its own output. `owned` is of in-place kernels: whether the first input may be
    written, or is copied first.
    """
    out = outputs[0] if outputs else -1
    if single and owned is None and not dying and len(inputs) in (1, 2):
        return _simple(function, inputs, out)

    def allocate(values: Values) -> None:
        operands = [values[slot] for slot in inputs]
        if owned is not None:
            operands[0] = xp.writable(operands[0], owned)
        answer = function(*operands)
        if single:
            values[out] = answer
        else:
            for slot, part in zip(outputs, answer, strict=True):
                values[slot] = part
        for slot in dying:
            values[slot] = None

    return allocate
