"""Cures pasted one behind the other, so that one hint mends all that is wrong with a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import UserError
from engine.frontend.program.pasting import changed_lines, read_instead, write_instead
from engine.frontend.program.text import LONGEST_PASTE

_MOST_CURES: Final = 6  # of one text


def follow_cures(text: str, check: Callable[[str], None]) -> tuple[str, list[str]]:
    """A text with the cures of its further faults pasted, and why; the text as it is unless that mends it.

    `check` raises UserError for a text that is no program.
    """
    pasted, reasons = text, []
    for _ in range(_MOST_CURES):
        try:
            check(pasted)
        except RecursionError:
            return text, []
        except UserError as fault:
            edit = read_instead(fault.hint or "")
            if edit is None or pasted.count(edit.old) != 1:
                return text, []
            pasted = pasted.replace(edit.old, edit.new)
            reasons.append(edit.why)
            continue
        return pasted, [reason for reason in reasons if reason]
    return text, []


def paste(fault: UserError, text: str, new: str, why: str) -> None:
    """The lines of `new` that are to be written in place of those of `text` as the hint of a fault."""
    after, before = changed_lines(text, new)
    if max(len(after), len(before)) <= LONGEST_PASTE:
        fault.hint = write_instead(after, before, why)
