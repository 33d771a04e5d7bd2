"""Cursors: opaque names of the place where the next page of a listing begins."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64

from service.wire.problems import Problem


def cursor(listing: str, place: int | None) -> str | None:
    """The cursor of the page that begins after `place`; None if there is no other page."""
    return None if place is None else urlsafe_b64encode(f"{listing}:{place}".encode()).decode()


def place(listing: str, cursor: str) -> int | None:
    """Where the page of `cursor` begins; None for the first page. Raises Problem invalid_parameter."""
    if not cursor:
        return None
    try:
        name, _, number = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(":")
        if name == listing and 0 <= int(number) < 2**63:
            return int(number)
    except (BadBase64, ValueError):
        pass
    raise Problem(
        "invalid_parameter",
        f"expected a cursor from an earlier answer, got '{cursor[:100]}'",
        path="$query.cursor",
        hint="leave it out for the first page, then send next_cursor as it came",
    )
