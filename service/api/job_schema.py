"""The JSON schema of a training job, from the table that decodes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.ir.attributes import Attribute
from engine.training.job.fields import FIELDS, Form, JobField

_OBJECT = {"type": "object", "additionalProperties": True}
_FORMS: Mapping[Form, list[Mapping[str, Any]]] = {
    "text": [{"type": "string"}],
    "graph": [{"$ref": "#/components/schemas/Graph"}],
    "object": [_OBJECT],
    "objects": [{"type": "object", "additionalProperties": _OBJECT}],
    "record": [{"type": "string"}, _OBJECT],
    "array": [{"type": "array", "items": {}}],
    "tensors": [{"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Tensor"}}],
}


def job_schema() -> dict[str, Any]:
    """The schema of the document of `POST /v1/jobs`."""
    return {
        "type": "object",
        "title": "TrainingJob",
        "description": "A training job; exactly one of program, graph and model.",
        "properties": {field.name: _property(field) for field in FIELDS},
        "required": [field.name for field in FIELDS if isinstance(field, JobField) and field.required],
        "additionalProperties": False,
    }


def _property(field: JobField | Attribute) -> dict[str, Any]:
    null = {"type": "null"}
    if isinstance(field, Attribute):
        answer = {"anyOf": [dict(field.kind.schema), null], "default": field.default}
    elif field.required:
        answer = dict(_FORMS[field.form][0])
    else:
        answer = {"anyOf": [*_FORMS[field.form], null], "default": None}
    return {**answer, "description": field.doc}
