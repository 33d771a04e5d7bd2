"""A finding as the entry that goes on the wire: culprits, path, words for people, the gradient's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice, product
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.diagnosis.structure import Edge, Finding, Graphing
from engine.dtypes import TensorType
from engine.errors import Origin, Source

LISTED = 10  # elements of a culprit, nodes of a list in a message


def entry(
    finding: Finding,
    *,
    name: str,
    target: str,
    graph: Graphing,
    names: dict[int, str],
    gradient: npt.NDArray[Any] | None,
    type: TensorType,
) -> dict[str, Any]:
    """The entry of one variable of type `type`; `names` are the user's names of slots."""
    status: str = finding.status
    if status == "ok" and gradient is not None:
        status = numeric_status(gradient)
    return {
        "status": status,
        "reason": finding.reason,
        "culprits": [_culprit(edge, graph) for edge in finding.cuts],
        "path": _path(finding.path, names),
        "message": _message(status, finding, name, target, type),
        "fix": _fix(status, finding, name, target),
        "warnings": [_partial(edge, name, target) for edge in finding.partial],
        "stats": stats(gradient, type.shape),
    }


def numeric_status(gradient: npt.NDArray[Any]) -> str:
    """`nan`, `inf`, `zero` or `ok`, by the values of a gradient that exists."""
    if np.isnan(gradient).any():
        return "nan"
    if np.isinf(gradient).any():
        return "inf"
    return "ok" if gradient.size == 0 or gradient.any() else "zero"


def stats(gradient: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> dict[str, Any]:
    """Least, greatest, Euclidean norm, and how many elements are zero or not finite."""
    if gradient is None or gradient.size == 0:
        blank = dict.fromkeys(("min", "max", "norm", "zeros", "nonfinite"))
        return {"shape": list(shape), **blank}
    with np.errstate(all="ignore"):
        return {
            "shape": list(shape),
            "min": float(gradient.min()),
            "max": float(gradient.max()),
            "norm": float(np.linalg.norm(gradient.astype(np.float64).ravel())),
            "zeros": int(gradient.size - np.count_nonzero(gradient)),
            "nonfinite": int(gradient.size - np.isfinite(gradient).sum()),
        }


def _culprit(edge: Edge, graph: Graphing) -> dict[str, Any]:
    origin, type = edge.step.origin, graph.tape.types[edge.slot]
    return {
        "node": origin.node,
        "op": origin.op or edge.step.op.name,
        "input": _input_of(edge),
        "elements": [list(place) for place in islice(product(*map(range, type.shape)), LISTED)],
        "count": type.size,
        "reason": edge.reason,
        "evidence": {},
        "source": source_of(origin),
    }


def _input_of(edge: Edge) -> int | None:
    """Which input of the user's node it is; None inside an op that was expanded into others."""
    return edge.position if edge.step.origin.op == edge.step.op.name else None


def source_of(origin: Origin) -> Any:
    """Line, column and text, or the text that a graph's node carried."""
    return asdict(origin.source) if isinstance(origin.source, Source) else origin.source


def _path(slots: Iterable[int], names: dict[int, str]) -> list[str]:
    path: list[str] = []
    for slot in slots:
        name = names.get(slot)
        if name is not None and (not path or path[-1] != name):
            path.append(name)
    return path


def _described(edge: Edge) -> str:
    origin = edge.step.origin
    op = origin.op or edge.step.op.name
    why = "its output is not floating" if edge.rule is None else edge.rule.why
    return f"{op} at '{origin.node}' ({why})"


def _listed(edges: Sequence[Edge]) -> str:
    words = list(dict.fromkeys(_described(edge) for edge in edges))
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(words[:LISTED]) + more


def _message(status: str, finding: Finding, name: str, target: str, type: TensorType) -> str:
    if finding.note is not None:
        return f"{finding.note.detail}."
    if status == "integer":
        return f"'{name}' is {type.dtype}, and only floating tensors carry gradients."
    if status in ("blocked", "stopped"):
        verb = "cut" if status == "blocked" else "stopped on purpose"
        return (
            f"No gradient flows from '{name}' to '{target}': every path is {verb} by {_listed(finding.cuts)}."
        )
    if status == "disconnected":
        return _disconnected(finding, name, target)
    sentence = {
        "ok": f"The gradient of '{target}' with respect to '{name}' exists and is finite.",
        "zero": f"The gradient of '{target}' with respect to '{name}' exists, and every element is zero.",
        "nan": f"The gradient of '{target}' with respect to '{name}' has NaN elements.",
        "inf": f"The gradient of '{target}' with respect to '{name}' has infinite elements.",
    }[status]
    if finding.partial:
        sentence += f" A part of the dependence carries no gradient: {_listed(finding.partial)}."
    return sentence


def _disconnected(finding: Finding, name: str, target: str) -> str:
    if finding.reason == "shape_only":
        return f"'{target}' depends on the shape of '{name}' and not on its values: {_listed(finding.cuts)}."
    if finding.reason == "rebound":
        return f"'{name}' was assigned anew before '{target}' used it, so the first value has no part in it."
    if finding.reason == "other_head":
        heads = ", ".join(f"'{head}'" for head in finding.heads[:LISTED])
        return f"'{target}' does not depend on '{name}', which feeds only {heads}."
    return f"'{target}' does not depend on '{name}': nothing that leads to the target reads it."


def _fix(status: str, finding: Finding, name: str, target: str) -> str | None:
    if finding.note is not None:
        return finding.note.hint
    if status == "integer":
        return f"Give '{name}' a floating dtype, such as float64, or leave it out of wrt."
    if status in ("blocked", "stopped"):
        return _cure(finding.cuts[0])
    if status == "disconnected":
        return {
            "other_head": f"Ask for the target that '{name}' feeds, or add that output to '{target}'.",
            "rebound": f"Use '{name}' before it is assigned anew, or give the second value a new name.",
            "shape_only": f"Use the values of '{name}' in '{target}', or leave it out of wrt.",
        }.get(finding.reason or "", f"Use '{name}' in '{target}', or leave it out of wrt.")
    return None


def _cure(edge: Edge) -> str:
    if edge.rule is not None and edge.rule.cure:
        return edge.rule.cure
    node = edge.step.origin.node
    if edge.reason == "stop_gradient":
        return f"Remove the stop_gradient at '{node}' if the gradient is wanted."
    if edge.reason == "to_integer":
        return f"Stay in a floating dtype at '{node}', and convert after the target is computed."
    op = edge.step.origin.op or edge.step.op.name
    return (
        f"Replace {op} at '{node}' by a smooth function, or pass the gradient straight through: "
        f"x + stop_gradient({op}(x) - x)."
    )


def _partial(edge: Edge, name: str, target: str) -> dict[str, Any]:
    return {
        "code": "partial_path",
        "node": edge.step.origin.node,
        "message": f"One path from '{name}' to '{target}' carries no gradient: {_described(edge)}.",
    }
