"""Entries of a diagnosis, in names of the wire, to findings with the user's own lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradwire._client.pasting import Locate, names_inner, pasted
from gradwire._locations import Place
from gradwire.results import Finding

Places = Callable[[str | None], Place | None]

OK: Mapping[str, Any] = {"status": "ok"}


def finding(
    name: str,
    entry: Mapping[str, Any],
    place: Places,
    wire_name: str | None = None,
    *,
    target: Place | None = None,
) -> Finding:
    """One variable's entry; `place` finds lines by the graph's names, `target` is that of the target."""
    culprits, warnings = (tuple(entry.get(key) or ()) for key in ("culprits", "warnings"))
    return Finding(
        name,
        entry.get("status", "ok"),
        entry.get("reason"),
        entry.get("message") or "",
        entry.get("fix"),
        culprits,
        tuple(entry.get("path") or ()),
        warnings,
        entry.get("stats") or {},
        place(wire_name or name),
        tuple(place(culprit.get("node")) for culprit in culprits),
        tuple(place(warning.get("node")) for warning in warnings),
        target,
    )


def with_own_words(finding: Finding, locate: Locate) -> Finding:
    """A finding whose fix can be pasted into the user's file; its names lead nowhere else."""
    if not finding.fix:
        return finding
    blamed = finding.culprits[0].get("node") if finding.culprits else None
    fix = pasted(finding.fix, blamed, locate)
    if "axis of one element" in finding.message and names_inner(fix, locate):  # inside of a model
        fix = "Give the last layer the activation 'sigmoid' in place of 'softmax', or two units."
    return replace(finding, fix=fix)


def without_stops(finding: Finding, borders: Mapping[str, str], place: Places) -> Finding:
    """A finding that speaks of what was computed outside of the tape, not of the nodes that stop it there."""
    met = {name: inner for name, inner in borders.items() if _mentions(finding, name)}
    if not met:
        return finding
    finding = replace(
        finding,
        message=_reworded(finding.message, met, place),
        culprits=tuple(_moved(culprit, met) for culprit in finding.culprits),
        path=tuple(dict.fromkeys(met.get(name, name) for name in finding.path)),
        warnings=tuple(
            {**warning, "message": _reworded(warning.get("message") or "", met, lambda _: None)}
            for warning in finding.warnings
        ),
    )
    first = finding.culprits[0] if finding.culprits else {}
    if first.get("reason") == OUTSIDE:
        finding = replace(finding, reason=OUTSIDE, fix="compute it inside the `with` block of the tape")
    return replace(finding, fix=None if finding.fix is None else _reworded(finding.fix, met, place))


OUTSIDE = "outside_tape"


def _mentions(finding: Finding, name: str) -> bool:
    words = (
        finding.message,
        finding.fix or "",
        *(warning.get("message") or "" for warning in finding.warnings),
    )
    return any(f"'{name}'" in text for text in words)


def _moved(culprit: Mapping[str, Any], met: Mapping[str, str]) -> Mapping[str, Any]:
    inner = met.get(culprit.get("node") or "")
    return culprit if inner is None else {**culprit, "node": inner, "op": "constant", "reason": OUTSIDE}


def _reworded(text: str, met: Mapping[str, str], place: Places) -> str:
    for name, inner in met.items():
        at = place(name)
        outside = "what was computed outside of the tape" + (f" ({at})" if at else "")
        text = text.replace(f"stop_gradient at '{name}' (stop_gradient was called here)", outside)
        text = text.replace(
            f"every path is stopped on purpose by {outside}", f"all paths lie in {outside}, a constant to it"
        )
        text = text.replace(f"'{name}'", f"'{inner}'")
    return text
