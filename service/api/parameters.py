"""Query parameters as FastAPI reads them, unknown ones refused, and the problem of one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from service.wire.problems import Problem

MAX_PAGE = 1000


class Parameters(BaseModel):
    """What the query parameters of every endpoint share: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageParameters(Parameters):
    """The parameters of a listing."""

    limit: int = Field(100, ge=1, le=MAX_PAGE, description="Entries on the page.")
    cursor: str = Field("", description="`next_cursor` of the page before.")


NoParameters = Annotated[Parameters, Query()]
Page = Annotated[PageParameters, Query()]


def refusal(errors: Sequence[Mapping[str, Any]], operation: Mapping[str, Any]) -> Problem:
    """The problem of the first of pydantic's `errors`; `operation` is what OpenAPI says of the endpoint."""
    first = errors[0]
    name = str(first["loc"][1])[:100]
    schemas = {
        parameter["name"]: parameter["schema"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    }
    if first["type"] == "extra_forbidden":
        noun = "parameter" if len(schemas) == 1 else "parameters"
        wanted = f"only the {noun} {' and '.join(schemas)}" if schemas else "no parameters"
        shown = name
    else:
        wanted = f"{name} to be {_described(schemas.get(name, {})) or first['msg']}"
        shown = str(first["input"])[:100]
    return Problem("invalid_parameter", f"expected {wanted}, got '{shown}'", path=f"$query.{name}")


def _described(schema: Mapping[str, Any]) -> str | None:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "minimum" in schema and "maximum" in schema:
        return f"an integer from {schema['minimum']} to {schema['maximum']}"
    return None
