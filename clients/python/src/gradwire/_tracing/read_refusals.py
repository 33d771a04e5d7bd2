"""What is wrong with reading a value, and what to write instead of the line that reads it."""

from __future__ import annotations

from gradwire._locations import place_at, user_frames
from gradwire._tracing.read_cures import cure_at
from gradwire._tracing.scopes import Scope
from gradwire.errors import ReadError


def refusal(scope: Scope, name: str, how: str, *, branch: bool) -> ReadError:
    """The error of reading, by `how`, what depends on the argument `name` of a function that is traced."""
    frames = user_frames()
    place = place_at(frames[0]) if frames else None
    cure = cure_at(place, frames[0] if frames else None)
    what = f"{how} reads a value that depends on '{name}', an argument of '{scope.label}'"
    if not scope.values:
        cure = "choose with gradwire.where or gradwire.cond" if branch else cure
        text = f"{what}, which is traced once for all values and so has none to read; {cure}"
    else:
        text = (
            f"{what}, and what is computed from it would be a constant to gradwire.{scope.by}, without a "
            f"gradient; {cure}. If a constant is meant, read gradwire.stop_gradient(tensor), or "
            f"give allow_reads=True to gradwire.{scope.by}"
        )
    return ReadError(f"{text}\n  at {place}" if place else text, place=place)
