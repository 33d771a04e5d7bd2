"""The user's own words for what lies in a slot, for cures that can be pasted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.diagnosis.structure import Graphing
from engine.errors import Source
from engine.passes.stabilize import Match, offers
from engine.tape import Instruction

_LONGEST = 60


@dataclass(frozen=True)
class Expressions:
    """What makes and reads each slot of a recording, and how the user writes it."""

    graph: Graphing
    names: Mapping[int, str]

    @cached_property
    def offers(self) -> Sequence[Match]:
        """The rewrites to stable forms that apply."""
        return tuple(offers(self.graph.tape, self.graph.steps))

    def text(self, slot: int) -> str:
        """A name the user gave, or the expression behind a node that has none; a constant as its number."""
        constant = self.graph.tape.constants.get(slot)
        if constant is not None and constant.ndim == 0:
            return f"{constant.item():g}"
        name, step = self.names.get(slot), self.maker(slot)
        if step is not None and isinstance(step.origin.source, Source):
            unnamed = name is None or re.fullmatch(rf"{step.origin.op}_\d+|result", name)
            written = step.origin.source.text
            whole = step.origin.op == step.op.name or name == step.origin.node
            if unnamed and whole and "\n" not in written and len(written) <= _LONGEST:
                return written
        return name or "x"

    def maker(self, slot: int) -> Instruction | None:
        """The step that makes a slot; casts and copies are looked through."""
        step = self.graph.makers.get(slot)
        while step is not None and step.op.name in ("identity", "astype"):
            before = self.graph.makers.get(step.inputs[0])
            if before is None:
                return step
            step = before
        return step

    def selector(self, step: Instruction) -> tuple[Instruction, int] | None:
        """The first `where` behind a step, and at which of its values the step comes in."""
        behind = set(step.outputs)
        for later in self.graph.downstream(step.outputs[0]):
            if later.op.name == "where":
                for position in (1, 2):
                    if later.inputs[position] in behind and later.inputs[0] not in behind:
                        return later, position
            if later.op.family.name != "elementwise":
                return None
            behind.update(later.outputs)
        return None
