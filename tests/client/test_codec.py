"""Arrays to bodies and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from gradwire._transport.codec import BULK_BYTES, SAFETENSORS, SMALL_ELEMENTS, Declared, post, read
from gradwire._transport.flow import Response
from gradwire.errors import UnexpectedAnswer

JSON = {"content-type": "application/json"}


def sent(array: object) -> object:
    return json.loads(post("/v1/evaluate", {"inputs": {"x": array}}).content)["inputs"]["x"]


def test_small_arrays_are_lists() -> None:
    assert sent(np.array([0.5, 1.0])) == [0.5, 1.0]
    assert sent(np.array([1, 2])) == {"dtype": "int64", "shape": [2], "data": [1, 2]}
    assert sent(np.float32([0.5])) == {"dtype": "float32", "shape": [1], "data": [0.5]}


def test_a_scalar_array_is_typed_so_that_it_is_not_weak() -> None:
    assert sent(np.array(2.0)) == {"dtype": "float64", "shape": [], "data": 2.0}


def test_declared_dtypes_need_no_words() -> None:
    assert sent(Declared(np.array(2.0))) == 2.0
    assert sent(Declared(np.array([1, 2]))) == [1, 2]
    assert sent(Declared(np.array([1 + 2j]))) == [[1.0, 2.0]]


def test_python_values_stay_as_they_are() -> None:
    assert sent(2) == 2
    assert sent([[1, 2], [3, 4]]) == [[1, 2], [3, 4]]
    assert sent([np.float32(0.5), 1]) == [0.5, 1]


def test_numbers_that_json_lacks_are_strings() -> None:
    assert sent(np.array([np.nan, np.inf, -np.inf, 1.0])) == ["NaN", "Infinity", "-Infinity", 1.0]
    assert sent(float("nan")) == "NaN"


def test_medium_arrays_are_base64() -> None:
    form = sent(np.arange(SMALL_ELEMENTS + 1.0))
    assert isinstance(form, dict)
    assert form["data"]["encoding"] == "base64"


def test_an_empty_array_keeps_its_shape() -> None:
    form = sent(np.zeros((0, 3)))
    assert isinstance(form, dict)
    assert form["shape"] == [0, 3]


def test_bulk_goes_as_safetensors() -> None:
    array = np.arange(BULK_BYTES // 8 + 1.0)
    request = post("/v1/gradient", {"wrt": ["x"], "inputs": {"x": array, "y": Declared(np.ones(2))}})
    assert request.headers["Content-Type"] == SAFETENSORS
    tensors = load(request.content)
    header = json.loads(request.content[8 : 8 + int.from_bytes(request.content[:8], "little")])
    document = json.loads(header["__metadata__"]["request"])
    assert document["wrt"] == ["x"]
    np.testing.assert_array_equal(tensors[document["inputs"]["x"]["tensor"]], array)
    np.testing.assert_array_equal(tensors[document["inputs"]["y"]["tensor"]], np.ones(2))


def test_bulk_keeps_what_safetensors_cannot_hold() -> None:
    request = post("/v1/evaluate", {"inputs": {"x": np.arange(4000.0), "z": np.ones(3, complex)}})
    header = json.loads(request.content[8 : 8 + int.from_bytes(request.content[:8], "little")])
    document = json.loads(header["__metadata__"]["request"])
    assert document["inputs"]["z"]["dtype"] == "complex128"


def test_a_transposed_array_is_sent_in_its_own_order() -> None:
    array = np.arange(6000.0).reshape(60, 100).T
    request = post("/v1/evaluate", {"inputs": {"x": array}})
    np.testing.assert_array_equal(next(iter(load(request.content).values())), array)


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64", "complex128"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 40)])
def test_what_is_written_reads_back(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray((np.arange(np.prod(shape, dtype=int)).reshape(shape) % 3).astype(dtype))
    body = post("/v1/evaluate", {"outputs": {"x": array}}).content
    document = json.loads(body)
    form = document["outputs"]["x"]
    if not isinstance(form, dict):
        assert dtype == "float64"
        return
    back = read(Response(200, JSON, json.dumps(document).encode()))["outputs"]["x"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


def test_answers_as_safetensors() -> None:
    document = {"value": {"tensor": "value"}, "gradients": {"W": {"tensor": "gradients/W"}, "b": None}}
    tensors = {"value": np.array(1.5), "gradients/W": np.ones((2, 2))}
    body = save(tensors, {"response": json.dumps(document)})
    answer = read(Response(200, {"content-type": SAFETENSORS}, body))
    assert answer["value"] == 1.5
    np.testing.assert_array_equal(answer["gradients"]["W"], np.ones((2, 2)))
    assert answer["gradients"]["b"] is None
    assert answer["value"].flags.writeable


def test_another_format_is_refused_with_its_beginning() -> None:
    with pytest.raises(UnexpectedAnswer, match="<html>"):
        read(Response(200, {"content-type": "text/html"}, b"<html>"))
