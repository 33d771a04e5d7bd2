"""What a training job minimises: graphs, the parameters in them, and the data that they read.

A model of layers, a graph and a program all come down to this one form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from engine import dtypes
from engine.dtypes import TensorType
from engine.frontend.graph import Graph
from engine.training.catalogue.metrics import Metric
from engine.training.catalogue.registry import Choice
from engine.training.model.builder import Draw, Shape, State, Weight


@dataclass(frozen=True, slots=True)
class Column:
    """One input that is data: the dtype in which a batch enters, and the shape of a row."""

    dtype: str
    row: Shape

    def type(self, rows: int) -> TensorType:
        """The type of a batch."""
        return TensorType((rows, *self.row), self.dtype)


@dataclass(frozen=True)
class Objective:
    """`train` and `evaluate` have the scalar node `target`; `predict` is what a trained job serves.

    A metric is a record, measured on the nodes `labels`, `predicted` and `scores`, or the name of a scalar
    node. `outputs` are what `predict` returns if nothing is named.
    """

    train: Graph
    evaluate: Graph
    predict: Graph
    target: str
    columns: Mapping[str, Column]
    parameters: Mapping[str, Weight]
    state: Mapping[str, State] = field(default_factory=dict)
    draws: Mapping[str, Draw] = field(default_factory=dict)
    metrics: Mapping[str, Choice[Metric] | str] = field(default_factory=dict)
    labels: str = "y"
    predicted: str = "y_pred"
    scores: str = "scores"

    @property
    def depending(self) -> frozenset[str]:
        """The names of inputs and nodes that depend on a parameter."""
        return self.dependents(self.parameters)

    def dependents(self, inputs: Iterable[str]) -> frozenset[str]:
        """The names of inputs and nodes that depend on one of these inputs."""
        names = set(inputs)
        for node in self.train.nodes:
            if any(isinstance(each, str) and each.partition(":")[0] in names for each in node.inputs):
                names.add(node.name)
        return frozenset(names)

    def input_types(self, rows: int, *, training: bool) -> dict[str, TensorType]:
        """The types of everything that the graph takes for a batch."""
        types = {name: column.type(rows) for name, column in self.columns.items()}
        types |= {name: TensorType(w.shape, w.dtype) for name, w in self.parameters.items()}
        types |= {name: TensorType(s.weight.shape, s.weight.dtype) for name, s in self.state.items()}
        if training:
            types |= {name: TensorType((rows, *d.shape), d.dtype) for name, d in self.draws.items()}
        return types

    @property
    def size(self) -> int:
        """The number of learned numbers."""
        return sum(prod(weight.shape) for weight in self.parameters.values())


def entering(dtype: str, source: str) -> bool:
    """Whether data of the dtype `source` may be fed to a column of `dtype`, cast as they are read."""
    if dtypes.is_floating(dtype):
        return not dtypes.is_complex(source)
    return source == dtype or dtypes.is_integer(dtype)  # floats too, where they are whole: checked when read
