"""Names that are not there: what to write instead, for every kind of thing.

Tables say it by name: `counterparts` for what other libraries have, `instead` for functions. A name that is
in none of them is compared with those that are there.
"""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence

from gradwire._names.instead import FORMULAS, SENTENCES

Table = Mapping[str, str]

#: Functions of arrays that the server has no op for, with the formulas that replace them.
INSTEAD: Table = ChainMap(FORMULAS, SENTENCES)

_CUTOFF = 0.72  # of difflib's ratio: one slip in a short word, a few in a long one


def advice(
    name: str, tables: Sequence[Table] = (), names: Iterable[str] = (), listing: str | None = None
) -> str | None:
    """What to write instead of `name`: a table's words, else a name that is a slip of the pen away.

    `names` are the names that are there; with `listing`, a verb such as "it takes", all of them are listed.
    Slips of the pen in the tables' own names count too, but not in those of `INSTEAD`. None if nothing can be
    said.
    """
    entry = next((table[name] for table in tables if name in table), None)
    if entry is not None:
        return entry
    names = list(names)
    near = _near(name, names)
    if not near:
        foreign = {key: text for table in tables if table is not INSTEAD for key, text in table.items()}
        meant = next(iter(_near(name, foreign)), None)
        if meant is not None:
            return f"did you mean '{meant}'? {foreign[meant]}"
    meant = f"did you mean {' or '.join(map(repr, near))}?" if near else None
    if listing is None:
        return meant
    listed = f"{listing} {', '.join(names) or 'none'}"
    return f"{meant} {listed}" if meant else listed


def unknown(
    owner: str,
    name: str,
    tables: Sequence[Table] = (),
    names: Iterable[str] = (),
    listing: str | None = None,
) -> AttributeError:
    """The error for an attribute that `owner` has not; of private names nothing more is said."""
    text = None if name.startswith("_") else advice(name, tables, names, listing)
    return AttributeError(f"{owner} has no attribute '{name}'" + (f": {text}" if text else ""), name=name)


def _near(name: str, names: Iterable[str]) -> list[str]:
    """At most two names that differ in case and underscores only, else by a slip of the pen."""
    folded = name.replace("_", "").lower()
    public = [other for other in names if not other.startswith("_")]
    same = [other for other in public if other.replace("_", "").lower() == folded and folded]
    return same[:2] or difflib.get_close_matches(name, public, 2, _CUTOFF)
