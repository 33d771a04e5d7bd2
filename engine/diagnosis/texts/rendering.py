"""Fixes and warnings as prose: the one place where their data become sentences."""

from __future__ import annotations

from typing import Any

from engine.diagnosis.texts.caveat import Caveat
from engine.diagnosis.texts.fix import Fix, Note
from engine.diagnosis.texts.templates import AFTER, CAVEATS, FIXES, INLINE


def render_fix(fix: Fix) -> str:
    """The sentences of a fix: its template, what is added within the sentence, and what is added behind it.

    >>> from engine.diagnosis.texts.fix import write
    >>> render_fix(write("sqrt(x + 1e-12)", "sqrt(x)", "it keeps away from 0").with_note("on_request"))
    'Write sqrt(x + 1e-12) for sqrt(x): it keeps away from 0; or ask with `stabilize`.'
    """
    edits = "; write ".join(f"{edit.new} for {edit.old}" for edit in fix.edits)
    body = FIXES[fix.code].format(edits=edits, **fix.arguments)
    inline = "".join(INLINE[n.code].format(**n.arguments) for n in fix.notes if n.code in INLINE)
    after = [_render_behind(note) for note in fix.notes if note.code in AFTER]
    return " ".join([f"{body}{inline}.", *after])


def _render_behind(note: Note) -> str:
    other = {} if note.fix is None else {"other": render_fix(note.fix)}
    return AFTER[note.code].format(**note.arguments, **other)


def render_caveat(caveat: Caveat) -> dict[str, Any]:
    """A warning as it goes on the wire, its fix as the last sentence of its message."""
    sentence = CAVEATS.get(caveat.sentence, caveat.sentence).format(**caveat.arguments)
    fix = "" if caveat.fix is None else f" {render_fix(caveat.fix)}"
    return {"code": caveat.code, "node": caveat.node, "message": f"{sentence}{fix}"}
