"""Fields of requests: unknown ones, wrong types, and fields that are not supported yet."""

from __future__ import annotations

from typing import Any

import pytest

from engine.dtypes import TensorType
from engine.errors import InvalidDocument, UnknownField
from engine.training.job.decode import decode_training
from service.api.job_schema import job_schema
from service.queries.kinds.evaluate import Evaluate
from service.queries.kinds.gradient import Gradient
from service.wire import requests
from service.wire.requests import parse


def test_absent_and_null_are_the_default() -> None:
    bare = parse(Gradient, {"program": "x"})
    nulls = parse(Gradient, dict.fromkeys(Gradient.model_fields) | {"program": "x"})
    assert bare == nulls


def test_an_unknown_field_comes_with_the_nearest() -> None:
    with pytest.raises(UnknownField) as caught:
        parse(Gradient, {"program": "x", "inptus": {}})
    assert caught.value.path == "$.inptus"
    assert caught.value.hint == "did you mean 'inputs'?"


@pytest.mark.parametrize(
    ("field", "value", "path", "expected"),
    [
        ("program", 1, "$.program", "a string"),
        ("graph", [], "$.graph", "an object"),
        ("inputs", [1], "$.inputs", "an object"),
        ("wrt", "x", "$.wrt", "a list"),
        ("wrt", ["x", 1], "$.wrt[1]", "a string"),
        ("target", 1, "$.target", "a string or a list"),
        ("target", ["x", None], "$.target[1]", "a string"),
        ("encoding", "xml", "$.encoding", "'json', 'typed' or 'base64'"),
        ("encoding", 1, "$.encoding", "'json', 'typed' or 'base64'"),
        ("optimize", "true", "$.optimize", "true or false"),
        ("optimize", 1, "$.optimize", "true or false"),
        ("unconnected", True, "$.unconnected", "'null', 'zero' or 'error'"),
    ],
)
def test_a_wrong_type_names_its_place(field: str, value: Any, path: str, expected: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse(Gradient, {"program": "x", field: value})
    assert caught.value.path == path
    assert f"expected {expected}" in caught.value.detail


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidDocument, match=r"^expected 'inputs' at \$$") as caught:
        parse(requests.Predict, {"outputs": ["y"]})
    assert caught.value.path == "$.inputs"


def test_exactly_one_function() -> None:
    with pytest.raises(InvalidDocument, match="neither"):
        parse(Evaluate, {})
    with pytest.raises(InvalidDocument, match="both"):
        parse(Evaluate, {"program": "x", "graph": {}})
    with pytest.raises(InvalidDocument, match="URL names the graph") as caught:
        parse(Evaluate, {"program": "x"}, function=False)
    assert caught.value.path == "$.program"
    assert parse(Evaluate, {}, function=False).program is None


def test_a_job_s_schema_is_the_table_that_decodes_it() -> None:
    schema = job_schema()
    properties = schema["properties"]
    document = {"program": "mean((w * x - y) ** 2)", "parameters": {"w": {"value": [1.0]}}}
    data = dict.fromkeys(("x", "y"), TensorType((100, 1), "float32"))
    bare = decode_training(document, data=data)
    defaults = {name: field["default"] for name, field in properties.items() if "default" in field}
    assert {*properties} - {*defaults} == {*schema["required"]} == {"data"}
    full = decode_training({**defaults, **document}, data=data)
    for name in ("batch_size", "epochs", "shuffle", "seed", "dtype", "validation", "device", "method"):
        assert getattr(full, name) == getattr(bare, name), name
    assert (bare.batch_size, bare.epochs, bare.shuffle, bare.dtype) == (32, 1, True, "float32")
    with pytest.raises(UnknownField, match="momentum"):
        decode_training({**document, "momentum": 0.9}, data=data)
