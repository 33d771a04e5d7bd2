"""A lowered trace as the graph document of the wire format, with names for every position."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from gradwire._tracing.node import Lowered, Op, Ref, Scalar
from gradwire._tracing.tracer import attribute


@dataclass(frozen=True, slots=True)
class Document:
    """A graph ready to be sent; `names[k]` is what position k is called in it."""

    graph: dict[str, Any]
    names: tuple[str, ...]

    def name(self, ref: Ref) -> str:
        """How the graph refers to an output."""
        position, index = ref
        return f"{self.names[position]}:{index}" if index else self.names[position]


def write(lowered: Lowered, outputs: Sequence[Ref]) -> Document:
    """The document of a graph with these outputs. Inputs declare the dtypes of their values."""
    functions = _Functions()
    inputs, body, names = _body(lowered, outputs, functions)
    graph = {"version": 1, "inputs": inputs, **body}
    if functions.bodies:
        graph["functions"] = functions.bodies
    return Document(graph, names)


def names_in(function: Lowered) -> tuple[str, ...]:
    """What the positions of a function are called in a document."""
    return _body(function, function.roots, _Functions())[2]


class _Functions:
    """The sub-graphs of a document, each written once."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}
        self._names: dict[Hashable, str] = {}

    def name(self, function: Lowered) -> str:
        if function.key not in self._names:
            name = _fresh(function.label or "function", self.bodies)
            self._names[function.key] = name
            self.bodies[name] = {}  # holds the name while the body is written
            inputs, body, _ = _body(function, function.roots, self)
            self.bodies[name] = {"inputs": list(inputs), **body}
        return self._names[function.key]


def _body(
    lowered: Lowered, outputs: Sequence[Ref], functions: _Functions
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    inputs: dict[str, Any] = {}
    constants: dict[str, Any] = {}
    nodes: list[dict[str, Any]] = []
    names: list[str] = []
    names_in_use: set[str] = set()
    counts: dict[str, int] = {}

    def unique(base: str, *, numbered: bool) -> str:
        name = _fresh(base, names_in_use, counts, numbered=numbered)
        names_in_use.add(name)
        return name

    for item in lowered.items:
        if item.op is None:
            hint = None if isinstance(item.node, Op) else item.node.name
            name = unique(_legal(hint), numbered=False) if hint else unique("array", numbered=True)
            inputs[name] = {} if item.value is None else {"dtype": item.value.dtype.name}
        else:
            assert isinstance(item.node, Op)
            name = unique(item.op, numbered=True)
            node: dict[str, Any] = {"name": name, "op": item.op}
            node["inputs"] = [_operand(r, names, constants, unique) for r in item.inputs]
            attributes = {**item.node.attributes}
            for key, function in item.node.functions.items():
                attributes[key] = functions.name(function)
            if attributes:
                node["attributes"] = attributes
            nodes.append(node)
        names.append(name)
    body: dict[str, Any] = {"constants": constants} if constants else {}
    body["nodes"] = nodes
    body["outputs"] = [f"{names[p]}:{k}" if k else names[p] for p, k in outputs]
    return inputs, body, tuple(names)


def _operand(operand: Ref | Scalar, names: list[str], constants: dict[str, Any], unique: Any) -> Any:
    if isinstance(operand, tuple):
        position, index = operand
        return f"{names[position]}:{index}" if index else names[position]
    if isinstance(operand, float) and not math.isfinite(operand):
        name = unique("constant", numbered=True)
        constants[name] = attribute(operand)
        return name
    return operand


def _legal(name: str) -> str:
    """`name` within the wire's alphabet."""
    name = re.sub(r"[^A-Za-z0-9_./-]", "_", name)[:100]
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def _fresh(
    base: str, names_in_use: Any, counts: dict[str, int] | None = None, *, numbered: bool = False
) -> str:
    if not numbered and base not in names_in_use:
        return base
    counts = {} if counts is None else counts
    while True:
        counts[base] = counts.get(base, 0) + 1
        name = f"{base}_{counts[base]}"
        if name not in names_in_use:
            return name
