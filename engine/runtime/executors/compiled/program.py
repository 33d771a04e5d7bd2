"""A compiled tape: where everything lies, and its calls in order over one table of pointers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays.types import Array
from engine.runtime.executors.bound import runnable
from engine.runtime.executors.compiled.cache import ObjectCache
from engine.runtime.executors.compiled.jit import Code, NotCompiled, toolchain
from engine.runtime.executors.compiled.lowering import lower_tape
from engine.runtime.executors.compiled.memory import Arena, bytes_of, find_homes, lifetimes
from engine.runtime.executors.compiled.module import EMITTER, CodePlan, write_code
from engine.runtime.executors.compiled.nodes import NumpyStep
from engine.runtime.executors.compiled.regions import make_regions, stored_slots
from engine.runtime.executors.failures import failed
from engine.runtime.plan import Plan

Values = dict[int, Any]


class CompiledProgram:
    """The code of a plan's tape, linked into this process. It holds no memory but its constants.

    `donated` sends output slots to the input slots whose memory they take over; `homes` are those that can be
    written there, by root. With `verify` LLVM checks the code. Raises NotCompiled if the code is not among
    `objects` and this process must not compile.
    """

    def __init__(
        self,
        plan: Plan,
        donated: Mapping[int, int] | None = None,
        objects: ObjectCache | None = None,
        *,
        compiles: bool = True,
        verify: bool = False,
    ) -> None:
        self.plan = plan
        tape = plan.tape
        self.nodes = lower_tape(tape)
        self.regions = make_regions(self.nodes)
        donated = donated or {}
        self.homes = find_homes(self.nodes, self.regions, donated, tape.outputs)
        stored = stored_slots(self.nodes, self.regions, {*tape.outputs})
        tools = toolchain()
        self.code = write_code(self.nodes, self.regions, stored, self.homes, wide=tools.has_wide_vectors)
        self.constants = {slot: np.ascontiguousarray(value) for slot, value in tape.constants.items()}
        self._functions = _functions(self.code, objects, compiles=compiles, verify=verify)

    def arena(self, in_place: Mapping[int, int] | set[int], inputs: Sequence[int] = ()) -> Arena:
        """Where values lie whose roots are not `in_place`; `inputs` are inputs with a place of their own."""
        arena, nodes = Arena(), self.nodes
        for root in inputs:
            arena.keep(root, bytes_of(nodes, root))
        needs = {}
        written = {nodes.views[slot].root for r in self.regions for n in r.nodes for slot in n.outputs}
        used = set(self.code.entries) | {
            nodes.views[slot].root
            for call in self.code.calls
            if isinstance(call, NumpyStep)
            for slot in (*call.inputs, *call.outputs)
        }
        used |= {nodes.views[slot].root for slot in self.plan.tape.outputs}
        for root, (first, last) in lifetimes(nodes, self.regions, self.plan.tape.outputs).items():
            if root in used & written and root not in in_place and root not in self.homes:
                needs[root] = (first, last, bytes_of(nodes, root))
        for root, place in self.code.buffers.items():
            needs[root] = (place, place, bytes_of(nodes, root))
        arena.share(needs)
        return arena

    def view(self, slot: int, memory: Array) -> Array:
        """A slot's elements in its root's memory, a contiguous array of the root's dtype."""
        view = self.nodes.views[slot]
        size = memory.itemsize
        if view.size == 0:
            return np.empty(view.shape, view.dtype)
        strides = tuple(stride * size for stride in view.strides)
        flat = memory.reshape(-1)
        return np.ndarray(view.shape, flat.dtype, flat, view.offset * size, strides)

    def run(self, pointer: int, values: Values) -> None:
        """Every call once; `values` are the arrays that NumPy's steps read and write.

        Raises IndexOutOfRange or what a kernel refuses, at the user's node.
        """
        for function, step in self._functions:
            if step is None:
                function(pointer)
                continue
            try:
                function(values)
            except Exception as error:
                failed(self.plan, error, step.index, arrays.numpy_namespace().place)

    def bind_steps(self) -> None:
        """Make NumPy's steps ready to run."""
        self._functions = [
            (function if step is None else _numpy_step(self.plan, step), step)
            for function, step in self._functions
        ]

    @property
    def numpy_slots(self) -> set[int]:
        """What NumPy's steps read and write."""
        steps = [call for call in self.code.calls if isinstance(call, NumpyStep)]
        return {slot for step in steps for slot in (*step.inputs, *step.outputs)}

    @property
    def single(self) -> Callable[[int], None] | None:
        """The one function that is the whole program, None if NumPy has a part in it."""
        if len(self._functions) == 1 and self._functions[0][1] is None:
            return self._functions[0][0]
        return None


def _functions(
    code: CodePlan, objects: ObjectCache | None, *, compiles: bool, verify: bool
) -> list[tuple[Callable[[Any], None], NumpyStep | None]]:
    """The calls of a program with their functions linked: from the cache, or compiled and put there."""
    native: list[Callable[[Any], None]] = []
    if code.names:
        tools = toolchain()
        key = "\n".join((str(EMITTER), tools.identity, code.text))
        content = None if objects is None or verify else objects.get(key)
        if content is None and not compiles:
            raise NotCompiled
        if content is None:
            content = tools.compile(code.text, verify=verify)
            if objects is not None:
                objects.put(key, content)
        linked = tools.link(content, code.names)
        native = [_held(linked, function) for function in linked.functions]
    rest = iter(native)
    return [(next(rest), None) if isinstance(call, str) else (_unbound, call) for call in code.calls]


def _held(code: Code, function: Any) -> Any:
    """The function; its code stays in memory as long as it does."""
    function.library = code.library
    return function


def _unbound(_: Any) -> None:
    raise AssertionError("a step is bound before it runs")


def _numpy_step(plan: Plan, step: NumpyStep) -> Callable[[Values], None]:
    """An instruction by its own kernel, its outputs written where the program has them."""
    xp = arrays.numpy_namespace()
    instruction = plan.steps[step.index].instruction
    kernel, tape = instruction.op.kernel, plan.tape
    inputs, outputs = step.inputs, step.outputs
    name = kernel.ufunc_for(tape.types[outputs[0]].dtype) if len(outputs) == 1 else ""
    ufunc: Any = getattr(xp, name, None)
    if xp.is_ufunc(ufunc):
        out = outputs[0]

        def call(values: Values) -> None:
            ufunc(*[values[slot] for slot in inputs], out=values[out])

        return call
    attributes = runnable(instruction, [slot in plan.read for slot in outputs], xp)
    function: Callable[..., Any] = kernel.bound(xp, attributes, tape.types[outputs[0]])
    single = instruction.op.outputs is not None and len(instruction.op.outputs) == 1

    def run(values: Values) -> None:
        operands = [values[slot] for slot in inputs]
        if kernel.in_place:
            operands[0] = xp.writable(operands[0], False)
        answer = function(*operands)
        for slot, value in zip(outputs, (answer,) if single else answer, strict=True):
            if value is not None:
                values[slot][...] = value

    return run
