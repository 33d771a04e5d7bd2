"""Traces in order: keys, names, depth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradwire as gw
from gradwire._tracing.document import write
from gradwire._tracing.lower import lower
from gradwire._tracing.node import Lowered


def lowered(*tensors: Any) -> Lowered:
    return lower([tensor._edge() for tensor in tensors])


def document(*tensors: Any) -> dict[str, Any]:
    found = lowered(*tensors)
    return write(found, found.roots).graph


def test_the_same_body_has_the_same_key_whatever_the_values() -> None:
    def body(w: float, x: list[float]) -> Any:
        return gw.sum((gw.Variable(w, name="w") * np.array(x)) ** 2)

    assert lowered(body(1.0, [1.0])).key == lowered(body(2.0, [3.0, 4.0])).key


@pytest.mark.parametrize("other", [2.0, 3, True])
def test_numbers_and_their_types_are_part_of_the_key(other: Any) -> None:
    x = gw.constant(1.0)
    assert lowered(x * 2).key != lowered(x * other).key


def test_signed_zeros_differ() -> None:
    x = gw.constant(1.0)
    assert lowered(x * 0.0).key != lowered(x * -0.0).key


def test_attributes_names_and_dtypes_are_part_of_the_key() -> None:
    x = gw.constant([[1.0]])
    assert lowered(gw.sum(x, axis=0)).key != lowered(gw.sum(x, axis=1)).key
    assert lowered(gw.constant(1.0, name="a") + 1).key != lowered(gw.constant(1.0, name="b") + 1).key
    assert lowered(gw.constant(1.0) + 1).key != lowered(gw.constant(1.0, "float32") + 1).key


def test_who_reads_what_is_part_of_the_key() -> None:
    x, y = gw.constant(1.0), gw.constant(2.0)
    assert lowered(x - y).key == lowered(y - x).key  # only the values differ
    assert lowered(x * y - x).key != lowered(x * y - y).key
    assert lowered(x * x).key != lowered(x * y).key


def test_names_are_the_users_where_there_are_any() -> None:
    w = gw.Variable([1.0], name="dense/kernel:0")
    again = gw.Variable([1.0], name="dense/kernel:0")
    graph = document(w * again + np.ones(1))
    assert list(graph["inputs"]) == ["dense/kernel_0", "dense/kernel_0_1", "array_1"]
    assert [node["name"] for node in graph["nodes"]] == ["multiply_1", "add_1"]


def test_a_variable_named_like_a_node_keeps_its_name() -> None:
    w = gw.Variable([1.0], name="multiply_1")
    graph = document(w * 2.0)
    assert graph["nodes"][0]["name"] == "multiply_2"


def test_a_tensor_read_twice_is_one_input() -> None:
    x = gw.constant([1.0])
    assert len(document(x * x + x)["inputs"]) == 1


def test_numbers_that_json_lacks_are_constants() -> None:
    graph = document(gw.maximum(gw.constant(1.0), float("-inf")))
    assert graph["constants"] == {"constant_1": "-Infinity"}
    assert graph["nodes"][0]["inputs"] == ["array_1", "constant_1"]


def test_a_long_chain_is_walked_without_recursion() -> None:
    x = gw.constant(1.0)
    for _ in range(100_000):
        x = x + 1.0
    assert len(lowered(x).items) == 100_001


def test_attributes_take_their_form_on_the_wire() -> None:
    x = gw.constant([[1.0, 2.0]])
    graph = document(gw.sum(gw.cast(x, np.float32), axis=(np.int64(0), 1), keepdims=np.True_))
    assert graph["nodes"][0]["attributes"] == {"dtype": "float32"}
    assert graph["nodes"][1]["attributes"] == {"axis": [0, 1], "keepdims": True}


def test_an_attribute_is_no_tensor() -> None:
    with pytest.raises(gw.errors.TraceError, match="give a Python number"):
        gw.sum(gw.constant([1.0]), axis=gw.constant(0.0))


def test_indices_on_the_wire() -> None:
    x = gw.constant([[1.0, 2.0]])
    graph = document(x[0, 1:, None, ...], x[[0, 0]], x[np.array([0])], x[:, gw.constant([1], "int64")])
    assert [node["attributes"]["index"] for node in graph["nodes"]] == [
        [0, {"start": 1, "stop": None, "step": None}, None, "..."],
        [[0, 0]],
        [{"input": 1}],
        [{"start": None, "stop": None, "step": None}, {"input": 1}],
    ]
    with pytest.raises(IndexError, match="float64"):
        x[np.array([0.5])]


def test_arrays_are_copied_when_recorded() -> None:
    array = np.array([1.0])
    y = gw.constant(1.0) + array
    array[0] = 7.0
    values = [item.value for item in lowered(y).items if item.op is None]
    assert values == [1.0, 1.0]


def test_variables_are_captured_when_recorded() -> None:
    w = gw.Variable([1.0])
    y = w * 2.0
    w.assign([5.0])
    assert [item.value for item in lowered(y).items if item.op is None] == [[1.0]]
