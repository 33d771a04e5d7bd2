"""Findings that are about a variable itself: its value is not finite, or it has several of them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from gradwire._tracing.variable_warnings import TOO_LARGE
from gradwire.results import Finding


def blaming_variables(finding: Finding, variables: Container[str]) -> Finding:
    """A finding that blames "the data" of an input, said of a variable: updates made it so, no data."""
    first = finding.culprits[0] if finding.culprits else {}
    name = first.get("node")
    if first.get("reason") != "nonfinite_input" or name not in variables:
        return finding
    start = finding.message.partition(": ")[0]
    return replace(
        finding,
        message=f"{start}: the variable '{name}' itself is not finite; earlier steps made it so.",
        fix=f"Start again from a finite value of '{name}'; most often {TOO_LARGE}.",
    )


def mixed(label: str, count: int) -> str:
    """What is said of a variable of which a target uses several values."""
    return (
        f"the target uses {count} values of the variable '{label}', which was assigned while the tape "
        "recorded: what was computed before keeps the old value, and the gradient adds up the slopes at each "
        "of them. Assign after the `with` block, or use one value throughout: v = variable.value()"
    )


def with_mixing(finding: Finding, count: int) -> Finding:
    """A finding of a variable of which the target uses `count` values, with a warning of that."""
    if count < 2:
        return finding
    warning = {"code": "assigned", "node": None, "message": mixed(finding.name, count)}
    places = finding.warned or (None,) * len(finding.warnings)
    return replace(finding, warnings=(*finding.warnings, warning), warned=(*places, None))
