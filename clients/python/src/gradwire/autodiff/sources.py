"""What a tape is asked to differentiate by: who it is, and why nothing is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradwire._client.pasting import made_as
from gradwire._tracing.dependence import Dependence
from gradwire._tracing.node import Edge, Leaf, Node, Owner, Traced
from gradwire._tracing.reads import Reads, Return, came_back, cure_of
from gradwire._tracing.structure import leaves
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.variable import NO_NAME, Variable
from gradwire.autodiff.gradient_requests import Source
from gradwire.autodiff.misuse import expected_source, reason_of
from gradwire.errors import TapeError
from gradwire.results import Finding


def identity_of(leaf: Tensor | Variable) -> object:
    """What stays the same while a variable is assigned, or an edge is wrapped again."""
    if isinstance(leaf, Variable):
        return leaf._owner
    edge = leaf._edge()
    return (edge.node, edge.index)


def source_of(leaf: Any, position: int) -> Source:
    """A variable or traced tensor to differentiate by; raises TapeError for anything else."""
    if isinstance(leaf, Variable):
        name = leaf.name if leaf.name != NO_NAME else made_as(leaf._edge().node.place) or NO_NAME
        return Source(name, leaf._edge(), leaf._owner)
    if isinstance(leaf, Tensor):
        name = _path_of(leaf) or leaf.name or made_as(leaf._edge().node.place) or f"source_{position}"
        return Source(name, leaf._edge())
    raise TapeError(expected_source(leaf))


def _path_of(tensor: Tensor) -> str:
    """How an entry of an argument is written; empty for what is an argument itself."""
    node = tensor._edge().node
    return node.path if isinstance(node, Leaf) else ""


def with_reads(finding: Finding, source: Source, target: Any, reads: Reads | None) -> Finding:
    """A finding that also tells what was read off the tape and came back as a constant."""
    if reads is None or (not reads.found and not reads.returned):
        return finding
    of_source = Dependence(lambda edge: source.same(Source("", edge, _owner(edge))), stopped=True)
    ends = [leaf._edge() for leaf in leaves(target) if isinstance(leaf, Traced)]
    read_at = {read.place for read in reads.found.values() if of_source.source(read.edge)}
    back = [
        each
        for each in reads.returned
        if (of_source.source(each.read.edge) or each.read.place in read_at)
        and any(_reaches(end, each.node) for end in ends)
    ]
    if back:
        warnings = tuple({"code": "read", "node": None, "message": came_back(each)} for each in back)
        lost = finding.status == "disconnected"
        first = back[0]
        return replace(
            finding,
            message=_lost(first) if lost else finding.message,
            fix=_sentence(cure_of(first)) if lost else finding.fix,
            warnings=finding.warnings + warnings,
            warned=(*(finding.warned or (None,) * len(finding.warnings)), *(None for _ in warnings)),
        )
    places = [str(read.place) for read in reads.found.values() if of_source.source(read.edge)]
    if finding.status != "disconnected" or not places:
        return finding
    hint = (
        f"Values were read while the tape recorded, and are constants from there on: {'; '.join(places[:3])}"
    )
    return replace(finding, fix=f"{finding.fix} {hint}" if finding.fix else hint)


def _lost(back: Return) -> str:
    return (
        f"what depends on it was read at {back.read.place}, and is used again at {back.place} as a constant"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _owner(edge: Edge) -> Owner | None:
    return edge.node.owner if isinstance(edge.node, Leaf) else None


def _reaches(end: Edge, node: Node) -> bool:
    return Dependence(lambda edge: edge.node is node, stopped=False).source(end) is not None


def unwatched(source: Source) -> Finding:
    """The finding for something that the tape does not watch."""
    why, fix = reason_of(source)
    return Finding(source.label, "unwatched", message=why, fix=fix, place=source.edge.node.place)
