"""The nodes of a program, or of a function in it, while they are written; and at the end their names.

A name belongs to what was assigned to it last, and to an input before all else. What a name stood for
earlier gets the name with a number behind it; a node without a name gets its op's: `multiply_1`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import Source
from engine.frontend.graph import Constant, Graph, InputSpec, Node, Number, canonical_order
from engine.ir.op import Op
from engine.ir.table import TABLE


@dataclass(slots=True, eq=False)
class Item:
    """An input, a constant or a node. `own_name` is the name that the program gave it, if any."""

    base: str
    own_name: str | None = None
    op: Op | None = None
    operands: tuple[Ref | Number, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constant: Constant | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """Output `output` of an item that has `count` of them; None if that takes shapes to know.

    A Ref whose `output` is None stands for the list of all outputs, which can be unpacked, indexed or joined.
    """

    item: Item
    output: int | None = 0
    count: int | None = 1

    def outputs(self, count: int) -> list[Ref]:
        """The first `count` outputs, one by one."""
        return [Ref(self.item, output, self.count) for output in range(count)]


class Body:
    """Items in the order they were written, and what each name stands for at this point of the text."""

    def __init__(self, path: str, inputs: Iterable[str], reserved: Iterable[str]) -> None:
        self.path = path
        self.inputs: dict[str, Item] = {}
        self.values: dict[str, Ref | Number] = {}
        self._items: list[Item] = []
        self._assigned: dict[str, list[Item]] = {}
        self._unpacked: dict[Item, int] = {}
        self._reserved = set(reserved)
        for name in inputs:
            self.input(name)

    def input(self, name: str) -> Ref:
        """Declare an input; its name is its own for good."""
        item = self.inputs[name] = Item(name, name)
        self._assigned[name] = [item]
        ref = self.values[name] = Ref(item)
        return ref

    def node(
        self,
        op: Op,
        operands: Iterable[Ref | Number],
        attributes: Mapping[str, Any],
        source: Source,
        count: int | None = 1,
    ) -> Ref:
        """Write a node; `count` is the number of its outputs."""
        item = Item(op.name, None, op, tuple(operands), attributes, source=source)
        self._items.append(item)
        return Ref(item, None if op.lists or count != 1 else 0, count)

    def constant(self, array: npt.NDArray[Any], source: Source, *, weak: bool = False) -> Ref:
        """Write a constant."""
        item = Item("constant", constant=Constant(array, weak), source=source)
        self._items.append(item)
        return Ref(item)

    def number(self, value: Number, source: Source) -> Ref:
        """Write a bare number as a constant: float64, as in JSON; booleans stay booleans."""
        if isinstance(value, bool):
            return self.constant(np.asarray(value), source)
        return self.constant(np.asarray(value, dtype=np.float64), source, weak=True)

    def assign(self, name: str, value: Ref | Number, source: Source) -> Item:
        """Let `name` stand for `value` from here on; returns the item that carries the name."""
        ref = value if isinstance(value, Ref) else self.number(value, source)
        if ref.item.own_name is not None or (ref.output is not None and ref.count != 1):
            ref = self.node(TABLE["identity"], [ref], {}, source)
        ref.item.own_name = name
        self._assigned.setdefault(name, []).append(ref.item)
        # Integers and booleans stay literals: a constant of JSON would be float64.
        self.values[name] = ref if isinstance(value, Ref | float) else value
        return ref.item

    def unpack(self, value: Ref, count: int) -> list[Ref]:
        """The first `count` outputs of a node; that there are no more is checked once shapes are known."""
        if value.count is None:
            self._unpacked[value.item] = count
        return value.outputs(count)

    def finish(self, outputs: Iterable[Ref], functions: Mapping[str, Graph] | None = None) -> Graph:
        """The graph, every item named."""
        names = self._names()

        def reference(operand: Ref | Number) -> str | Number:
            if not isinstance(operand, Ref):
                return operand
            return f"{names[operand.item]}:{operand.output}" if operand.output else names[operand.item]

        nodes = [
            Node(
                names[item],
                item.op,
                tuple([reference(operand) for operand in item.operands]),
                item.attributes,
                item.source,
                self.path,
            )
            for item in self._items
            if item.op is not None
        ]
        constants = {names[item]: item.constant for item in self._items if item.constant is not None}
        return Graph(
            inputs={name: InputSpec() for name in self.inputs},
            constants=dict(sorted(constants.items())),
            nodes=canonical_order(nodes),
            outputs=tuple(str(reference(ref)) for ref in outputs),
            functions=functions or {},
            rebound=self._rebound(names),
            unpacked={names[item]: count for item, count in self._unpacked.items()},
        )

    def _names(self) -> dict[Item, str]:
        owners = {
            name: items[0] if name in self.inputs else items[-1] for name, items in self._assigned.items()
        }
        names_in_use = self._reserved | set(owners)
        counters: dict[str, int] = {}
        names = {item: name for name, item in self.inputs.items()}
        for item in self._items:
            if item.own_name is not None and owners[item.own_name] is item:
                names[item] = item.own_name
                continue
            base = (item.own_name or item.base)[:120]
            number = counters.get(base, 0) + 1
            while f"{base}_{number}" in names_in_use:
                number += 1
            counters[base] = number
            names[item] = f"{base}_{number}"
            names_in_use.add(names[item])
        return names

    def _rebound(self, names: Mapping[Item, str]) -> dict[str, str]:
        return {
            names[earlier]: names[later]
            for items in self._assigned.values()
            for earlier, later in pairwise(items)
        }
