"""Hints of tensors and attributes: what is sent as they say is accepted."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from engine.errors import DtypeMismatch, InvalidAttribute, UserError
from engine.frontend.program import parse_program
from engine.frontend.tensors import decode_tensor
from service.wire.json_reader import parse_object
from service.wire.problems import Problem
from tests.engine.diagnosis.asking import ask
from tests.engine.pasting import error_of, mended


def refused(value: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        decode_tensor(value, path="$.inputs.x")
    return caught.value


@pytest.mark.parametrize(
    ("value", "path", "hint"),
    [
        (["1", 2], "[0]", "write 1 without quotes"),
        ("3.5", "", "write 3.5 without quotes"),
        ("[1, 2]", "", "without quotes around it"),
        ([1, "nan"], "[1]", 'write it as "NaN"'),
        ([1, "inf"], "[1]", 'write it as "Infinity"'),
        ([1, "-inf"], "[1]", 'write it as "-Infinity"'),
        (["N/A"], "[0]", 'write it as "NaN"'),
        (["true"], "[0]", '{"dtype": "bool"'),
        (["1+2j"], "[0]", '{"dtype": "complex128", "data": [1, 2]}'),
        (["1 - 2i"], "[0]", '{"dtype": "complex128", "data": [1, -2]}'),
        (["red"], "[0]", "the only strings are"),
        ([True, False], "[0]", '{"dtype": "bool", "data": [true, false]}'),
        ([[1, None], [2, 3]], "[0][1]", '"NaN"'),
        (None, "", "leave the name out"),
        ([[1, 2], [3]], "[1]", "rectangular"),
        ([[1, 2], 3], "[1]", "rectangular"),
        ({"re": 1, "im": 2}, ".re", '{"dtype": "float64", "data": [1, 2]}'),
        ({"value": [1]}, ".value", '{"dtype": "float64", "data": [1, 2]}'),
        ({"data": [1]}, "", '{"dtype": "float64", "data": [1, 2]}'),
        ({"dtype": "double", "data": [1]}, ".dtype", "'float64'"),
        ({"dtype": "int", "data": [1]}, ".dtype", "'int64'"),
        ({"dtype": "flaot32", "data": [1]}, ".dtype", "'float32'"),
        ({"dtype": "int64", "data": [0, 1.5]}, ".data[1]", "a whole number"),
    ],
)
def test_a_tensor_that_is_none(value: Any, path: str, hint: str) -> None:
    error = refused(value)
    assert error.path == f"$.inputs.x{path}"
    assert hint in str(error.hint)
    for document in re.findall(r"\{.*\}", str(error.hint)):
        assert decode_tensor(json.loads(document), path="$").array.size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"x": [NaN]}', '"NaN"'),
        ('{"x": [-Infinity]}', '"-Infinity"'),
        ("{'x': 1}", "double quotes"),
        ('{"x": [1, 2,]}', "last comma"),
        ('{"x": [.5]}', "0.5"),
        ('{"x": +1}', "plus"),
        ('{"x": True}', "true"),
        ('{"x": None}', "null"),
        ('{"x": (1, 2)}', "square brackets"),
        ("{\"x\": 'a'}", "double quotes"),
        ('{"x": [1,,2]}', "before the comma"),
    ],
)
def test_json_that_is_none(text: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(text.encode())
    assert hint in str(caught.value.hint), caught.value.hint


X = {"x": np.arange(6.0).reshape(2, 3), "y": np.arange(3.0)}


@pytest.mark.parametrize(
    "program",
    [
        "sum(x, keep_dims=True)",
        "sum(x, keepdim=True)",
        "mean(x, dims=1)",
        "sum(x, axes=1)",
        "max(x, reduction_indices=0)",
        "sort(x, decreasing=True)",
        "std(x, unbiased=False)",
        "var(x, bias=False)",
        "var(x, dof=1)",
        "norm(y, p=1)",
        "permute_dims(x, dims=(1, 0))",
        "tile(x, reps=(1, 2))",
        "roll(y, shifts=1)",
        "softmax(x, dim=-1)",
        "normalize(x, eps=1e-3)",
        "leaky_relu(x, negative_slope=0.1)",
        "one_hot([0, 1], depth=3)",
        "round(x, ndigits=1)",
        "clip(x, a_min=0, a_max=1)",
        "expand_dims(x, dim=0)",
        "concat([x, x], dim=1)",
        "astype(x, type='float32')",
        "reshape(x, newshape=(3, 2))",
        "split(x, num_or_size_splits=2)[0]",
        "swapaxes(x, dim0=0, dim1=1)",
        "cumulative_sum(y, name='c')",
        "trace(x, k=1)",
        "diag(y, diagonal=1)",
        "linspace(0, 1, steps=3)",
    ],
)
def test_attributes_of_other_libraries(program: str) -> None:
    text, errors = mended(program, X)
    assert {error.code for error in errors} == {"invalid_attribute"}
    assert text != program


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("sum(x, axis='0')", "axis=(0, 1)"),
        ("sum(x, keepdims=1)", "keepdims=True"),
        ("norm(x, ord='l2')", "'fro'"),
        ("pad(y, 1)", "[[1, 1], [0, 0]]"),
        ("astype(x, float128)", "float64"),
        ("astype(x, dtype='flot32')", "'float32'"),
        ("reshape(x, 2.5)", "(2, -1)"),
    ],
)
def test_a_wrong_value_has_an_example(program: str, hint: str) -> None:
    error = error_of(program, X)
    assert isinstance(error, InvalidAttribute)
    assert hint in str(error.hint)


def test_options_that_are_words_list_them() -> None:
    error = error_of("mean_squared_error(x, x, reduction='avg')", X)
    assert isinstance(error, InvalidAttribute)
    assert "'mean', 'sum', 'none'" in error.detail


@pytest.mark.parametrize("program", ["sum(x, axis=0, axis=1)", "sum(x, 0, axis=0)"])
def test_an_attribute_is_given_once(program: str) -> None:
    """Python's parser takes the last of two keywords without a word."""
    with pytest.raises(UserError, match="given twice"):
        parse_program(program)


LOOP = "def more(x, n): return n > 0\ndef step(x, n): return 0.5 * (x + 2 / x), n - 1\n"


def test_a_loop_over_two_values_says_how_many_it_carries() -> None:
    with pytest.raises(UserError, match="carries 1 value unless") as caught:
        parse_program(LOOP + "r, k = while_loop(more, step, x0, n)\n(r - 1.4) ** 2")
    written = "r, k = while_loop(more, step, x0, n, carry=2)"
    assert f"write `{written}`" in str(caught.value.hint)
    parse_program(LOOP + f"{written}\n(r - 1.4) ** 2")


@pytest.mark.parametrize(
    ("program", "written"),
    [
        ("sparse_categorical_crossentropy(x, i)", "sparse_categorical_crossentropy(i, x)"),
        ("mean(take(i, x[0]))", "take(x[0], i)"),
        ("mean(gather(i, x[0]))", "gather(x[0], i)"),
    ],
)
def test_arguments_in_another_librarys_order_are_turned_round(program: str, written: str) -> None:
    inputs = {"x": [[1.0, 2.0, 3.0], [2.0, 1.0, 0.5]], "i": {"int64": [1, 2]}}
    with pytest.raises(DtypeMismatch) as caught:
        ask(program, inputs, kind="evaluate")
    assert "the other way round" in str(caught.value.hint)
    assert f"write `{written}`" in str(caught.value.hint)
    assert ask(written, inputs, kind="evaluate")["outputs"]
