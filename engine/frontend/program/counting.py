"""Elements as MATLAB, Fortran and R number them: from 1, in round brackets or braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from engine.frontend.program.notation import closing
from engine.frontend.program.rule import outside_quotes

ELEMENTS: Final = "elements stand in square brackets, and are counted from 0"
_NUMBER: Final = re.compile(r"\d+")
_END: Final = re.compile(r"end(?:\s*-\s*(\d+))?")
_MOST: Final = 32  # elements of a range that are written out


def counted_from_zero(text: str, ranks: Mapping[str, int]) -> str:
    """`x[0]` for x(1), `x[1:3]` for x(2:3) and `A[0, 1]` for A(1,2) of inputs with so many axes."""
    return outside_quotes(lambda part: _counted(part, ranks))(text)


def _counted(text: str, ranks: Mapping[str, int]) -> str:
    names = [re.escape(name) for name, rank in ranks.items() if rank]
    if not names:
        return text
    edits: list[tuple[int, int, str]] = []
    for match in re.finditer(rf"(?<![\w.])({'|'.join(names)})(?=[({{])", text):
        end = closing(text, match.end())
        if end is None:
            return text
        parts = text[match.end() + 1 : end - 1].split(",")
        places = [_place(part.strip()) for part in parts]
        if len(parts) not in (1, ranks[match[1]]) or None in places:
            return text
        edits.append((match.end(), end, f"[{', '.join(map(str, places))}]"))
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return text


def _place(text: str) -> str | None:
    """One index, counted from 0; None if it is none."""
    if text == ":":
        return text
    first, colon, last = (part.strip() for part in text.partition(":"))
    if not colon:
        return _one(text)
    start = _one(first)
    if start is None or ":" in last:
        return None
    if _NUMBER.fullmatch(last):
        return f"{'' if start == '0' else start}:{last}"
    stop = _END.fullmatch(last)
    if stop is None:
        return None
    return f"{'' if start == '0' else start}:" + (f"-{stop[1]}" if stop[1] and int(stop[1]) else "")


def _one(text: str) -> str | None:
    end = _END.fullmatch(text)
    if end is not None:
        return str(-1 - int(end[1] or 0))
    return str(int(text) - 1) if _NUMBER.fullmatch(text) and int(text) else None


def spread_ranges(text: str) -> str:
    """Excel's `A1:A3` as the list of its cells, which are inputs of their own."""

    def cells(match: re.Match[str]) -> str:
        first, last = int(match[2]), int(match[3])
        if not first <= last < first + _MOST:
            return match[0]
        return f"[{', '.join(f'{match[1]}{row}' for row in range(first, last + 1))}]"

    return re.sub(r"(?<![\w.$])\$?([A-Z]{1,2})\$?(\d+):\$?\1\$?(\d+)(?![\w(])", cells, text)
