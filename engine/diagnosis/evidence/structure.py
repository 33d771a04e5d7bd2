"""The structural half of a diagnosis: paths from a variable to a target, and what cuts them.

Edges are of three kinds. A gradient edge carries cotangents. A value edge does not, but the output
still depends on the input's values; where floats end there, it is a cut. A shape edge passes only the
shape. Edges into a condition or an index are value edges that merely select: they can be the only
connection, and then the op that left the floats is to blame; beside a gradient they are no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Literal

from engine import dtypes
from engine.errors import Origin, UserError
from engine.ir.no_gradient import NoGradient
from engine.ir.tape import Instruction, Tape
from engine.transforms.vjp import carries

#: Ops that compute with truth values: what they make is no choice, and may be counted like a number.
LOGIC = frozenset(
    [
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "bitwise_invert",
    ]
)
FEW = 32  # cuts among which the one that settles it is looked for

Edges = Literal["any", "value", "unselected", "gradient"]
Status = Literal["ok", "invalid_target", "integer", "disconnected", "stopped", "blocked"]


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """Input `position` of a step; two edges are never equal."""

    step: Instruction
    position: int

    @property
    def slot(self) -> int:
        """The slot that is read."""
        return self.step.inputs[self.position]

    @property
    def rule(self) -> NoGradient | None:
        """The record's cut, None where a rule exists and the dtype of the output ends the gradient."""
        rule = self.step.op.input(self.position).vjp
        return rule if isinstance(rule, NoGradient) else None

    @property
    def reason(self) -> str:
        """The reason as it goes on the wire."""
        return "to_integer" if self.rule is None else self.rule.reason

    @property
    def shape_only(self) -> bool:
        """Whether only the shape of the input is read."""
        return self.rule is not None and self.rule.reason == "shape_only"

    @property
    def selects(self) -> bool:
        """Whether the input is a condition or an index, or has its derivative by another way."""
        if self.rule is not None and self.rule.covered:
            return True
        op = self.step.op
        kind = op.input(self.position).kind
        places = kind == "integer" and op.family.name == "indexing" and len(self.step.inputs) > 1
        return places or (kind in ("boolean", "index") and op.name not in LOGIC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the structure says of one variable: `cuts` primary first, `path` as slots, `partial` cuts
    beside a gradient that exists, `heads` the other outputs that the variable feeds, `note` the error that
    says it already. `overwritten` is the place of the node that the variable feeds alone, and whose name the
    first of `heads` took over.
    """

    status: Status
    reason: str | None = None
    cuts: tuple[Edge, ...] = ()
    path: tuple[int, ...] = ()
    partial: tuple[Edge, ...] = ()
    heads: tuple[str, ...] = ()
    note: UserError | None = None
    overwritten: Origin | None = None


@dataclass(frozen=True)
class Graphing:
    """The forward part of a recording, with the reach back from targets, computed once for each.

    `rebound` maps a name to the node that took it over, `overwritten` a name to the place of the node that it
    feeds, which nothing reads because its name was assigned anew.
    """

    tape: Tape
    steps: Sequence[Instruction]
    outputs: Mapping[str, int]
    rebound: Mapping[str, str] = field(default_factory=dict)
    overwritten: Mapping[str, Origin] = field(default_factory=dict)
    _toward: dict[tuple[int, str], frozenset[int]] = field(default_factory=dict)

    def toward(self, target: int, edges: Edges) -> frozenset[int]:
        """The slots from which `target` is reached over edges of a kind."""
        result = self._toward.get((target, edges))
        if result is None:
            reached = {target}
            for step in reversed(self.steps):
                if any(slot in reached for slot in step.outputs):
                    for position, slot in enumerate(step.inputs):
                        if slot not in reached and _admits(self.tape, Edge(step, position), edges):
                            reached.add(slot)
            result = self._toward[target, edges] = frozenset(reached)
        return result

    def is_constant(self, target: int) -> bool:
        """Whether no input has any part in the target."""
        return self.toward(target, "any").isdisjoint(self.tape.inputs.values())

    @cached_property
    def readers(self) -> Mapping[int, Sequence[int]]:
        """For each slot that is read the places of the steps that read it, in order."""
        readers: dict[int, list[int]] = {}
        for place, step in enumerate(self.steps):
            for slot in dict.fromkeys(step.inputs):
                readers.setdefault(slot, []).append(place)
        return readers

    @cached_property
    def makers(self) -> Mapping[int, Instruction]:
        """The step that makes each slot."""
        return {slot: step for step in self.steps for slot in step.outputs}

    @cached_property
    def places(self) -> Mapping[int, int]:
        """The place of each step, by its id."""
        return {id(step): place for place, step in enumerate(self.steps)}

    def downstream(self, source: int) -> Iterator[Instruction]:
        """The steps that depend on a slot in any way, in order; the others are not looked at."""
        ahead = list(self.readers.get(source, ()))
        slots = set(ahead)
        heapify(ahead)
        while ahead:
            step = self.steps[heappop(ahead)]
            yield step
            for slot in step.outputs:
                for place in self.readers.get(slot, ()):
                    if place not in slots:
                        slots.add(place)
                        heappush(ahead, place)


def _admits(tape: Tape, edge: Edge, edges: str) -> bool:
    if edges == "any":
        return True
    if edges == "gradient":
        return carries(tape, edge.step, edge.position)
    if edge.shape_only:
        return False
    return edges == "value" or not edge.selects


def examine(graph: Graphing, source: int, name: str, target: int) -> Finding:
    """The finding for the variable `name` in slot `source` with respect to the slot `target`."""
    if not dtypes.is_inexact(graph.tape.types[source].dtype):
        return Finding("integer", "to_integer")
    reach = Reach(graph, source, target)
    if target in reach.gradient:
        return Finding("ok", path=reach.route(reach.gradient_parent, source, target), partial=reach.partial())
    if target in reach.value:
        cuts = reach.cuts()
        stopped = all(edge.rule is not None and edge.rule.kind == "stop" for edge in cuts)
        status: Status = "stopped" if stopped else "blocked"
        blamed = cuts if stopped else [e for e in cuts if e.rule is None or e.rule.kind != "stop"]
        primary = next((edge for edge in blamed[:FEW] if reach.suffices(edge)), blamed[0])
        ordered = (primary, *(edge for edge in cuts if edge is not primary))
        return Finding(status, primary.reason, ordered, reach.through(source, primary, target))
    return _disconnected(graph, reach, source, name, target)


def _disconnected(graph: Graphing, reach: Reach, source: int, name: str, target: int) -> Finding:
    if target in reach.any:
        edges = tuple(
            edge
            for step in graph.steps
            for edge in _edges(step)
            if edge.shape_only and edge.slot in reach.any and reach.leads(step, "any")
        )
        return Finding("disconnected", "shape_only", edges)
    if name in graph.rebound:
        return Finding("disconnected", "rebound", heads=(_later(graph, name, target),))
    if name in graph.overwritten:
        lost = graph.overwritten[name]
        later = _later(graph, str(lost.node), target)
        return Finding("disconnected", "rebound", heads=(later,), overwritten=lost)
    if graph.is_constant(target):
        return Finding("disconnected", "constant")
    if source not in graph.readers:
        return Finding("disconnected", "unused")
    heads = tuple(output for output, slot in graph.outputs.items() if slot in reach.any and slot != source)
    return Finding("disconnected", "other_head" if heads else "unused", heads=heads)


def _later(graph: Graphing, name: str, target: int) -> str:
    """The first node that has the name after it and leads to the target, else the last that has it."""
    toward = graph.toward(target, "any")
    used = {step.origin.node for step in graph.steps if any(slot in toward for slot in step.outputs)}
    name = graph.rebound[name]
    while name not in used and name in graph.rebound:
        name = graph.rebound[name]
    return name


def _edges(step: Instruction) -> Iterable[Edge]:
    return (Edge(step, position) for position in range(len(step.inputs)))


class Reach:
    """What a source reaches over gradient edges, value edges and any edges, with parents for paths."""

    def __init__(self, graph: Graphing, source: int, target: int) -> None:
        self.graph = graph
        self.target = target
        self.gradient, self.value, self.any = {source}, {source}, {source}
        self.gradient_parent: dict[int, int] = {}
        self.value_parent: dict[int, int] = {}
        self.crossed: list[Edge] = []
        for step in graph.downstream(source):
            self._cross(step)

    def _cross(self, step: Instruction) -> None:
        tape = self.graph.tape
        self.any.update(step.outputs)
        for edge in _edges(step):
            if edge.slot not in self.value or edge.shape_only:
                continue
            for slot in step.outputs:
                self.value.add(slot)
                self.value_parent.setdefault(slot, edge.slot)
            if carries(tape, step, edge.position):
                if edge.slot in self.gradient:
                    for slot in step.outputs:
                        if dtypes.is_inexact(tape.types[slot].dtype):
                            self.gradient.add(slot)
                            self.gradient_parent.setdefault(slot, edge.slot)
            elif dtypes.is_inexact(tape.types[edge.slot].dtype):
                self.crossed.append(edge)

    def leads(self, step: Instruction, edges: Edges) -> bool:
        """Whether the target is reached from the outputs of `step`."""
        toward = self.graph.toward(self.target, edges)
        return any(slot in toward for slot in step.outputs)

    def cuts(self) -> list[Edge]:
        """Every cut on a value path to the target, those that only steer a choice last; before that those
        that a gradient from the source meets.
        """
        on_path = [edge for edge in self.crossed if self.leads(edge.step, "value")]
        return sorted(on_path, key=lambda edge: (self.steers(edge), edge.slot not in self.gradient))

    def suffices(self, edge: Edge) -> bool:
        """Whether there would be a gradient if this cut alone were none."""
        if edge.slot not in self.gradient:
            return False
        reached = set(edge.step.outputs)
        for step in self.graph.downstream(edge.step.outputs[0]):
            for other in _edges(step):
                passes = other.rule is None and dtypes.is_inexact(self.graph.tape.types[other.slot].dtype)
                softened = other.rule is None and not other.selects
                if other.slot in reached and (passes or softened):
                    reached.update(step.outputs)
        return self.target in reached

    def steers(self, edge: Edge) -> bool:
        """Whether what a cut makes has no part in the target but to choose."""
        return edge.selects or not self.leads(edge.step, "unselected")

    def partial(self) -> tuple[Edge, ...]:
        """Cuts that lose a part of a gradient that exists; selections lose nothing."""
        return tuple(
            edge
            for edge in self.crossed
            if edge.slot in self.gradient and not edge.selects and self.leads(edge.step, "unselected")
        )

    def route(self, parents: Mapping[int, int], source: int, target: int) -> tuple[int, ...]:
        """The slots from `source` to `target` along first parents."""
        path = [target]
        while path[-1] != source:
            path.append(parents[path[-1]])
        return tuple(reversed(path))

    def through(self, source: int, edge: Edge, target: int) -> tuple[int, ...]:
        """A value path that crosses `edge`."""
        before = self.route(self.value_parent, source, edge.slot)
        toward = self.graph.toward(target, "value")
        middle = next(slot for slot in edge.step.outputs if slot in toward)
        parents: dict[int, int] = {}
        reached = {middle}
        for step in self.graph.downstream(middle):
            for other in _edges(step):
                if other.slot in reached and not other.shape_only:
                    for slot in step.outputs:
                        if slot not in reached:
                            reached.add(slot)
                            parents[slot] = other.slot
        return (*before, *self.route(parents, middle, target))
