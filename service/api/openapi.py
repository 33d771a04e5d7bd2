"""The OpenAPI 3.1 document: FastAPI's, with the schemas of graphs, tensors and jobs, and ours of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from engine import dtypes
from service.api.endpoint import methods_of
from service.api.job_schema import job_schema
from service.wire import json_numbers
from service.wire.responses import ProblemDocument

DESCRIPTION = """Send a function as a NumPy-like program or as a JSON graph, get values, gradients and,
where a gradient is missing, the reason. Every error is a problem document (RFC 9457) that names the place
and the cure."""

_REFERENCE = "#/components/schemas/{model}"
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
        "anyOf": [*json_numbers.SCHEMA["anyOf"], {"type": "boolean"}, {"type": "array", "items": _NESTED}],
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


def build(routes: Sequence[APIRoute], *, version: str, keyed: bool) -> dict[str, Any]:
    """FastAPI's document of `routes`, with the schemas of the wire format; `keyed` if a key is required."""
    document = get_openapi(
        title="Gradwire",
        version=version,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=routes,
        separate_input_output_schemas=False,
    )
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= {**SCHEMAS, "ProblemDocument": ProblemDocument.model_json_schema(ref_template=_REFERENCE)}
    schemas |= schemas["ProblemDocument"].pop("$defs")
    for route in routes:
        for operation in (document["paths"][route.path][method.lower()] for method in methods_of(route)):
            _correct(operation, route, keyed=keyed)
    if keyed:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    resolved: dict[str, Any] = _resolved(document)
    return resolved


def _correct(operation: dict[str, Any], route: APIRoute, *, keyed: bool) -> None:
    """Mend what FastAPI says of an operation that is not so here."""
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]  # FastAPI's own refusal of a parameter: ours are problems, which the route lists
    for status, response in route.responses.items():
        for media, content in response.get("content", {}).items():
            if "examples" in content:  # FastAPI drops what is null in them
                responses[str(status)]["content"][media]["examples"] = content["examples"]
    if keyed and "401" in responses:
        operation["security"] = [{"key": []}]


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
