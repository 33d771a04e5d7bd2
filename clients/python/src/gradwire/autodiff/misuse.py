"""What a tape cannot know, said when it is asked: the answer would be None without a word."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gradwire._locations import Place
from gradwire._notices import warn
from gradwire._tracing.caller import expression_at
from gradwire._tracing.node import Edge, Leaf, Op, Owner, Recorder, Traced
from gradwire._tracing.read_cures import cure_at
from gradwire._tracing.reads import Reads
from gradwire._tracing.structure import leaves
from gradwire.autodiff.gradient_requests import Question, Source
from gradwire.autodiff.variable_findings import mixed
from gradwire.errors import GradientWarning
from gradwire.results import Finding

_DEPTH = 8
_PLAIN = "a value that has left the tape through numpy() or float() is a plain number: it has no gradient"
_REPLACED = (
    "if a step put it in the place of a variable, as w = w.numpy() - rate * g does, keep the variable and "
    "write w.assign_sub(rate * g)"
)
_AVERAGES = ("moving_mean", "moving_variance")  # the weights of a layer that training only averages
_WATCH = "call tape.watch(variable) in the `with` block"
_TRAINABLE = "tape.gradient(loss, model.trainable_variables)"
_KEEP = "keep the variable and write w.assign_sub(rate * g), or optimizer.apply_gradients([(g, w)])"


def of_target(finding: Finding, target: Any, source: Source, tape: Recorder) -> Finding:
    """A finding of a gradient that is None for what the target is, and not for what it computes."""
    edges = [leaf._edge() for leaf in leaves(target) if isinstance(leaf, Traced)]
    if finding.status != "disconnected" or not edges:
        return finding
    nodes = [edge.node for edge in edges]
    if all(isinstance(node, Op) and not tape.holds(node.recorder) for node in nodes):
        why = "the target was computed outside of the tape, where nothing is recorded"
        fix = "compute the loss inside the `with` block"
        return replace(finding, message=why, fix=fix, place=nodes[0].place)
    if isinstance(source.edge.node, Op) and all(
        isinstance(node, Leaf) and node.owner is not None for node in nodes
    ):
        why = "the target is a variable itself, and a result is the source"
        return replace(finding, message=why, fix="the target comes first, tape.gradient(loss, [w])")
    if all(isinstance(node, Leaf) and node.owner is None for node in nodes):
        return _of_constant(finding, nodes[0].place)
    return finding


def _of_constant(finding: Finding, place: Place | None) -> Finding:
    """A finding of a target that is a constant: a gradient taken elsewhere, or a number."""
    expression = expression_at(place)
    call = None if expression is None else expression.node
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "gradient":
        why = (
            f"the target is a gradient that was taken outside of this tape ({place}), which is a number to it"
        )
        fix = "indent that line into the `with` block of this tape: there the gradient itself is recorded"
    else:
        origin = f", made at {place}" if place else ""
        why = f"the target is a constant{origin}, and no variable has a part in it"
        fix = "compute it from the variables; to choose by a condition write gw.where(condition, a, b)"
    return replace(finding, message=why, fix=fix, place=place)


def warn_of_mixing(query: Question) -> None:
    """Warn of variables that were assigned while the tape ran, of which the target uses several values."""
    for source, names in zip(query.sources, query.wrt, strict=True):
        if len(names) > 1:
            warn(GradientWarning, mixed(source.label, len(names)), ("mixed", source.label))


def reason_of(source: Source) -> tuple[str, str]:
    """Why a tape does not watch something, and the cure."""
    node = source.edge.node
    if isinstance(source.owner, Owner) and not source.owner.trainable:
        if source.label.endswith(_AVERAGES):
            return "no gradient changes a running average: steps of training update it", f"write {_TRAINABLE}"
        return (
            "the tape does not watch this variable, which is not trainable",
            f"leave it out of the sources, as {_TRAINABLE} does; to have its gradient, make it trainable, or "
            + _WATCH,
        )
    if source.owner is not None:
        return "the tape does not watch this variable", _WATCH
    if isinstance(node, Op):
        variable = _variable_behind(source.edge, _DEPTH)
        if variable is not None:
            return (
                f"it is a tensor made of variable '{variable}' outside of the tape, as w = w - rate * g does",
                f"{_KEEP}; for a tensor call tape.watch(tensor) in the `with` block",
            )
        return (
            "it was computed outside of the tape, where it counts as a constant",
            "compute it inside the `with` block, or call tape.watch(tensor) there",
        )
    return "it is a constant, which the tape does not watch", "call tape.watch(tensor) in the `with` block"


def expected_source(source: Any) -> str:
    """What is said of something else than a variable or tensor to differentiate by."""
    kind = type(source).__name__
    if isinstance(source, str):
        cure = "names are no sources: give the variable itself, tape.gradient(loss, [w])"
    elif source is None:
        cure = "give the variables, tape.gradient(loss, [w, b])"
    elif hasattr(type(source), "trainable_variables"):
        cure = "give its variables, tape.gradient(loss, model.trainable_variables)"
    else:
        cure = "arrays have no identity on the tape: make a gradwire.Variable of it, or watch a tensor"
    return f"expected variables or traced tensors to differentiate by, got {kind}; {cure}"


def expected_target(came: Sequence[Any], reads: Reads | None = None) -> str:
    """What is said of something else than a traced tensor as the target."""
    kinds = ", ".join(type(t).__name__ for t in came) or "nothing"
    if not came or any(t is None for t in came):
        cure = "the target is the loss, a tensor: the function that makes it may lack a `return`"
    elif any(isinstance(t, str) for t in came):
        cure = "names are no targets: give the loss itself, tape.gradient(loss, [w])"
    else:
        cure = f"{_PLAIN}; {_REPLACED}"
        last = list(reads.found)[-1] if reads is not None and reads.found else None
        if last is not None:
            cure = f"{_PLAIN}: it was read at {last}; {cure_at(last)}"
    return f"expected a traced tensor as the target, got {kinds}; {cure}"


def _variable_behind(edge: Edge, depth: int) -> str | None:
    """The name of a variable that an op was computed from, not too far back."""
    node = edge.node
    if isinstance(node, Leaf):
        return node.name if node.owner is not None else None
    if not isinstance(node, Op) or depth == 0:
        return None
    inputs = (each for each in node.inputs if isinstance(each, Edge))
    names = (_variable_behind(each, depth - 1) for each in inputs)
    return next((name for name in names if name is not None), None)
