"""A fix in the user's own words, so that it can be pasted into the user's file.

The server knows nodes by the names of the graph, `getitem_1` or `Variable_2`. Each of them has a line and
a column in the user's source: what stands there is shown instead, as it is called at the place to mend.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gradwire._locations import Place, user_frame
from gradwire._tracing.functions import FUNCTIONS
from gradwire._tracing.lower import Lowered, Ref
from gradwire._tracing.node import Leaf, Op, Scalar
from gradwire._tracing.syntax import Source, expression_at, operand

Locate = Callable[[str], tuple[Lowered, Sequence[str], int] | None]

_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}
_UNARY: dict[type[ast.AST], str] = {ast.USub: "negative", ast.UAdd: "positive", ast.Invert: "bitwise_invert"}
_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
#: As the server writes expressions of nodes, up to so many into each other.
_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "pow": "**",
    "matmul": "@",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
_DEEPEST = 3

_PROPERTIES = {"T": "permute_dims", "mT": "matrix_transpose"}

_QUOTED = re.compile(r"'([A-Za-z_][\w./-]*(?::\d+)?)'")
_BARE = re.compile(r"(?<![\w.'`])([A-Za-z_][\w/]*)(?![\w'`(]|\.\w)")
_CALL = re.compile(r"(?<![\w.'`])([A-Za-z_]\w*)\(")
_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d{4,6}(?:e[+-]?\d+)?)(?![\w.])")
_GENERATED = re.compile(r"([a-z][a-z0-9_]*_\d+|Variable(_\d+)?|captured(_\d+)?)$")
_ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.Constant, ast.List)


@dataclass(frozen=True, slots=True)
class _Text:
    """A piece of the user's source; `atom` needs no brackets around it."""

    text: str
    atom: bool


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
        found = None if blamed is None else locate(blamed)
        place = None if found is None else found[0].items[found[2]].node.place
        self._code = None if place is None else place.code
        self._blamed = found
        self._held: list[str] = []
        seen = None if place is None else _expression(place)
        self._module = _alias() if seen is None else seen[0].alias("gradwire")

    def from_elsewhere(self, fix: str) -> str:
        """The fix with what another function computed called as the blamed node's function calls it.

        The server writes it as an expression, whose names that function does not have.
        """
        if self._blamed is None or self._code is None:
            return fix
        lowered, names, _ = self._blamed
        known: dict[str, str] = {}
        for item in lowered.items:
            place = item.node.place
            if item.op is None or place is None or place.code != self._code:
                continue
            for k, given in enumerate(item.inputs):
                if isinstance(given, tuple) and self._is_elsewhere(lowered, given[0]):
                    written = _operand(place, item.op, k, len(item.inputs))
                    for depth in range(_DEEPEST if written else 0):
                        rendered = _rendered(lowered, names, given, depth)
                        if written and not _GENERATED.match(rendered):
                            known[rendered] = _bracketed(written)
        for rendered in sorted(known, key=len, reverse=True):
            for text in (f"({rendered})", rendered):
                pattern = rf"(?<![\w.'`]){re.escape(text)}(?![\w'`])"
                if re.search(pattern, fix):
                    held = self._hold(known[rendered])
                    fix = re.sub(pattern, lambda _, held=held: held, fix)  # type: ignore[misc]  # a default
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
            for k, given in enumerate(item.inputs):
                if isinstance(given, tuple):
                    below.append(given[0])
                elif isinstance(given, float) and f"{given:g}" == match[1]:
                    written = _operand(item.node.place, item.op, k, len(item.inputs))
                    return _bracketed(written) if written else repr(given)
        return match[0]

    def bare(self, match: re.Match[str]) -> str:
        """A name inside an expression; that of a variable only where it cannot be an English word."""
        name = match[1]
        before, after = match.string[: match.start()].rstrip(), match.string[match.end() :].lstrip()
        in_code = before[-1:] in tuple("([+-*/<>=@") or after[:1] in tuple(")]+-*/<>=@")
        if not _GENERATED.match(name) and not in_code:
            return name
        found = self._text(name)
        return name if found is None else _bracketed(found)

    def quoted(self, match: re.Match[str]) -> str:
        """A name in quotes, which stands for a node as a whole."""
        found = self._own(match[1]) or self._text(match[1])
        return match[0] if found is None else f"`{found.text}`"

    def _text(self, name: str) -> _Text | None:
        """How a node is written where the blamed node stands; else where it was made."""
        found = self._locate(name)
        if found is None:
            return None
        lowered, _, position = found
        for item in lowered.items:
            place = item.node.place
            if item.op is None or place is None or place.code is None or place.code != self._code:
                continue
            for k, given in enumerate(item.inputs):
                if isinstance(given, tuple) and given[0] == position:
                    written = _operand(place, item.op, k, len(item.inputs))
                    if written is not None:
                        return written
        return self._own(name)

    def _own(self, name: str) -> _Text | None:
        """The text that made a node: an expression, or the name it is assigned to if it is a value."""
        found = self._locate(name)
        if found is None:
            return None
        item = found[0].items[found[2]]
        node = item.node
        seen = _expression(node.place)
        if seen is None:
            return None
        source, text = seen
        if isinstance(text, ast.AugAssign):
            return _Text(source.segment(text.target), True) if _records(text, item.op or "") else None
        if isinstance(node, Op) and item.op is not None:
            return _Text(source.segment(text), isinstance(text, _ATOMS)) if _records(text, item.op) else None
        if isinstance(node, Leaf) and _GENERATED.match(name):
            assigned = source.assigned(text)
            return _Text(assigned, True) if assigned else None
        return None


def _alias() -> str:
    """What this package is called where there is no source to read, as in an interactive session."""
    frame = user_frame()
    names = {} if frame is None else frame.f_globals
    package = sys.modules["gradwire"]
    return next((name for name, value in names.items() if value is package), "gradwire")


def made_as(place: Place | None) -> str:
    """The name that the user gave to what was made at a place; empty if there is none."""
    seen = _expression(place)
    return "" if seen is None else seen[0].assigned(seen[1])


def _expression(place: Place | None) -> tuple[Source, ast.AST] | None:
    return None if place is None or place.code is None else expression_at(place.code, place.offset)


def _operand(place: Place | None, op: str | None, position: int, count: int) -> _Text | None:
    seen = _expression(place)
    if seen is None or op is None or not _records(seen[1], op):
        return None
    part = operand(*seen, position, count)
    text = "" if part is None else seen[0].segment(part)
    return _Text(text, isinstance(part, _ATOMS)) if text else None


def _rendered(lowered: Lowered, names: Sequence[str], given: Ref | Scalar, depth: int) -> str:
    """An input as the server writes it in a fix: an expression of a few nodes, or a name."""
    if not isinstance(given, tuple):
        return f"{given:g}"
    item = lowered.items[given[0]]
    if item.op in ("identity", "astype"):
        return _rendered(lowered, names, item.inputs[0], depth)
    node = item.node
    if item.op is None or depth == _DEEPEST or (isinstance(node, Op) and (node.attributes or node.functions)):
        return names[given[0]]
    operands = [_rendered(lowered, names, below, depth + 1) for below in item.inputs]
    if item.op not in _SIGNS:
        return f"{item.op}({', '.join(operands)})"
    return f" {_SIGNS[item.op]} ".join(_factor(operand) for operand in operands)


def _factor(text: str) -> str:
    """An expression as a factor, in brackets unless it is a name, a number or a call."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return f"({text})"
    return text if isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute) else f"({text})"


def _records(text: ast.AST, op: str) -> bool:
    """Whether a text is what records an op: `sum([a, b])` of Python's records additions."""
    if isinstance(text, ast.BinOp | ast.AugAssign):
        return _BINARY.get(type(text.op)) == op
    if isinstance(text, ast.UnaryOp):
        return _UNARY.get(type(text.op)) == op
    if isinstance(text, ast.Compare):
        return len(text.ops) == 1 and _COMPARISONS.get(type(text.ops[0])) == op
    if isinstance(text, ast.Subscript):
        return op == "getitem"
    if isinstance(text, ast.Attribute):
        return _PROPERTIES.get(text.attr) == op
    if isinstance(text, ast.Call):
        called = text.func.attr if isinstance(text.func, ast.Attribute) else getattr(text.func, "id", "")
        function = FUNCTIONS.get(called)
        return called == op or getattr(function, "__name__", None) == op
    return False


def _bracketed(found: _Text) -> str:
    return found.text if found.atom else f"({found.text})"
