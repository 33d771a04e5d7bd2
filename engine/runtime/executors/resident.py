"""Runs one plan repeatedly on arrays that stay in place, as a training step does.

A plan for queries gets other arrays each time; here every input lives where it is, and outputs may take the
place of inputs (donation). So whatever has a fixed address is looked up once, when the plan is bound: views
are made, universal functions get their operands, the parts of a concatenation are computed where they will
stand. Long runs of elementwise work over flat vectors go through in blocks that fit the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine import arrays
from engine.arrays import Namespace
from engine.arrays.types import Array
from engine.ir.tape import Instruction
from engine.runtime.executors.blocks import Call, blocked, one_by_one
from engine.runtime.executors.bound import bind, dead_slots, writing
from engine.runtime.executors.closures import Values, dropping
from engine.runtime.executors.failures import failed
from engine.runtime.executors.scratch_pool import ScratchPool
from engine.runtime.plan import Plan, Step, takes_out


class ResidentPlan:
    """A plan bound to the arrays `inputs`, which each run reads and, if an output is donated to one, writes.

    `donated` maps output slots to the input slots whose memory they take over. Intermediate values are in
    `scratch`, or in memory of its own if that is None. Only one run at a time, also of the plans that share
    scratch.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Mapping[str, Any],
        donated: Mapping[int, int],
        xp: Namespace | None = None,
        scratch: ScratchPool | None = None,
    ) -> None:
        self.plan = plan
        self._xp = xp = xp or arrays.numpy_namespace()
        self._donated = donated
        tape = plan.tape
        self._values: Values = [None] * len(tape.types)
        for slot, constant in tape.constants.items():
            self._values[slot] = xp.from_host(constant)
        for name, slot in tape.inputs.items():
            self._values[slot] = inputs[name]
        self._fixed = {*tape.constants, *tape.inputs.values()}
        joined = [step for step in plan.tape.instructions if is_joined(step)]
        wholes = [tape.types[step.outputs[0]].nbytes for step in joined]
        memory = (scratch or ScratchPool(xp)).take([*plan.buffers, *wholes])
        self._arena = memory[: len(plan.buffers)]
        self._last = _last_readers(plan)
        self._joined = _Joined(plan, joined, memory[len(plan.buffers) :])
        self._steps: list[tuple[Callable[[Values], None], int]] = []
        calls: list[Call] = []
        for index, step in enumerate(plan.steps):
            call = self._bind(step, index)
            if isinstance(call, Call):
                calls.append(call)
                continue
            self._flush(calls)
            if call is not None:
                self._steps.append((call, index))
        self._flush(calls)
        self._run = [run for run, _ in self._steps]
        self._answers = [slot for slot in tape.outputs if slot not in donated]
        self._moved = [(s, t) for s, t in donated.items() if self._values[s] is not self._values[t]]

    @property
    def copied(self) -> int:
        """How many donated outputs could not be written in place and are copied after a run."""
        return len(self._moved)

    def run(self) -> list[Array]:
        """One run; returns the outputs that are not donated, on the host, in the tape's order.

        Raises IndexOutOfRange or what a kernel refuses, at the user's node; donated-to inputs are then as
        far as the run came.
        """
        values, done, xp = self._values, 0, self._xp
        with xp.guarding():
            try:
                with xp.errstate(all="ignore"):
                    for step in self._run:
                        step(values)
                        done += 1
            except Exception as error:
                failed(self.plan, error, self._steps[done][1], xp.place)
        for source, value in [(g, xp.writable(values[output], False)) for output, g in self._moved]:
            values[source][...] = value
        return [xp.to_host(values[slot]) for slot in self._answers]

    def _bind(self, step: Step, index: int) -> Call | Callable[[Values], None] | None:
        """What a step does at each run: a call on fixed arrays, another action, or nothing."""
        instruction = step.instruction
        inputs, out = instruction.inputs, instruction.outputs[0]
        fixed = all(slot in self._fixed for slot in inputs)
        if fixed and self._is_fixed_view(instruction):
            return None
        target = self._target(step, index)
        if target is not None:
            self._values[out] = target
            self._fixed.add(out)
            dying = dead_slots(step, self.plan.tape, self._fixed)
            if is_joined(instruction):
                copying = self._joined.copying(out, target)
                return dropping(copying, dying) if dying else copying
            whole = instruction.op.kernel.ufunc_for(self.plan.tape.types[out].dtype)
            ufunc = getattr(self._xp, whole, None)
            if not self._xp.is_ufunc(ufunc) or not fixed:
                run = writing(step, self.plan, self._xp)
                return dropping(run, dying) if dying else run
            temporary = step.buffer if out not in self._joined.places and out not in self._donated else None
            operands = tuple(self._values[slot] for slot in inputs)
            return Call(ufunc, operands, target, index, out, inputs, temporary, self._last.get(out, index))
        return bind(step, self.plan, self._fixed, self._xp)

    def _is_fixed_view(self, instruction: Instruction) -> bool:
        """Whether the output only looks at fixed memory; it is then made here and now."""
        kernel = instruction.op.kernel
        if not kernel.is_view(instruction.attributes) or kernel.forward is None:
            return False
        source = self._values[instruction.inputs[0]]
        operands = [self._values[slot] for slot in instruction.inputs]
        view = kernel.forward(self._xp, *operands, **instruction.attributes)
        if not self._xp.may_share_memory(view, source):
            return False  # a reshape that has to copy
        self._values[instruction.outputs[0]] = view
        self._fixed.add(instruction.outputs[0])
        return True

    def _target(self, step: Step, index: int) -> Any:
        """The memory that a step's output has at every run, None if its kernel allocates."""
        out = step.instruction.outputs[0]
        type = self.plan.tape.types[out]
        source = self._donated.get(out)
        if source is not None:
            return self._values[source] if self._may_replace(step, index, source) else None
        memory = self._joined.memory(out)
        if memory is None and step.buffer is not None:
            memory = self._arena[step.buffer][: type.nbytes]
        return None if memory is None else memory.view(type.dtype).reshape(type.shape)

    def _may_replace(self, step: Step, index: int, source: int) -> bool:
        """Whether nobody reads the input once the step has begun to write in its place."""
        last = self._last.get(source, -1)
        out, roots, types = step.instruction.outputs[0], self.plan.roots, self.plan.tape.types
        alike = (types[out].shape, types[out].dtype) == (types[source].shape, types[source].dtype)
        if not takes_out(step.instruction) or not alike or last > index:
            return False
        itself = all(slot == source or roots[slot] != source for slot in step.instruction.inputs)
        return last < index or (itself and step.instruction.op.family.name == "elementwise")

    def _flush(self, calls: list[Call]) -> None:
        """Bind the calls gathered so far, the long ones in blocks."""
        self._steps += one_by_one(calls) if self._xp.on_device else blocked(calls)
        calls.clear()


def _last_readers(plan: Plan) -> dict[int, int]:
    """For each root the index of the last step that reads it or a view of it; outputs are read at the end."""
    last: dict[int, int] = {}
    for index, step in enumerate(plan.tape.instructions):
        last.update({plan.roots[slot]: index for slot in step.inputs})
    last.update({plan.roots[slot]: len(plan.steps) for slot in plan.tape.outputs})
    return last


def is_joined(step: Instruction) -> bool:
    """Whether it is a concatenation whose parts can be made where they will stand."""
    return step.op.name == "concat" and bool(step.attributes["axis"] == 0)


class _Joined:
    """Concatenations along the first axis, each in memory of its own; their parts are computed in place.

    `places` maps the root of such a part to the whole and to its first byte there.
    """

    def __init__(self, plan: Plan, steps: Sequence[Instruction], memory: Sequence[Any]) -> None:
        self._wholes = {step.outputs[0]: own for step, own in zip(steps, memory, strict=True)}
        self.places: dict[int, tuple[int, int]] = {}
        self._sizes: dict[int, int] = {}
        self._rest: dict[int, list[tuple[int, int, int]]] = {}
        makers = {slot: step for step in plan.tape.instructions for slot in step.outputs}
        for step in steps:
            self._find(plan, step, makers)

    def memory(self, slot: int) -> Any:
        """The bytes where a whole, or a part that is made in place, lies."""
        if slot in self._wholes:
            return self._wholes[slot]
        if slot not in self.places:
            return None
        whole, start = self.places[slot]
        return self._wholes[whole][start : start + self._sizes[slot]]

    def copying(self, whole: int, target: Any) -> Callable[[Values], None]:
        """What is left to do for a whole: copy the parts that could not be made in place."""
        rest = [(target[start:stop], slot) for slot, start, stop in self._rest[whole]]

        def copy(values: Values) -> None:
            for place, slot in rest:
                place[...] = values[slot]

        return copy

    def _find(self, plan: Plan, step: Instruction, makers: Mapping[int, Instruction]) -> None:
        whole, types = step.outputs[0], plan.tape.types
        rest = self._rest[whole] = []
        start = first = 0
        for part in step.inputs:
            root, nbytes, rows = plan.roots[part], types[part].nbytes, types[part].shape[0]
            maker = makers.get(root)
            free = root not in self.places and root not in plan.tape.outputs
            if maker is not None and free and takes_out(maker) and _only_reshaped(part, root, makers):
                self.places[root] = (whole, start)
                self._sizes[root] = nbytes
            else:
                rest.append((part, first, first + rows))
            start, first = start + nbytes, first + rows


def _only_reshaped(slot: int, root: int, makers: Mapping[int, Instruction]) -> bool:
    """Whether a slot has its root's elements in their order."""
    while slot != root:
        if makers[slot].op.name != "reshape":
            return False
        slot = makers[slot].inputs[0]
    return True


__all__ = ["ResidentPlan"]
