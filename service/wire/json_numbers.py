"""JSON in which NaN and the infinities are three strings: one writer and one reader for the whole server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pydantic_core import from_json, to_json

from engine.ir.json_numbers import INFINITY, LISTED, NON_FINITE

__all__ = ["INFINITY", "LISTED", "SCHEMA", "dumps", "loads"]

#: The JSON schema of a number.
SCHEMA: Final[dict[str, Any]] = {"anyOf": [{"type": "number"}, {"enum": [*NON_FINITE]}]}


def dumps(value: Any, *, fallback: Callable[[Any], Any] | None = None) -> bytes:
    """`value` as JSON, non-finite numbers by name; `fallback` converts what JSON does not have."""
    return to_json(value, inf_nan_mode="strings", fallback=fallback)


def loads(text: bytes) -> Any:
    """The value of JSON as RFC 8259 has it; raises ValueError for NaN literals, as for any bad text."""
    return from_json(text, allow_inf_nan=False)
