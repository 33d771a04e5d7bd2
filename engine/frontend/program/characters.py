"""Characters that are not ASCII, as they come with text from papers, chats and word processors, in ASCII."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WRITTEN: Final = {
    "×": "*",
    "·": "*",
    "⋅": "*",
    "∙": "*",
    "∗": "*",
    "⊙": "*",
    "÷": "/",
    "∕": "/",
    "⁄": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "≤": "<=",
    "≥": ">=",
    "⩽": "<=",
    "⩾": ">=",
    "≠": "!=",
    "≈": "==",
    "≡": "==",
    "∧": "&",
    "∨": "|",
    "¬": "~",
    "←": "=",
    "≔": "=",
    "≕": "=",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "‚": "'",
    "′": "'",
    "∞": " inf ",
    "∑": " sum ",
    "Σ": " sum ",
    "∏": " prod ",
    "√": " sqrt ",
    "∛": " cbrt ",
    "ⅈ": "1j",
    "ℯ": "e",
    "…": "...",
    "ᵀ": ".T",
    "⊤": ".T",
    "ϵ": "epsilon",
    "ε": "epsilon",
    "ϑ": "theta",
    "φ": "phi",
    "ϕ": "phi",
    "∂": "d",
    "∇": "grad",
    "ℓ": "ell",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "ł": "l",
    "½": " 0.5 ",
    "¼": " 0.25 ",
    "¾": " 0.75 ",
    "\u200b": "",
    "\u200c": "",
    "\u200d": "",
    "\u2060": "",
    "\ufeff": "",
    "\u00ad": "",
}
_SUPERSCRIPTS: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_POWER: Final = re.compile(f"(⁻?)([{_SUPERSCRIPTS}]+)")
_GREEK: Final = re.compile(r"GREEK (CAPITAL|SMALL) LETTER (FINAL )?(\w+)$")


def in_ascii(text: str) -> str | None:
    """The text with every character in ASCII; None if one has no ASCII form."""
    text = _POWER.sub(lambda m: f" ** {'-' if m[1] else ''}{_digits(m[2])}", text)
    parts = [character if character.isascii() else _written(character) for character in text]
    whole = "".join(part for part in parts if part is not None)
    return whole if None not in parts else None


def _written(character: str) -> str | None:
    spelling = _WRITTEN.get(character)
    if spelling is not None:
        return spelling
    if unicodedata.category(character) == "Zs":
        return " "
    greek = _GREEK.match(unicodedata.name(character, ""))
    if greek is not None:
        return (
            greek[3].capitalize() if greek[1] == "CAPITAL" else greek[3].lower().replace("lamda", "lambda_")
        )
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if plain.isascii() and plain:
        return plain
    accented = len(plain) == 1 and plain != character
    return _written(plain) if accented else None


def _digits(superscripts: str) -> str:
    return "".join(str(_SUPERSCRIPTS.index(digit)) for digit in superscripts)
