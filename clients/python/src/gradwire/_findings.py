"""Entries of a diagnosis, in names of the wire, to findings with the user's own lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradwire._places import Place
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
