"""Warnings about gradients that are None, zero everywhere or not finite, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradwire._notices import warn
from gradwire._tracing.node import Array
from gradwire.errors import GradientWarning
from gradwire.results import Finding

#: Statuses of gradients that do not exist: `unconnected_gradients="zero"` asks for zeros in their place.
MISSING = ("unwatched", "disconnected", "stopped", "blocked", "integer", "invalid_target")


def flaw(gradient: Array | None) -> str | None:
    """What is wrong with a gradient, in words; None if nothing is."""
    if gradient is None:
        return "is None"
    if not np.isfinite(gradient).all():
        return "has NaN elements" if np.isnan(gradient).any() else "has infinite elements"
    return "is zero" if gradient.size and not gradient.any() else None


def advise(findings: Iterable[tuple[Finding, Array | None]]) -> None:
    """Warn of each gradient with a flaw, once a line of the user's; those of one reason in one warning."""
    groups: dict[tuple[str, str], list[tuple[Finding, str]]] = {}
    for finding, gradient in findings:
        wrong = flaw(gradient)
        if wrong is not None and not _is_right(finding):
            reason = _reason(finding)
            groups.setdefault((wrong, _nameless(reason, finding.name)), []).append((finding, reason))
    for (wrong, _), group in groups.items():
        finding, reason = group[0]
        names = [f"'{each.name}'" for each, _ in group]
        place = finding.places[0] if finding.places else None
        text = f"the gradient by {names[0]} {wrong}{reason}"
        if len(names) > 1:
            several = wrong.replace("is ", "are ", 1).replace("has ", "have ", 1)
            text = f"the gradients by {', '.join(names[:-1])} and {names[-1]} {several}{reason}"
        warn(GradientWarning, text, (*names, finding.status, finding.reason, str(place)))


def advise_target(findings: Iterable[Finding]) -> None:
    """Warn of a target that is NaN or infinite, though its gradients are not."""
    for finding in findings:
        for warning, place in zip(finding.warnings, finding.warned, strict=False):
            if warning.get("code") == "nonfinite_target":
                fix = f" Fix: {warning['fix']}" if warning.get("fix") else ""
                at = f" At {place}." if place else ""
                text = f"the gradient is finite, and what it is of is not: {warning['message']}{at}{fix}"
                warn(GradientWarning, text, ("target", str(place)))
                return


def _is_right(finding: Finding) -> bool:
    """Whether a gradient is zero because the target is at a minimum: descent has arrived."""
    return finding.status == "zero" and (finding.fix or "").startswith("Nothing: ")


def _nameless(reason: str, name: str) -> str:
    """A reason without the name of the variable that it is about."""
    for quote in "'`":
        reason = reason.replace(f"{quote}{name}{quote}", "\0")
    return reason


def advise_entries(what: str, name: str, block: Any, explain: str) -> None:
    """Warn of a matrix of derivatives that is not finite; `explain` is how to ask for the reason."""
    values = np.asarray(getattr(block, "values", block))
    count = int(np.count_nonzero(~np.isfinite(values)))
    if count:
        text = (
            f"{count} of {values.size} entries of the {what} by '{name}' are not finite; {explain} says why"
        )
        warn(GradientWarning, text, (what, name))


def _reason(finding: Finding) -> str:
    if not finding.message:
        return "; ask `explain` for the reason"
    parts = [f": {finding.message[:1].upper()}{finding.message[1:].rstrip('.')}."]
    came_back = [str(warning["message"]) for warning in finding.warnings if warning.get("code") == "read"]
    if finding.status != "disconnected" or not came_back:  # else the message tells of it, with both lines
        places = [place for place in (*finding.places, finding.target, finding.place) if place is not None]
        parts += [f"At {places[0]}."] if places else []
        parts += came_back
    if finding.fix:
        parts.append(f"Fix: {finding.fix}")
    return " ".join(parts)
