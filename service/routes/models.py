"""Models of layers, expanded into graphs."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.training.expand import expand_model
from service import schemas, training_answers
from service.body import media_of, read_body
from service.dependencies import services_of
from service.encoding import encode_answer
from service.problems import Problem
from service.responses import respond
from service.routes.derivatives import FUNCTION_ERRORS
from service.routes.endpoint import Endpoint
from service.routes.model_example import EXPAND
from service.strict_json import parse_object


async def expand(request: Request) -> Response:
    """The graphs that a model of layers means: one to train with, one to predict with, and its parameters."""
    services = services_of(request)
    if media_of(request.headers) != "json":
        raise Problem(
            "unsupported_media_type",
            "expected Content-Type application/json: a model holds no arrays",
            path="headers.content-type",
        )
    body = await read_body(request, services.settings.max_body_bytes)

    def answer() -> Any:
        parsed = schemas.parse(schemas.Expand, parse_object(body))
        expansion = expand_model(
            parsed.model, loss=parsed.loss, metrics=parsed.metrics or (), dtype=parsed.dtype or "float32"
        )
        return encode_answer(expansion.document(), "json")

    return respond(await asyncio.to_thread(answer))


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/models/expand",
        expand,
        name="expand_model",
        summary="A model of layers as graphs",
        tag="models",
        body=schemas.Expand,
        answers={200: ("The graphs and the parameters.", training_answers.ExpandAnswer)},
        errors=FUNCTION_ERRORS,
        examples=(EXPAND,),
    ),
)
