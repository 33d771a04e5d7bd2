r"""Mathematical notation as programs write it: `cos^2(x)`, `sin^-1 x`, `||v||`, `log|x|`, LaTeX, sums.

`NOTATION` are rules that come before those of signs, while powers and bars still stand as they were written.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Final

from engine.frontend.program.rule import WORD, Rule, outside_quotes, sub

#: Functions that are written without brackets, and with a power behind their names.
_NAMES: Final = (
    "sin|cos|tan|cot|sec|csc|sinh|cosh|tanh|asin|acos|atan|arcsin|arccos|arctan|asinh|acosh|atanh|"
    "arcsinh|arccosh|arctanh|exp|ln|log|log2|log10|log1p|sqrt|cbrt|abs|erf|sigmoid|relu|softplus"
)
FUNCTIONS: Final = tuple(_NAMES.split("|"))
_FUNCTION: Final = rf"(?<![\w.])({'|'.join(sorted(FUNCTIONS, key=len, reverse=True))})"
_INVERSE: Final = {
    "sin": "asin",
    "cos": "acos",
    "tan": "atan",
    "sinh": "asinh",
    "cosh": "acosh",
    "tanh": "atanh",
}
_POWER_OF: Final = re.compile(
    _FUNCTION + r"[ \t]*(?:\^|\*\*)[ \t]*(?:\{[ \t]*(-?\d+)[ \t]*\}|\([ \t]*(-\d+)[ \t]*\)|(-?\d+))[ \t]*"
)
_FACTOR: Final = re.compile(r"(?:\d[\d.]*[ \t]*\*?[ \t]*)?[A-Za-z_][\w.]*|\d[\d.]*")

# -- functions ---------------------------------------------------------------------------------------------


def argument_at(text: str, start: int) -> int | None:
    """The end of the argument that begins at `start`: what is in brackets, or a factor as 2x; else None."""
    if start < len(text) and text[start] in "({[":
        return closing(text, start)
    factor = _FACTOR.match(text, start)
    if factor is None:
        return None
    follows = factor.end() < len(text) and text[factor.end()] in "([{"
    return closing(text, factor.end()) if follows else factor.end()


def closing(text: str, start: int) -> int | None:
    """The place behind the bracket that closes the one at `start`; None if none does."""
    pairs, opened = {"(": ")", "[": "]", "{": "}"}, []
    for place in range(start, len(text)):
        if text[place] in pairs:
            opened.append(pairs[text[place]])
        elif opened and text[place] == opened[-1]:
            opened.pop()
            if not opened:
                return place + 1
    return None


def _powers_of_functions(text: str) -> str:
    """`cos^2(x)` as `cos(x)**2`, and `sin^-1(x)` as `asin(x)`: the innermost last, so that all are found."""
    start = 0
    while (match := _POWER_OF.search(text, start)) is not None:
        end = argument_at(text, match.end())
        power = int(match[2] or match[3] or match[4])
        if end is None:
            start = match.end()
            continue
        inner = text[match.end() : end]
        inner = inner[1:-1] if inner.startswith(("(", "[", "{")) else inner
        if power == -1 and match[1] in _INVERSE:
            written = f"{_INVERSE[match[1]]}({inner})"
        else:
            written = f"{match[1]}({inner})**{power if power > 0 else f'({power})'}"
        before = " * " if re.search(r"(?:[\d)\]]|(?<![\w.])[A-Za-z]\w*[ \t])$", text[: match.start()]) else ""
        text = (
            text[: match.start()].rstrip(" ") + before + written + text[end:]
            if before
            else (text[: match.start()] + written + text[end:])
        )
        start = match.start() + len(before) + len(match[1])
    return text


# -- LaTeX -------------------------------------------------------------------------------------------------

_SIGNS: Final = {
    "cdot": " * ", "times": " * ", "ast": " * ", "div": " / ", "pm": " + ", "leq": " <= ", "le": " <= ",
    "geq": " >= ", "ge": " >= ", "neq": " != ", "ne": " != ", "infty": " inf ", "pi": " pi ", "ln": " log ",
    "lvert": "|", "rvert": "|", "vert": "|", "lVert": "||", "rVert": "||", "Vert": "||", "|": "||",
    "top": "T", "lambda": " lambda_ ", "varepsilon": " epsilon ", "varphi": " phi ", "ell": " ell ",
}  # fmt: skip
_GREEK: Final = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|mu|nu|xi|rho|sigma|tau|phi|chi|psi|"
    "omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)
_COMMANDS: Final = frozenset(
    {
        *FUNCTIONS,
        *_SIGNS,
        *_GREEK.split("|"),
        "frac",
        "dfrac",
        "tfrac",
        "sum",
        "prod",
        "left",
        "right",
        "mathrm",
        "mathbf",
    }
)
_SPACES: Final = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|limits|quad|qquad)\b|\\[,;:! ]|\$")
_WRAPPED: Final = re.compile(
    r"\\(?:mathrm|mathbf|mathit|text|operatorname|boldsymbol|bm|vec|hat|bar)\s*(?=\{)"
)


def _untypeset(text: str) -> str:
    r"""LaTeX's commands in words: `\frac{a}{b}`, `\sqrt{x}`, `\sin(\theta)`."""
    if not any(name in _COMMANDS for name in re.findall(r"\\([A-Za-z]+|\|)", text)):
        return text
    text = re.sub(r"\\\\(?=\s|$)", "", _SPACES.sub("", text))
    while (match := _WRAPPED.search(text)) is not None:
        end = closing(text, match.end())
        if end is None:
            return text
        text = text[: match.start()] + text[match.end() + 1 : end - 1] + text[end:]
    text = _fractions(text)
    text = re.sub(r"\\sqrt\s*\[\s*3\s*\]", "cbrt", text)
    text = re.sub(r"\\([A-Za-z]+|\|)", lambda m: _SIGNS.get(m[1], f" {m[1]} "), text)
    text = re.sub(r"_\{(\w+)\}", r"_\1", re.sub(r"(?<=\w)\s+(?=_)", "", text))
    text = re.sub(r"\^\s*\{\s*T\s*\}|\^\s*T\b", ".T", text)
    text = text.replace("{", "(").replace("}", ")")
    text = re.sub(r"\^\s*\(\s*(\w+)\s*\)", r"^\1", text)
    text = re.sub(rf"(?<![\w.])({'|'.join(FUNCTIONS)}|sum|prod|cbrt|max|min|det)\s+(?=\()", r"\1", text)
    text = re.sub(r"(?<=\S)[ \t]{2,}(?=\S)", " ", re.sub(r"[ \t]+(?=\))|(?<=\()[ \t]+", "", text))
    return re.sub(r"^[ \t]+|[ \t]+$|[ \t]+(?=\^)", "", text, flags=re.MULTILINE)


def _fractions(text: str) -> str:
    while (match := re.search(r"\\[dt]?frac\s*(?=\{)", text)) is not None:
        middle = closing(text, match.end())
        if middle is None:
            return text
        second = middle + len(text[middle:]) - len(text[middle:].lstrip())
        end = closing(text, second) if text[second : second + 1] == "{" else None
        if end is None:
            return text
        over, under = (_grouped(part) for part in (text[match.end() : middle], text[second:end]))
        before, after = text[: match.start()], text[end:]
        times = " * " if re.match(r"\s*[\w\\(]", after) else ""
        text = f"{before}({over} / {under}){times}{after}"
    return text


def _grouped(part: str) -> str:
    """What stands in braces: as it is if it is one name or number, else in brackets."""
    inner = part[1:-1].strip()
    return inner if re.fullmatch(r"[\w.]+", inner) else f"({inner})"


# -- sums and bars -----------------------------------------------------------------------------------------

_SUM_OF: Final = re.compile(
    r"(?<![\w.])(?:sum|∑|Σ)_"
    r"(?:\{[ \t]*([A-Za-z])\b[^{}]*\}|\([ \t]*([A-Za-z])\b[^()]*\)|([A-Za-z])(?![A-Za-z]))"
    r"(?:[ \t]*\^[ \t]*(?:\{[^{}]*\}|\([^()]*\)|\w))?[ \t]*([^\n;]+)"
)


def _indexed_sums(text: str) -> str:
    """`sum_{i} x_i^2` as `sum(x^2)`: the sum reaches as far as products do, and the index is left out."""
    match = _SUM_OF.search(text)
    if match is None:
        return text
    index, rest = match[1] or match[2] or match[3], match[4]
    end = _end_of_term(rest)
    term = re.sub(rf"_(?:{index}\b|\{{{index}\}}|\({index}\))|\[{index}\]", "", rest[:end]).strip()
    term = term[1:-1] if term.startswith("(") and closing(term, 0) == len(term) else term
    return text[: match.start()] + f"sum({term})" + rest[end:] + text[match.end() :]


def _end_of_term(text: str) -> int:
    depth = 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0 or (
            character in "+-" and not depth and text[:place].strip()[-1:] not in ("", "^", "*", "/")
        ):
            return len(text[:place].rstrip())
    return len(text)


def plain_sums(text: str) -> str:
    """`Σ x²` as `sum(x²)`."""

    def whole(match: re.Match[str]) -> str:
        end = _end_of_term(match[2])
        name = "sum" if match[1] in "∑Σ" else "prod"
        return f"{name}({match[2][:end].strip()}){match[2][end:]}"

    return re.sub(r"([∑Σ∏])[ \t]*(?![ \t(_])([^\n;]+)", whole, text)


def _norm(match: re.Match[str]) -> str:
    order = (match[2] or "").strip("{}() ")
    order = {"inf": "inf", "∞": "inf"}.get(order, order)
    return f"norm({match[1]})" if order in ("", "2", "F") else f"norm({match[1]}, {order})"


_AFTER_BRACKET: Final = re.compile(r"\)(?=([A-Za-z]\w*))")


def _beside_bracket(match: re.Match[str]) -> str:
    """`sin(x)cos(x)`: a word right behind a bracket is a factor."""
    return match[0] if keyword.iskeyword(match[1]) or match[1] in ("end", "then") else ") * "


_CONJUGATED: Final = re.compile(rf"(?<![\w.])({WORD})[ \t]*\^[ \t]*(?:T\b|\{{[ \t]*T[ \t]*\}}|\\top\b|⊤)")

NOTATION: Final = (
    Rule("formulas are written in plain characters", outside_quotes(_untypeset)),
    Rule("a sum runs over a whole tensor", outside_quotes(_indexed_sums)),
    sub(r"(?<![\w)\].|])(?<![\w)\].][ \t])\|\|([^|\n]+)\|\|(?:_(\{\w+\}|\w|∞))?", _norm, "a norm is norm(x)"),
    sub(_FUNCTION + r"[ \t]*\|([^|\n]+)\|", r"\1(abs(\2))", "absolute values are abs"),
    sub(r"(?<![\w.])(\d[\d.]*)[ \t]*\|([^|\n]+)\|(?!\|)", r"\1 * abs(\2)", "absolute values are abs"),
    Rule("the power of a function stands behind its argument", outside_quotes(_powers_of_functions)),
    sub(r"(?<=\^)\{[ \t]*(-?[\w.]+)[ \t]*\}", r"\1", "a power has no braces"),
    sub(r"(?<=\^)\{([^{}\n]+)\}", r"(\1)", "a power has round brackets"),
    sub(r"(?<![\w.])log_(?:\{[ \t]*)?(2|10)(?:[ \t]*\})?(?!\w)", r"log\1", "the logarithm to base 2 is log2"),
    sub(
        _FUNCTION + r"[ \t]+(\d[\d.]*[ \t]*\*?[ \t]*[A-Za-z_]\w*)(?![\w(])",
        r"\1(\2)",
        "a call has its brackets",
    ),
    sub(r"(\*\*|\^)[ \t]*(\d+(?:\.\d+)?)[ \t]*\((?=\S)", r"\1\2 * (", "a product has its *"),
    Rule("a product has its *", outside_quotes(lambda text: _AFTER_BRACKET.sub(_beside_bracket, text))),
    sub(r"(?<![\w.])(?:std|Math)(?:::)(?=[A-Za-z])", "", "ops need no prefix"),
)


def transposed(text: str, ranks: Mapping[str, int]) -> str:
    """`A.T` for A^T of inputs, unless T is an input too."""
    if "T" in ranks:
        return text
    return _CONJUGATED.sub(lambda m: f"{m[1]}.T" if ranks.get(m[1]) else m[0], text)
