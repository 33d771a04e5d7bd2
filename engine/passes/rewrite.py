"""What the passes share: a copy of a tape in which slots stand for other slots."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.ir.budget import charge_walk
from engine.ir.tape import Instruction, Tape


@dataclass(slots=True)
class Rewrite:
    """A tape in the making. `stands_for` sends a slot to the one that now holds its value."""

    source: Tape
    target: Tape = field(init=False)
    stands_for: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        source = self.source
        charge_walk(source.instructions)
        self.target = Tape(
            types=list(source.types), inputs=dict(source.inputs), constants=dict(source.constants)
        )

    def resolved(self, slots: tuple[int, ...]) -> tuple[int, ...]:
        """The slots that hold the values of `slots` now."""
        if not self.stands_for:
            return slots
        return tuple(self.stands_for.get(slot, slot) for slot in slots)

    def keep(self, step: Instruction, inputs: tuple[int, ...]) -> None:
        """Carry an instruction over, reading from `inputs`."""
        copy = step if inputs == step.inputs else replace(step, inputs=inputs)
        self.target.instructions.append(copy)

    def finish(self) -> Tape:
        """The new tape, its outputs resolved."""
        self.target.outputs = list(self.resolved(tuple(self.source.outputs)))
        return self.target
