"""Where layers write: one graph document in the making, and the weights, state and draws that it needs.

A layer is played twice from one description, once to train and once to predict; the names of nodes and
weights are the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.training.catalogue.activations import Activation
from engine.training.catalogue.initializers import Initializer, check_shape, described
from engine.training.catalogue.registry import Choice

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Symbol:
    """A tensor between layers: the node that makes it, and the shape of one row."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter: learned. `initializer` or `value` says what it starts from."""

    shape: Shape
    dtype: str
    initializer: Choice[Initializer] | None = None
    value: Any = None

    def document(self) -> dict[str, Any]:
        """As `/v1/models/expand` shows it."""
        shown: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype}
        if self.initializer is not None:
            shown["initializer"] = described(self.initializer)
        return shown


@dataclass(frozen=True, slots=True)
class State:
    """What a layer carries from step to step without learning it; `update` is the node of its next value.

    A `frozen` one is a weight of a layer that is not trainable: its next value is the same.
    """

    weight: Weight
    update: str
    frozen: bool = False

    def document(self) -> dict[str, Any]:
        """As `/v1/models/expand` shows it."""
        frozen = {"frozen": True} if self.frozen else {}
        return {**self.weight.document(), "update": self.update, **frozen}


@dataclass(frozen=True, slots=True)
class Draw:
    """A random input of the train graph: 0 with probability `rate`, else 1 / (1 - rate), for each element.

    `shape` is that of one row. The bits are a function of (seed, layer, step); see `engine.arrays.philox`.
    """

    layer: str
    shape: Shape
    dtype: str
    rate: float

    def document(self) -> dict[str, Any]:
        """As `/v1/models/expand` shows it."""
        return {"shape": [None, *self.shape], "dtype": self.dtype, "rate": self.rate}


@dataclass(slots=True)
class GraphBuilder:
    """One graph being written. `training` says which of the two; `dtype` is that of the weights.

    While a `frozen` layer writes, nothing is learned.
    """

    training: bool
    dtype: str
    frozen: bool = False
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, Weight] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    draws: dict[str, Draw] = field(default_factory=dict)
    before: dict[str, tuple[str, Symbol]] = field(default_factory=dict)  # activated node → activation, logits
    paths: dict[str, str] = field(default_factory=dict)
    layer: str = ""
    path: str = ""

    def node(self, op: str, *inputs: str | float, name: str | None = None, **attributes: Any) -> str:
        """Write a node; it is called after the layer and the op unless `name` is given."""
        if name is None:
            name = self._fresh(f"{self.layer}/{op}" if self.layer else op)
        written: dict[str, Any] = {"name": name, "op": op, "inputs": list(inputs)}
        if attributes:
            written["attributes"] = attributes
        self.nodes.append(written)
        self.paths[name] = self.path
        return name

    def input(self, name: str, shape: Shape | None, dtype: str) -> str:
        """Declare an input that has a row for each sample; a shape of None is left open."""
        declared: dict[str, Any] = {"dtype": dtype}
        if shape is not None:
            declared["shape"] = [None, *shape]
        self.inputs[name] = declared
        return name

    def weight(self, name: str, shape: Shape, initializer: Choice[Initializer]) -> str:
        """A parameter of the current layer; of a frozen one, state that stays as it is."""
        full = f"{self.layer}.{name}"
        if self.frozen:
            return self._set_frozen(self.carried(name, shape, initializer), frozen=True)
        check_shape(initializer, shape, f".{name}_initializer")
        self.weights[full] = Weight(shape, self.dtype, initializer)
        self.inputs[full] = {"shape": list(shape), "dtype": self.dtype}
        return full

    def carried(self, name: str, shape: Shape, initializer: Choice[Initializer]) -> str:
        """State of the current layer. Its next value is the node that its `update` names."""
        full = f"{self.layer}.{name}"
        check_shape(initializer, shape, f".{name}_initializer")
        self.states[full] = State(Weight(shape, self.dtype, initializer), f"{full}.next")
        self.inputs[full] = {"shape": list(shape), "dtype": self.dtype}
        return full

    def keep(self, name: str) -> None:
        """State stays as it is in this step."""
        self._set_frozen(name, frozen=False)

    def _set_frozen(self, name: str, *, frozen: bool) -> str:
        state = self.states[name] = replace(self.states[name], frozen=frozen)
        if self.training:
            self.node("identity", name, name=state.update)
        return name

    def draw_mask(self, x: Symbol, rate: float) -> str:
        """A random mask for the elements of `x`."""
        full = f"{self.layer}.mask"
        self.draws[full] = Draw(self.layer, x.shape, x.dtype, rate)
        return self.input(full, x.shape, x.dtype)

    def activate(self, x: Symbol, activation: Activation) -> Symbol:
        """The activation of `x`, remembered so that a loss may take the logits instead."""
        if activation.op is None:
            return x
        name = self.node(activation.op, x.name, **(activation.settings or {}))
        self.before[name] = (activation.name, x)
        return Symbol(name, x.shape, x.dtype)

    def document(self, outputs: list[str]) -> Mapping[str, Any]:
        """The graph's document."""
        return {"inputs": self.inputs, "nodes": self.nodes, "outputs": outputs}

    def _fresh(self, stem: str) -> str:
        names_in_use = self.paths
        if stem not in names_in_use:
            return stem
        number = 1
        while f"{stem}_{number}" in names_in_use:
            number += 1
        return f"{stem}_{number}"
