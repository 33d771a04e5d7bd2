"""Whether a traced value depends on given ones: a walk back over the graph that remembers where it was."""

from __future__ import annotations

from collections.abc import Callable

from gradwire._tracing.node import Edge, Node, Op


class Dependence:
    """Answers, for any edge, the first source that it depends on.

    The walk is iterative and visits each node once in the life of this object. With `stopped`, nothing
    is found beyond a `stop_gradient`, where the user has said that a constant is meant.
    """

    def __init__(self, is_source: Callable[[Edge], bool], *, stopped: bool) -> None:
        self._is_source = is_source
        self._stopped = stopped
        self._found: dict[Node, Edge | None] = {}

    def forget(self) -> None:
        """Walk anew from now on, as after a change of the sources."""
        self._found.clear()

    def source(self, edge: Edge) -> Edge | None:
        """A source that `edge` depends on; None if it depends on none of them."""
        stack = [edge]
        while stack:
            top = stack[-1]
            node = top.node
            if not isinstance(node, Op) or node in self._found or self._is_source(top):
                stack.pop()
                continue
            if self._stopped and node.op == "stop_gradient":
                self._found[node] = None
                continue
            inputs = [edge_in for edge_in in node.inputs if isinstance(edge_in, Edge)]
            edge_behind = next((source for edge_in in inputs if (source := self._known(edge_in))), None)
            unknown = [] if edge_behind else [edge_in for edge_in in inputs if not self._visited(edge_in)]
            if unknown:
                stack.extend(unknown)
            else:
                self._found[node] = edge_behind
        return self._known(edge)

    def _known(self, edge: Edge) -> Edge | None:
        return edge if self._is_source(edge) else self._found.get(edge.node)

    def _visited(self, edge: Edge) -> bool:
        return not isinstance(edge.node, Op) or edge.node in self._found or self._is_source(edge)
