"""The question: a graph, what is asked of it, and the types of what is given. It holds no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from engine.dtypes import TensorType
from engine.errors import MissingInput, TargetRequired, UnknownName, UnknownWrt
from engine.frontend.function_checks import check_reference
from engine.frontend.graph import Graph
from engine.frontend.program.literals import CONSTANTS

#: A key of `engine.derivatives.KINDS`, which imports this file.
Kind = str
#: `off` runs what was recorded, `plan` rewrites it first, `compiled` makes native code of that, `auto`
#: chooses; True means `auto` and False `off`.
Optimize = Literal["off", "plan", "compiled", "auto"]


class QueryKey:
    """A hashable value that is hashed once; a query that is put again and again finds its program at once."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self._parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, QueryKey) and self._hash == other._hash and self._parts == other._parts


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked. Absent choices take the defaults of the wire format.

    `inputs`, `cotangents`, `tangents` (jvp) and `vectors` (hvp, gnvp) are the types of the given values;
    `sparse` asks for a Jacobian's or Hessian's entries with their places; `colours` then says how many
    products show them all, which the compiler finds out.
    `batch` are the inputs that share a leading axis of N rows; every cotangent, and every tangent or vector
    of such an input, has it too. With `cotangent_batch` every cotangent has a leading axis of K.
    With `stabilize` expressions that overflow or are undefined on the way run in their stable forms.
    With `masked_backward` a gradient passes nothing to elements that nothing selects, not even NaN.
    With `exact` numbers have the bits of the NumPy plan, whatever `optimize` is.
    With `return_graph` the answer of a gradient carries itself as a graph. `target_list` says that the
    targets came as a list, so that answers are keyed by target first. `device` is what
    `engine.runtime.devices` parsed.
    """

    graph: Graph
    kind: Kind
    inputs: Mapping[str, TensorType]
    outputs: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    target_list: bool = False
    wrt: tuple[str, ...] | None = None
    cotangents: Mapping[str, TensorType] | None = None
    tangents: Mapping[str, TensorType] | None = None
    vectors: Mapping[str, TensorType] | None = None
    unconnected: Literal["null", "zero", "error"] = "null"
    diagnose: Literal["auto", "full", "off"] = "auto"
    dtype: str | None = None
    optimize: Optimize | bool = "auto"
    exact: bool = False
    method: Literal["auto", "forward", "reverse"] = "auto"
    sparse: bool = False
    colours: int | None = None
    batch: tuple[str, ...] = ()
    cotangent_batch: bool = False
    return_graph: bool = False
    stabilize: bool = False
    masked_backward: bool = False
    device: str = "cpu"

    @property
    def rewrites(self) -> bool:
        """Whether the optimising passes run."""
        return self.optimize not in (False, "off")

    @property
    def compiles(self) -> bool:
        """Whether native code is asked for."""
        return self.optimize == "compiled" and not self.exact

    @cached_property
    def key(self) -> QueryKey:
        """Equal for queries that one program answers."""
        choices = (_frozen(getattr(self, f.name)) for f in fields(self) if f.name != "graph")
        return QueryKey((self.graph.id, *choices))

    def chosen_outputs(self) -> tuple[str, ...]:
        """The outputs asked for: those named, else the keys of the cotangents, else all.

        Raises UnknownName.
        """
        chosen = self.outputs
        if chosen is None:
            chosen = tuple(self.cotangents) if self.cotangents is not None else self.graph.outputs
        for name in chosen:
            self._check(name, UnknownName, "$.outputs")
        for name in self.cotangents or {}:
            self._check(name, UnknownName, f"$.cotangents.{name}")
        return chosen

    def chosen_targets(self) -> tuple[str, ...]:
        """The targets asked for, else the only output; raises TargetRequired, UnknownName."""
        if self.targets is None:
            if len(self.graph.outputs) != 1:
                listed = ", ".join(f"'{name}'" for name in self.graph.outputs)
                raise TargetRequired(
                    f"the function has {len(self.graph.outputs)} outputs: {listed}",
                    path="$.target",
                    hint="name the one to differentiate in `target`",
                )
            return self.graph.outputs
        for name in self.targets:
            self._check(name, UnknownName, "$.target")
        return self.targets

    def chosen_directions(self) -> Mapping[str, TensorType]:
        """The tangents of a jvp, the vectors of an hvp or gnvp, by name; `wrt` must name the same, if sent.

        Raises MissingInput, UnknownWrt.
        """
        word = "tangents" if self.kind == "jvp" else "vectors"
        directions = self.tangents if self.kind == "jvp" else self.vectors
        if not directions:
            raise MissingInput(
                f"a {self.kind} needs `{word}`",
                path=f"$.{word}",
                hint="give one for each variable to move; those left out stay still",
            )
        for name in directions:
            self._check(name, UnknownWrt, f"$.{word}.{name}")
        if self.wrt is not None and set(self.wrt) != set(directions):
            raise UnknownWrt(
                f"`wrt` names {sorted(self.wrt)} and `{word}` {sorted(directions)}",
                path="$.wrt",
                hint=f"leave `wrt` out: the keys of `{word}` are what is differentiated",
            )
        return directions

    def check_wrt(self) -> None:
        """Raise UnknownWrt for a name that nothing defines."""
        for name in self.wrt or ():
            hint = f"the inputs are: {', '.join(list(self.graph.inputs)[:20]) or 'none'}"
            if name in CONSTANTS:
                hint = f"in a program '{name}' is a constant, unless `inputs` gives it a value: send one"
            check_reference(name, self.graph, "$.wrt", UnknownWrt, hint)

    def _check(self, reference: str, error: type[UnknownName] | type[UnknownWrt], path: str) -> None:
        check_reference(reference, self.graph, path, error)


def _frozen(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, Mapping) else value
