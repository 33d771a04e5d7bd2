"""Rules that turn text which is no program into one: rows of a table, each with its reason.

Strings and comments are left alone. `engine.frontend.program.repairs` tries the rules.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Final

from engine.frontend.program.characters import in_ascii
from engine.frontend.program.counting import ELEMENTS, counted_from_zero, spread_ranges
from engine.frontend.program.foreign import BRACKETS, FOREIGN, matrix_products, round_brackets
from engine.frontend.program.literals import CONSTANTS
from engine.frontend.program.notation import NOTATION, plain_sums, transposed
from engine.frontend.program.rule import ATOM, QUOTED, WORD, Rule, outside_quotes, sub
from engine.ir.table import TABLE


def _typeset(text: str) -> str:
    """Everything in ASCII: quotes first, so that what they hold is known to be a string."""
    text = re.sub("[“”„]", '"', re.sub("[‘’‚]", "'", text))
    return outside_quotes(_unspaced)(text)


def _unspaced(text: str) -> str:
    if text.isascii():
        return text
    text = plain_sums(re.sub(r"[‖∥]([^‖∥]+)[‖∥]", r"norm(\1)", text))
    text = re.sub(rf"√\s*({ATOM})", lambda m: f"sqrt{_bracketed(m[1])}", text)
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
DOUBLES: Final = sub(
    r"(?<![\w.])(\d+\.?\d*|\.\d+)[dD]([+-]?\d{1,3})\b", _double, "a double is written 1.5 or 1.5e3"
)

#: Everything in ASCII, as it is done first.
TYPESET: Final = Rule("names and operators are plain ASCII", _typeset)

#: What no program of the language holds outside of strings: changed wherever it stands.
SURE: Final = (
    TYPESET,
    *NOTATION,
    *FOREIGN,
    sub(r"^[ \t]*=(?!=)[ \t]*(?=\S)", "", "a line is a name, =, and an expression, or an expression alone"),
    Rule("cells are a list", outside_quotes(spread_ranges)),
    sub(
        r"^[ \t]*(?:(?:real|integer|double precision)\b[^=:\n]*::[^=\n]*|implicit none)$",
        "",
        "shapes and dtypes come with the inputs",
        re.IGNORECASE,
    ),
    sub(
        r"(?<![\w.])(\d+\.?\d*(?:[eE][+-]?\d+)?)_(?:dp|sp|wp|r8|rk|real64|8)\b",
        r"\1",
        "numbers have no suffix",
    ),
    sub(r"\s*&&\s*", " and ", "'and' is & with brackets around comparisons"),
    sub(r"\s*\|\|\s*", " or ", "'or' is | with brackets around comparisons"),
    sub(r"!(?!=)(?=\s*[\w(])", " not ", "'not' is ~"),
    sub(r"<>", "!=", "unequal is !="),
    sub(r"([=!]=)=", r"\1", "equal is =="),
    sub(r"=<", "<=", "at most is <="),
    sub(r"=>", ">=", "at least is >="),
    sub(  # before .* becomes *: a number before the * only scales, and stays
        rf"(?<![\w.])({WORD}|\([^()]*\)) *\* *(?=(?:{WORD}|\([^()]*\))')",
        r"\1 @ ",
        "beside a transposed matrix * is the product of matrices, which is @",
    ),
    sub(r"\.\^|\^", "**", "powers are ** (bits: bitwise_xor)"),
    sub(r"(?:(?<=[A-Za-z_)\]])|(?<=[\w)\]]) +)\.(?=[*/])", "", "operators act on elements as they stand"),
    sub(r"\b0[xX][0-9a-fA-F_]+|\b0[bB][01_]+|\b0[oO][0-7_]+", _hexadecimal, "numbers are decimal"),
    sub(r"(?<![\w.])(?<!\d,)0+(?=[1-9]\d*(?![\w.]))", "", "numbers have no leading zeros"),
    sub(r"(?<![\w.])(\d[\d_]*(?:\.\d*)?|\.\d+)[iI]\b", r"\1j", "the imaginary unit is 1j"),
    DOUBLES,
    sub(r"(?<![\w.])(\d+\.?\d*|\.\d+)([fFlL])\b", r"\1", "numbers have no suffix"),
    sub(
        r"(?<![\w.])(\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)((?![eE][+-]?\d|[jJ]\b|_)[A-Za-z_]\w*)",
        _times,
        "a product has its *",
    ),
    sub(rf"\b({WORD})(?:\+\+|--)(?=\s*(?:$|;))", lambda m: f"{m[1]} = {m[1]} {m[0][-1]} 1", "write it out"),
    sub(r"(?:\+\+|--)(?=[A-Za-z_])", "", "there are no ++ and --"),
    sub(
        rf"(?<![*/@\w.])(?<![*/@][ \t])({ATOM})[ \t]*\\[ \t]*({ATOM})(?![\w.(\[]|\s*\*\*)",
        _solved,
        "a linear system is solved with solve(A, b)",
    ),
    sub(r"\\\r?\n[ \t]*", " ", "a statement runs over several lines inside brackets only"),
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
    return QUOTED.sub(lambda m: " " * len(m.group()), line)


def _comment(line: str) -> int:
    quoted = [m for m in QUOTED.finditer(line) if m.group().startswith("#")]
    return quoted[0].start() if quoted else len(line)


def _juxtaposed(match: re.Match[str]) -> str:
    """Two things side by side: an op and its argument, or a product."""
    first, second = match[1], match[2]
    if keyword.iskeyword(first) or keyword.iskeyword(second):
        return match[0]
    if first in TABLE.public_names():
        if re.match(r"\s*\*\*", match.string[match.end() :]):
            return match[0]  # sin x ** 2 may be either
        alone = re.match(r"\s*([+\-),\];]|$)", match.string[match.end() :], re.MULTILINE)
        return f"{first}({second})" if alone else match[0]
    return f"{first} * {second}"


def _comma(text: str) -> str:
    return re.sub(rf"({ATOM})[ \t]+(?={ATOM})", _comma_between, text)


def _comma_between(match: re.Match[str]) -> str:
    """A comma within brackets: outside of them it would make two values of one."""
    before = match.string[: match.start()].rpartition("\n")[2]
    opened = sum(map(before.count, "([{")) - sum(map(before.count, ")]}"))
    return match[0] if keyword.iskeyword(match[1]) or opened < 1 else f"{match[1]}, "


def _equality(text: str) -> str:
    """A single = inside brackets as ==, the first that is no keyword argument's first."""
    depth = 0
    for place, character in enumerate(QUOTED.sub(lambda m: " " * len(m.group()), text)):
        depth += (character in "([{") - (character in ")]}")
        if (
            depth
            and character == "="
            and text[place - 1] not in "=<>!"
            and text[place + 1 : place + 2] != "="
        ):
            return f"{text[:place].rstrip()} == {text[place + 1 :].lstrip()}"
    return text


def _all_beside(text: str) -> str:
    """The same until nothing stands side by side: what stands within a call is found after the call."""
    for _ in range(_ROUNDS):
        changed = re.sub(_SIDE_BY_SIDE, _juxtaposed, text, flags=re.MULTILINE)
        if changed == text:
            break
        text = changed
    return text


_ROUNDS: Final = 4
_SIDE_BY_SIDE: Final = rf"({ATOM})[ \t]+({ATOM})"

#: What may be meant: each is tried by itself.
GUESSES: Final = (
    sub(r"//(?=.*$)", "#", "a comment starts with #"),
    sub(r"(?<![\w.])(\d{1,3}),(\d{3})(?![\w.])", r"\1\2", "numbers have no commas within"),
    sub(
        r"([+\-*/@&|,=<>])[ \t]*\r?\n[ \t]*(?=\S)",
        r"\1 ",
        "a statement runs over several lines inside brackets only",
    ),
    sub(r"[ \t]*\r?\n[ \t]*(?=[+\-*/@&|.])", " ", "a statement runs over several lines inside brackets only"),
    Rule("every bracket is closed on its line", _brackets),
    sub(
        r"\[[^\[\]]*\]",
        lambda m: re.sub(r"(?<=[\w.)]) +(?=[\w.(])", ", ", m[0]),
        "elements are separated by commas",
    ),
    sub(r"(?<![=<>!:])(\b\w+)\s*:=", r"\1 =", "a name is given with ="),
    sub(
        rf"^([ \t]*)({WORD})\(({WORD}(?:\s*,\s*{WORD})*)\)\s*=(?!=)\s*(.+)$",
        r"\1def \2(\3): return \4",
        "a function is defined with def",
    ),
    sub(r"^([ \t]*def .*\))\s*=\s*(.+)$", r"\1: return \2", "a function is defined with def"),
    sub(r"^([ \t]*def [^:\n]*\))(?=\s*(?:return\b|$))", r"\1:", "a colon follows the parameters"),
    sub(r"^([ \t]*def .*:)[ \t]*\n[ \t]*(return .*)$", r"\1 \2", "what belongs to a function is indented"),
    sub(r"^[ \t]+", "", "only what belongs to a function is indented"),
    sub(
        r"^([ \t]*)(?:var|let|const|double|float|int|auto|set|local) +(?=\w+ *=)",
        r"\1",
        "a name needs no word",
    ),
    sub(r"^([ \t]*)print +(.+)$", r"\1\2", "a program prints nothing"),
    sub(rf"({ATOM})\s*<<\s*({ATOM})", r"bitwise_left_shift(\1, \2)", "bits are moved by an op"),
    sub(rf"({ATOM})\s*>>\s*({ATOM})", r"bitwise_right_shift(\1, \2)", "bits are moved by an op"),
    sub(r"\|([^|\n]+)\|", r"abs(\1)", "absolute values are abs"),
    sub(rf"({ATOM})!(?!=)", r"exp(gammaln(\1 + 1))", "there is no factorial"),
    sub(
        r"\bif[ \t]*\(((?:[^()]|\([^()]*\))*)\)[ \t]*([^\n{}]+?)[ \t]+else[ \t]+([^\n{};]+)",
        r"where(\1, \2, \3)",
        "a choice is where",
    ),
    sub(
        rf"^([ \t]*(?:{WORD}[ \t]*=(?!=))?[ \t]*)([^?\n]+)\?([^?:\n]+):([^?:\n;]+)",
        lambda m: f"{m[1]}where({m[2].strip()}, {m[3].strip()}, {m[4].strip()})",
        "a choice is where",
    ),
    sub(
        r"(=[ \t]*|^[ \t]*|\()([^?\n=]+?)\?([^:\n]+):([^\n)]+)",
        lambda m: f"{m[1]}where({m[2].strip()}, {m[3].strip()}, {m[4].strip()})",
        "a choice is where",
    ),
    sub(rf"(?<=[(,])(\s*{WORD})\s*:\s*(?=[\w'\"(\[-])", r"\1=", "a keyword argument has ="),
    sub(rf"({ATOM})'\s*\*", r"\1.T @", "a matrix is transposed with .T and multiplied with @"),
    sub(rf"({ATOM})'", r"\1.T", "a matrix is transposed with .T"),
    Rule("a product has its *, a call its brackets", outside_quotes(_all_beside)),
    Rule("arguments are separated by commas", outside_quotes(_comma)),
    Rule("equal is ==", _equality),
    sub(r",\s*,", ",", "one comma separates arguments"),
    sub(r",(?=\s*$)", "", "a line ends without a comma"),
    sub(r";[; \t]+", "; ", "one semicolon separates statements"),
    sub(r"[$?]+", "", "the text holds a sign that means nothing here"),
)


def rules_of_inputs(ranks: Mapping[str, int]) -> tuple[Rule, ...]:
    """Rules that take the names of the inputs to know, and how many axes each has."""
    return (
        Rule(ELEMENTS, lambda text: counted_from_zero(text, ranks)),
        Rule("a matrix is transposed with .T", lambda text: transposed(text, ranks)),
        Rule("a product of matrices has its @", lambda text: _matrices_side_by_side(text, ranks)),
        Rule("a product of two vectors is @", lambda text: _products_of_vectors(text, ranks)),
        Rule("in MATLAB * is the product of matrices, which is @", lambda text: matrix_products(text, ranks)),
        Rule(BRACKETS, outside_quotes(lambda text: round_brackets(text, ranks))),
    )


def _matrices_side_by_side(text: str, ranks: Mapping[str, int]) -> str:
    """`A @ x` for A x, and x.T @ A @ x for x.T A x, of inputs with so many axes."""

    def product(match: re.Match[str]) -> str:
        first, second = match[1], match[2]
        left, right = (ranks.get(name.removesuffix(".T"), 0) for name in (first, second))
        inner = left == right == 1 and first.endswith(".T")
        return f"{first} @ " if inner or (max(left, right) == 2 and min(left, right) > 0) else match[0]

    return outside_quotes(
        lambda part: re.sub(
            rf"(?<![\w.])({WORD}(?:\.T)?)[ \t]+(?=({WORD}(?:\.T)?)(?![\w.(\[]))", product, part
        )
    )(text)


def _products_of_vectors(text: str, ranks: Mapping[str, int]) -> str:
    """`x @ y` for <x, y>, of inputs with one axis."""

    def product(match: re.Match[str]) -> str:
        first, second = match.groups()
        return f"{first} @ {second}" if ranks.get(first) == ranks.get(second) == 1 else match[0]

    return re.sub(rf"[<⟨][ \t]*({WORD})[ \t]*[,|][ \t]*({WORD})[ \t]*[>⟩]", product, text)


def keyword_rules(text: str) -> Iterator[Rule]:
    """A word of Python's as a name: with an underscore behind it."""
    keywords = [word for word in dict.fromkeys(re.findall(WORD, text)) if keyword.iskeyword(word)]
    for word in keywords:
        if word not in ("True", "False", "None", "def", "return"):
            yield sub(rf"\b{word}\b", f"{word}_", f"'{word}' is a word of Python's and no name; send it so")
