"""Rules that turn text which is no program into one: rows of a table, each with its reason.

Strings and comments are left alone. `engine.frontend.program.repairs` tries the rules.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from engine.frontend.program.characters import in_ascii
from engine.frontend.program.literals import CONSTANTS
from engine.ir.table import TABLE

_QUOTED: Final = re.compile(r"""'[^'\\\r\n]*'|"[^"\\\r\n]*"|\#[^\r\n]*""")
_WORD: Final = r"[A-Za-z_]\w*"
_ATOM: Final = r"(?:[A-Za-z_][\w.]*(?:\([^()]*\)|\[[^\[\]]*\])*|[\d.]+|\([^()]*\))"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a text is changed, and why."""

    why: str
    change: Callable[[str], str]


def _outside_quotes(change: Callable[[str], str]) -> Callable[[str], str]:
    """`change`, applied to what stands outside of strings and comments."""

    def apply(text: str) -> str:
        parts: list[str] = []
        end = 0
        for quoted in _QUOTED.finditer(text):
            parts += [change(text[end : quoted.start()]), quoted.group()]
            end = quoted.end()
        return "".join([*parts, change(text[end:])])

    return apply


def _sub(pattern: str, by: str | Callable[[re.Match[str]], str], why: str, flags: int = 0) -> Rule:
    compiled = re.compile(pattern, flags | re.MULTILINE)
    return Rule(why, _outside_quotes(lambda text: compiled.sub(by, text)))


def _typeset(text: str) -> str:
    """Everything in ASCII: quotes first, so that what they hold is known to be a string."""
    text = re.sub("[“”„]", '"', re.sub("[‘’‚]", "'", text))
    return _outside_quotes(_unspaced)(text)


def _unspaced(text: str) -> str:
    if text.isascii():
        return text
    text = re.sub(r"[‖∥]([^‖∥]+)[‖∥]", r"norm(\1)", text)
    text = re.sub(rf"√\s*({_ATOM})", lambda m: f"sqrt{_bracketed(m[1])}", text)
    text = re.sub(r"(?<=[\w)])[ \t]*([^\W\x00-\x7f²³¹⁰-⁹₀-₉])(?=\W|$|π)", _beside, text)
    text = re.sub(r"(?<=[\w)])[ \t]*π", " * π", text)
    text = re.sub(r"π[ \t]*(?=[\w(])", "π * ", text)
    text = re.sub(r"[^\W\d]\w*", _word, text)
    written = in_ascii(text)
    if written is None:
        return text
    written = re.sub(r"(?<=\S)  +(?=\S)", " ", written)
    return re.sub(r" ?\b(sum|prod|cbrt) \(", r"\1(", written)


def _beside(match: re.Match[str]) -> str:
    """A Greek letter right behind a number is multiplied, one within a word is part of it."""
    before = match.string[: match.start()]
    number = re.search(r"(?<![\w.])[\d.]+$", before)
    return f" * {match[1]}" if number or before.endswith(")") else match[0]


def _word(match: re.Match[str]) -> str:
    """A word that would turn into the name of a constant keeps apart from it."""
    word = match[0]
    written = None if word in ("π", "ℯ") or word.isascii() else in_ascii(word)
    return f"{written}_" if written in CONSTANTS else word


def _bracketed(text: str) -> str:
    return text if text.startswith("(") and text.endswith(")") else f"({text})"


def _times(match: re.Match[str]) -> str:
    return f"{match[1]} * {match[2]}"


def _double(match: re.Match[str]) -> str:
    """A Fortran double, 1.5d0, unless the text has a name such as d0 that may be multiplied."""
    number, exponent = match[1], match[2]
    if re.search(rf"(?<![\w.]){match[0][len(number) :]}\b", match.string):
        return match[0]
    return number if not int(exponent) else f"{number}e{exponent}"


def _solved(match: re.Match[str]) -> str:
    """MATLAB's left division; a transpose within it is written out, for ' would open a string."""
    matrix, right = (_transposed(part) for part in match.groups())
    return f"solve({matrix}, {right})"


def _transposed(text: str) -> str:
    bare = text[1:-1].strip() if text.startswith("(") else text
    return re.sub(r"(?<=[\w\])])'", ".T", re.sub(r"(?<=[\w\])])'\s*\*\s*", ".T @ ", bare))


def _hexadecimal(match: re.Match[str]) -> str:
    return str(int(match.group(), 0))


#: Of no text whose inputs are called d0 and the like: there it is a product.
DOUBLES: Final = _sub(
    r"(?<![\w.])(\d+\.?\d*|\.\d+)[dD]([+-]?\d{1,3})\b", _double, "a double is written 1.5 or 1.5e3"
)

#: What no program of the language holds outside of strings: changed wherever it stands.
SURE: Final = (
    Rule("names and operators are plain ASCII", _typeset),
    _sub(r"\s*&&\s*", " and ", "'and' is & with brackets around comparisons"),
    _sub(r"\s*\|\|\s*", " or ", "'or' is | with brackets around comparisons"),
    _sub(r"!(?!=)(?=\s*[\w(])", " not ", "'not' is ~"),
    _sub(r"<>", "!=", "unequal is !="),
    _sub(r"([=!]=)=", r"\1", "equal is =="),
    _sub(r"=<", "<=", "at most is <="),
    _sub(r"=>", ">=", "at least is >="),
    _sub(  # before .* becomes *: a number before the * only scales, and stays
        rf"(?<![\w.])({_WORD}|\([^()]*\)) *\* *(?=(?:{_WORD}|\([^()]*\))')",
        r"\1 @ ",
        "beside a transposed matrix * is the product of matrices, which is @",
    ),
    _sub(r"\.\^|\^", "**", "powers are ** (bits: bitwise_xor)"),
    _sub(r"(?:(?<=[A-Za-z_)\]])|(?<=[\w)\]]) +)\.(?=[*/])", "", "operators act on elements as they stand"),
    _sub(r"\b0[xX][0-9a-fA-F_]+|\b0[bB][01_]+|\b0[oO][0-7_]+", _hexadecimal, "numbers are decimal"),
    _sub(r"(?<![\w.])0+(?=[1-9]\d*(?![\w.]))", "", "numbers have no leading zeros"),
    _sub(r"(?<![\w.])(\d[\d_]*(?:\.\d*)?|\.\d+)[iI]\b", r"\1j", "the imaginary unit is 1j"),
    DOUBLES,
    _sub(r"(?<![\w.])(\d+\.?\d*|\.\d+)([fFlL])\b", r"\1", "numbers have no suffix"),
    _sub(
        r"(?<![\w.])(\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)((?![eE][+-]?\d|[jJ]\b|_)[A-Za-z_]\w*)",
        _times,
        "a product has its *",
    ),
    _sub(rf"\b({_WORD})(?:\+\+|--)(?=\s*(?:$|;))", lambda m: f"{m[1]} = {m[1]} {m[0][-1]} 1", "write it out"),
    _sub(r"(?:\+\+|--)(?=[A-Za-z_])", "", "there are no ++ and --"),
    _sub(
        rf"(?<![*/@\w.])(?<![*/@][ \t])({_ATOM})[ \t]*\\[ \t]*({_ATOM})(?![\w.(\[]|\s*\*\*)",
        _solved,
        "a linear system is solved with solve(A, b)",
    ),
    _sub(r"\\\r?\n[ \t]*", " ", "a statement runs over several lines inside brackets only"),
)


def _brackets(text: str) -> str:
    """Close at the end of its line what is open there, drop what closes nothing, pair what does not match."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    lines = text.split("\n")
    for number, line in enumerate(lines):
        characters: list[str | None] = []
        stack: list[str] = []
        for character in _blank(line):
            if character in pairs:
                stack.append(pairs[character])
            elif character in pairs.values():
                if not stack:
                    characters.append(None)
                    continue
                characters.append(stack.pop())
                continue
            characters.append(character)
        code = "".join(
            new if new in (*pairs, *pairs.values()) else old
            for new, old in zip(characters, line, strict=True)
            if new
        )
        comment = _comment(code)
        lines[number] = code[:comment].rstrip() + "".join(reversed(stack)) + code[comment:]
    return "\n".join(lines)


def _blank(line: str) -> str:
    return _QUOTED.sub(lambda m: " " * len(m.group()), line)


def _comment(line: str) -> int:
    quoted = [m for m in _QUOTED.finditer(line) if m.group().startswith("#")]
    return quoted[0].start() if quoted else len(line)


def _juxtaposed(match: re.Match[str]) -> str:
    """Two things side by side: an op and its argument, or a product."""
    first, second = match[1], match[2]
    if keyword.iskeyword(first) or keyword.iskeyword(second):
        return match[0]
    if first in TABLE.public_names():
        alone = re.match(r"\s*([+\-),\];]|$)", match.string[match.end() :], re.MULTILINE)
        return f"{first}({second})" if alone else match[0]
    return f"{first} * {second}"


def _comma(text: str) -> str:
    return re.sub(rf"({_ATOM})[ \t]+(?={_ATOM})", _comma_between, text)


def _comma_between(match: re.Match[str]) -> str:
    return match[0] if keyword.iskeyword(match[1]) else f"{match[1]}, "


def _equality(text: str) -> str:
    """A single = inside brackets as ==, the first that is no keyword argument's first."""
    depth = 0
    for place, character in enumerate(_QUOTED.sub(lambda m: " " * len(m.group()), text)):
        depth += (character in "([{") - (character in ")]}")
        if (
            depth
            and character == "="
            and text[place - 1] not in "=<>!"
            and text[place + 1 : place + 2] != "="
        ):
            return f"{text[:place].rstrip()} == {text[place + 1 :].lstrip()}"
    return text


_SIDE_BY_SIDE: Final = rf"({_ATOM})[ \t]+({_ATOM})(?!\s*\*\*)"

#: What may be meant: each is tried by itself.
GUESSES: Final = (
    _sub(r"//(?=.*$)", "#", "a comment starts with #"),
    _sub(r"(?<![\w.])(\d{1,3}),(\d{3})(?![\w.])", r"\1\2", "numbers have no commas within"),
    _sub(
        r"([+\-*/@&|,=<>])[ \t]*\r?\n[ \t]*(?=\S)",
        r"\1 ",
        "a statement runs over several lines inside brackets only",
    ),
    _sub(
        r"[ \t]*\r?\n[ \t]*(?=[+\-*/@&|.])", " ", "a statement runs over several lines inside brackets only"
    ),
    Rule("every bracket is closed on its line", _brackets),
    _sub(
        r"\[[^\[\]]*\]",
        lambda m: re.sub(r"(?<=[\w.)]) +(?=[\w.(])", ", ", m[0]),
        "elements are separated by commas",
    ),
    _sub(r"(?<![=<>!:])(\b\w+)\s*:=", r"\1 =", "a name is given with ="),
    _sub(
        rf"^([ \t]*)({_WORD})\(({_WORD}(?:\s*,\s*{_WORD})*)\)\s*=(?!=)\s*(.+)$",
        r"\1def \2(\3): return \4",
        "a function is defined with def",
    ),
    _sub(r"^([ \t]*def .*\))\s*=\s*(.+)$", r"\1: return \2", "a function is defined with def"),
    _sub(r"^([ \t]*def [^:\n]*\))(?=\s*(?:return\b|$))", r"\1:", "a colon follows the parameters"),
    _sub(r"^([ \t]*def .*:)[ \t]*\n[ \t]*(return .*)$", r"\1 \2", "what belongs to a function is indented"),
    _sub(r"^[ \t]+", "", "only what belongs to a function is indented"),
    _sub(
        r"^([ \t]*)(?:var|let|const|double|float|int|auto|set|local) +(?=\w+ *=)",
        r"\1",
        "a name needs no word",
    ),
    _sub(r"^([ \t]*)print +(.+)$", r"\1\2", "a program prints nothing"),
    _sub(rf"({_ATOM})\s*<<\s*({_ATOM})", r"bitwise_left_shift(\1, \2)", "bits are moved by an op"),
    _sub(rf"({_ATOM})\s*>>\s*({_ATOM})", r"bitwise_right_shift(\1, \2)", "bits are moved by an op"),
    _sub(r"\|([^|\n]+)\|", r"abs(\1)", "absolute values are abs"),
    _sub(rf"({_ATOM})!(?!=)", r"exp(gammaln(\1 + 1))", "there is no factorial"),
    _sub(
        r"(=[ \t]*|^[ \t]*|\()([^?\n=]+?)\?([^:\n]+):([^\n)]+)",
        lambda m: f"{m[1]}where({m[2].strip()}, {m[3].strip()}, {m[4].strip()})",
        "a choice is where",
    ),
    _sub(rf"(?<=[(,])(\s*{_WORD})\s*:\s*(?=[\w'\"(\[-])", r"\1=", "a keyword argument has ="),
    _sub(rf"({_ATOM})'\s*\*", r"\1.T @", "a matrix is transposed with .T and multiplied with @"),
    _sub(rf"({_ATOM})'", r"\1.T", "a matrix is transposed with .T"),
    _sub(_SIDE_BY_SIDE, _juxtaposed, "a product has its *, a call its brackets"),
    Rule("arguments are separated by commas", _outside_quotes(_comma)),
    Rule("equal is ==", _equality),
    _sub(r",\s*,", ",", "one comma separates arguments"),
    _sub(r",(?=\s*$)", "", "a line ends without a comma"),
    _sub(r";[; \t]+", "; ", "one semicolon separates statements"),
    _sub(r"[$?]+", "", "the text holds a sign that means nothing here"),
)


def keyword_rules(text: str) -> Iterator[Rule]:
    """A word of Python's as a name: with an underscore behind it."""
    keywords = [word for word in dict.fromkeys(re.findall(_WORD, text)) if keyword.iskeyword(word)]
    for word in keywords:
        if word not in ("True", "False", "None", "def", "return"):
            yield _sub(rf"\b{word}\b", f"{word}_", f"'{word}' is a word of Python's and no name; send it so")
