"""Pages of a listing: `limit`, an opaque `cursor`, and nothing else that the endpoint does not know."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from service.wire.problems import Problem

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """How many are asked for, and the place where the last page ended."""

    limit: int
    place: int | None


def read(request: Request, listing: str, *, others: Collection[str] = ()) -> Page:
    """The page that the query asks for. Raises Problem invalid_parameter."""
    only(request, ("limit", "cursor", *others))
    return Page(limit(request.query_params.get("limit")), _place(listing, request.query_params.get("cursor")))


def only(request: Request, known: Collection[str]) -> None:
    """Raise Problem invalid_parameter for a query parameter that the endpoint does not know."""
    for name in request.query_params:
        if name not in known:
            noun = "parameter" if len(known) == 1 else "parameters"
            allowed = f"only the {noun} {' and '.join(known)}" if known else "no parameters"
            raise Problem(
                "invalid_parameter",
                f"expected {allowed}, got '{name[:100]}'",
                path=f"$query.{name[:100]}",
            )


def choice(request: Request, name: str, known: Collection[str]) -> str | None:
    """The parameter's value, one of `known`; None where it is absent."""
    value = request.query_params.get(name)
    if value is not None and value not in known:
        raise Problem(
            "invalid_parameter",
            f"expected {name} to be one of {', '.join(known)}, got '{value[:100]}'",
            path=f"$query.{name}",
        )
    return value


def limit(text: str | None, *, name: str = "limit", default: int = 100, most: int = MAX_PAGE) -> int:
    """A count from 1 to `most`."""
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most:
        return int(text)
    raise Problem(
        "invalid_parameter", f"expected a {name} from 1 to {most}, got '{text[:100]}'", path=f"$query.{name}"
    )


def cursor(listing: str, place: int) -> str:
    """The cursor of the page that begins after `place`."""
    return urlsafe_b64encode(f"{listing}:{place}".encode()).decode()


def _place(listing: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        name, _, place = urlsafe_b64decode(text.encode("ascii")).decode("ascii").partition(":")
        if name == listing and 0 <= int(place) < 2**63:
            return int(place)
    except (BadBase64, ValueError):
        pass
    raise Problem(
        "invalid_parameter",
        f"expected a cursor from an earlier answer, got '{text[:100]}'",
        path="$query.cursor",
        hint="leave it out for the first page, then send next_cursor as it came",
    )


#: What OpenAPI says of the two.
PARAMETERS: tuple[dict[str, Any], ...] = (
    {
        "name": "limit",
        "description": "Entries on the page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100},
    },
    {"name": "cursor", "description": "`next_cursor` of the page before.", "schema": {"type": "string"}},
)
