"""The OpenAPI 3.1 document, made from the endpoints' records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from engine import dtypes
from service.api.endpoint import Endpoint
from service.api.job_schema import job_schema
from service.wire import problems
from service.wire import safetensors as safetensors_io
from service.wire.problems import KINDS
from service.wire.responses import ProblemDocument

DESCRIPTION = """Send a function as a NumPy-like program or as a JSON graph, get values, gradients and,
where a gradient is missing, the reason. Every error is a problem document (RFC 9457) that names the place
and the cure."""

_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
_NESTED = {"$ref": "#/components/schemas/NestedNumbers"}
_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_./-]{0,127}$"}
_DTYPE = {"enum": list(dtypes.ALL)}
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}}

_TYPED = {
    "type": "object",
    "description": "A tensor with its dtype; `data`: lists, or base64 of little-endian bytes in C order.",
    "properties": {
        "dtype": _DTYPE,
        "shape": {"anyOf": [_SHAPE, {"type": "null"}]},
        "data": {"anyOf": [_NESTED, {"$ref": "#/components/schemas/Base64"}]},
    },
    "required": ["dtype", "data"],
    "additionalProperties": False,
}
_ATTACHED = {
    "type": "object",
    "description": "A tensor of a safetensors body or answer, by its key.",
    "properties": {"tensor": {"type": "string"}},
    "required": ["tensor"],
    "additionalProperties": False,
}
_REFERENCES = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}}
_NODE = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "op": {"type": "string"},
        "inputs": _REFERENCES,
        "attributes": {"type": "object"},
        "source": {"type": ["string", "null"]},
    },
    "required": ["name", "op"],
    "additionalProperties": False,
}
_BODY = {
    "constants": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Tensor"}},
    "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
    "outputs": {"type": "array", "items": {"type": "string"}},
}
_DECLARATION = {
    "type": "object",
    "properties": {
        "shape": {"type": ["array", "null"], "items": {"type": ["integer", "null"], "minimum": 0}},
        "dtype": {"anyOf": [_DTYPE, {"type": "null"}]},
    },
    "additionalProperties": False,
}

SCHEMAS: Mapping[str, Any] = {
    "TrainingJob": job_schema(),
    "NestedNumbers": {
        "description": "A number, a boolean, or a rectangular nested list of them.",
        "anyOf": [*_NUMBER["anyOf"], {"type": "boolean"}, {"type": "array", "items": _NESTED}],
    },
    "Base64": {
        "type": "object",
        "properties": {
            "encoding": {"const": "base64"},
            "buffer": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["encoding", "buffer"],
        "additionalProperties": False,
    },
    "TypedTensor": _TYPED,
    "AttachedTensor": _ATTACHED,
    "Tensor": {
        "description": "A number or nested list (float64 unless a dtype is declared), or a typed tensor.",
        "anyOf": [_NESTED, _TYPED, _ATTACHED],
        "examples": [[1.0, 2.0]],
    },
    "TensorOut": {
        "description": "A tensor in the form that `encoding` names.",
        "anyOf": [_NESTED, _TYPED, _ATTACHED],
    },
    "Node": _NODE,
    "SubGraph": {
        "type": "object",
        "description": "A function of the graph; its inputs are bound by position.",
        "properties": {"inputs": {"type": "array", "items": _NAME}, **_BODY},
        "additionalProperties": False,
    },
    "Graph": {
        "type": "object",
        "description": "A graph document, version 1; nodes may come in any order.",
        "properties": {
            "version": {"const": 1},
            "inputs": {"type": "object", "additionalProperties": _DECLARATION},
            **_BODY,
            "functions": {
                "type": "object",
                "additionalProperties": {"$ref": "#/components/schemas/SubGraph"},
            },
        },
        "additionalProperties": False,
    },
}


def build(endpoints: Iterable[Endpoint], *, version: str, keyed: bool) -> dict[str, Any]:
    """The document; `keyed` where the server asks for its bearer key."""
    endpoints = list(endpoints)
    models: set[type[BaseModel]] = {
        ProblemDocument,
        *(endpoint.body for endpoint in endpoints if endpoint.body),
    }
    for endpoint in endpoints:
        models |= {schema for _, schema in endpoint.answers.values() if isinstance(schema, type)}
    _, definitions = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, keyed)
    components: dict[str, Any] = {"schemas": {**SCHEMAS, **_resolved(definitions.get("$defs", {}))}}
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gradwire",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": components,
    }


def _resolved(node: Any) -> Any:
    """`node` with every stand-in `{"x-schema": name}` made a reference."""
    if isinstance(node, list):
        return [_resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    resolved = {key: _resolved(item) for key, item in node.items() if key != "x-schema"}
    if "x-schema" in node:
        resolved["$ref"] = f"#/components/schemas/{node['x-schema']}"
    return resolved


def _operation(endpoint: Endpoint, keyed: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": _parameters(endpoint),
        "responses": {**_answers(endpoint), **_errors(endpoint.errors)},
    }
    if endpoint.handler.__doc__:
        operation["description"] = endpoint.handler.__doc__
    if endpoint.body is not None:
        content: dict[str, Any] = {"application/json": {"schema": _schema(endpoint.body)}}
        if endpoint.examples:
            content["application/json"]["examples"] = {
                example.summary: {"summary": example.summary, "value": example.body}
                for example in endpoint.examples
            }
        content[safetensors_io.MEDIA_TYPE] = {
            "schema": {"type": "string", "format": "binary"},
        }
        operation["requestBody"] = {"required": True, "content": content}
    if endpoint.content:
        operation["requestBody"] = {"required": True, "content": dict(endpoint.content)}
    if keyed and "unauthorized" in endpoint.errors:
        operation["security"] = [{"key": []}]
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    query = [{"in": "query", "required": False, **parameter} for parameter in endpoint.query]
    header: list[dict[str, Any]] = []
    if endpoint.method == "POST":
        header.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Makes POST /v1/jobs safe to repeat; the other calls are so without it.",
                "schema": {"type": "string"},
            }
        )
    return [*path, *query, *header]


def _answers(endpoint: Endpoint) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, (description, schema) in endpoint.answers.items():
        answer: dict[str, Any] = {"description": description}
        if schema is not None:
            content: dict[str, Any] = {"schema": _schema(schema)}
            if endpoint.examples and status == next(iter(endpoint.answers)):
                content["examples"] = {
                    example.summary: {"summary": example.summary, "value": example.answer}
                    for example in endpoint.examples
                }
            answer["content"] = {endpoint.media_type: content, **endpoint.extra_media}
        answers[str(status)] = answer
    return answers


def _errors(codes: Iterable[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        str(status): {
            "description": ", ".join(f"`{code}`" for code in listed),
            "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status, listed in sorted(by_status.items())
    }


def _schema(schema: Mapping[str, Any] | type[BaseModel]) -> Mapping[str, Any]:
    if isinstance(schema, type):
        return {"$ref": f"#/components/schemas/{schema.__name__}"}
    return schema
