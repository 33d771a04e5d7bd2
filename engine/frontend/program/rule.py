"""A rule that turns text which is no program into one, and how one is made of a pattern."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

QUOTED: Final = re.compile(r"""'[^'\\\r\n]*'|"[^"\\\r\n]*"|\#[^\r\n]*""")
WORD: Final = r"[A-Za-z_]\w*"
ATOM: Final = r"(?:[A-Za-z_][\w.]*(?:\([^()]*\)|\[[^\[\]]*\])*|[\d.]+|\([^()]*\))"


@dataclass(frozen=True, slots=True)
class Rule:
    """How a text is changed, and why."""

    why: str
    change: Callable[[str], str]


def outside_quotes(change: Callable[[str], str]) -> Callable[[str], str]:
    """`change`, applied to what stands outside of strings and comments."""

    def apply(text: str) -> str:
        parts: list[str] = []
        end = 0
        for quoted in QUOTED.finditer(text):
            parts += [change(text[end : quoted.start()]), quoted.group()]
            end = quoted.end()
        return "".join([*parts, change(text[end:])])

    return apply


def sub(pattern: str, by: str | Callable[[re.Match[str]], str], why: str, flags: int = 0) -> Rule:
    """The rule that replaces a pattern wherever it stands outside of strings and comments."""
    compiled = re.compile(pattern, flags | re.MULTILINE)
    return Rule(why, outside_quotes(lambda text: compiled.sub(by, text)))
