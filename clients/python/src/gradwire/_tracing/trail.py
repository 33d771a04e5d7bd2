"""Which ops a tape has recorded so far, as a place in a tree of everything that was recorded before.

A loop records the same ops at every turn, with other values. Each op leads from one state to the next, by
what it is and which earlier ops and values it reads; the state that is reached says, in one look-up, that the
whole trace is one that was lowered and written before. Steps are compared in full: no two traces can be taken
for each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from gradwire._tracing.node import Edge, Leaf, Op, Recorder, dtype_name

_MOST_STATES = 20_000  # of all trails; then the tree starts over
_LONGEST = 4096  # ops and values of one trail


class State:
    """What was recorded up to here; the same object for the same ops."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next: dict[Hashable, State] = {}


class _Tree:
    def __init__(self) -> None:
        self.root = State()
        self.states = 0

    def step(self, state: State, key: Hashable) -> State:
        following = state.next.get(key)
        if following is None:
            self.states += 1
            if self.states > _MOST_STATES:
                self.root, self.states = State(), 0
            following = state.next.setdefault(key, State())
        return following


_tree = _Tree()


class Trail:
    """The trail of one recorder: the `state` reached, None if what it records cannot be told by one.

    `leaves` are the values that were read, by their numbers; an op keeps its number itself.
    """

    __slots__ = ("_count", "_numbers", "_owners", "leaves", "state")

    def __init__(self) -> None:
        self.state: State | None = _tree.root
        self.leaves: dict[int, Leaf] = {}
        self._numbers: dict[Leaf, int] = {}
        self._owners: dict[object, int] = {}
        self._count = 0

    def note(self, node: Op) -> None:
        """The recorder made `node`."""
        state = self.state
        if state is None:
            return
        inputs: list[Hashable] = []
        for operand in node.inputs:
            if type(operand) is not Edge:
                inputs.append((type(operand), repr(operand)))
                continue
            number = self.number(operand, node.recorder)
            if number is None:
                self.state = None
                return
            inputs.append((number, operand.index))
        functions = tuple([(name, f.key) for name, f in node.functions.items()]) if node.functions else ()
        written = repr(node.attributes) if node.attributes else ""
        assert self.state is not None, "a number was found for every input"
        self.state = _tree.step(self.state, (node.op, tuple(inputs), written, functions))
        node.number = self._next()

    def number(self, edge: Edge, recorder: object) -> int | None:
        """The number of an op of this recorder, or of a value, which gets one; None for anything else."""
        node = edge.node
        if type(node) is Op:
            return node.number if node.recorder is recorder and node.number >= 0 else None
        if type(node) is not Leaf:
            return None
        number = self._numbers.get(node)
        if number is None and self.state is not None:
            owner = node.owner
            whose = None if owner is None else self._owners.setdefault(owner, len(self._owners))
            key = (node.name, dtype_name(node.value.dtype), whose)
            self.state = _tree.step(self.state, key)
            number = self._numbers[node] = self._next()
            self.leaves[number] = node
        return number

    def owner(self, owner: object) -> int | None:
        """The number of a variable, by what owns its values; None if no value of it was read."""
        return self._owners.get(owner)

    def numbers_of(self, nodes: Iterable[object]) -> list[int] | None:
        """The numbers of values that were read; None if one of them was not."""
        numbers = [self._numbers.get(node) for node in nodes]  # type: ignore[call-overload]
        return None if None in numbers else numbers

    def _next(self) -> int:
        self._count += 1
        if self._count > _LONGEST:
            self.state = None
        return self._count - 1


def trail_of(recorder: Recorder) -> Trail | None:
    """The trail of a recorder that has one."""
    return recorder.trail if isinstance(recorder.trail, Trail) else None
