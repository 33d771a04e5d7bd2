"""What hints say of the inputs: names that are not ASCII, all in one hint, and how many axes each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.frontend.graph import NAME
from engine.frontend.program.pasting import changed_lines, write_instead
from engine.frontend.program.repairs import repair
from engine.frontend.program.rules import TYPESET
from engine.frontend.program.text import SHOWN, parses


def ascii_names(declared: Iterable[Any] | None, text: str) -> str | None:
    """The hint that calls inputs by ASCII names and writes the text with them; None if all are ASCII.

    None too if one of them has no ASCII form, or two would share one.
    """
    names = [name for name in declared or () if isinstance(name, str)]
    foreign = [name for name in names if not name.isascii()]
    if not foreign:
        return None
    called = {name: TYPESET.change(name) for name in foreign}
    names_in_use = [*(name for name in names if name.isascii()), *called.values()]
    if not all(NAME.fullmatch(name) for name in called.values()) or len({*names_in_use}) < len(names_in_use):
        return None
    send = " and ".join(f"'{old[:40]}' as '{new[:40]}'" for old, new in called.items())
    hint = f"names are plain ASCII: send the input {send}"
    written = TYPESET.change(text)
    if not parses(written):
        repaired = repair(written, parses, parses)
        written = text if repaired is None else repaired.text
    if written == text:
        return hint
    new, old = changed_lines(text, written)
    return f"{hint}; {write_instead(new, old)}" if max(len(new), len(old)) <= 2 * SHOWN else hint


def ranks_of(declared: Mapping[Any, Any]) -> dict[str, int]:
    """How many axes each input has, as far as it shows: for hints, so that nothing is refused here."""
    return {name: _rank(value) for name, value in declared.items() if isinstance(name, str)}


def _rank(value: Any) -> int:
    if isinstance(value, Mapping):
        shape = value.get("shape")
        return len(shape) if isinstance(shape, list | tuple) else _rank(value.get("data"))
    rank = getattr(value, "ndim", 0)
    while isinstance(value, list | tuple) and value and rank < _MOST_AXES:
        value, rank = value[0], rank + 1
    return rank if isinstance(rank, int) else 0


_MOST_AXES = 32
