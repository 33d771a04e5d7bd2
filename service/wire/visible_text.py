"""Text that comes from outside, made harmless for a terminal: control characters become escapes.

A terminal obeys them: a path with ESC in it could rewrite what an operator sees, or what the terminal does.
"""

from __future__ import annotations

import re

#: C0 but tab and newline, DEL, C1, and what turns the direction of text around.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
#: Those that JSON leaves as they are.
_IN_JSON = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with every control character as an escape, as in Python."""
    return _CONTROL.sub(_escape, text)


def visible_bytes(text: bytes) -> bytes:
    """As `visible`, for the bytes of lines in UTF-8."""
    return _CONTROL_BYTES.sub(lambda match: b"\\x%02x" % match[0][-1], text)


def visible_json(text: str) -> str:
    """A JSON text that holds no control character; it means the same."""
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
