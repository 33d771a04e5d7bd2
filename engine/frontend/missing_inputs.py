"""What to do about an input that has no value: one row for each way in which such a name comes about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.dtypes import TensorType
from engine.errors import Source, did_you_mean, same_but_for_case
from engine.frontend.graph import Graph, Node
from engine.frontend.program.literals import CONSTANTS
from engine.frontend.program.notation import FUNCTIONS
from engine.ir.table import TABLE


@dataclass(frozen=True, slots=True)
class Absence:
    """An input without a value, the node that needs it, the graph, and the inputs that are given."""

    name: str
    user: Node | None
    graph: Graph
    inputs: Mapping[str, TensorType]

    def unused(self) -> list[str]:
        """The given inputs that no node reads."""
        used = {i.partition(":")[0] for node in self.graph.nodes for i in node.inputs if isinstance(i, str)}
        return [name for name in self.inputs if name not in used]


_SPELLINGS: Final = {
    "infinity": "inf",
    "true": "True",
    "false": "False",
    "none": "None",
    "null": "None",
    "newaxis": "None",
    "tau": "2 * pi",
}


def _constant(absence: Absence) -> str | None:
    written = _SPELLINGS.get(absence.name.lower())
    near = [written] if written else same_but_for_case(absence.name, CONSTANTS)
    return f"for the constant write `{near[0]}` instead of `{absence.name}`" if near else None


def _comment(absence: Absence) -> str | None:
    user = absence.user
    if user is None or user.op.name != "floor_divide" or absence.name not in user.inputs:
        return None
    if not isinstance(user.source, Source) or "//" not in user.source.text:
        return None
    text = user.source.text
    return f"a comment starts with #, // divides: write `{text.replace('//', '#')}` instead of `{text}`"


def _op(absence: Absence) -> str | None:
    op = TABLE.find(absence.name)
    return (
        None if op is None or op.internal else f"'{absence.name}' is an op as well: call it, {op.signature}"
    )


def _rebound(absence: Absence) -> str | None:
    return f"assign '{absence.name}' before it is used" if absence.name in absence.graph.rebound else None


def _product(absence: Absence) -> str | None:
    """`m * c` for mc, where m and c have values."""
    names = {*absence.inputs, *(node.name for node in absence.graph.nodes)}
    function = next(
        (f for f in FUNCTIONS if absence.name.startswith(f) and absence.name[len(f) :] in names), None
    )
    if function is not None:
        written = f"{function}({absence.name[len(function) :]})"
        return f"a function has brackets: write `{written}` instead of `{absence.name}`"
    parts = _split(absence.name, frozenset(names - {absence.name}))
    if parts is None:
        return None
    return f"a product has its *: write `{' * '.join(parts)}` instead of `{absence.name}`"


def _split(name: str, names: frozenset[str]) -> list[str] | None:
    """A name as two or three of `names` and numbers written side by side."""
    for end in range(1, len(name)):
        first, rest = name[:end], name[end:]
        if first not in names:
            continue
        if rest in names:
            return [first, rest]
        third = next((n for n in range(1, len(rest)) if rest[:n] in names and rest[n:] in names), None)
        if third is not None:
            return [first, rest[:third], rest[third:]]
    return None


def _unused(absence: Absence) -> str | None:
    unused = absence.unused()
    if not unused:
        return None
    near = did_you_mean(absence.name, unused)
    return f"'{unused[0]}' is given and not used" + (f": {near}" if near else "")


_WAYS: Final[tuple[Callable[[Absence], str | None], ...]] = (
    _constant,
    _comment,
    _product,
    _op,
    _rebound,
)


def cure(missing: list[str], user: Node | None, graph: Graph, inputs: Mapping[str, TensorType]) -> str:
    """The hint for inputs without a value: send the first, or what may be meant by any of them."""
    absences = [Absence(name, user, graph, inputs) for name in missing[:10]]
    parts = [f'send it: {{"inputs": {{"{missing[0]}": …}}}}']
    parts += [suggestion for absence in absences for suggestion in _suggestions(absence)]
    unused = _unused(absences[0])
    return "; ".join([*parts, unused] if unused else parts)


def _suggestions(absence: Absence) -> Iterator[str]:
    for way in _WAYS:
        suggestion = way(absence)
        if suggestion is not None:
            yield f"or {suggestion}"
