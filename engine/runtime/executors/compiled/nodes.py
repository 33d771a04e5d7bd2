"""What a tape becomes before it is compiled: nodes over views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.arrays.types import Array
from engine.runtime.executors.compiled.views import Shape, View, dense

How = Literal["add", "multiply", "max", "min", "and", "or"]
Formula = Callable[..., Any]


@dataclass(slots=True, eq=False)
class Map:
    """One value for each element of `shape`: `formula(m, *lanes)`, its inputs broadcast to the shape."""

    inputs: tuple[int, ...]
    output: int
    shape: Shape
    formula: Formula

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slot that it writes."""
        return (self.output,)


@dataclass(slots=True, eq=False)
class Reduce:
    """The elements of its input, which has `shape`, combined along `axes`; a sum is divided by `divisor`."""

    inputs: tuple[int, ...]
    output: int
    shape: Shape
    how: How
    axes: tuple[int, ...]
    keepdims: bool
    divisor: int = 1

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slot that it writes."""
        return (self.output,)


@dataclass(slots=True, eq=False)
class Product:
    """A product of two matrices of floats."""

    inputs: tuple[int, ...]
    output: int

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slot that it writes."""
        return (self.output,)


@dataclass(slots=True, eq=False)
class NumpyStep:
    """The instruction at `index` of the tape, which its own kernel computes."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    index: int


Loop = Map | Reduce
Node = Map | Reduce | Product | NumpyStep


@dataclass(slots=True)
class Nodes:
    """Nodes in the order of the tape. Slots are the tape's own, then those that lowering adds.

    `external` are the roots that have memory of their own: inputs and constants.
    """

    order: list[Node] = field(default_factory=list)
    views: dict[int, View] = field(default_factory=dict)
    external: set[int] = field(default_factory=set)
    constants: Mapping[int, Array] = field(default_factory=dict)
    next_slot: int = 0

    def fresh(self, shape: Shape, dtype: str) -> int:
        """A slot for a new value in memory of its own."""
        slot = self.next_slot
        self.next_slot += 1
        self.views[slot] = View(slot, 0, shape, dense(shape), dtype)
        return slot

    def look(self, slot: int, shape: Shape, strides: Shape, offset: int = 0) -> int:
        """A slot that sees the memory of another in another shape; `offset` counts from its first element."""
        view = self.views[slot]
        sight = self.next_slot
        self.next_slot += 1
        self.views[sight] = View(view.root, view.offset + offset, shape, strides, view.dtype)
        return sight
