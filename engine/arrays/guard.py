"""Values that a run on a device has to check afterwards, because they must lie within bounds.

On the CPU a kernel looks at its indices before it reads. On a device a look is a wait: the host would
stand still at every gather until the device has caught up. So a kernel only notes the least and the
largest value, on the device, and the run looks at all notes with one transfer before it answers. Until
then CuPy wraps indices beyond the bounds into them, so a wrong one reads a wrong number and never foreign
memory; the answer made of it is thrown away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import Origin, UserError

MOST_NOTES = 1024  # a loop that notes more is looked at in between, so that notes stay few
MakeError = Callable[[Any], UserError]


@dataclass(frozen=True, slots=True)
class Note:
    """The least and the largest value of an array, on the device, and the bounds that they must be within."""

    origin: Origin
    extremes: Any
    low: float
    high: float
    make_error: MakeError


class Guard:
    """The notes of one run; `origin` is the user's node that is being computed."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self.origin = Origin()

    def note(self, library: Any, extremes: Any, low: float, high: float, make_error: MakeError) -> None:
        """Have `extremes`, two numbers in int64 or float64, looked at: `low <= values < high`."""
        self._notes.append(Note(self.origin, extremes, low, high, make_error))
        if len(self._notes) >= MOST_NOTES:
            self.look(library)

    def look(self, library: Any) -> None:
        """Raise the error of the first note that is out of bounds, at its node; this waits for the device."""
        notes, self._notes = self._notes, []
        if not notes:
            return
        bits = library.stack([note.extremes.view("int64") for note in notes]).get()
        for note, pair in zip(notes, bits, strict=True):
            least, most = pair.view(note.extremes.dtype).tolist()
            if not (least >= note.low and most < note.high):
                raise note.make_error(most if most >= note.high else least).at(note.origin)


_running = threading.local()


@contextmanager
def guarding(library: Any) -> Iterator[Guard]:
    """A guard for the kernels that this thread runs; it looks at its notes in the end."""
    before = getattr(_running, "guard", None)
    guard = _running.guard = Guard()
    try:
        yield guard
        guard.look(library)
    finally:
        _running.guard = before


def current() -> Guard:
    """The guard of the run that this thread is in."""
    guard: Guard | None = getattr(_running, "guard", None)
    assert guard is not None, "kernels run on a device within a run"
    return guard


def note(library: Any, values: Any, low: float, high: float, make_error: MakeError) -> None:
    """Note that `low <= values < high` everywhere."""
    if values.size:
        wide = "float64" if values.dtype.kind == "f" else "int64"
        extremes = library.stack([values.min(), values.max()]).astype(wide)
        current().note(library, extremes, low, high, make_error)
