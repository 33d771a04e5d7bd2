"""Python source for a loop: every step of its body a line, with its operands in local variables.

Interpreting a plan costs more than small arrays do. Here a loop's body becomes one function, so that a step
costs little more than its calls of NumPy. Buffers, constants and views of them are local variables that are
set once; what is carried and stacked is written where it will lie, and numbers without axes are
NumPy's scalars, whose operators cost a tenth of a universal function and round alike. The source holds slot
numbers and names of our own only, nothing of the user's. It runs on NumPy's arrays alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import CodeType
from typing import Any, Literal

from engine.arrays import Namespace
from engine.ir.tape import Instruction
from engine.runtime.plan import Plan, Step

MOST_STEPS = 2_000  # a longer body gains little, and Python takes long to read it
_OPERATORS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_EXACT = {"float32", "float64", "int32", "int64"}  # their scalars' operators give the bits of the functions


@dataclass(frozen=True, slots=True)
class Part:
    """A function of a loop: its plan, and what binding it knows.

    `fixed` are the slots whose array a context has, `made` the places of the steps that are done with that;
    `attributes` are those that a step's kernel takes, `dying` the slots to let go of after it.
    """

    plan: Plan
    xp: Namespace
    fixed: frozenset[int]
    made: frozenset[int]
    attributes: Callable[[Instruction], dict[str, Any]]
    dying: Callable[[Step], Sequence[int]]


Kind = Literal["scanned", "result", "entry", "next_entry", "swapped"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What one variable of the loop is bound to at each step: the row of a scanned input, of a stack of
    results or of entries, or by turns one of two arrays; `place` says of which.
    """

    kind: Kind
    place: int


@dataclass(slots=True)
class LoopCode:
    """A function that runs a loop, what it walks along, and which step of which plan each line is.

    `fixed` are the slots of each part that it reads from a context.
    """

    function: Callable[..., Any]
    code: CodeType
    rows: tuple[Rows, ...]
    lines: Mapping[int, tuple[Plan, int]]


def write_scan(
    body: Part, carry: int, scanned: int, stored: Sequence[bool], entered: Sequence[bool]
) -> LoopCode:
    """A loop over rows; `stored` says of each result, `entered` of each carried value, whether it is stacked.

    The function takes the context, what is carried, the constants, the numbers of the steps, what is walked
    along, and the stacks of results and of entries, and returns what is carried in the end.
    """
    source = _Source()
    writer = _Writer(source, body, "v")
    targets = _Targets(body, carry, stored, entered)
    variables = [
        *((writer.name(slot), Rows("scanned", i)) for i, slot in enumerate(writer.slots[carry:][:scanned])),
        *((writer.name(slot), rows) for slot, rows in targets.places.items()),
    ]
    writer.memory = set(targets.places)
    constants = writer.slots[carry + scanned :]
    inner = [*targets.enter(writer, variables)]
    writer.hoist(constants)
    for line in inner:
        source.add(line)
    writer.steps()
    for line in targets.store(writer, variables):
        source.add(line)
    source.add(_next(writer, carry))
    head = _head(writer, "V", carry, constants)
    names = ", ".join(["k", *(name for name, _ in variables)])
    loop = f"    for {names} in zip(order, *rows):" if variables else "    for k in order:"
    lines = ["def loop(V, C, K, order, rows, R, E):", *head, *writer.hoisted, loop]
    return source.finish(lines, [f"    return {_tuple(writer, carry)}"], tuple(rows for _, rows in variables))


def write_while(condition: Part, body: Part, carry: int, entered: Sequence[bool]) -> LoopCode:
    """A loop while a condition holds.

    The function takes the contexts of the body and of the condition, what is carried, the constants, the
    numbers of the steps with one more, what is walked along, and the stacks of entries. It returns the
    number of steps and what is carried in the end, or None if the condition holds after the last.
    """
    source = _Source()
    writer = _Writer(source, body, "v")
    targets = _Targets(body, carry, (), entered)
    variables = [(writer.name(slot), rows) for slot, rows in targets.places.items()]
    writer.memory = set(targets.places)
    constants = writer.slots[carry:]
    inner = [*targets.enter(writer, variables)]
    test = _Writer(source, condition, "w")
    test.names = dict(zip(test.slots, map(writer.name, writer.slots), strict=True))
    test.hoist(test.slots[carry:])
    writer.hoist(constants)
    test.steps()
    source.add(f"if not {test.read(condition.plan.tape.outputs[0])}: break")
    source.add("if k == most: return None")
    for line in inner:
        source.add(line)
    writer.steps()
    source.add(_next(writer, carry))
    used = test.used & {name: slot for slot, name in test.names.items()}.keys()
    head = [*_head(writer, "V", carry, constants, used), *_fixed(test, "W")]
    names = ", ".join(["k", *(name for name, _ in variables)])
    loop = f"    for {names} in zip(order, *rows):" if variables else "    for k in order:"
    lines = [
        "def loop(V, W, C, K, order, rows, E):",
        *head,
        "    most = len(order) - 1",
        *test.hoisted,
        *writer.hoisted,
        loop,
    ]
    answer = f"    return k, {_tuple(writer, carry)}"
    return source.finish(lines, [answer], tuple(rows for _, rows in variables))


def _head(
    writer: _Writer, context: str, carry: int, constants: Sequence[int], read: Sequence[str] | set[str] = ()
) -> list[str]:
    """Arguments into local variables."""
    lines = _fixed(writer, context)
    if carry:
        lines.append(f"    {_tuple(writer, carry)} = C")
    for i, slot in enumerate(constants):
        if writer.name(slot) in writer.used or writer.name(slot) in read:
            lines.append(f"    {writer.name(slot)} = K[{i}]")
    return [*lines, *(f"    {name} = {stack}" for name, stack in writer.stacks.items())]


def _fixed(writer: _Writer, context: str) -> list[str]:
    slots = sorted(slot for slot in writer.part.fixed if writer.name(slot) in writer.used)
    return [f"    {writer.name(slot)} = {context}[{slot}]" for slot in slots]


def _tuple(writer: _Writer, carry: int) -> str:
    return f"({''.join(f'{writer.name(slot)}, ' for slot in writer.slots[:carry])})"


def _next(writer: _Writer, carry: int) -> str:
    """What is carried on takes the place of what was carried in."""
    ends = [writer.read(slot) for slot in writer.part.plan.tape.outputs[:carry]]
    return f"{_tuple(writer, carry)} = ({''.join(f'{end}, ' for end in ends)})" if carry else "pass"


class _Targets:
    """Where outputs of the body are written: into a row of a stack, or by turns into one of two arrays."""

    def __init__(self, body: Part, carry: int, stored: Sequence[bool], entered: Sequence[bool]) -> None:
        tape = self._tape = body.plan.tape
        self._carry, self._stored, self._entered = carry, stored, entered
        self.places: dict[int, Rows] = {}
        makers = {slot: step for step in body.plan.steps for slot in step.instruction.outputs}
        writable = {slot for slot in tape.outputs if _is_written(makers.get(slot), body.plan, slot)}
        for place, slot in enumerate(tape.outputs[carry : carry + len(stored)]):
            if stored[place] and slot in writable:
                self.places.setdefault(slot, Rows("result", place))
        safe = _swappable(body.plan, makers, writable, carry)
        for place, slot in enumerate(tape.outputs[:carry]):
            if slot not in writable or slot in self.places:
                continue
            if entered[place]:
                self.places[slot] = Rows("next_entry", place)
            elif place in safe:
                self.places[slot] = Rows("swapped", place)

    def enter(self, writer: _Writer, variables: list[tuple[str, Rows]]) -> list[str]:
        """Lines that store what is carried into a step, if it was not written there when it was made."""
        lines = []
        for place, slot in enumerate(writer.slots[: self._carry]):
            end = self._tape.outputs[place]
            if not self._entered[place] or self.places.get(end) == Rows("next_entry", place):
                continue
            lines.append(self._put(writer, variables, "E", Rows("entry", place), slot))
        return lines

    def store(self, writer: _Writer, variables: list[tuple[str, Rows]]) -> list[str]:
        """Lines that stack the results that were not written where they lie."""
        lines = []
        for place, slot in enumerate(self._tape.outputs[self._carry :]):
            rows = Rows("result", place)
            if self._stored[place] and self.places.get(slot) != rows:
                lines.append(self._put(writer, variables, "R", rows, slot))
        return lines

    def _put(
        self, writer: _Writer, variables: list[tuple[str, Rows]], stacks: str, rows: Rows, slot: int
    ) -> str:
        name = f"{stacks}{rows.place}"
        if self._tape.types[slot].shape:
            variables.append((name, rows))
            return f"{name}[...] = {writer.read(slot)}"
        writer.stacks[name] = f"{stacks}[{rows.place}]"
        return f"{name}[k] = {writer.read(slot)}"


def _is_written(step: Step | None, plan: Plan, slot: int) -> bool:
    """Whether a slot is an array of its own that its step can write where it is told."""
    if step is None or plan.roots[slot] != slot or not plan.tape.types[slot].shape:
        return False
    kernel = step.instruction.op.kernel
    return step.buffer is None and len(step.instruction.outputs) == 1 and kernel.takes_out


def _swappable(plan: Plan, makers: Mapping[int, Step], writable: set[int], carry: int) -> set[int]:
    """The carried places of which nothing is left two steps later, so that two arrays by turns are enough."""
    inputs = {slot: place for place, slot in enumerate(list(plan.tape.inputs.values())[:carry])}
    safe = set(range(carry))
    for slot in plan.tape.outputs[:carry]:
        root = plan.roots[slot]
        if root in writable or root in plan.tape.constants:
            continue
        if root in inputs:
            safe.discard(inputs[root])  # it is carried on under another name
            continue
        step = makers.get(root)
        if step is None:
            continue  # of a scanned input or a constant
        op = step.instruction.op
        if (
            op.kernel.needs_copy(step.instruction.attributes)
            or op.family.name == "control"
            or op.kernel.in_place
        ):
            return set()  # it may look at any of them
    return safe


@dataclass(slots=True)
class _Source:
    """The lines inside of the loop, the steps that they are of, and what they name."""

    lines: list[tuple[str, tuple[Plan, int] | None]] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)

    def add(self, line: str, step: tuple[Plan, int] | None = None) -> None:
        self.lines.append((line, step))

    def call(self, function: Any, name: str | None = None) -> str:
        """The name of a function."""
        name = name or f"f{len(self.names)}"
        self.names[name] = function
        return name

    def finish(self, head: Sequence[str], tail: Sequence[str], rows: tuple[Rows, ...]) -> LoopCode:
        text = [*head, *(f"        {line}" for line, _ in self.lines), *tail]
        start = len(head) + 1
        steps = {start + i: step for i, (_, step) in enumerate(self.lines) if step is not None}
        space = dict(self.names)
        exec(compile("\n".join(text), "<loop>", "exec"), space)
        function = space["loop"]
        return LoopCode(function, function.__code__, rows, steps)


class _Writer:
    """Writes the steps of one function of a loop; `memory` are the slots that the loop has an array for."""

    def __init__(self, source: _Source, part: Part, prefix: str) -> None:
        self.source, self.part, self._prefix = source, part, prefix
        self.slots = list(part.plan.tape.inputs.values())
        self.names: dict[int, str] = {}
        self.memory: set[int] = set()
        self.used: set[str] = set()
        self.stacks: dict[str, str] = {}
        self.hoisted: list[str] = []
        self._done = set(part.made)

    def name(self, slot: int) -> str:
        return self.names.get(slot) or f"{self._prefix}{slot}"

    def read(self, slot: int) -> str:
        name = self.name(slot)
        self.used.add(name)
        return name

    def hoist(self, constants: Sequence[int]) -> None:
        """Views of what stays the same from step to step are made before the first."""
        constant_slots = {*constants, *self.part.plan.tape.constants}
        for place, step in enumerate(self.part.plan.steps):
            own = step.instruction
            kernel = own.op.kernel
            if place in self._done or kernel.in_place or not kernel.is_view(own.attributes):
                continue
            if len(own.outputs) == 1 and all(slot in constant_slots for slot in own.inputs):
                constant_slots.update(own.outputs)
                self._done.add(place)
                self.hoisted.append(f"    {self._line(step)}")

    def steps(self) -> None:
        """A line for each step, and one for what dies after it."""
        plan = self.part.plan
        for place, step in enumerate(plan.steps):
            if place in self._done:
                continue
            self.source.add(self._line(step), (plan, place))
            dying = self.part.dying(step)
            if dying:
                self.source.add(f"{' = '.join(map(self.name, dying))} = None")

    def _line(self, step: Step) -> str:
        own, types, xp = step.instruction, self.part.plan.tape.types, self.part.xp
        kernel, out = own.op.kernel, own.outputs[0] if own.outputs else -1
        operands = [self.read(slot) for slot in own.inputs]
        single = own.op.outputs is not None and len(own.op.outputs) == 1
        if not single:
            target = "".join(f"{self.name(slot)}, " for slot in own.outputs)
            return f"{target} = {self._kernel(step)}({', '.join(operands)})" if target else "pass"
        target, type = self.name(out), types[out]
        ufunc = kernel.ufunc_for(type.dtype)
        if not type.shape and all(not types[slot].shape for slot in own.inputs):
            dtypes = {types[slot].dtype for slot in own.inputs}
            whole = ufunc == "divide" and any("int" in dtype for dtype in dtypes)
            if ufunc in _OPERATORS and len(dtypes) == 1 and dtypes <= _EXACT and not whole:
                return f"{target} = {operands[0]} {_OPERATORS[ufunc]} {operands[1]}"
        function = getattr(xp, ufunc, None) if ufunc else None
        arguments = ", ".join(operands)
        if out in self.memory or (step.buffer is not None and type.shape):
            self.used.add(target)
            if xp.is_ufunc(function):
                return f"{self.source.call(function, ufunc)}({arguments}, {target})"
            if kernel.forward_into is not None:
                into = partial(kernel.forward_into, xp, **self.part.attributes(step.instruction))
                return f"{self.source.call(into)}({', '.join([target, *operands])})"
            return f"{target}[...] = {self._kernel(step)}({arguments})"
        if xp.is_ufunc(function):
            return f"{target} = {self.source.call(function, ufunc)}({arguments})"
        if kernel.in_place:
            operands[0] = f"{self.source.call(xp.writable, 'writable')}({operands[0]}, {step.owned})"
        return f"{target} = {self._kernel(step)}({', '.join(operands)})"

    def _kernel(self, step: Step) -> str:
        own, part = step.instruction, self.part
        type = part.plan.tape.types[own.outputs[0]]
        return self.source.call(own.op.kernel.bound(part.xp, part.attributes(own), type))
