"""A fix in the user's own words, so that it can be pasted into the user's file.

The server knows nodes by the names of the graph, `getitem_1` or `Variable_2`. Each of them has a line and
a column in the user's source: what stands there is shown instead, as it is called at the place to mend.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Sequence

from gradwire._locations import Place, user_frame
from gradwire._tracing.caller import expression_at
from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.node import Leaf, Lowered, Op
from gradwire._tracing.syntax import name_of
from gradwire._tracing.texts import ATOMS, DEEPEST, Text, bracketed, operand_at, records, rendered

Locate = Callable[[str], tuple[Lowered, Sequence[str], int] | None]

_QUOTED = re.compile(r"'([A-Za-z_][\w./-]*(?::\d+)?)'")
_BARE = re.compile(r"(?<![\w.'`])([A-Za-z_][\w/]*)(?![\w'`(]|\.\w)")
_CALL = re.compile(r"(?<![\w.'`])([A-Za-z_]\w*)\(")
_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d{4,6}(?:e[+-]?\d+)?)(?![\w.])")
_GENERATED = re.compile(r"([a-z][a-z0-9_]*_\d+|Variable(_\d+)?|captured(_\d+)?)$")


def pasted(fix: str, blamed: str | None, locate: Locate) -> str:
    """A fix, its names replaced by the user's texts as they stand where the node `blamed` was made.

    Names for which no text is found stay.
    """
    writer = _Writer(locate, blamed)
    fix = writer.from_elsewhere(fix)
    fix = _CALL.sub(writer.call, fix)
    fix = _NUMBER.sub(writer.number, fix)
    fix = _BARE.sub(writer.bare, fix)
    fix = _QUOTED.sub(writer.quoted, fix)
    return writer.finished(fix)


class _Writer:
    def __init__(self, locate: Locate, blamed: str | None) -> None:
        self._locate = locate
        location = None if blamed is None else locate(blamed)
        place = None if location is None else location[0].items[location[2]].node.place
        self._code = None if place is None else place.code
        self._blamed = location
        self._held: list[str] = []
        expression = expression_at(place)
        self._module = _alias() if expression is None else expression.source.alias("gradwire")

    def from_elsewhere(self, fix: str) -> str:
        """The fix with what another function computed called as the blamed node's function calls it.

        The server writes it as an expression, whose names that function does not have.
        """
        if self._blamed is None or self._code is None:
            return fix
        lowered, names, _ = self._blamed
        texts: dict[str, str] = {}
        for item in lowered.items:
            place = item.node.place
            if item.op is None or place is None or place.code != self._code:
                continue
            for k, operand in enumerate(item.inputs):
                if isinstance(operand, tuple) and self._is_elsewhere(lowered, operand[0]):
                    written = operand_at(place, item.op, k, len(item.inputs))
                    for depth in range(DEEPEST if written else 0):
                        whole = rendered(lowered, names, operand, depth)
                        if written and not _GENERATED.match(whole):
                            texts[whole] = bracketed(written)
        for whole in sorted(texts, key=len, reverse=True):
            for text in (f"({whole})", whole):
                pattern = rf"(?<![\w.'`]){re.escape(text)}(?![\w'`])"
                if re.search(pattern, fix):
                    token = self._hold(texts[whole])
                    fix = re.sub(pattern, lambda _, token=token: token, fix)  # type: ignore[misc]  # a default
        return fix

    def finished(self, fix: str) -> str:
        """The fix with what was held back from other changes."""
        return re.sub(r"\x00(\d+)\x00", lambda match: self._held[int(match[1])], fix)

    def _hold(self, text: str) -> str:
        self._held.append(text)
        return f"\x00{len(self._held) - 1}\x00"

    def _is_elsewhere(self, lowered: Lowered, position: int) -> bool:
        item = lowered.items[position]
        return item.op is not None and (item.node.place is None or item.node.place.code != self._code)

    def call(self, match: re.Match[str]) -> str:
        """`log(`, as the user's file calls it."""
        return f"{self._module}.{match[0]}" if match[1] in FUNCTIONS else match[0]

    def number(self, match: re.Match[str]) -> str:
        """A number that the server has rounded, as it is written."""
        if self._blamed is None:
            return match[0]
        lowered, _, position = self._blamed
        below = [position]
        for at in below[:64]:
            item = lowered.items[at]
            for k, operand in enumerate(item.inputs):
                if isinstance(operand, tuple):
                    below.append(operand[0])
                elif isinstance(operand, float) and f"{operand:g}" == match[1]:
                    written = operand_at(item.node.place, item.op, k, len(item.inputs))
                    return bracketed(written) if written else repr(operand)
        return match[0]

    def bare(self, match: re.Match[str]) -> str:
        """A name inside an expression; that of a variable only where it cannot be an English word."""
        name = match[1]
        before, after = match.string[: match.start()].rstrip(), match.string[match.end() :].lstrip()
        in_code = before[-1:] in tuple("([+-*/<>=@") or after[:1] in tuple(")]+-*/<>=@")
        if not _GENERATED.match(name) and not in_code:
            return name
        text = self._text(name)
        return name if text is None else bracketed(text)

    def quoted(self, match: re.Match[str]) -> str:
        """A name in quotes, which stands for a node as a whole: inside of an expression it is code."""
        text = self._own(match[1]) or self._text(match[1])
        if text is None:
            return match[0]
        before, after = match.string[: match.start()].rstrip(), match.string[match.end() :].lstrip()
        if before[-1:] in tuple("([+-*/<>=@,") or after[:1] in tuple(")]+-*/<>=@"):
            return bracketed(text)
        return f"`{text.text}`"

    def _text(self, name: str) -> Text | None:
        """How a node is written where the blamed node stands; else where it was made."""
        location = self._locate(name)
        if location is None:
            return None
        lowered, _, position = location
        for item in lowered.items:
            place = item.node.place
            if item.op is None or place is None or place.code is None or place.code != self._code:
                continue
            for k, operand in enumerate(item.inputs):
                if isinstance(operand, tuple) and operand[0] == position:
                    written = operand_at(place, item.op, k, len(item.inputs))
                    if written is not None:
                        return written
        return self._own(name)

    def _own(self, name: str) -> Text | None:
        """The text that made a node: an expression, or the name it is assigned to if it is a value."""
        location = self._locate(name)
        if location is None:
            return None
        item = location[0].items[location[2]]
        node = item.node
        expression = expression_at(node.place)
        if expression is None:
            return None
        source, text = expression.source, expression.node
        if isinstance(text, ast.AugAssign):
            return Text(source.segment(text.target), True) if records(text, item.op or "") else None
        if isinstance(node, Op) and item.op is not None:
            return Text(source.segment(text), isinstance(text, ATOMS)) if records(text, item.op) else None
        if isinstance(node, Leaf) and _GENERATED.match(name):
            name = expression.assigned_name
            return Text(name, True) if name else None
        return None


def _alias() -> str:
    """What this package is called where there is no source to read, as in an interactive session."""
    frame = user_frame()
    names = {} if frame is None else frame.f_globals
    package = sys.modules["gradwire"]
    return next((name for name, value in names.items() if value is package), "gradwire")


def is_generated(name: str) -> bool:
    """Whether the tracing made a name up, as for an expression or a variable that was given none."""
    return _GENERATED.match(name) is not None


def names_inner(text: str, locate: Locate) -> bool:
    """Whether a text names nodes that no text of the user's has made, such as those of a model's layers."""
    return any(is_generated(name) and locate(name) for name in re.findall(r"[A-Za-z_]\w*", text))


def made_as(place: Place | None) -> str:
    """The name that the user gave to what was made at a place; empty if there is none."""
    expression = expression_at(place)
    if expression is None:
        return ""
    text = expression.node
    return name_of(text.target) if isinstance(text, ast.AugAssign) else expression.assigned_name
