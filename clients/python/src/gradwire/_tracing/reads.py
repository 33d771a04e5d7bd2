"""Values that leave a trace, and those that come back to a tape as constants.

In a traced function a value that depends on an argument must not be read. On a tape it may: printing a
loss is harmless. What matters there is whether the number is used on the same tape afterwards. It is
recognised if it is the same object as was read (or a view of that array, or in a list), or by the names
that it goes through (see `_dataflow`).
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from gradwire._locations import Place, here, place_at, user_frame, user_frames
from gradwire._notices import warn
from gradwire._tracing import scopes
from gradwire._tracing.dataflow import Flow, flows, operands, own_name
from gradwire._tracing.dependence import Dependence
from gradwire._tracing.node import Edge, Leaf, Node, Op, ReadLog, Recorder, Traced, recorder
from gradwire._tracing.read_cures import GENERAL, cure_at
from gradwire._tracing.read_refusals import refusal
from gradwire._tracing.syntax import Function
from gradwire.errors import ReadWarning

_MOST_ITEMS = 1000
CALL_IT = "Write model(x) for model.predict(x)."
_PREDICTED = "model.predict"  # what stands for a prediction of a model's, made of its weights


@dataclass(eq=False)
class Read:
    """A value that was read; `flows` are the ways it may go in the user's functions."""

    edge: Edge
    place: Place
    name: str
    flows: tuple[Flow, ...] = ()


@dataclass(eq=False)
class Return:
    """A value that was read and came back, into `node`, at `place`."""

    read: Read
    place: Place
    node: Node


@dataclass(eq=False)
class Reads:
    """What was read of a tape's values, and what of it came back.

    `watched` is the tape's own set; with `automatic`, trainable variables belong to it too.
    """

    watched: set[object]
    automatic: bool
    found: dict[Place, Read] = field(default_factory=dict)
    returned: list[Return] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._dependence = Dependence(self._is_source, stopped=True)
        self._values: dict[int, tuple[Any, Read]] = {}  # by id: the object, or a weak reference to an array
        self._flows: dict[Function, list[Read]] = {}
        self._leaves: dict[Leaf, Return] = {}

    def forget(self) -> None:
        """Let go of everything that was read, and of the graph behind it."""
        self.found.clear()
        self.returned.clear()
        self._values.clear()
        self._flows.clear()
        self._leaves.clear()
        self._dependence.forget()

    def rewatch(self) -> None:
        """The tape watches something new."""
        self._dependence.forget()

    def note(self, edge: Edge, value: Any) -> None:
        """`value` was read off `edge`; nothing is noted unless that depends on something watched."""
        source = self._dependence.source(edge)
        frames = user_frames()
        if source is None or not frames:
            return
        place = place_at(frames[0])
        read = Read(edge, place, _name_of(source), tuple(flows(frames)))
        self.found[place] = read
        for flow in read.flows:
            self._flows.setdefault(flow.function, []).append(read)
        if isinstance(value, np.ndarray):
            key = id(value)
            self._values[key] = (weakref.ref(value, lambda _: self._values.pop(key, None)), read)
        elif isinstance(value, float | complex):  # small integers are the same objects everywhere
            self._values[id(value)] = (value, read)

    def _is_source(self, edge: Edge) -> bool:
        node = edge.node
        if isinstance(node, Leaf) and node.owner is not None:
            return node.owner in self.watched or (self.automatic and node.owner.trainable)
        return (node, edge.index) in self.watched

    def read_behind(self, value: Any, position: int, count: int) -> Read | None:
        """The read that a plain value, input `position` of `count` of what is being recorded, comes from."""
        if not self.found:
            return None
        return self._same(value) or self._named(position, count)

    def _same(self, value: Any) -> Read | None:
        if isinstance(value, list | tuple):
            return next((r for item in value[:_MOST_ITEMS] if (r := self._same(item))), None)
        while value is not None:
            entry = self._values.get(id(value))
            if entry is not None:
                array = entry[0]() if isinstance(entry[0], weakref.ref) else entry[0]
                return entry[1] if array is value else None
            value = getattr(value, "base", None) if isinstance(value, np.ndarray) else None
        return None

    def _named(self, position: int, count: int) -> Read | None:
        frame = user_frame() if self._flows else None
        surroundings = operands(frame, position, count) if frame else None
        if surroundings is None or frame is None:
            return None
        functions, parts = surroundings
        for depth, function in enumerate(functions):
            for read in self._flows.get(function, ()):
                for flow in read.flows:
                    if flow.function is function and _meets(flow, parts, frame, depth):
                        return read
        return None

    def keep(self, leaf: Leaf, value: Any) -> None:
        """A leaf was made of a plain value, an argument of the call that the user's line makes."""
        read = self.read_behind(value, 0, 0)
        frame = user_frame()
        if read is not None and frame is not None:
            self._leaves[leaf] = Return(read, place_at(frame), leaf)

    def keep_read(self, leaf: Leaf, edge: Edge) -> None:
        """A leaf was made of what `edge` holds."""
        source = self._dependence.source(edge)
        frame = user_frame()
        if source is not None and frame is not None:
            place = place_at(frame)
            self._leaves[leaf] = Return(Read(edge, place, _name_of(source)), place, leaf)

    @property
    def seen(self) -> bool:
        """Whether anything has left the tape."""
        return bool(self.found or self._leaves)

    def use(self, node: Op, inputs: Sequence[Any]) -> None:
        """An op was recorded: tell about inputs that came back."""
        for position, value in enumerate(inputs):
            if isinstance(value, Traced):
                continue
            read = self.read_behind(value, position, len(inputs))
            frame = user_frame() if read is not None else None
            if read is not None and frame is not None:
                self.tell(Return(read, place_at(frame), node))
        for operand in node.inputs:
            leaf = operand.node if isinstance(operand, Edge) else None
            back = self._leaves.get(leaf) if isinstance(leaf, Leaf) else None
            if back is not None and back not in self.returned:
                self.tell(back)

    def tell(self, back: Return) -> None:
        """Note, and warn of, a value that came back."""
        self.returned.append(back)
        warn(ReadWarning, came_back(back), (str(back.read.place), str(back.place)))


class ReadingRecorder(Recorder):
    """A recorder that follows what is read meanwhile, unless `reads` is set to None."""

    reads: Reads | None

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self.reads = reads


def came_back(back: Return) -> str:
    """What is wrong with a value that came back, with both lines, and the cure."""
    read = back.read
    if was_predicted(back):
        return (
            f"model.predict at {read.place} returns plain numbers, which are used again at {back.place} as a "
            f"constant: no gradient flows through them to '{read.name}' or another weight. {CALL_IT}"
        )
    cure = cure_of(back)
    return (
        f"a value that depends on '{read.name}' was read at {read.place}, and is used again at {back.place} "
        f"as a constant: no gradient flows through it. {cure[:1].upper()}{cure[1:]}; if a constant is meant, "
        "read gradwire.stop_gradient(tensor)"
    )


def cure_of(back: Return) -> str:
    """What to write instead of the line that reads, or of the one that uses what was read."""
    if was_predicted(back):
        return CALL_IT
    cure = cure_at(back.read.place)
    return cure_at(back.place) if cure == GENERAL else cure


def was_predicted(back: Return) -> bool:
    """Whether what came back is a model's prediction."""
    node = back.read.edge.node
    return isinstance(node, Op) and node.op == _PREDICTED


def may_read(edge: Edge, how: str, *, branch: bool = False) -> None:
    """Raise ReadError if a traced function forbids reading `edge`; `how` names what reads it."""
    refused = scopes.refusing(edge, branch=branch)
    if refused is not None:
        raise refusal(*refused, how, branch=branch)


def note(edge: Edge, value: Any) -> None:
    """Tell the tapes that record now that `value` was read off `edge`."""
    for reads in _recording():
        reads.note(edge, value)


def note_predicted(weights: Sequence[Edge], value: Any) -> None:
    """Tell the tapes that record now that a model with these weights has predicted `value`, an array."""
    if recorder.get() is not None and weights:
        note(Edge(Op(_PREDICTED, tuple(weights), {}, here(), recorder.get())), value)


def note_leaf(leaf: Leaf, value: Any) -> None:
    """Tell the tapes that record now that a leaf was made of a plain value."""
    for reads in _recording():
        reads.keep(leaf, value)


def note_assigned(leaf: Leaf, edge: Edge) -> None:
    """Tell the tapes that record now that a leaf was made of what an edge holds."""
    for reads in _recording():
        reads.keep_read(leaf, edge)


def note_op(node: Op, inputs: Sequence[Any], tape: Recorder | None) -> None:
    """Tell a tape, and those that it is within, what an op was made of."""
    while tape is not None:
        if tape.reads is not None and tape.reads.seen and tape.open:
            tape.reads.use(node, inputs)
        tape = tape.within


def _recording() -> Iterator[ReadLog]:
    tape: Recorder | None = recorder.get()
    while tape is not None:
        if tape.reads is not None and tape.open:
            yield tape.reads
        tape = tape.within


def _meets(flow: Flow, parts: Sequence[ast.AST], frame: FrameType, depth: int) -> bool:
    """Whether a flow reaches a text; of an outer function's names only those that the inner does not bind."""
    return any(flow.reaches(part, frame) for part in parts if not (depth and own_name(part, frame)))


def _name_of(source: Edge) -> str:
    node = source.node
    return node.op if isinstance(node, Op) else node.name or "a watched tensor"
