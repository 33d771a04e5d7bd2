"""What the kinds of question share: the draft of an answer, and names resolved to slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from engine import dtypes
from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, MissingInput, ShapeMismatch, UnknownName
from engine.frontend.graph import split_reference
from engine.frontend.record import Recording
from engine.ir.tape import Tape, Variable
from engine.passes import lower
from engine.transforms.vmap import batch

Values = Sequence[npt.NDArray[Any]]
Inputs = Mapping[str, npt.NDArray[Any]]
Assemble = Callable[[Values, Inputs], dict[str, Any]]


DIRECTION = "direction:"  # how cotangents, tangents and vectors are named on a tape; names have no colon


@dataclass(slots=True)
class Draft:
    """A tape whose outputs answer a query, and how they are put together.

    `directions` are the types in which cotangents, tangents or vectors enter, by the user's name; `exports`
    are the places of outputs by the names they have in a graph that is answered; `look_bytes` is what the
    assembling holds at once beyond the answer, where it looks into the values; `warnings` is what the
    recording shows without any values.
    """

    tape: Tape
    assemble: Assemble
    directions: dict[str, TensorType] = field(default_factory=dict)
    look_bytes: int = 0
    exports: dict[str, int] = field(default_factory=dict)
    warnings: tuple[dict[str, Any], ...] = ()


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
    """The slot of a name or of `n:k`; raises MissingInput if it was skipped for want of a value."""
    node, _ = split_reference(name)
    if node not in recording.slots:
        raise MissingInput(
            f"'{name}' depends on inputs that have no value", path=path, hint="give them under `inputs`"
        )
    try:
        return recording.slot(name)
    except UnknownName as error:
        error.path = error.path or path
        raise


def wrt_slots(query: Query, recording: Recording) -> dict[str, int]:
    """The slots of the variables: those named, else every floating or complex input that has a value."""
    if query.wrt is not None:
        return {name: slot_of(recording, name, "$.wrt") for name in query.wrt}
    types = recording.tape.types
    inputs = {name: recording.slots[name][0] for name in query.graph.inputs if name in recording.slots}
    return {name: slot for name, slot in inputs.items() if dtypes.is_inexact(types[slot].dtype)}


def carries_gradient(tape: Tape, slot: int) -> bool:
    """Whether the slot's dtype is real or complex floating."""
    return dtypes.is_inexact(tape.types[slot].dtype)


def play_rows(tape: Tape, product: Tape, over: Mapping[str, Variable]) -> list[Variable]:
    """The outputs of `product`, a tape of the same inputs, for all rows of the inputs `over` at once."""
    n = next(iter(over.values())).shape[0]
    rows = batch(lower(product), over, n)
    arguments = {name: tape.variable(slot) for name, slot in tape.inputs.items()}
    return tape.inline(rows, [over[name] if name in over else arguments[name] for name in rows.inputs])


def without_rows(type: TensorType, name: str, path: str) -> tuple[TensorType, int]:
    """The type of one row, and how many rows there are; raises ShapeMismatch for a scalar."""
    if not type.shape:
        raise ShapeMismatch(
            f"'{name}' is batched and has no axes", path=path, hint="the rows lie along the first axis"
        )
    return TensorType(type.shape[1:], type.dtype), type.shape[0]


def common_rows(counts: Mapping[str, int], path: str) -> int:
    """The one number of rows; raises ShapeMismatch if it differs."""
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"'{name}' has {count}" for name, count in counts.items())
        raise ShapeMismatch(
            f"batched tensors share their first axis: {listed}",
            path=path,
            hint="give each the same number of rows",
        )
    return next(iter(counts.values()))


def in_user_convention(adjoint: Variable) -> Variable:
    """An adjoint as users see it: of a complex tensor its conjugate, without the -0 of a real number's."""
    return adjoint.conj() + 0 if dtypes.is_complex(adjoint.dtype) else adjoint


def unique(*names: str) -> tuple[str, ...]:
    """The names once each, in order."""
    return tuple(dict.fromkeys(names))


def directions(
    recording: Recording, direction_types: Mapping[str, TensorType], word: str
) -> tuple[dict[int, Variable], dict[str, TensorType]]:
    """Inputs of the tape for cotangents, tangents or vectors (`word`, singular): by slot, and their types.

    Each enters in the type of the tensor it belongs to. A complex cotangent is conjugated on the way: users
    give dL/dRe y + i dL/dIm y, the walk takes what pairs with dy without a conjugate. Raises ShapeMismatch,
    DtypeMismatch.
    """
    tape = recording.tape
    by_slot: dict[int, Variable] = {}
    types: dict[str, TensorType] = {}
    for name, type in direction_types.items():
        path = f"$.{word}s.{name}"
        slot = slot_of(recording, name, path)
        own = tape.types[slot]
        if not dtypes.is_inexact(own.dtype):
            raise DtypeMismatch(
                f"'{name}' is {own.dtype}, which carries no derivative", path=path, hint="leave it out"
            )
        if type.shape != own.shape:
            raise ShapeMismatch(
                f"expected a {word} of shape {own.shape} for '{name}', got {type.shape}",
                path=path,
                hint='pairs [re, im] need their dtype: {"dtype": "complex128", "data": …}'
                if dtypes.is_complex(own.dtype) and type.shape == (*own.shape, 2)
                else f"a {word} has the shape of what it belongs to",
            )
        if dtypes.is_complex(type.dtype) and not dtypes.is_complex(own.dtype):
            raise DtypeMismatch(
                f"expected a real {word} for '{name}', which is {own.dtype}, got {type.dtype}",
                path=path,
                hint="give its real part",
            )
        types[name] = TensorType(own.shape, own.dtype)
        entered = tape.input(f"{DIRECTION}{name}", types[name])
        by_slot[slot] = entered.conj() if word == "cotangent" else entered
    return by_slot, types
