"""Syntax of R, Mathematica, MATLAB, Julia and JavaScript, some of which Python reads as something else.

`FOREIGN` are rules that turn it into the language; `mark` finds what Python accepts by accident, such as
`mu <- a` (a comparison with -a), `Exp[x]` (an element of a tensor Exp) and `0,05` (two numbers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from engine.frontend.program.rule import ATOM, WORD, Rule, outside_quotes, sub
from engine.ir.table import TABLE

#: Functions of Mathematica whose names are not those of ops with a capital.
MATHEMATICA: Final = {
    "ArcCos": "acos",
    "ArcCosh": "acosh",
    "ArcSin": "asin",
    "ArcSinh": "asinh",
    "ArcTan": "atan",
    "ArcTanh": "atanh",
    "Dot": "dot",
    "Inverse": "inv",
    "LinearSolve": "solve",
    "LogGamma": "gammaln",
    "LogisticSigmoid": "sigmoid",
    "PolyGamma": "polygamma",
    "Power": "pow",
    "Ramp": "relu",
    "Re": "real",
    "Im": "imag",
    "StandardDeviation": "std",
    "Times": "multiply",
    "Total": "sum",
    "Tr": "trace",
    "Transpose": "matrix_transpose",
    "Variance": "var",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a text has foreign syntax that Python accepts, what it is, and what is so here."""

    offset: int
    what: str
    why: str
    text: str | None = None  # the whole text as it is meant, if no rule for any text turns it into that


# -- decimal commas ------------------------------------------------------------------------------------------

#: 0,05 and * 0,5: nobody multiplies by 0, and no number begins with 0 but 0 itself.
_SURE_COMMA: Final = re.compile(
    r"(?<![\w.,])(?:0,0\d*[1-9]\d*|\d+,(?!\d{3}(?!\d))0\d*[1-9]\d*)(?![\w.,])"
    r"|(?<=[-+*/])[ \t]*(0,\d+)(?![\w.,])"
)
_COMMA: Final = re.compile(r"(?<![\w.,])(\d+),(\d+)(?![\w.,])")
DECIMALS: Final = "a fraction has a point"


def with_points(text: str) -> str:
    """The text with a point in place of each comma between two digits, but in lists."""
    return outside_quotes(_pointed)(text)


def _pointed(text: str) -> str:
    depth, opened = 0, []
    for character in text:
        depth += (character == "[") - (character == "]")
        opened.append(depth)
    return _COMMA.sub(lambda m: m[0] if opened[m.start()] > 0 else f"{m[1]}.{m[2]}", text)


def _decimals(text: str) -> str:
    return _pointed(text) if _SURE_COMMA.search(text) else text


# -- brackets and functions ----------------------------------------------------------------------------------

_ARROW: Final = rf"((?:^|;)[ \t]*+{WORD})[ \t]*+<<?-[ \t]*+(?=\S)"
_SURE_ARROW: Final = re.compile(
    rf"(?:^|;)[ \t]*+{WORD}(?:[ \t]*+<<?-(?=[ \t]+\S)|<<?-(?=[A-Za-z_(]))", re.MULTILINE
)
_PARAMETERS: Final = rf"\(?[ \t]*+((?:{WORD}(?:[ \t]*+,[ \t]*+{WORD})*)?)[ \t]*+\)?"


def op_of(name: str) -> str | None:
    """The op that a function of Mathematica is, by its name: `Exp` is exp."""
    special = MATHEMATICA.get(name)
    if special is not None:
        return special
    op = TABLE.find(name[:1].lower() + name[1:])
    return op.name if op is not None and not op.internal else None


def round_brackets(text: str, names: Collection[str] = (), *, capitals: bool = True) -> str:
    """The text with `exp(x)` for `Exp[x]`; `names` are tensors. With `capitals` exp[x] is left alone."""
    edits: list[tuple[int, int, str]] = []
    for start, opened, closed, op in _square_calls(text, names, capitals=capitals):
        edits += [(start, opened + 1, f"{op}("), (closed, closed + 1, ")")]
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _square_calls(
    text: str, names: Collection[str], *, capitals: bool
) -> Iterator[tuple[int, int, int, str]]:
    closers = _closers(text)
    meant: dict[str, str | None] = {}
    for match in re.finditer(rf"(?<![\w.])({WORD})\[", text):
        name, closed = match[1], closers.get(match.end() - 1)
        if name not in meant:
            looked_up = name not in names and (name[0].isupper() or not capitals)
            op = op_of(name) if looked_up else None
            assigned = op is not None and re.search(rf"(?<![\w.]){name}[ \t]*+=(?!=)", text)
            meant[name] = None if assigned else op
        op = meant[name]
        if op is not None and closed is not None:
            yield match.start(), match.end() - 1, closed, op


def _closers(text: str) -> dict[int, int]:
    """For each square bracket that opens, where it is closed."""
    closers: dict[int, int] = {}
    opened: list[int] = []
    for place, character in enumerate(text):
        if character in "([{":
            opened.append(place)
        elif character in ")]}" and opened:
            start = opened.pop()
            if text[start] + character == "[]":
                closers[start] = place
    return closers


def _defined(match: re.Match[str]) -> str:
    return f"{match[1]}def {match[2]}({match[3]}): return {match[4].strip().rstrip(';')}"


def _block(match: re.Match[str]) -> str:
    """`function f(x) … end` of Julia, and MATLAB's with a name for what it returns."""
    result, name, parameters, body = match[1], match[2], match[3], match[4]
    lines = [line.strip().rstrip(";") for line in body.splitlines() if line.strip()]
    if not lines:
        return match[0]
    if result:
        lines.append(f"return {result}")
    elif not lines[-1].startswith("return "):
        lines[-1] = f"return {lines[-1]}"
    return "\n    ".join([f"def {name}({parameters}):", *lines])


_MATLAB: Final = re.compile(r"\.[\^*/]|[\w\])]'|;[ \t]*+(?:$|%)", re.MULTILINE)


def _comments(text: str) -> str:
    """MATLAB's comments, in a text that has other signs of it, for x % y is a remainder as well."""
    text = re.sub(r"^([ \t]*+)%+(?!\*%|o%|/%)", r"\1#", text, flags=re.MULTILINE)
    if _MATLAB.search(text):
        text = re.sub(r"(?<=[ \t;])%+(?![*o/]?%)", "#", text)
    return text


def _turned(text: str) -> str:
    """`sum(y) -> z` as `z = sum(y)`, on lines that define no function."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        value, arrow, name = line.rpartition("->")
        name = name.strip(" \t;")
        if arrow and name.isidentifier() and value.strip() and not value.lstrip().startswith("def "):
            indent = value[: len(value) - len(value.lstrip())]
            lines[number] = f"{indent}{name} = {value.strip()}"
    return "\n".join(lines)


_TRANSPOSED: Final = re.compile(r"[\w\])]'(?!\w)")
TRUTH: Final = "truth values are True and False"
BRACKETS: Final = "a function has round brackets"
_ONE: Final = "and indices count from 0"

#: Tried before anything else. What stands in the language as well is changed in texts alone that fail.
FOREIGN: Final = (
    Rule("a comment starts with #", _comments),  # quotes may stand in comments, so before they are looked at
    Rule(DECIMALS, outside_quotes(_decimals)),
    sub(
        rf"^([ \t]*+)({WORD})[ \t]*+(?:=|<-)[ \t]*+(?:function[ \t]*+|\\)\(([^()]*)\)[ \t]*+"
        r"\{?([^{}\n]+)\}?[ \t]*+$",
        _defined,
        "a function is defined with def",
    ),
    sub(
        rf"^([ \t]*+)(?:(?:const|let|var)[ \t]++)?({WORD})[ \t]*+=[ \t]*+{_PARAMETERS}"
        r"[ \t]*+=>[ \t]*+([^{}\n]+)$",
        _defined,
        "a function is defined with def",
    ),
    sub(
        rf"^([ \t]*+)({WORD})[ \t]*+=[ \t]*+@\(([^()]*)\)[ \t]*+([^\n]+)$",
        _defined,
        "a function is defined with def",
    ),
    sub(
        rf"^([ \t]*+)({WORD})[ \t]*+=[ \t]*+{_PARAMETERS}[ \t]*+->[ \t]*+([^\n]+)$",
        _defined,
        "a function is defined with def",
    ),
    sub(
        rf"^[ \t]*+function[ \t]+(?:({WORD})[ \t]*+=[ \t]*+)?({WORD})[ \t]*+\(([^()]*)\)"
        r"[ \t]*+;?[ \t]*+\n"
        r"((?:(?![ \t]*+(?:end|function)\b)[^\n]*\n)+)[ \t]*+end\b;?",
        _block,
        "a function is defined with def",
    ),
    sub(
        rf"^([ \t]*+)({WORD})\[((?:{WORD}_[ \t]*+,?[ \t]*+)+)\][ \t]*+:?=[ \t]*+([^\n]+)$",
        lambda m: f"{m[1]}def {m[2]}({m[3].replace('_', '')}): return {m[4].strip().rstrip(';')}",
        "a function is defined with def",
    ),
    sub(_ARROW, r"\1 = ", f"R's <- is =, {_ONE}"),
    Rule(f"R's -> is =, {_ONE}", outside_quotes(_turned)),
    sub(r"[ \t]*+%\*%[ \t]*+", " @ ", "R's %*% is @"),
    sub(r"[ \t]*+%/%[ \t]*+", " // ", "R's %/% is //"),
    sub(r"[ \t]*+%%[ \t]*+", " % ", "R's %% is %"),
    sub(rf"(?<=[(,])([ \t]*+{WORD})\.({WORD})[ \t]*+=(?!=)", r"\1_\2=", "names have no points"),
    sub(r"(?<![\w.])(?:TRUE|FALSE)\b", lambda m: m[0].capitalize(), TRUTH),
    sub(
        rf"(?<![\w.])({ATOM})[ \t]*+(?:\|>|%>%)[ \t]*+({WORD})(?:\(\))?(?![\w(.])",
        r"\2(\1)",
        "a function stands before its argument",
    ),
    sub(r"(?<=\w)\.\(", "(", "ops act on elements as they stand, without Julia's point"),
    sub(
        r"(?:(?<=[A-Za-z_)\]])|(?<=[\w)\]]) +)\.(?=[-+<>=])(?!\.)",
        " ",
        "operators act on elements as they stand",
    ),
)


def mark(text: str, names: Collection[str], stores: Callable[[], Collection[str]]) -> Mark | None:
    """The first foreign syntax in a text that Python can parse; `names` are the inputs, `stores` tells what
    the text itself names.
    """
    blank = re.sub(r"""'[^'\\\r\n]*'|"[^"\\\r\n]*"|\#[^\r\n]*""", lambda m: " " * len(m[0]), text)
    comma = _SURE_COMMA.search(blank)
    if comma is not None:
        place = comma.start(1) if comma[1] else comma.start()
        return Mark(
            place,
            f"'{comma[0].strip()}' is a number with a decimal comma, which is two numbers here",
            DECIMALS,
        )
    arrow = _SURE_ARROW.search(blank)
    if arrow is not None:
        place = arrow.start() + len(arrow[0]) - len(arrow[0].lstrip("; \t"))
        return Mark(
            place,
            "'<-' is R's assignment, and a comparison with a negative number here",
            "a name is given with =",
        )
    truth = re.search(r"(?<![\w.])(TRUE|FALSE)\b", blank)
    if truth is not None and truth[0] not in {*names, *stores()}:
        return Mark(truth.start(), f"'{truth[0]}' is no truth value here", TRUTH)
    if "[" in blank:
        known_names = {*names, *stores()}
        calls = min(_square_calls(blank, known_names, capitals=False), default=None)
        if calls is not None:
            start, opened, *_ = calls
            name = blank[start:opened]
            meant = outside_quotes(lambda part: round_brackets(part, known_names, capitals=False))(text)
            what = f"'{name}[…]' is an element of a tensor '{name}', and none is given"
            return Mark(start, what, BRACKETS, meant)
    return None


def matrix_products(text: str, ranks: Mapping[str, int]) -> str:
    """`A @ x` for A*x in a text with MATLAB's transposes, of inputs of `ranks` axes: a matrix by an array."""
    if not _TRANSPOSED.search(text):
        return text

    def product(match: re.Match[str]) -> str:
        left, right = (ranks.get(name, 0) for name in match.groups())
        return f"{match[1]} @ {match[2]}" if left == 2 and right >= 1 else match[0]

    return re.sub(rf"(?<![\w.*@/^])({WORD}) *\* *({WORD})(?![\w.(\[])", product, text)
