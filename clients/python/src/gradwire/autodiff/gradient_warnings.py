"""Warnings about gradients that are None, zero everywhere or not finite, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gradwire._locations import Place
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
    """Warn of each gradient with a flaw, once a line of the user's."""
    for finding, gradient in findings:
        wrong = flaw(gradient)
        if wrong is not None:
            text = f"the gradient by '{finding.name}' {wrong}{_reason(finding)}"
            place = finding.places[0] if finding.places else None
            warn(GradientWarning, text, (finding.name, finding.status, finding.reason, str(place)))


def advise_answer(warned: Iterable[tuple[Mapping[str, Any], Place | None]]) -> None:
    """Warn of what the server warned of with the gradients, such as shapes that meet by accident.

    What `masked_backward` did was asked for: `explain` tells it.
    """
    for warning, place in warned:
        if warning.get("code") != "masked":
            text = f"{warning.get('message')}" + (f" At {place}." if place else "")
            warn(GradientWarning, text, (warning.get("code"), warning.get("node"), str(place)))


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
    places = [place for place in (*finding.places, finding.target, finding.place) if place is not None]
    if places:
        parts.append(f"At {places[0]}.")
    parts += [str(warning["message"]) for warning in finding.warnings if warning.get("code") == "read"]
    if finding.fix:
        parts.append(f"Fix: {finding.fix}")
    return " ".join(parts)
