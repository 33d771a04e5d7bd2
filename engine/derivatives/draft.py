"""What the kinds of question share: the draft of an answer, and names resolved to slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import MissingInput
from engine.graph import split_reference
from engine.query import Query
from engine.record import Recording
from engine.tape import Tape

Values = Sequence[npt.NDArray[Any]]
Assemble = Callable[[Values], dict[str, Any]]


@dataclass(slots=True)
class Draft:
    """A tape whose outputs answer a query, and how they are put together."""

    tape: Tape
    assemble: Assemble = lambda values: {}
    cotangents: dict[str, TensorType] = field(default_factory=dict)


class Outputs:
    """Slots of a tape collected as its outputs; `add` answers the place in the list of values."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._places: dict[int, int] = {}

    def add(self, slot: int) -> int:
        """The place of `slot` in the list of values."""
        if slot not in self._places:
            self._places[slot] = len(self.tape.outputs)
            self.tape.outputs.append(slot)
        return self._places[slot]


def slot_of(recording: Recording, name: str, path: str) -> int:
    """The slot of a name or of `n:k`; raises MissingInput where it was skipped for want of a value."""
    node, output = split_reference(name)
    slots = recording.slots.get(node)
    if slots is None:
        raise MissingInput(
            f"'{name}' depends on inputs that have no value", path=path, hint="give them under `inputs`"
        )
    slot: int = slots[output]
    return slot


def wrt_slots(query: Query, recording: Recording) -> dict[str, int]:
    """The slots of the variables: those named, else every floating or complex input that has a value."""
    if query.wrt is not None:
        return {name: slot_of(recording, name, "$.wrt") for name in query.wrt}
    types = recording.tape.types
    given = {name: recording.slots[name][0] for name in query.graph.inputs if name in recording.slots}
    return {name: slot for name, slot in given.items() if dtypes.is_inexact(types[slot].dtype)}


def carries_gradient(tape: Tape, slot: int) -> bool:
    """Whether the slot's dtype is real or complex floating."""
    return dtypes.is_inexact(tape.types[slot].dtype)


def unique(*names: str) -> tuple[str, ...]:
    """The names once each, in order."""
    return tuple(dict.fromkeys(names))
