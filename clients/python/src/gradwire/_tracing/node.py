"""What a traced tensor stands for: a value, a parameter still without one, or an op on other nodes.

Nodes only point at their inputs, so a trace lives as long as a tensor of the user's does. They are
compared by identity and never change, but for `Op.values`, which keeps what a server answered.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gradwire._forks import on_worker_start
from gradwire._locations import Place
from gradwire._tracing.numbers import from_elsewhere, not_numbers, refuse_special

Array = npt.NDArray[Any]
Scalar = bool | int | float
Ref = tuple[int, int]


class ReadLog(Protocol):
    """The values that were read of a tape, and what became of them (see `reads`)."""

    @property
    def seen(self) -> bool: ...

    def note(self, edge: Edge, value: Any) -> None: ...

    def keep(self, leaf: Leaf, value: Any) -> None: ...

    def keep_read(self, leaf: Leaf, edge: Edge) -> None: ...

    def use(self, node: Op, inputs: Sequence[Any]) -> None: ...


class OpLog(Protocol):
    """What a recorder is told of every op that it records (see `trail`)."""

    def note(self, node: Op) -> None: ...


class Recorder:
    """Whoever is recording: nodes made meanwhile carry it, and so are known to be on the tape.

    It is `open` for as long as somebody may still ask for gradients through its nodes. A tape entered inside
    another records for both: that one is what it is `within`. `reads`, which tapes have, follows the values
    that were read meanwhile and are constants from there on; `trail` says in short what was recorded.
    """

    def __init__(self) -> None:
        self.open = True
        self.within: Recorder | None = None
        self.reads: ReadLog | None = None
        self.trail: OpLog | None = None

    def holds(self, other: Recorder | None) -> bool:
        """Whether what `other` recorded is on this one too."""
        while other is not None and other is not self:
            other = other.within
        return other is self

    @property
    def needed(self) -> bool:
        """Whether this or one that it is within is open."""
        tape: Recorder | None = self
        while tape is not None and not tape.open:
            tape = tape.within
        return tape is not None


recorder: ContextVar[Recorder | None] = ContextVar("gradwire_recorder", default=None)
on_worker_start(lambda: recorder.set(None))


@dataclass(slots=True, weakref_slot=True, eq=False)
class Owner:
    """A variable, as far as its values need to know it; compared by identity.

    `born` is when it was made, `steps` how often it was assigned, `first_steps` by how many optimisers in a
    row that had never stepped before (see `restarts`). `assigned` is the line of the last assignment.
    """

    trainable: bool = True
    born: int = 0
    steps: int = 0
    first_steps: int = 0
    assigned: Place | None = None


@dataclass(slots=True, eq=False, weakref_slot=True)
class Leaf:
    """A value; `owner` is the same object for every value that one Variable ever had.

    `gradient_of` is the owner of the variable that it is a gradient by. `path` is how the user writes an
    entry of an argument that is a dict, a list or a tuple, such as p["w"].
    """

    value: Array
    name: str | None = None
    place: Place | None = None
    owner: Owner | None = None
    gradient_of: Owner | None = None
    path: str = ""


@dataclass(slots=True, eq=False)
class Parameter:
    """An input without a value, while a function is traced for good; `function` is what that is called."""

    name: str
    place: Place | None = None
    function: str = ""


@dataclass(slots=True, eq=False)
class Op:
    """One op on edges and baked-in numbers; `functions` are the sub-graphs its attributes name.

    `number` is its place on the trail of its recorder, -1 if it has none.
    """

    op: str
    inputs: tuple[Edge | Scalar, ...]
    attributes: Mapping[str, Any]
    place: Place | None
    recorder: Recorder | None
    functions: Mapping[str, Lowered] = field(default_factory=dict)
    values: dict[int, Leaf] = field(default_factory=dict)  # by output
    number: int = -1


Node = Leaf | Parameter | Op


@dataclass(slots=True, eq=False)  # not frozen: that would triple the time to make one
class Edge:
    """Output `index` of a node."""

    node: Node
    index: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: an input (`op` is None), or an op on earlier entries given as (position, output).

    An input that stands for the output of an op has that edge as its `source`. At a `border` of the tape
    what was computed outside of it comes in as a constant.
    """

    node: Node
    op: str | None = None
    inputs: tuple[Ref | Scalar, ...] = ()
    value: Array | None = None
    source: Edge | None = None
    border: bool = False


@dataclass(frozen=True, slots=True)
class Lowered:
    """A trace in topological order; `roots` are the edges asked for, as (position, output)."""

    key: Hashable
    items: list[Item]
    roots: tuple[Ref, ...]
    label: str = ""

    def reached(self) -> set[int]:
        """The positions that the first root hangs on, itself included."""
        positions: set[int] = set()
        stack = [self.roots[0][0]]
        while stack:
            position = stack.pop()
            if position not in positions:
                positions.add(position)
                stack.extend([ref[0] for ref in self.items[position].inputs if isinstance(ref, tuple)])
        return positions


class Traced:
    """What can be recorded: a tensor or a variable, each with an edge of its own."""

    __slots__ = ()

    def _edge(self) -> Edge:
        raise NotImplementedError

    def _value(self) -> Array:
        raise NotImplementedError


def leaf_of(edge: Edge) -> Leaf | None:
    """The leaf with the value behind an edge, where that is in the client already; always the same one."""
    if isinstance(edge.node, Leaf):
        return edge.node
    return edge.node.values.get(edge.index) if isinstance(edge.node, Op) else None


def known(edge: Edge) -> Array | None:
    """The value behind an edge, where it is in the client already."""
    leaf = leaf_of(edge)
    return None if leaf is None else leaf.value


def remember(edge: Edge, value: Array) -> None:
    """Keep what a server answered for the output of an op."""
    assert isinstance(edge.node, Op), "only ops are computed"
    edge.node.values[edge.index] = Leaf(value, place=edge.node.place)


def as_array(value: Any, dtype: Any = None) -> Array:
    """A copy of `value` as an array of a dtype that the wire knows.

    Arrays and NumPy scalars keep their dtype. Python numbers and lists follow the server's rule:
    float64, integers included; booleans stay booleans, complex numbers complex.
    """
    if dtype is None and type(value) is np.ndarray and value.dtype.char in _PLAIN and value.dtype.isnative:
        return np.array(value)
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        refuse_special(value)
    if hasattr(type(value), "__array__") and not isinstance(value, np.ndarray | np.generic | Traced):
        value = from_elsewhere(value)
    try:
        array = np.array(value, dtype=None if dtype is None else np.dtype(dtype))
    except (ValueError, TypeError) as error:
        if isinstance(value, np.ndarray | np.generic | int | float | complex):
            raise  # it is the dtype that does not fit
        raise TypeError(not_numbers(value)) from error
    if array.dtype.kind not in "biufc" or array.dtype.name in _UNSENDABLE:
        raise TypeError(not_numbers(value))
    if dtype is None and array.dtype.kind in "iu" and not isinstance(value, np.ndarray | np.generic):
        array = array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


@functools.cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """What a dtype is called; NumPy spells the name out at every look."""
    return dtype.name


def are_integers(value: Any) -> bool:
    """Whether a value is a Python integer or a list of such, which become floats here."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, int) and not isinstance(value, bool)


_PLAIN = frozenset("?bhilqBHILQefdFD")  # what the wire knows, by NumPy's letters
_UNSENDABLE = ("longdouble", "clongdouble", "float128", "complex256")
