"""A culprit: the node, its elements, the reason and the values that prove it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, product
from math import prod
from typing import Any

from engine.diagnosis.evidence.element_masks import LISTED, Mask, places
from engine.diagnosis.evidence.structure import Edge
from engine.errors import Origin, Source
from engine.ir.tape import Instruction


@dataclass(frozen=True, slots=True)
class Culprit:
    """Elements `places` of input `input` (None: of the output, or of the data) of the user's `node`.

    `step` and `edge` are the place on the tape behind it; a data leaf has neither, but a `slot`.
    """

    node: str
    op: str
    reason: str
    input: int | None = None
    elements: list[list[int]] = field(default_factory=list)
    count: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)
    source: Any = None
    step: Instruction | None = None
    edge: Edge | None = None
    slot: int | None = None

    def document(self) -> dict[str, Any]:
        """As it goes on the wire."""
        return {
            "node": self.node,
            "op": self.op,
            "input": self.input,
            "elements": self.elements,
            "count": self.count,
            "reason": self.reason,
            "evidence": self.evidence,
            "source": self.source,
        }


def of_edge(edge: Edge, mask: Mask, reason: str, evidence: dict[str, Any]) -> Culprit:
    """The culprit for elements of what an edge reads."""
    culprit = of_step(edge.step, mask, reason, evidence)
    return replace(culprit, input=input_of(edge), edge=edge)


def of_cut(edge: Edge, shape: tuple[int, ...]) -> Culprit:
    """A cut as a culprit: every element of what it reads, of this shape; the op itself is the evidence."""
    origin = edge.step.origin
    return Culprit(
        node=origin.node or edge.step.op.name,
        op=origin.op or edge.step.op.name,
        reason=edge.reason,
        input=input_of(edge),
        elements=[list(place) for place in islice(product(*map(range, shape)), LISTED)],
        count=prod(shape),
        source=source_of(origin),
        step=edge.step,
        edge=edge,
    )


def of_step(step: Instruction, mask: Mask, reason: str, evidence: dict[str, Any]) -> Culprit:
    """The culprit for elements of what a step makes."""
    origin = step.origin
    return Culprit(
        node=origin.node or step.op.name,
        op=origin.op or step.op.name,
        reason=reason,
        elements=places(mask),
        count=int(mask.sum()),
        evidence=evidence,
        source=source_of(origin),
        step=step,
    )


def input_of(edge: Edge) -> int | None:
    """Which input of the user's node it is; None inside an op that was expanded into others."""
    return edge.position if edge.step.origin.op == edge.step.op.name else None


def source_of(origin: Origin) -> Any:
    """Line, column and text, or the text that a graph's node carried."""
    return asdict(origin.source) if isinstance(origin.source, Source) else origin.source


def distinct(culprits: Iterable[Culprit]) -> tuple[Culprit, ...]:
    """Each node, input and reason once, with the elements of all that are said of it.

    The steps of an op that was expanded speak of different tensors: there the first is kept.
    """
    joined: dict[tuple[str, str, int | None], Culprit] = {}
    for culprit in culprits:
        key = (culprit.node, culprit.reason, culprit.input)
        previous = joined.get(key)
        joined[key] = culprit if previous is None else _join(previous, culprit)
    return tuple(joined.values())


def _join(first: Culprit, other: Culprit) -> Culprit:
    if first.edge is not other.edge or first.elements == other.elements:
        return first
    evidence = {
        name: (values + other.evidence.get(name, []))[:LISTED] for name, values in first.evidence.items()
    }
    elements = (first.elements + other.elements)[:LISTED]
    return replace(first, elements=elements, count=first.count + other.count, evidence=evidence)
