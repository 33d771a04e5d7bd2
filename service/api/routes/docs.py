"""The OpenAPI document, Swagger UI without internet, and a page per error code."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any

from fastapi import Path
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service.api.endpoint import errors, make_router, returns
from service.api.respond import respond
from service.api.responses import server
from service.queries.kinds import Example
from service.wire.encoding import json_reply
from service.wire.problems import ERRORS, Problem

_SWAGGER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gradwire</title>
<link rel="icon" href="docs/static/favicon-32x32.png">
<link rel="stylesheet" href="docs/static/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/static/swagger-ui-bundle.js"></script>
<script src="docs/static/start.js"></script>
</body>
</html>
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{code}</title></head>
<body><h1><code>{code}</code></h1><p>HTTP {status}. {title}.</p><p>{cure}</p></body></html>
"""


_BUSY = Example(
    "busy",
    answer={
        "code": "busy",
        "status": ERRORS["busy"].status,
        "title": ERRORS["busy"].title,
        "cure": ERRORS["busy"].cure,
    },
)

router = make_router("operations")


@router.get(
    "/openapi.json",
    summary="The OpenAPI document",
    response_model=dict[str, Any],
    response_description="OpenAPI 3.1.",
)
async def openapi(request: Request) -> Response:
    """The OpenAPI document of this server."""
    return respond(json_reply(request.app.openapi()))


@router.get("/docs", summary="Swagger UI", response_class=HTMLResponse, response_description="A page.")
async def docs() -> Response:
    """Swagger UI, served from the package."""
    return HTMLResponse(
        _SWAGGER,
        headers={
            "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
            "style-src 'self' 'unsafe-inline'"
        },
    )


@router.get(
    "/problems/{code}",
    summary="What an error code means",
    response_model=server.ProblemKind,
    response_description="The code, its status, its title and its cure.",
    responses={200: returns([_BUSY]), **errors("not_found")},
)
async def problem(request: Request, code: Annotated[str, Path(examples=["busy"])]) -> Response:
    """What an error code means: HTML for people, JSON for programs."""
    entry = ERRORS.get(code)
    if entry is None:
        raise Problem("not_found", f"expected an error code, got '{code[:100]}'", path="$url.code")
    fields = {"code": code, "status": entry.status, "title": entry.title, "cure": entry.cure}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_PAGE.format_map({name: escape(str(value)) for name, value in fields.items()}))
    return respond(json_reply(fields))
