"""A trace put in order, and the key that says which graph it is.

Walking a trace gives positions instead of names, so that the same loop body with other values has the
same key; only a new key is worth writing down as a document (`_document`). The key is a tuple that is
compared in full: no two graphs can be taken for each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from gradwire._tracing.node import (
    Edge,
    Item,
    Lowered,
    Node,
    Op,
    Parameter,
    Recorder,
    Ref,
    dtype_name,
    known,
    leaf_of,
)


def lower(roots: Sequence[Edge], *, tape: Recorder | None = None) -> Lowered:
    """Sort everything that `roots` depend on.

    With a `tape`, its own ops are kept whole, and whatever else they read is cut off: as a value where
    it is known, else behind a `stop_gradient`. Without one, known values are not computed again.
    """
    return _Walk(tape, inside=False).finish(roots)


def lower_function(
    parameters: Sequence[Node],
    roots: Sequence[Edge],
    *,
    inside: Recorder | None,
    label: str,
    stand_ins: Mapping[tuple[Node, int], Node] | None = None,
) -> Lowered:
    """Sort the body of a function, whose first inputs are its `parameters`, used or not.

    With `inside`, every op that was not recorded by it was captured from outside: an input too. Some of
    the parameters may be `stand_ins` for outputs of other nodes, which are then not computed.
    """
    walk = _Walk(inside, inside=inside is not None)
    for parameter in parameters:
        walk.add(Item(parameter))
    for (node, index), parameter in (stand_ins or {}).items():
        walk.cut[node, index] = (walk.at[parameter], 0)
    return walk.finish(roots, label)


class _Walk:
    def __init__(self, tape: Recorder | None, *, inside: bool) -> None:
        self.tape = tape
        self.inside = inside
        self.items: list[Item] = []
        self.key: list[Hashable] = []
        self.at: dict[Node, int] = {}
        self.cut: dict[tuple[Node, int], Ref] = {}

    def finish(self, roots: Sequence[Edge], label: str = "") -> Lowered:
        refs = tuple([self._root(root) for root in roots])
        return Lowered((tuple(self.key), refs), self.items, refs, label)

    def add(self, item: Item) -> int:
        """Append an entry, and its part of the key."""
        position = len(self.items)
        self.items.append(item)
        node = item.node
        if item.op is None:
            name = None if isinstance(node, Op) else node.name
            self.key.append((None, name, None if item.value is None else dtype_name(item.value.dtype)))
        else:
            assert isinstance(node, Op)
            inputs = tuple([r if type(r) is tuple else (type(r).__name__, repr(r)) for r in item.inputs])
            functions = tuple([(name, f.key) for name, f in node.functions.items()])
            self.key.append((item.op, inputs, repr(node.attributes), functions))
        self.at[node] = position
        return position

    def _root(self, root: Edge) -> Ref:
        self._visit(root)
        return self._outside(root) if self._crosses(root.node) else self._ref(root)

    def _visit(self, root: Edge) -> None:
        """Add everything below `root`, then itself; iterative, whatever the depth."""
        stack = [root]
        while stack:
            edge = stack[-1]
            node = edge.node
            if self._done(edge):
                stack.pop()
            elif not isinstance(node, Op):
                self.add(Item(node, value=known(edge)))
                stack.pop()
            elif self._reads_value(edge):
                self.cut[node, edge.index] = (self._stand_in(edge), 0)
                stack.pop()
            else:
                below = [e for e in node.inputs if isinstance(e, Edge) and not self._done(e)]
                if below:
                    stack.extend(reversed(below))
                else:
                    inputs = tuple([self._read(e, node) if isinstance(e, Edge) else e for e in node.inputs])
                    self.add(Item(node, node.op, inputs))
                    stack.pop()

    def _stand_in(self, edge: Edge) -> int:
        """The position of an input in place of an op's output: the same for all who read its value."""
        leaf = leaf_of(edge)
        if leaf is None:
            return self.add(Item(Parameter("captured", edge.node.place), source=edge))
        return self.at[leaf] if leaf in self.at else self.add(Item(leaf, value=leaf.value, source=edge))

    def _done(self, edge: Edge) -> bool:
        return edge.node in self.at or (edge.node, edge.index) in self.cut

    def _reads_value(self, edge: Edge) -> bool:
        """Whether an op's output is read as it is instead of being computed."""
        if self.inside:
            return self._off_tape(edge.node)
        return (self.tape is None or self._off_tape(edge.node)) and known(edge) is not None

    def _off_tape(self, node: Node) -> bool:
        if self.tape is None or not isinstance(node, Op) or node.recorder is self.tape:
            return False
        return not self.tape.holds(node.recorder)

    def _crosses(self, node: Node) -> bool:
        return not self.inside and self._off_tape(node)

    def _read(self, edge: Edge, reader: Op) -> Ref:
        crossing = self._crosses(edge.node) and not self._off_tape(reader)
        return self._outside(edge) if crossing else self._ref(edge)

    def _ref(self, edge: Edge) -> Ref:
        ref = self.cut.get((edge.node, edge.index))
        return (self.at[edge.node], edge.index) if ref is None else ref

    def _outside(self, edge: Edge) -> Ref:
        """What was computed outside of the tape is a constant to it."""
        ref = self.cut.get((edge.node, edge.index))
        if ref is None:
            stop = Op("stop_gradient", (edge,), {}, edge.node.place, None)
            ref = (self.add(Item(stop, stop.op, (self._ref(edge),), border=True)), 0)
            self.cut[edge.node, edge.index] = ref
        return ref
