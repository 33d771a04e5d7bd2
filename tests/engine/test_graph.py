"""The canonical form: one meaning, one hash, whatever the document's order and spelling."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.frontend.decode import decode_graph
from engine.frontend.graph import canonical_attributes
from engine.frontend.ordering import Loop, topological
from engine.ir.table import lookup
from tests.engine.graphs import REGRESSION as LOSS


def chain(length: int) -> dict[str, Any]:
    nodes = [
        {"name": f"n{i}", "op": "add", "inputs": [f"n{i - 1}" if i else "x", 1.0]} for i in range(length)
    ]
    return {"inputs": {"x": {}}, "nodes": nodes, "outputs": [f"n{length - 1}"]}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Random graphs of binary ops over earlier nodes, inputs, constants and numbers."""
    names = ["x", "y", "c"]
    nodes = []
    for i in range(draw(st.integers(1, 12))):
        operand = st.one_of(st.sampled_from(names), st.floats(-5, 5), st.integers(-5, 5))
        op = draw(st.sampled_from(["add", "sub", "multiply", "maximum", "pow"]))
        name = draw(st.sampled_from("abdefg")) + str(i)
        nodes.append({"name": name, "op": op, "inputs": [draw(operand), draw(operand)]})
        names.append(name)
    constant = draw(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.just("NaN")))
    return {
        "inputs": {"x": {"dtype": "float32"}, "y": {"shape": [None, 2]}},
        "constants": {"c": constant},
        "nodes": nodes,
        "outputs": [nodes[-1]["name"]],
    }


@given(documents(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_id_survives_shuffling_and_the_round_trip(document: dict[str, Any], random: Any) -> None:
    graph = decode_graph(document)
    shuffled = {**document, "nodes": random.sample(document["nodes"], len(document["nodes"]))}
    assert decode_graph(shuffled).id == graph.id
    again = decode_graph(json.loads(json.dumps(graph.document(), allow_nan=False)))
    assert again.id == graph.id
    assert again.document() == graph.document()
    assert [node.name for node in again.nodes] == [node.name for node in graph.nodes]


def test_spelling_does_not_matter() -> None:
    other = json.loads(json.dumps(LOSS))
    other["nodes"][0]["op"] = "mul"
    other["nodes"][1]["inputs"] = ["wx:0", "b"]
    other["nodes"][3]["op"] = "power"
    other["nodes"][4] = {"name": "loss", "op": "reduce_mean", "inputs": ["sq"], "source": "train.py:12"}
    other["inputs"] = {"y": None, "x": {"shape": None}, "b": {}, "W": {"dtype": "float64", "shape": [1]}}
    del other["version"]
    assert decode_graph(other).id == decode_graph(LOSS).id


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {**LOSS["inputs"], "b": {"dtype": "float32"}}},
        {"inputs": {**LOSS["inputs"], "extra": {}}},
        {"constants": {"two": 3.0}},
        {"constants": {"two": {"dtype": "float64", "data": 2.0}}},
        {"outputs": ["loss", "pred"]},
        {"nodes": [*LOSS["nodes"][:4], {**LOSS["nodes"][4], "attributes": {"keepdims": True}}]},
        {"nodes": [*LOSS["nodes"][:3], {**LOSS["nodes"][3], "inputs": ["err", 2]}, LOSS["nodes"][4]]},
    ],
)
def test_meaning_matters(change: dict[str, Any]) -> None:
    assert decode_graph({**LOSS, **change}).id != decode_graph(LOSS).id


def test_the_canonical_form_of_the_example() -> None:
    graph = decode_graph(LOSS)
    assert graph.document() == {
        **LOSS,
        "nodes": [*LOSS["nodes"][:4], {"name": "loss", "op": "mean", "inputs": ["sq"]}],
    }
    assert graph.id.startswith("sha256:")
    assert len(graph.id) == 71


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("size", [0, 3, 500])
def test_constants_come_back_with_their_bits(dtype: str, size: int) -> None:
    bits = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 256, 16 * size, dtype=np.uint8)
    array = bits.view(dtype)[:size]
    if array.dtype.kind in "fc":
        array = np.where(np.isnan(array), array.dtype.type(-0.0), array)
    document = {
        "constants": {"c": {"tensor": "c"}},
        "nodes": [{"name": "y", "op": "identity", "inputs": ["c"]}],
        "outputs": ["y"],
    }
    graph = decode_graph(document, attachments={"c": array})
    back = decode_graph(json.loads(json.dumps(graph.document())))
    assert back.id == graph.id
    assert back.constants["c"].array.tobytes() == array.tobytes()
    assert back.constants["c"].array.dtype == array.dtype


def test_attributes_at_their_default_are_left_out() -> None:
    assert canonical_attributes(lookup("mean"), {"axis": None, "keepdims": False}) == {}
    assert canonical_attributes(lookup("mean"), {"axis": 0, "keepdims": True}) == {
        "axis": (0,),
        "keepdims": True,
    }


def test_the_order_is_by_name_among_the_free() -> None:
    assert topological({"z": [], "m": ["z", "z"], "a": ["m"], "b": []}) == ["b", "z", "m", "a"]


def test_a_loop_is_named_in_the_direction_of_the_data() -> None:
    with pytest.raises(Loop) as caught:
        topological({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["c"], "e": []})
    assert caught.value.names == ["a", "b", "c", "a"]


def test_a_chain_of_100000_nodes_has_a_form_and_a_hash() -> None:
    graph = decode_graph(chain(100_000))
    assert len(graph.nodes) == 100_000
    assert graph.nodes[-1].name == "n99999"
    assert decode_graph(graph.document()).id == graph.id
