"""The functions that are being traced now: who their arguments are, and what may be read of them.

A value that depends on an argument and is read becomes a plain number, which is a constant: the derivative
would silently lack what is computed from it. So reading it is an error while the function is traced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from gradwire._tracing.dependence import Dependence
from gradwire._tracing.node import Edge, Leaf, Node, Owner
from gradwire._tracing.structure import leaves
from gradwire.errors import ReadError


class Scope:
    """A function that is being traced, within an `outer` one.

    `by` is what traces it, `label` its name. With `values`, its arguments have values and it is traced at
    every call, so a branch may look at them; without, it is traced once for all values. `free` is whether
    the user allowed reads.
    """

    def __init__(
        self,
        by: str,
        label: str,
        arguments: Sequence[tuple[str, Edge]],
        *,
        values: bool,
        free: bool,
        outer: Scope | None,
    ) -> None:
        self.by = by
        self.label = label
        self.values = values
        self.free = free
        self.outer = outer
        self._names: dict[Node | Owner, str] = {_identity(edge): name for name, edge in arguments}
        self._dependence = Dependence(lambda edge: _identity(edge) in self._names, stopped=values)

    def holds(self, node: Node) -> bool:
        """Whether a node is one of its arguments."""
        return node in self._names

    def argument(self, edge: Edge) -> str | None:
        """The name of an argument that `edge` depends on; None if there is none."""
        source = self._dependence.source(edge)
        return None if source is None else self._names[_identity(source)]


_current: ContextVar[Scope | None] = ContextVar("gradwire_scope", default=None)


@contextmanager
def scope(
    by: str, label: str, arguments: Sequence[tuple[str, Edge]], *, values: bool, free: bool = False
) -> Iterator[None]:
    """Inside, the function `label` is traced by `by`, with these named arguments.

    NumPy's assignment into an array hides a ReadError behind a ValueError of its own; the former is raised.
    """
    token = _current.set(Scope(by, label, arguments, values=values, free=free, outer=_current.get()))
    try:
        yield
    except ValueError as error:
        if isinstance(error.__cause__, ReadError):
            raise error.__cause__ from None
        raise
    finally:
        _current.reset(token)


def named(names: Sequence[str], arguments: Sequence[Any]) -> list[tuple[str, Edge]]:
    """The edges of arguments, which may be structures, each with the argument's name."""
    pairs = zip(names, arguments, strict=True)
    return [(name, leaf._edge()) for name, tree in pairs for leaf in leaves(tree) if leaf is not None]


def refusing(edge: Edge, *, branch: bool) -> tuple[Scope, str] | None:
    """The traced function that forbids reading `edge`, and the argument concerned; None if none does.

    A `branch` only chooses what is traced, which is exact if the function is traced at every call.
    """
    scope = _current.get()
    while scope is not None:
        if not (scope.free or (branch and scope.values)):
            name = scope.argument(edge)
            if name is not None:
                return scope, name
        scope = scope.outer
    return None


def is_traced(node: Node) -> bool:
    """Whether a node is an argument of a function that is being traced now."""
    scope = _current.get()
    while scope is not None:
        if scope.holds(node):
            return True
        scope = scope.outer
    return False


def _identity(edge: Edge) -> Node | Owner:
    node = edge.node
    return node.owner if isinstance(node, Leaf) and node.owner is not None else node
