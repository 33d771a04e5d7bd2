"""What a tape cannot know, said when it is asked: the answer would be None without a word."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from gradwire._locations import here
from gradwire._tracing.node import Edge, Leaf, Op, Recorder
from gradwire._tracing.variable_warnings import mixed
from gradwire.autodiff.gradient_requests import Question, Source

_DEPTH = 8
_PLAIN = "a value that has left the tape through numpy() or float() is a plain number: it has no gradient"
_KEEP = "keep the variable and write w.assign_sub(rate * g), or optimizer.apply_gradients([(g, w)])"


def warn_of_none(target: Edge, sources: Sequence[Source], watched: Sequence[Source], tape: Recorder) -> None:
    """Warn of sources whose gradient is None for what the tape is, not for what the target computes."""
    node = target.node
    if isinstance(node, Op) and not tape.holds(node.recorder):
        made = f" ({node.place})" if node.place else ""
        _warn(
            f"the target was computed outside of the tape{made}, where nothing is recorded: its gradients "
            "are None. Compute the loss inside the `with` block"
        )
        return
    inner = node.inputs[0] if isinstance(node, Op) and node.op == "identity" else None
    own = isinstance(inner, Edge) and isinstance(inner.node, Leaf) and inner.node.owner is not None
    if own and any(isinstance(source.edge.node, Op) for source in sources):
        _warn(
            "the target is a variable itself, and a result is among the sources: the target comes first, "
            "tape.gradient(loss, [w])"
        )
        return
    for source in sources:
        if not any(source is each for each in watched):
            why, fix = reason_of(source)
            _warn(f"no gradient by '{source.label}', the answer is None: {why}; {fix}")


def warn_of_mixing(asked: Question) -> None:
    """Warn of variables that were assigned while the tape ran, of which the target uses several values."""
    for source, names in zip(asked.sources, asked.wrt, strict=True):
        if len(names) > 1:
            _warn(mixed(source.label, len(names)))


def reason_of(source: Source) -> tuple[str, str]:
    """Why a tape does not watch something, and the cure."""
    node = source.edge.node
    if source.owner is not None:
        return "the tape does not watch this variable", "make it trainable, or call tape.watch(variable)"
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


def expected_source(given: Any) -> str:
    """What is said of something else than a variable or tensor to differentiate by."""
    kind = type(given).__name__
    if isinstance(given, str):
        cure = "names are no sources: give the variable itself, tape.gradient(loss, [w])"
    elif given is None:
        cure = "give the variables, tape.gradient(loss, [w, b])"
    elif hasattr(type(given), "trainable_variables"):
        cure = "give its variables, tape.gradient(loss, model.trainable_variables)"
    else:
        cure = "arrays have no identity on the tape: make a gradwire.Variable of it, or watch a tensor"
    return f"expected variables or traced tensors to differentiate by, got {kind}; {cure}"


def expected_target(came: Sequence[Any]) -> str:
    """What is said of something else than a traced tensor as the target."""
    kinds = ", ".join(type(t).__name__ for t in came) or "nothing"
    if not came or any(t is None for t in came):
        cure = "the target is the loss, a tensor: the function that makes it may lack a `return`"
    elif any(isinstance(t, str) for t in came):
        cure = "names are no targets: give the loss itself, tape.gradient(loss, [w])"
    else:
        cure = _PLAIN
    return f"expected a traced tensor as the target, got {kinds}; {cure}"


def _variable_behind(edge: Edge, depth: int) -> str | None:
    """The name of a variable that an op was computed from, not too far back."""
    node = edge.node
    if isinstance(node, Leaf):
        return node.name if node.owner is not None else None
    if not isinstance(node, Op) or depth == 0:
        return None
    inputs = (each for each in node.inputs if isinstance(each, Edge))
    found = (_variable_behind(each, depth - 1) for each in inputs)
    return next((name for name in found if name is not None), None)


def _warn(message: str) -> None:
    at = here()
    if at is None:
        warnings.warn(message, UserWarning, stacklevel=3)
    else:
        warnings.warn_explicit(message, UserWarning, at.file, at.line)
