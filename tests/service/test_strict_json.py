"""The JSON of bodies: strict, and every refusal names the place."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidTensor
from service.wire.json_reader import parse_object
from service.wire.problems import Problem

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES))
def test_whatever_json_writes_is_read_back(document: dict[str, Any]) -> None:
    assert parse_object(json.dumps(document).encode()) == document
    assert parse_object(json.dumps(document, ensure_ascii=False, indent=1).encode()) == document


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "line 1 column 0"),
        (b"{", "line 1 column 1"),
        (b'{"a": 1} x', "trailing"),
        (b'{"a": 1}{}', "trailing"),
        (b'{"a": NaN}', "line 1 column"),
        (b'{"a": Infinity}', "line 1 column"),
        (b'{"a": -Infinity}', "line 1 column"),
        (b'{"a": 01}', "line 1 column"),
        (b'{"a": 1.}', "line 1 column"),
        (b'{"a": .5}', "line 1 column"),
        (b"{'a': 1}", "line 1 column"),
        (b'{"a": 1,}', "line 1 column"),
        (b'{"a": "\x01"}', "control character"),
        (b'{"a": "\xff"}', "unicode"),
        (b'{"a": "\xed\xa0\x80"}', "unicode"),
        (b'{"a": "\\ud800"}', "line 1 column"),
        (b'{"\\udc00": 1}', "line 1 column"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "line 1 column"),
        (b"[" * 100_000, "recursion"),
        (b'{"a":' * 100_000, "recursion"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "out of range"),
        (b"[1]", "a list"),
        (b'"a"', "a string"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b"1", "a number"),
    ],
)
def test_refused(text: bytes, words: str) -> None:
    start = time.perf_counter()
    with pytest.raises(Problem) as caught:
        parse_object(text)
    assert time.perf_counter() - start < 0.2
    assert caught.value.code == "malformed_json"
    assert words in caught.value.detail


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        (b'{"a": 1, "a": 2}', "$.a", "line 1 column 10"),
        (b'{"a": 1, "\\u0061": 2}', "$.a", "line 1 column 10"),
        (b'{"x": [{"a": 1}, {"b": {"c": [1, {"d": 1,\n "d": 2}]}}]}', "$.x[1].b.c[1].d", "line 2 column 2"),
        (b'{"a:": {"b": ":"}, "c": [":", {"no good": 1, "no good": 2}]}', "$.c[1]['no good']", "line 1"),
        (b'{"a": {"b": {}, "b": []}}', "$.a.b", "line 1"),
    ],
)
def test_a_key_twice_is_refused_with_its_path(text: bytes, path: str, place: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(text)
    assert caught.value.path == path
    assert place in caught.value.detail


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1))
def test_any_key_twice_is_found(document: dict[str, Any]) -> None:
    key = next(iter(document))
    inner = json.dumps(document)[:-1] + f", {json.dumps(key)}: 1}}"
    with pytest.raises(Problem, match="every key once"):
        parse_object(f'{{"x": [0, {inner}]}}'.encode())


@given(st.dictionaries(st.sampled_from(["inputs", "a", "b"]), VALUES))
def test_tensors_that_are_not_looked_into_change_nothing_else(document: dict[str, Any]) -> None:
    text = json.dumps(document).encode()
    assert parse_object(text, tensors="inputs") == parse_object(text)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"inputs": {"x": [1], "x": [2]}}', "$.inputs.x"),
        (b'{"inputs": {"x": [1]}, "inputs": {}}', "$.inputs"),
        (b'{"inputs": {"x": [1, {"a": 1, "a": 2}]}}', "$.inputs.x[1].a"),
        (b'{"inputs": {"x": "{"}, "wrt": ["x"], "wrt": []}', "$.wrt"),
    ],
)
def test_a_key_twice_is_found_beside_tensors_that_are_not_looked_into(text: bytes, path: str) -> None:
    with pytest.raises(Problem, match="every key once") as caught:
        parse_object(text, tensors="inputs")
    assert caught.value.path == path


@pytest.mark.parametrize("text", [b'{"inputs": {}, "a": [1e999]}', b'{"inputs": {}, "a": {"inputs": 1e999}}'])
def test_a_number_beyond_float64_is_refused_outside_the_tensors(text: bytes) -> None:
    with pytest.raises(InvalidTensor):
        parse_object(text, tensors="inputs")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b'{"a": 1e999}', "$.a"),
        (b'{"inputs": {"x": [[1, 2], [3, -1e999]]}}', "$.inputs.x[1][1]"),
        (b'{"a": [{"b": [1, "x", 1e400]}]}', "$.a[0].b[2]"),
    ],
)
def test_a_number_beyond_float64_is_refused_with_its_path(text: bytes, path: str) -> None:
    with pytest.raises(InvalidTensor) as caught:
        parse_object(text)
    assert caught.value.path == path
