"""The requests' fields as pydantic models: strict, nothing unknown, tensors left raw for the engine.

`parse` turns a document into a model or raises an engine error that names the JSON path and, for an
unknown field, the nearest known one. Absent and null mean the default everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from engine.errors import InvalidDocument, UnknownField, did_you_mean
from service.wire.json_reader import child_path

#: Stand for schemas of `openapi.py`; pydantic follows no reference that is not its own.
TENSOR_SCHEMA: dict[str, Any] = {"x-schema": "Tensor"}
GRAPH_SCHEMA: dict[str, Any] = {"x-schema": "Graph"}

RawTensor = Annotated[Any, WithJsonSchema(TENSOR_SCHEMA)]
Tensors = dict[str, RawTensor]
Names = list[str]


class Request(BaseModel):
    """What every request shares: strict types, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Function(Request):
    """The function of a call: a program or a graph, exactly one unless the URL names a published graph."""

    program: str | None = Field(None, description="Statements in NumPy syntax; free names are inputs.")
    graph: Annotated[dict[str, Any] | None, WithJsonSchema({"anyOf": [GRAPH_SCHEMA, {"type": "null"}]})] = (
        Field(None, description="A graph document, version 1.")
    )


class Options(Request):
    """Options that every derivative call takes."""

    encoding: Literal["json", "typed", "base64"] | None = Field(
        None, description="How tensors leave; default json."
    )
    device: str | None = Field(None, description="cpu, cuda, cuda:n or auto; default auto.")
    dtype: str | None = Field(None, description="Compute in this floating dtype instead of the inputs' own.")
    optimize: bool | Literal["off", "plan", "compiled", "auto"] | None = Field(
        None,
        description="How far to optimise: off, plan (rewrite, plan memory), compiled (native code), auto; "
        "true is auto, false is off; default auto.",
    )
    exact: bool | None = Field(
        None, description="Return the bits of the NumPy plan, whatever `optimize` is; default false."
    )
    stabilize: bool | None = Field(
        None,
        description="Compute what overflows or is undefined on the way in stable forms; adds `rewrites`.",
    )
    batch: Names | None = Field(
        None, description="Inputs that share a leading axis of N rows; everything answered has it too."
    )


MASKED_BACKWARD: Any = Field(
    None, description="Pass nothing, not even NaN, to elements that nothing selects; adds `warnings`."
)


class InputType(Request):
    """The type of an input, in place of a value."""

    shape: list[int] = Field(description="Sizes of the axes.")
    dtype: str | None = Field(None, description="Default: what the function declares, else float64.")


Model = TypeVar("Model", bound=Request)


def parse(model: type[Model], document: dict[str, Any], *, function: bool = True) -> Model:
    """`document` as a `model`. Raises UnknownField and InvalidDocument with the JSON path.

    With `function` False the URL names the graph, and the body must not hold one.
    """
    try:
        parsed = model.model_validate(document)
    except ValidationError as error:
        raise _translate(model, document, error) from None
    if isinstance(parsed, Function):
        _check_function(parsed, function)
    return parsed


def _check_function(parsed: Function, expected: bool) -> None:
    functions = [name for name in ("program", "graph") if getattr(parsed, name) is not None]
    if not expected and functions:
        raise InvalidDocument(
            f"expected no function in the body, since the URL names the graph, got '{functions[0]}'",
            path=f"$.{functions[0]}",
            hint=f"leave '{functions[0]}' out, or post to the path without the id",
        )
    if expected and len(functions) != 1:
        raise InvalidDocument(
            f"expected exactly one of 'program' and 'graph', got {'both' if functions else 'neither'}",
            path="$",
            hint='add "program": "mean((W * x - y) ** 2)", say' if not functions else "remove one of the two",
        )


def _translate(
    model: type[Request], document: dict[str, Any], error: ValidationError
) -> UnknownField | InvalidDocument:
    first = min(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    path, value = _locate(document, first["loc"])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        fields = [*model.model_fields]
        return UnknownField(
            f"expected only the fields {', '.join(fields)}, got '{name}' at {path}",
            path=path,
            hint=_cure_of_field(name, document.get(name), fields),
        )
    same_field = [
        (*_locate(document, item["loc"]), item)
        for item in error.errors(include_url=False)
        if item["loc"][0] == first["loc"][0]
    ]
    path, value, _ = max(same_field, key=lambda entry: len(entry[0]))  # the deepest says most
    items = [item for place, _, item in same_field if place == path]
    if [item["type"] for item in items] == ["missing"]:
        name = str(items[0]["loc"][-1])
        return InvalidDocument(f"expected '{name}' at {path}", path=child_path(path, name))
    wanted = dict.fromkeys(_expectation(item) for item in items)
    return InvalidDocument(
        f"expected {' or '.join(wanted)}, got {_show(value)} at {path}",
        path=path,
        hint=_cure_of_value(path.removeprefix("$."), value, [*wanted]),
    )


#: What other services and libraries call the fields.
_CALLED: Mapping[str, Sequence[str]] = {
    "program": ("expression", "expr", "code", "function", "formula", "source", "equation", "fn", "f", "loss"),
    "inputs": (
        *("variables", "vars", "args", "arguments", "values", "params", "parameters", "feed_dict", "data"),
        *("tensors", "x", "at", "point"),
    ),
    "wrt": ("argnums", "with_respect_to", "variable", "gradients", "sources", "requires_grad", "grad"),
    "target": ("output", "outputs", "of", "y", "result"),
    "vectors": ("vector", "v", "tangents", "direction", "directions", "p"),
    "cotangents": ("cotangent", "grad_outputs", "output_gradients", "seed", "gy"),
    "diagnose": ("explain", "debug", "diagnostics", "diagnosis"),
    "unconnected": ("allow_unused", "unconnected_gradients"),
    "batch": ("vmap", "in_axes", "batch_size"),
}
_NEEDLESS: Mapping[str, str] = {
    "create_graph": "leave it out: a second derivative is POST /v1/hessian, or /v1/hvp",
    "retain_graph": "leave it out: every request is computed anew",
    "order": "leave it out: a second derivative is POST /v1/hessian, or /v1/hvp",
    "persistent": "leave it out: every request is computed anew",
    "seed": "leave it out: random ops take a seed in the program, as random_normal((3,), seed=1)",
}


def _cure_of_field(name: str, value: Any, fields: Sequence[str]) -> str | None:
    """What to write for a field that is not there."""
    inside = [one for one in value if one in fields] if isinstance(value, dict) else []
    if inside and name not in ("inputs", "vars", "variables", "params"):
        return f"'{inside[0]}' stands beside 'inputs', not inside '{name}': send it at the top of the body"
    meant = next((one for one, names in _CALLED.items() if one in fields and name.lower() in names), None)
    if meant is not None:
        return f"it is called '{meant}' here"
    return _NEEDLESS.get(name) or did_you_mean(name, fields)


def _cure_of_value(field: str, value: Any, wanted: Sequence[str]) -> str | None:
    """The value as it is to be sent, if that can be told."""
    if "a list" in wanted and isinstance(value, str):
        return f'write "{field}": ["{value[:40]}"]'
    if "a list" in wanted and isinstance(value, dict) and value:
        names = ", ".join(f'"{name[:40]}"' for name in [*value][:3])
        return f'write the names alone: "{field}": [{names}]'
    if field == "program" and isinstance(value, list):
        return 'a program is one text, its lines separated by \\n: "h = w * x\\nsum(h)"'
    if field == "inputs" and isinstance(value, list):
        return 'inputs go by their names in the program: {"w": [1.0, 2.0]}'
    return None


_EXPECTED = {
    "string_type": "a string",
    "list_type": "a list",
    "dict_type": "an object",
    "bool_type": "true or false",
    "int_type": "an integer",
    "missing": "a value",
}


def _expectation(item: ErrorDetails) -> str:
    if item["type"] == "literal_error":
        return str(item["ctx"]["expected"])
    if item["type"] == "greater_than_equal":
        return f"{item['ctx']['ge']} or more"
    return _EXPECTED.get(item["type"]) or item["msg"]


def _locate(document: Any, location: tuple[int | str, ...]) -> tuple[str, Any]:
    """The JSON path of pydantic's location, whose union tags are no part of the document."""
    path, node = "$", document
    for step in location:
        exists = step in node if isinstance(node, dict) else isinstance(node, list) and isinstance(step, int)
        if exists:
            path, node = child_path(path, step), node[step]
    return path, node


def _show(value: Any) -> str:
    names = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    text = names.get(type(value)) or repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Predict(Request):
    """Predictions of a trained job."""

    inputs: Tensors = Field(description="A tensor for every input that the outputs need.")
    outputs: Names | None = Field(None, description="Outputs or nodes to answer; default: all outputs.")
    encoding: Literal["json", "typed", "base64"] | None = Field(
        None, description="How tensors leave; default json."
    )
    checkpoint: str | None = Field(None, description="Of which checkpoint; default the newest.")


class Expand(Request):
    """A model of layers."""

    model: dict[str, Any] = Field(description="`input_shape` and `layers`.")
    loss: str | dict[str, Any] | None = Field(None, description="Adds the loss to the train graph.")
    metrics: list[Any] | None = Field(None, description="Metrics to read.")
    dtype: str | None = Field(None, description="Floating dtype of parameters; default float32.")
