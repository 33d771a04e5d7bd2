"""Tensor forms a, b, c and d, both ways, and everything that is not one of them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine import dtypes
from engine.errors import DtypeMismatch, InvalidTensor, ShapeMismatch, UnknownField, UserError
from engine.frontend.tensors import decode_tensor, encode_tensor

ARRAYS = hnp.arrays(
    dtype=st.sampled_from([np.dtype(name) for name in dtypes.ALL]),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


@given(ARRAYS, st.sampled_from(["typed", "base64"]))
@settings(deadline=None, max_examples=200)
def test_typed_forms_survive_json_both_ways(array: np.ndarray, encoding: Any) -> None:
    text = json.dumps(encode_tensor(array, encoding), allow_nan=False)
    decoded = decode_tensor(json.loads(text), path="$.x")
    assert same(decoded.array, array)
    assert not decoded.weak


@given(ARRAYS.filter(lambda array: array.size > 0))
@settings(deadline=None, max_examples=200)
def test_plain_form_survives_json_when_the_dtype_is_declared(array: np.ndarray) -> None:
    text = json.dumps(encode_tensor(array), allow_nan=False)
    decoded = decode_tensor(json.loads(text), path="$.x", dtype=array.dtype.name, shape=array.shape)
    assert same(decoded.array, array)


@given(ARRAYS)
@settings(deadline=None)
def test_attachments_are_taken_as_they_are(array: np.ndarray) -> None:
    decoded = decode_tensor({"tensor": "k"}, path="$.x", attachments={"k": array})
    assert decoded.array is array


def test_bits_survive_base64_even_of_nan_and_negative_zero() -> None:
    array = np.array([0x7FF8DEADBEEF0001, 0x8000000000000000], dtype=np.uint64).view(np.float64)
    decoded = decode_tensor(encode_tensor(array, "base64"), path="$").array
    assert decoded.tobytes() == array.tobytes()


def test_big_endian_arrays_leave_little_endian() -> None:
    wire = encode_tensor(np.array([1, 2], dtype=">f4"), "base64")
    assert wire["dtype"] == "float32"
    assert base64.b64decode(wire["data"]["buffer"]) == np.array([1, 2], "<f4").tobytes()


def test_zero_dimensional_tensors_are_bare() -> None:
    assert encode_tensor(np.array(1.5)) == 1.5
    assert encode_tensor(np.array(True)) is True
    assert encode_tensor(np.array(3)) == 3
    assert encode_tensor(np.array(np.nan)) == "NaN"
    assert encode_tensor(np.array(1 + 2j)) == [1.0, 2.0]
    assert encode_tensor(np.array(1.5), "typed") == {"dtype": "float64", "shape": [], "data": 1.5}


def test_non_finite_numbers_leave_as_the_three_strings() -> None:
    array = np.array([[np.nan, np.inf], [-np.inf, 1.0]], dtype=np.float32)
    assert encode_tensor(array) == [["NaN", "Infinity"], ["-Infinity", 1.0]]
    assert same(decode_tensor(encode_tensor(array), path="$", dtype="float32").array, array)


@pytest.mark.parametrize(
    ("value", "dtype", "shape", "weak"),
    [
        (2, "float64", (), True),
        ("NaN", "float64", (), True),
        ([], "float64", (0,), False),
        ([[], []], "float64", (2, 0), False),
        ([1, 2.5], "float64", (2,), False),
        ([["NaN", 1], ["-Infinity", "Infinity"]], "float64", (2, 2), False),
        ({"dtype": "bool", "data": [True, False]}, "bool", (2,), False),
        ({"dtype": "int64", "data": [2.0, -3]}, "int64", (2,), False),
        ({"dtype": "uint64", "data": 2**64 - 1}, "uint64", (), False),
        ({"dtype": "float32", "data": [], "shape": [0, 3]}, "float32", (0, 3), False),
        ({"dtype": "float32", "data": [[], []], "shape": [2, 0, 3]}, "float32", (2, 0, 3), False),
        ({"dtype": "complex64", "data": [[1, 2]]}, "complex64", (1,), False),
        ({"dtype": "float64", "data": 1, "shape": None}, "float64", (), False),
    ],
)
def test_accepted(value: Any, dtype: str, shape: tuple[int, ...], weak: bool) -> None:
    tensor = decode_tensor(value, path="$.x")
    assert (tensor.array.dtype.name, tensor.array.shape, tensor.weak) == (dtype, shape, weak)


def test_a_declared_dtype_makes_a_bare_number_strong() -> None:
    tensor = decode_tensor(2, path="$.x", dtype="float32")
    assert tensor.array.dtype == np.float32
    assert not tensor.weak


@pytest.mark.parametrize(
    ("value", "declared", "path"),
    [
        (True, None, "$.x"),
        (None, None, "$.x"),
        ([1, True], None, "$.x[1]"),
        ([[1, 2], [True, 4]], None, "$.x[1][0]"),
        ([1, None], None, "$.x[1]"),
        ([1, {}], None, "$.x[1]"),
        ("1.5", None, "$.x"),
        ("nan", None, "$.x"),
        ([[1, 2], [3, "1.5"]], None, "$.x[1][1]"),
        ([[1, 2], [3]], None, "$.x[1]"),
        ([1, [2]], None, "$.x[1]"),
        ([[1], 2], None, "$.x[1]"),
        ([[[1], [2]], [[3], [4, 5]]], None, "$.x[1][1]"),
        ([[1], [[2]]], None, "$.x[1][0]"),
        (float("inf"), None, "$.x"),
        ([1, float("inf")], None, "$.x[1]"),
        (["Infinity", float("inf")], None, "$.x[1]"),
        (10**400, None, "$.x"),
        ([[0], [10**400]], None, "$.x[1][0]"),
        ([1.0, 1e39], "float32", "$.x[1]"),
        (70000, "float16", "$.x"),
        ([1, 0], "bool", "$.x[0]"),
        ([True, 1], "bool", "$.x[1]"),
        (1, "complex128", "$.x"),
        ([1, 2, 3], "complex128", "$.x"),
        ([0, 300], "uint8", "$.x[1]"),
        ([[0, -1]], "uint8", "$.x[0][1]"),
        ([0, 2**63], "int64", "$.x[1]"),
        ([0, 1.5], "int64", "$.x[1]"),
        (["NaN"], "int64", "$.x[0]"),
        ([1e300], "int64", "$.x[0]"),
        ([True], "int64", "$.x[0]"),
        ({"dtype": "float64", "data": [1, 2], "shape": [3]}, None, "$.x.shape"),
        ({"dtype": "float64", "data": [], "shape": [2, 0]}, None, "$.x.shape"),
        ({"dtype": "float64", "data": [1], "shape": [-1]}, None, "$.x.shape"),
        ({"dtype": "float64", "data": [1], "shape": [True]}, None, "$.x.shape"),
        ({"dtype": "float64", "data": [1], "shape": [10**30]}, None, "$.x.shape"),
        ({"dtype": "float64", "data": [1], "shape": 1}, None, "$.x.shape"),
        ({"dtype": "float", "data": [1]}, None, "$.x.dtype"),
        ({"dtype": ["float64"], "data": [1]}, None, "$.x.dtype"),
        ({"dtype": "float64", "data": [1, "x"]}, None, "$.x.data[1]"),
        ({"data": [1]}, None, "$.x"),
        ({"dtype": "float64"}, None, "$.x"),
        ({}, None, "$.x"),
        ({"tensor": "k"}, None, "$.x"),
        ({"tensor": 1}, None, "$.x"),
    ],
)
def test_refused_with_the_path_of_the_first_offender(value: Any, declared: str | None, path: str) -> None:
    with pytest.raises(InvalidTensor) as caught:
        decode_tensor(value, path="$.x", dtype=declared)
    assert caught.value.path == path
    assert "expected" in caught.value.detail


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"encoding": "base64", "buffer": "AAA="}, "$.x.data.buffer"),  # 2 bytes where 4 belong
        ({"encoding": "base64", "buffer": "AAAAAAA"}, "$.x.data.buffer"),  # no padding
        ({"encoding": "base64", "buffer": "AAAA*A=="}, "$.x.data.buffer"),
        ({"encoding": "base64", "buffer": "AAAAAA==\n"}, "$.x.data.buffer"),
        ({"encoding": "base64", "buffer": "ÄAAAAA=="}, "$.x.data.buffer"),
        ({"encoding": "base64", "buffer": 1}, "$.x.data.buffer"),
        ({"encoding": "hex", "buffer": ""}, "$.x.data.encoding"),
        ({"buffer": ""}, "$.x.data.encoding"),
    ],
)
def test_bad_base64(data: Any, path: str) -> None:
    with pytest.raises(InvalidTensor) as caught:
        decode_tensor({"dtype": "float32", "shape": [1], "data": data}, path="$.x")
    assert caught.value.path == path


def test_base64_needs_a_shape_and_true_booleans() -> None:
    data = {"encoding": "base64", "buffer": "Ag=="}
    with pytest.raises(InvalidTensor, match="shape"):
        decode_tensor({"dtype": "uint8", "data": data}, path="$.x")
    with pytest.raises(InvalidTensor, match="0 and 1"):
        decode_tensor({"dtype": "bool", "shape": [1], "data": data}, path="$.x")


def test_unknown_fields_come_with_the_nearest_known_one() -> None:
    for value, path in [
        ({"dtype": "float64", "data": [1], "shap": [1]}, "$.x.shap"),
        ({"tensor": "k", "shape": [1]}, "$.x.shape"),
        (
            {"dtype": "uint8", "shape": [0], "data": {"encoding": "base64", "buffer": "", "x": 1}},
            "$.x.data.x",
        ),
    ]:
        with pytest.raises(UnknownField) as caught:
            decode_tensor(value, path="$.x", attachments={})
        assert caught.value.path == path
    with pytest.raises(UnknownField) as caught:
        decode_tensor({"dtype": "float64", "data": [1], "shap": [1]}, path="$.x")
    assert caught.value.hint == "did you mean 'shape'?"


def test_declarations_are_checked() -> None:
    typed = {"dtype": "int64", "data": [1, 2]}
    with pytest.raises(DtypeMismatch, match="float32"):
        decode_tensor(typed, path="$.x", dtype="float32")
    with pytest.raises(ShapeMismatch, match=r"\[3\]"):
        decode_tensor(typed, path="$.x", shape=(3,))
    with pytest.raises(ShapeMismatch):
        decode_tensor(typed, path="$.x", shape=(2, 1))
    assert decode_tensor(typed, path="$.x", shape=(None,)).array.shape == (2,)


def test_an_unknown_attachment_names_the_nearest() -> None:
    with pytest.raises(InvalidTensor) as caught:
        decode_tensor({"tensor": "wieght"}, path="$.x", attachments={"weight": np.zeros(1)})
    assert caught.value.hint == "did you mean 'weight'?"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["NaN", "Infinity", "1.5", "", "base64", "float64"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["dtype", "data", "shape", "tensor", "encoding", "buffer"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, *dtypes.ALL]))
@settings(deadline=None, max_examples=500)
def test_any_json_gives_a_tensor_or_a_user_error(value: Any, declared: str | None) -> None:
    try:
        outcome = decode_tensor(value, path="$.x", dtype=declared).array.dtype.name
    except UserError as error:
        outcome = str(error.path)
    assert outcome in dtypes.ALL or outcome.startswith("$.x")


def test_sixty_five_axes_are_refused() -> None:
    value: Any = 1.0
    for _ in range(65):
        value = [value]
    with pytest.raises(InvalidTensor, match="64 axes"):
        decode_tensor(value, path="$.x")


def test_a_million_numbers_take_well_under_a_second() -> None:
    values = np.arange(1e6).reshape(1000, 1000).tolist()
    start = time.perf_counter()
    decode_tensor(values, path="$.x")
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("value", "shape", "words"),
    [
        ([[1, 2, 3]], (None, 2), "expected shape [null, 2], as the function declares, got [1, 3] at $.x"),
        ({"dtype": "float64", "shape": [-1], "data": [1]}, None, "got [-1] at $.x.shape"),
        ({"dtype": "float64", "shape": [1.0], "data": [1]}, None, "got [1.0] at $.x.shape"),
    ],
)
def test_shapes_are_quoted_as_json_writes_them(value: Any, shape: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        decode_tensor(value, path="$.x", shape=shape)
    assert words in str(caught.value)
