"""Graphs on tapes: shapes and dtypes, places of errors, own slots, functions, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from engine.dtypes import TensorType
from engine.errors import MissingInput, ShapeMismatch, UnknownInput, UnknownName, UserError
from engine.frontend.decode import decode_graph
from engine.frontend.graph import Graph
from engine.frontend.program import parse_program
from engine.frontend.record import Recording, record


def node(name: str, op: str, *inputs: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "inputs": list(inputs), "attributes": attributes}


def graph(*nodes: dict[str, Any], inputs: Any = ("w", "x", "y"), outputs: Any = None, **more: Any) -> Graph:
    declared = inputs if isinstance(inputs, dict) else {name: {} for name in inputs}
    return decode_graph(
        {"inputs": declared, "nodes": list(nodes), "outputs": outputs or [nodes[-1]["name"]], **more}
    )


def played(graph: Graph, **shapes: tuple[int, ...]) -> Recording:
    return record(graph, {name: TensorType(shape) for name, shape in shapes.items()}, graph.outputs)


def type_of(recording: Recording, reference: str) -> TensorType:
    return recording.tape.types[recording.slot(reference)]


def test_shapes_and_dtypes_are_known() -> None:
    loss = graph(node("h", "multiply", "w", "x"), node("d", "subtract", "h", "y"), node("loss", "mean", "d"))
    types = {"w": TensorType((1,), "float32"), "x": TensorType((3, 1), "float32"), "y": TensorType((3, 1))}
    recording = record(loss, types, ["loss"])
    assert type_of(recording, "h") == TensorType((3, 1), "float32")
    assert type_of(recording, "loss") == TensorType(())
    assert list(recording.tape.inputs) == ["w", "x", "y"]
    assert recording.skipped == frozenset()


def test_the_tape_does_not_depend_on_the_order_of_the_document() -> None:
    nodes = [node("b", "negative", "x"), node("a", "square", "x"), node("c", "add", "a", "b")]
    tapes = [played(graph(*order, outputs=["c"]), x=(2,)).tape for order in (nodes, nodes[::-1])]
    assert len({str([(i.op.name, i.inputs, i.outputs) for i in tape.instructions]) for tape in tapes}) == 1


def test_a_place_is_named_for_every_error() -> None:
    with pytest.raises(ShapeMismatch) as caught:
        played(graph(node("h", "add", "w", "x")), w=(3,), x=(2,))
    fields = caught.value.fields()
    assert (fields["path"], fields["node"], fields["op"]) == ("$.graph.nodes[0]", "h", "add")
    assert fields["detail"].startswith("add at $.graph.nodes[0] 'h': shapes (3,) and (2,)")


def test_what_an_absent_input_feeds_is_left_out() -> None:
    both = graph(
        node("pred", "multiply", "w", "x"),
        node("err", "subtract", "pred", "y"),
        node("loss", "mean", "err"),
        node("norm", "sum", "w"),
    )
    recording = record(both, {"w": TensorType((2,)), "x": TensorType((2,))}, ["pred"])
    assert recording.skipped == {"err", "loss"}
    assert type_of(recording, "norm") == TensorType(())  # another head, recorded for diagnosis


def test_a_missing_input_names_who_needs_it() -> None:
    loss = graph(node("pred", "multiply", "w", "x"), node("loss", "mean", "pred"))
    with pytest.raises(MissingInput, match="the input 'x' has no value; 'pred' needs it") as caught:
        played(loss, w=())
    assert (caught.value.node, caught.value.path) == ("pred", "$.inputs")
    with pytest.raises(MissingInput, match="the inputs 'w', 'x' have no value"):
        played(loss)
    with pytest.raises(MissingInput, match="it was asked for"):
        record(loss, {}, ["y"])
    with pytest.raises(MissingInput) as caught:
        played(loss, w=(), y=())
    assert "'y' is given and not used" in str(caught.value.hint)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    loss = graph(node("pred", "multiply", "weight", "x"), inputs=["weight", "x"])
    with pytest.raises(UnknownInput) as caught:
        played(loss, wieght=(), x=())
    assert (caught.value.path, caught.value.hint) == ("$.inputs.wieght", "did you mean 'weight'?")
    with pytest.raises(UnknownInput, match="which is a node"):
        played(loss, pred=())
    with pytest.raises(UnknownName) as unknown:
        record(loss, {}, ["predd"])
    assert unknown.value.hint == "did you mean 'pred'?"


@pytest.mark.parametrize(
    ("spec", "type", "code"),
    [
        ({"shape": [2, None]}, TensorType((2, 7)), None),
        ({"shape": [2, None]}, TensorType((3, 7)), "shape_mismatch"),
        ({"shape": [2]}, TensorType((2, 1)), "shape_mismatch"),
        ({"shape": []}, TensorType(()), None),
        ({"dtype": "float32"}, TensorType((), "float32", weak=True), None),
        ({"dtype": "float32"}, TensorType((), "float64"), "dtype_mismatch"),
    ],
)
def test_declarations_hold(spec: dict[str, Any], type: TensorType, code: str | None) -> None:
    declared = graph(node("y", "negative", "x"), inputs={"x": spec})
    if code is None:
        recording = record(declared, {"x": type}, ["y"])
        assert type_of(recording, "x") == TensorType(type.shape, type.dtype)
        return
    with pytest.raises(UserError) as caught:
        record(declared, {"x": type}, ["y"])
    assert (caught.value.code, caught.value.path) == (code, "$.inputs.x")


def test_every_node_has_slots_of_its_own() -> None:
    f = {"inputs": ["a"], "nodes": [], "outputs": ["a", "a"]}
    nodes = [node("p", "call", "x", function="f"), node("q", "identity", "p")]
    recording = played(graph(*nodes, functions={"f": f}), x=(2,))
    slots = [slot for name in ("x", "p", "q") for slot in recording.slots[name]]
    assert len(slots) == len(set(slots)) == 4


def test_an_unpacking_is_checked_once_shapes_are_known() -> None:
    two = parse_program("a, b = unstack(x)\na + b")
    assert type_of(played(two, x=(2, 3)), "result").shape == (3,)
    with pytest.raises(ShapeMismatch, match="2 names are given 3 values") as caught:
        played(two, x=(3, 3))
    assert (caught.value.node, caught.value.op) == ("unstack_1", "unstack")
    with pytest.raises(UnknownName, match="'p' has 1 output"):
        played(parse_program("p = unstack(x)\np[1]"), x=(1, 3))


def test_a_name_used_before_it_is_assigned_is_pointed_out() -> None:
    with pytest.raises(MissingInput) as caught:
        played(parse_program("y = 2 * h\nh = 3 * x\ny + h"), x=())
    assert "assign 'h' before it is used" in str(caught.value.hint)


def test_functions_are_made_for_the_types_they_meet() -> None:
    functions = {
        "twice": {"inputs": ["a"], "nodes": [node("b", "multiply", 2.0, "a")], "outputs": ["b"]},
        "both": {
            "inputs": ["a", "b"],
            "nodes": [
                node("s", "call", "a", function="twice"),
                node("t", "call", "b", function="twice"),
                node("u", "add", "s", "t"),
            ],
            "outputs": ["u", "s"],
        },
    }
    two = graph(node("r", "call", "x", "y", function="both"), functions=functions, outputs=["r", "r:1"])
    recording = played(two, x=(3,), y=(2, 1))
    assert type_of(recording, "r").shape == (2, 3)
    assert type_of(recording, "r:1").shape == (3,)


def test_errors_in_a_function_name_its_node() -> None:
    f = {"inputs": ["a", "b"], "nodes": [node("s", "add", "a", "b")], "outputs": ["s"]}
    with pytest.raises(ShapeMismatch) as caught:
        played(graph(node("r", "call", "x", "y", function="f"), functions={"f": f}), x=(3,), y=(2,))
    assert (caught.value.path, caught.value.node) == ("$.graph.functions.f.nodes[0]", "s")


CUSTOM = {
    "f": {"inputs": ["a"], "nodes": [node("s", "square", "a")], "outputs": ["s"]},
    "g": {"inputs": ["a", "s", "ds"], "nodes": [node("da", "multiply", "ds", 3.0)], "outputs": ["da"]},
}


def test_a_custom_gradient_carries_both_sub_tapes() -> None:
    custom = graph(node("z", "custom_gradient", "x", forward="f", backward="g"), functions=CUSTOM)
    recording = played(custom, x=(4,))
    (instruction,) = recording.tape.instructions
    forward, backward = instruction.attributes["forward"], instruction.attributes["backward"]
    assert list(forward.inputs) == ["a"]
    assert list(backward.inputs) == ["a", "s", "ds"]
    assert [backward.types[slot].shape for slot in backward.outputs] == [(4,)]


def test_a_backward_function_of_the_wrong_shape_is_refused() -> None:
    wide = {**CUSTOM["g"], "nodes": [node("da", "broadcast_to", "ds", shape=[2, 4])]}
    custom = graph(
        node("z", "custom_gradient", "x", forward="f", backward="g"), functions={**CUSTOM, "g": wide}
    )
    with pytest.raises(
        ShapeMismatch, match=r"answers shape \(2, 4\) for input 0, which has shape \(4,\)"
    ) as caught:
        played(custom, x=(4,))
    assert caught.value.path == "$.graph.nodes[0]"


def test_numbers_stay_weak() -> None:
    halved = graph(node("h", "multiply", "x", 0.5), node("k", "multiply", "x", 2))
    recording = record(halved, {"x": TensorType((2,), "float32")}, ["h"])
    assert type_of(recording, "h").dtype == "float32"
    integers = record(halved, {"x": TensorType((2,), "int32")}, ["h"])
    assert type_of(integers, "h").dtype == "float64"
    assert type_of(integers, "k").dtype == "int32"


def test_a_chain_of_100000_nodes_is_recorded() -> None:
    nodes = [node(f"n{i}", "add", f"n{i - 1}" if i else "x", 1.0) for i in range(100_000)]
    recording = played(graph(*nodes), x=(3,))
    assert len(recording.tape.instructions) == 100_000
