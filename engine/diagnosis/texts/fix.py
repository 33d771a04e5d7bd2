"""A fix as data: a code and its arguments, what to write for what, and notes. `rendering` makes it prose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to paste, `new`, in the place of the user's text `old`."""

    new: str
    old: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to add to a fix: a code of `templates.INLINE` or `templates.AFTER`, with its arguments.

    `fix` is another fix, if the note adds one.
    """

    code: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do: a code of `templates.FIXES` and its arguments, with `edits` if it is text to paste."""

    code: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()

    def with_note(self, code: str, **arguments: str) -> Fix:
        """The same with one note more."""
        return replace(self, notes=(*self.notes, Note(code, arguments)))

    def with_fix(self, code: str, other: Fix) -> Fix:
        """The same with another fix behind it."""
        return replace(self, notes=(*self.notes, Note(code, fix=other)))

    def without_note(self, code: str) -> Fix:
        """The same without the notes of a code."""
        return replace(self, notes=tuple(note for note in self.notes if note.code != code))

    def has_note(self, *codes: str) -> bool:
        """Whether there is a note of one of these codes."""
        return any(note.code in codes for note in self.notes)

    @property
    def is_pasted(self) -> bool:
        """Whether it is text to paste."""
        return self.code in ("write", "begin", "train")


def write(new: str, old: str, why: str) -> Fix:
    """The fix that writes one expression in the place of another."""
    return Fix("write", {"why": why}, (Edit(new, old),))


def say(text: str) -> Fix:
    """A fix in words that a table holds as a whole sentence, without its full stop."""
    return Fix("say", {"text": text})
