"""Python warnings at the user's own line, once for each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable

from gradwire._locations import user_frame

_texts: dict[Hashable, str] = {}
_MOST = 10_000


def warn(kind: type[Warning], text: str, about: Hashable) -> None:
    """Warn at the line of the user's code that is being run.

    Python shows one text once a line. A text may differ in its numbers at each turn of a loop, so what is
    `about` the same thing at the same line keeps its first text.
    """
    frame = user_frame() or sys._getframe(1)
    file, line = frame.f_code.co_filename, frame.f_lineno
    if len(_texts) >= _MOST:
        _texts.clear()
    text = _texts.setdefault((kind, file, line, about), text)
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    name = frame.f_globals.get("__name__") or "<unknown>"
    warnings.warn_explicit(text, kind, file, line, name, registry)
