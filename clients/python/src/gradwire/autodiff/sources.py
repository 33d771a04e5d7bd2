"""What a tape is asked to differentiate by: who it is, and why nothing is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradwire._tracing.node import Op, Recorder
from gradwire._tracing.tensor import Tensor
from gradwire._tracing.variable import Variable
from gradwire.autodiff.gradient_requests import Source
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
        return Source(leaf.name, leaf._edge(), leaf._owner)
    if isinstance(leaf, Tensor):
        return Source(leaf.name or f"source_{position}", leaf._edge())
    raise TapeError(
        f"expected variables or traced tensors to differentiate by, got {type(leaf).__name__}; "
        "arrays have no identity on the tape: make a gradwire.Variable of it, or watch a tensor"
    )


def with_taken(finding: Finding, tape: Recorder) -> Finding:
    """A variable that the target does not know may have left the tape as a plain number."""
    if finding.status != "disconnected" or not tape.taken:
        return finding
    places = "; ".join(str(place) for place in list(tape.taken)[:3])
    hint = f"Values were read while the tape recorded, and are constants from there on: {places}"
    return replace(finding, fix=f"{finding.fix} {hint}" if finding.fix else hint)


def unwatched(source: Source) -> Finding:
    """The finding for something that the tape does not watch."""
    node = source.edge.node
    if source.owner is not None:
        why, fix = "the tape does not watch this variable", "make it trainable, or call tape.watch(variable)"
    elif isinstance(node, Op):
        why = "it was computed outside of the tape, where it counts as a constant"
        fix = "compute it inside the `with` block, or call tape.watch(tensor) there"
    else:
        why, fix = (
            "it is a constant, which the tape does not watch",
            "call tape.watch(tensor) in the `with` block",
        )
    return Finding(source.label, "unwatched", message=why, fix=fix, place=node.place)
