"""A checked graph: what a document or a program means, in the one form that is hashed and recorded.

Nodes stand in a topological order that depends on their names alone, ops go by their canonical name,
attributes are in normal form with defaults left out. So two documents of one meaning are one graph,
with one `id`, and recording it gives the same tape, bit for bit.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

import numpy.typing as npt

import engine.ops  # noqa: F401  # fills the table of ops
from engine.errors import Cycle, InvalidTensor, Origin, Source, UnknownOp
from engine.frontend.ordering import Loop, topological
from engine.frontend.tensors import encode_tensor
from engine.ir.attributes import REQUIRED, parse_attributes, to_json
from engine.ir.json_numbers import INFINITY, canonical
from engine.ir.op import Op
from engine.ir.table import lookup

Number = bool | int | float

VERSION: Final = 1
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]{0,127}")
OUTPUT: Final = re.compile(r"[0-9]{1,6}")  # the k of `n:k`
MAX_NODES: Final = 1_000_000
_READABLE = 64  # constants of up to so many elements are written as numbers, larger ones as bytes


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a function declares for an input: nothing, a dtype, a shape (None: any size)."""

    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON, with only what is declared."""
        declared: dict[str, Any] = {}
        if self.shape is not None:
            declared["shape"] = list(self.shape)
        if self.dtype is not None:
            declared["dtype"] = self.dtype
        return declared


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array baked into the graph; `weak` where it was written as a bare number."""

    array: npt.NDArray[Any]
    weak: bool = False

    def document(self) -> Any:
        """As JSON that gives the same dtype, shape and bits back."""
        if self.weak:
            return encode_tensor(self.array, "json")
        return encode_tensor(self.array, "typed" if self.array.size <= _READABLE else "base64")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an op.

    `inputs` are references (`n`, or `n:k` for output k above 0) and bare numbers. `attributes` are in
    normal form, defaults left out; a function attribute is the function's name.
    """

    name: str
    op: Op
    inputs: tuple[str | Number, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: Source | str | None = None
    path: str | None = None

    @property
    def origin(self) -> Origin:
        """The place that errors and diagnoses name."""
        return Origin(self.name, self.op.name, self.path, self.source)

    def document(self) -> dict[str, Any]:
        """As JSON, without the source."""
        node: dict[str, Any] = {"name": self.name, "op": self.op.name, "inputs": list(self.inputs)}
        if self.attributes:
            node["attributes"] = {name: to_json(value) for name, value in self.attributes.items()}
        return node


@dataclass(frozen=True, eq=False)
class Graph:
    """Inputs, constants, nodes in canonical order, outputs, and the functions that nodes name.

    The entries of `functions` are graphs whose `inputs` bind by position and which share one set of
    functions, that of the whole graph. Two things are known of a program only, and not part of the hash:
    `rebound` maps a name to the node that took it over later, `unpacked` a node to the number of names
    that its outputs were given where their number takes shapes to know.
    """

    inputs: Mapping[str, InputSpec]
    constants: Mapping[str, Constant]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    functions: Mapping[str, Graph] = field(default_factory=dict)
    rebound: Mapping[str, str] = field(default_factory=dict)
    unpacked: Mapping[str, int] = field(default_factory=dict)
    _facts: dict[str, int] = field(default_factory=dict, init=False, compare=False, repr=False)

    def fact(self, name: str, find: Callable[[Graph], int]) -> int:
        """A number that follows from the whole graph, found when it is first needed."""
        if name not in self._facts:
            self._facts[name] = find(self)
        return self._facts[name]

    @cached_property
    def id(self) -> str:
        """`sha256:` and the hash of the canonical document."""
        return "sha256:" + hashlib.sha256(canonical(self.document()).encode("ascii")).hexdigest()

    @cached_property
    def names(self) -> Mapping[str, Node | None]:
        """The one name space: every input, constant (both None) and node by name."""
        return {**dict.fromkeys((*self.inputs, *self.constants)), **{node.name: node for node in self.nodes}}

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """The inputs of a program that no node reads, and that are no outputs; none of a graph as JSON."""
        if not any(isinstance(node.source, Source) for node in self.nodes):
            return ()
        read = {split_reference(one)[0] for node in self.nodes for one in node.inputs if isinstance(one, str)}
        read.update(split_reference(output)[0] for output in self.outputs)
        return tuple(name for name in self.inputs if name not in read)

    def origin_of(self, name: str) -> Origin:
        """The place of a node."""
        node = self.names[name]
        return Origin(name) if node is None else node.origin

    @cached_property
    def overwritten(self) -> Mapping[str, str]:
        """By input a node that it ends in, if it feeds nodes alone that nothing reads, their names being
        assigned anew.
        """
        outputs = {output.partition(":")[0] for output in self.outputs}
        read = {split_reference(one)[0] for node in self.nodes for one in node.inputs if isinstance(one, str)}
        if not any(node.name in self.rebound and node.name not in read for node in self.nodes):
            return {}
        ends: dict[str, str | None] = dict.fromkeys(outputs)  # where a name leads, None for anywhere else
        for node in reversed(self.nodes):
            end = ends.get(node.name, node.name if node.name in self.rebound else None)
            for one in node.inputs:
                if isinstance(one, str):
                    name = split_reference(one)[0]
                    ends[name] = None if end is None or ends.get(name, end) is None else end
        return {name: end for name in self.inputs if (end := ends.get(name)) is not None}

    def document(self) -> dict[str, Any]:
        """The canonical form as JSON; decoding it gives a graph of the same id."""
        inputs = {name: spec.document() for name, spec in self.inputs.items()}
        document = {"version": VERSION, "inputs": inputs, **self._body()}
        if self.functions:
            document["functions"] = {
                name: {"inputs": list(function.inputs), **function._body()}
                for name, function in self.functions.items()
            }
        return document

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if self.constants:
            body["constants"] = {name: constant.document() for name, constant in self.constants.items()}
        body["nodes"] = [node.document() for node in self.nodes]
        body["outputs"] = list(self.outputs)
        return body


def split_reference(reference: str) -> tuple[str, int]:
    """`n:k` as (n, k), and `n` as (n, 0). The reference has been checked before."""
    name, colon, output = reference.partition(":")
    return name, int(output) if colon else 0


def public_op(name: str) -> Op:
    """The op that users call by this name or alias; raises UnknownOp."""
    op = lookup(name if len(name) <= 64 else f"{name[:60]}…")
    if op.internal:
        raise UnknownOp(
            f"'{name}' is an op of the engine's own",
            op=name,
            hint="GET /v1/ops lists every op with its signature",
        )
    return op


def documented_op(name: str) -> Op:
    """The op that a document may name: a public one, or one that an exported graph is made of."""
    op = lookup(name if len(name) <= 64 else f"{name[:60]}…")
    exportable = not any(attribute.kind.name == "inner" for attribute in op.attributes)
    return op if op.internal and exportable else public_op(name)


def normal_number(value: int | float, path: str) -> Number:
    """A bare number in normal form: integers beyond 64 bits are floats. Raises InvalidTensor."""
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return value
        try:
            return float(value)
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise InvalidTensor(
            f"expected a finite number, got one beyond float64 at {path}",
            path=path,
            hint=f'where infinity or NaN is meant, name it under \'constants\': {{"big": "{INFINITY}"}}',
        )
    return value


def canonical_attributes(op: Op, values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes in normal form without those at their default; raises InvalidAttribute."""
    defaults = _defaults(op)
    if not values and REQUIRED not in defaults.values():
        return {}
    settings = parse_attributes(values, op.attributes)
    return {name: value for name, value in settings.items() if not _same(value, defaults[name])}


@cache
def _defaults(op: Op) -> dict[str, Any]:
    """The defaults in normal form."""
    return {
        a.name: a.default if a.default is None or a.default is REQUIRED else a.parse(a.default)
        for a in op.attributes
    }


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))


def canonical_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """The nodes, each after its inputs, in the order that depends on their names alone; raises Cycle."""
    by_name = {node.name: node for node in nodes}
    dependencies = {
        node.name: [i.partition(":")[0] for i in node.inputs if isinstance(i, str)]
        for node in by_name.values()
    }
    try:
        return tuple(by_name[name] for name in topological(dependencies))
    except Loop as loop:
        first = by_name[loop.names[0]]
        raise Cycle(
            f"the nodes {abridged(loop.names)} depend on themselves",
            path=first.path,
            node=first.name,
            op=first.op.name,
            source=first.source,
            hint="break the circle: one of these values has to be an input; or use scan",
        ) from None


def abridged(names: list[str]) -> str:
    """A chain of names for a message, its middle left out where it is long."""
    shown = names if len(names) <= 8 else [*names[:4], "…", *names[-3:]]
    return " → ".join(shown)
