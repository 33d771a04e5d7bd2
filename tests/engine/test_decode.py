"""Graph documents: what is refused, with which code, at which place, and with which cure."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Cycle, UserError
from engine.frontend.decode import decode_graph

Y = {"name": "y", "op": "multiply", "inputs": ["w", "x"]}


def document(**changes: Any) -> dict[str, Any]:
    return {"inputs": {"w": {}, "x": {}}, "nodes": [Y], "outputs": ["y"], **changes}


def with_node(**changes: Any) -> dict[str, Any]:
    return document(nodes=[{**Y, **changes}])


def squared(**changes: Any) -> dict[str, Any]:
    """A function of one input, x."""
    return {
        "inputs": ["x"],
        "nodes": [{"name": "y", "op": "square", "inputs": ["x"]}],
        "outputs": ["y"],
        **changes,
    }


def calling(function: str, *inputs: str, **functions: Any) -> dict[str, Any]:
    node = {"name": "y", "op": "call", "inputs": list(inputs), "attributes": {"function": function}}
    return document(nodes=[node], functions=functions)


BAD = [
    # structure
    ([], "invalid_document", "$.graph", None),
    (document(version=2), "invalid_document", "$.graph.version", None),
    (document(version=True), "invalid_document", "$.graph.version", None),
    (document(node=[]), "unknown_field", "$.graph.node", "nodes"),
    (document(inputs=["w", "x"]), "invalid_document", "$.graph.inputs", '{"x": {}}'),
    (document(inputs={"w": 1, "x": {}}), "invalid_document", "$.graph.inputs.w", None),
    (document(inputs={"w": {"type": 1}, "x": {}}), "unknown_field", "$.graph.inputs.w.type", None),
    (
        document(inputs={"w": {"dtype": "float46"}, "x": {}}),
        "invalid_tensor",
        "$.graph.inputs.w.dtype",
        "float64",
    ),
    (document(inputs={"w": {"shape": [2, -1]}}), "invalid_document", "$.graph.inputs.w.shape[1]", None),
    (document(inputs={"w": {"shape": [True]}}), "invalid_document", "$.graph.inputs.w.shape[0]", None),
    (document(inputs={"w": {"shape": 3}}), "invalid_document", "$.graph.inputs.w.shape", None),
    (document(inputs={"w x": {}}), "invalid_document", "$.graph.inputs", "letter"),
    (document(inputs={"n:1": {}}), "invalid_document", "$.graph.inputs", "letter"),
    (document(inputs={"a" * 129: {}}), "invalid_document", "$.graph.inputs", "letter"),
    (document(nodes={}), "invalid_document", "$.graph.nodes", None),
    (document(nodes=[1]), "invalid_document", "$.graph.nodes[0]", None),
    (document(nodes=[{"op": "add"}]), "invalid_document", "$.graph.nodes[0]", '"name": "y"'),
    (document(outputs=[]), "invalid_document", "$.graph.outputs", None),
    (document(outputs=None), "invalid_document", "$.graph.outputs", None),
    (document(outputs=[1]), "invalid_document", "$.graph.outputs[0]", None),
    (document(outputs=["y", "y:0"]), "duplicate_name", "$.graph.outputs[1]", None),
    # nodes
    (with_node(name="1y"), "invalid_document", "$.graph.nodes[0].name", "letter"),
    (with_node(attribute={}), "unknown_field", "$.graph.nodes[0].attribute", "attributes"),
    (with_node(op="multiplyy"), "unknown_op", "$.graph.nodes[0].op", "multiply"),
    (with_node(op="x" * 100_000), "unknown_op", "$.graph.nodes[0].op", None),
    (with_node(op=3), "invalid_document", "$.graph.nodes[0].op", None),
    (with_node(op="rowwise"), "unknown_op", "$.graph.nodes[0].op", "/v1/ops"),
    (with_node(inputs=["w"]), "wrong_arity", "$.graph.nodes[0]", "multiply(x1, x2)"),
    (with_node(inputs=["w", "x", "x"]), "wrong_arity", "$.graph.nodes[0]", "multiply(x1, x2)"),
    (with_node(inputs="w"), "invalid_document", "$.graph.nodes[0].inputs", None),
    (with_node(inputs=["w", [1, 2]]), "invalid_document", "$.graph.nodes[0].inputs[1]", "constants"),
    (with_node(inputs=["w", float("inf")]), "invalid_tensor", "$.graph.nodes[0].inputs[1]", "Infinity"),
    (with_node(inputs=["w", 10**400]), "invalid_tensor", "$.graph.nodes[0].inputs[1]", "Infinity"),
    (with_node(inputs=["w", "1.5"]), "unknown_name", "$.graph.nodes[0].inputs[1]", None),
    (with_node(inputs=["w", "xx"]), "unknown_name", "$.graph.nodes[0].inputs[1]", "'x'"),
    (with_node(inputs=["w", "x:one"]), "invalid_document", "$.graph.nodes[0].inputs[1]", None),
    (with_node(inputs=["w", "x:1"]), "unknown_name", "$.graph.nodes[0]", "'x'"),
    (with_node(source={"line": 1}), "invalid_document", "$.graph.nodes[0].source", None),
    (with_node(attributes={"axis": 0}), "invalid_attribute", "$.graph.nodes[0].attributes.axis", None),
    (
        with_node(op="sum", inputs=["w"], attributes=[]),
        "invalid_document",
        "$.graph.nodes[0].attributes",
        None,
    ),
    (
        with_node(op="sum", inputs=["w"], attributes={"keepdims": True, "axis": "0"}),
        "invalid_attribute",
        "$.graph.nodes[0].attributes.axis",
        None,
    ),
    (
        with_node(op="sum", inputs=["w"], attributes={"keepdims": 1}),
        "invalid_attribute",
        "$.graph.nodes[0].attributes.keepdims",
        None,
    ),
    (with_node(op="reshape", inputs=["w"]), "invalid_attribute", "$.graph.nodes[0]", None),
    # names
    (document(constants={"x": 1.0}), "duplicate_name", "$.graph.constants.x", "name space"),
    (document(nodes=[Y, Y]), "duplicate_name", "$.graph.nodes[1].name", "name space"),
    (with_node(name="x"), "duplicate_name", "$.graph.nodes[0].name", "name space"),
    (document(outputs=["z"]), "unknown_name", "$.graph.outputs[0]", None),
    (document(outputs=["y:1"]), "unknown_name", "$.graph.outputs", "'y'"),
    # constants
    (document(constants={"c": None}), "invalid_tensor", "$.graph.constants.c", None),
    (document(constants={"c": [[1, 2], [3]]}), "invalid_tensor", "$.graph.constants.c[1]", None),
    (document(constants={"c": "1.5"}), "invalid_tensor", "$.graph.constants.c", None),
    (document(constants={"a.c": True}), "invalid_tensor", '$.graph.constants["a.c"]', None),
    (document(constants={"c": float("inf")}), "invalid_tensor", "$.graph.constants.c", None),
    # functions
    (calling("g", "x", f=squared()), "unknown_name", "$.graph.nodes[0].attributes.function", "f"),
    (calling("f", "x", "w", f=squared()), "wrong_arity", "$.graph.nodes[0]", "position"),
    (calling("f", "x", f=squared(inputs={"x": {}})), "invalid_document", "$.graph.functions.f.inputs", None),
    (
        calling("f", "x", f=squared(inputs=["x", "x"])),
        "duplicate_name",
        "$.graph.functions.f.inputs[1]",
        None,
    ),
    (calling("f", "x", f=squared(version=1)), "unknown_field", "$.graph.functions.f.version", "graph"),
    (
        calling("f", "x", f=squared(inputs=["w"])),
        "unknown_name",
        "$.graph.functions.f.nodes[0].inputs[0]",
        None,
    ),
    (calling("f", "x", f=squared(outputs=[])), "invalid_document", "$.graph.functions.f.outputs", None),
    (
        with_node(op="custom_gradient", inputs=["x"], attributes={"forward": "f"}),
        "invalid_attribute",
        "$.graph.nodes[0]",
        None,
    ),
]


@pytest.mark.parametrize(("bad", "code", "path", "cure"), BAD)
def test_bad_documents(bad: Any, code: str, path: str, cure: str | None) -> None:
    with pytest.raises(UserError) as caught:
        decode_graph(bad)
    fields = caught.value.fields()
    assert (fields["code"], fields["path"]) == (code, path), fields
    assert cure is None or cure in fields["hint"]
    assert len(fields["detail"]) < 400


def test_a_cycle_names_its_nodes() -> None:
    nodes = [
        {"name": "a", "op": "add", "inputs": ["c", "x"]},
        {"name": "b", "op": "negative", "inputs": ["a"]},
        {"name": "c", "op": "negative", "inputs": ["b"]},
        {"name": "y", "op": "negative", "inputs": ["c"]},
    ]
    with pytest.raises(Cycle, match="a → b → c → a") as caught:
        decode_graph(document(nodes=nodes))
    assert (caught.value.path, caught.value.node) == ("$.graph.nodes[0]", "a")


def test_a_long_cycle_is_abridged() -> None:
    nodes = [{"name": f"n{i}", "op": "negative", "inputs": [f"n{(i + 1) % 50_000}"]} for i in range(50_000)]
    with pytest.raises(Cycle, match="…") as caught:
        decode_graph(document(nodes=nodes, outputs=["n0"]))
    assert len(caught.value.detail) < 200


def test_functions_that_call_each_other_never_end() -> None:
    def calls(target: str) -> dict[str, Any]:
        node = {"name": "y", "op": "call", "inputs": ["x"], "attributes": {"function": target}}
        return squared(nodes=[node])

    with pytest.raises(Cycle, match=r"f → g → f|g → f → g") as caught:
        decode_graph(calling("f", "x", f=calls("g"), g=calls("f")))
    assert caught.value.path == "$.graph.functions"


def test_functions_that_double_are_refused_before_they_are_expanded() -> None:
    def twice(target: str) -> dict[str, Any]:
        call = {"op": "call", "attributes": {"function": target}}
        nodes = [{**call, "name": "a", "inputs": ["x"]}, {**call, "name": "y", "inputs": ["a"]}]
        return squared(nodes=nodes)

    functions = {f"f{i}": twice(f"f{i - 1}") for i in range(1, 31)}
    with pytest.raises(UserError) as caught:
        decode_graph(calling("f30", "x", f0=squared(), **functions))
    assert caught.value.code == "over_limit"

    deep = {f"f{i}": squared(nodes=[{**twice(f"f{i - 1}")["nodes"][0], "name": "y"}]) for i in range(1, 60)}
    with pytest.raises(UserError, match="deep") as caught:
        decode_graph(calling("f59", "x", f0=squared(), **deep))
    assert caught.value.code == "over_limit"


def test_the_backward_function_answers_one_cotangent_for_each_input() -> None:
    g = {"inputs": ["x", "y", "dy"], "nodes": [], "outputs": ["dy"]}
    node = {**Y, "op": "custom_gradient", "inputs": ["x"], "attributes": {"forward": "f", "backward": "g"}}
    graph = decode_graph(document(nodes=[node], functions={"f": squared(), "g": g}))
    assert graph.functions["g"].outputs == ("dy",)

    for broken, match in [
        ({**g, "inputs": ["x", "dy"]}, "takes 2 inputs, expected 3: x1..x1, y1..y1, dy1..dy1"),
        ({**g, "outputs": ["dy", "dy"]}, "has 2 outputs, expected 1"),
    ]:
        with pytest.raises(UserError, match=match) as caught:
            decode_graph(document(nodes=[node], functions={"f": squared(), "g": broken}))
        assert (caught.value.code, caught.value.path) == ("wrong_arity", "$.graph.nodes[0]")


def test_outputs_of_a_called_function_are_counted() -> None:
    f = {"inputs": ["x"], "nodes": [], "outputs": ["x", "x"]}
    call = {"name": "y", "op": "call", "inputs": ["x"], "attributes": {"function": "f"}}
    decode_graph(document(nodes=[call], functions={"f": f}, outputs=["y:1"]))
    with pytest.raises(UserError, match="'y' has 2 outputs"):
        decode_graph(document(nodes=[call], functions={"f": f}, outputs=["y:2"]))


def test_numbers_keep_their_kind() -> None:
    graph = decode_graph(with_node(op="where", inputs=[True, 1, 2**70]))
    assert [type(value) for value in graph.nodes[0].inputs] == [bool, int, float]


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["x", "y", "y:1", "add", ""])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["x", "name", "op", "inputs", "nodes", "outputs", "attributes", "shape", "dtype"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["version", "inputs", "constants", "nodes", "outputs", "functions"]), JSON
    )
)
@settings(deadline=None, max_examples=300)
def test_random_documents_raise_nothing_but_user_errors(random: dict[str, Any]) -> None:
    with suppress(UserError):
        decode_graph(random)


@given(JSON, st.sampled_from(["name", "op", "inputs", "attributes", "source"]))
@settings(deadline=None, max_examples=300)
def test_random_fields_of_a_node_raise_nothing_but_user_errors(random: Any, field: str) -> None:
    with suppress(UserError):
        decode_graph(with_node(**{field: random}))
