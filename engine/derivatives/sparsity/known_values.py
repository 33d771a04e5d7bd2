"""Values that are known before a run: those that no floating input has a part in, such as indices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.arrays.types import Array
from engine.ir.tape import Instruction, Tape
from engine.runtime.executors.numpy import run_tape

Source = Callable[[], Array | None]


class KnownValues:
    """Values of slots of a tape, computed when they are needed and kept.

    `sources` give the values of its inputs by slot, where there are any.
    """

    def __init__(self, tape: Tape, sources: Mapping[int, Source]) -> None:
        self._tape = tape
        self._sources = sources
        self._makers: dict[int, Instruction] = {}
        for step in tape.instructions:
            self._makers.update(dict.fromkeys(step.outputs, step))
        self._values: dict[int, Array | None] = {}

    def __call__(self, slot: int) -> Array | None:
        """The value of a slot; None if it depends on an input that is not known.

        Raises what the kernels refuse, at the user's node.
        """
        if slot in self._tape.constants:
            return self._tape.constants[slot]
        if slot not in self._values:
            self._values[slot] = self._computed(slot)
        return self._values[slot]

    def _computed(self, slot: int) -> Array | None:
        names = {own: name for name, own in self._tape.inputs.items()}
        arrays: dict[str, Array] = {}
        steps: dict[int, Instruction] = {}
        waiting, visited = [slot], {slot}
        while waiting:
            one = waiting.pop()
            if one in self._tape.constants:
                continue
            if one in names:
                value = self._sources[one]() if one in self._sources else None
                if value is None:
                    return None
                arrays[names[one]] = value
                continue
            step = self._makers[one]
            steps[step.outputs[0]] = step
            fresh = [source for source in step.inputs if source not in visited]
            visited.update(fresh)
            waiting += fresh
        tape = self._tape
        inputs = {name: tape.inputs[name] for name in arrays}
        ordered = [steps[first] for first in sorted(steps)]
        part = Tape(tape.types, inputs, tape.constants, ordered, [slot])
        (answer,) = run_tape(part, arrays)
        return answer
