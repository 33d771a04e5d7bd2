"""A warning as data: what is true of a gradient that exists, and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.diagnosis.texts.fix import Fix

LIKELY_MISTAKE = "likely_mistake"  # the code of what is valid and seldom meant


@dataclass(frozen=True, slots=True)
class Caveat:
    """A warning of the wire's `code` at a user's node.

    `sentence` is a key of `templates.CAVEATS`, or a template of a table of mistakes; `arguments` fill it in.
    """

    code: str
    node: str | None
    sentence: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    fix: Fix | None = None
