"""An axis of None means what it means to NumPy and SciPy, in programs and graphs; a list is no tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import scipy.special

from engine import Compiler, Query, TensorType, decode_graph, parse_program
from engine.errors import InvalidAttribute, SyntaxFault
from engine.frontend.graph import Graph
from engine.ir.table import TABLE
from tests.engine.references import REFERENCES

X = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])


def run(graph: Graph, **choices: Any) -> dict[str, Any]:
    kind = choices.pop("kind", "evaluate")
    types = {"x": TensorType(X.shape)}
    return dict(Compiler().compile(Query(graph=graph, kind=kind, inputs=types, **choices)).run({"x": X}))


def value(program: str) -> Any:
    return run(parse_program(program))["outputs"]["result"]


PEERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "argmax": ("argmax(x, axis=None)", lambda x: np.argmax(x, axis=None)),
    "argmin": ("argmin(x, None)", lambda x: np.argmin(x, axis=None)),
    "sort": ("sort(x, axis=None)", lambda x: np.sort(x, axis=None)),
    "argsort": ("argsort(x, axis=None)", lambda x: np.argsort(x, axis=None)),
    "concat": ("concat([x, x[0]], axis=None)", lambda x: np.concatenate([x, x[0]], axis=None)),
    "softmax": ("softmax(x, axis=None)", lambda x: scipy.special.softmax(x, axis=None)),
    "log_softmax": ("log_softmax(x, None)", lambda x: scipy.special.log_softmax(x, axis=None)),
    "logsumexp": ("logsumexp(x, axis=None)", lambda x: scipy.special.logsumexp(x, axis=None)),
    "take_along_axis": (
        "take_along_axis(x, [5, 0], axis=None)",
        lambda x: np.take_along_axis(x, np.array([5, 0]), axis=None),
    ),
    "cross": ("cross(x, x[::-1], axis=None)", lambda x: np.cross(x, x[::-1])),
    "normalize": ("normalize(x, axis=None)", lambda x: x / np.sqrt(np.sum(x * x))),
    "layer_norm": (
        "layer_norm(x, axis=None)",
        lambda x: (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-5),
    ),
    "rms_norm": (
        "rms_norm(x, axis=None, epsilon=1e-3)",
        lambda x: x / np.sqrt(np.mean(x * x) + 1e-3),
    ),
    "cosine_similarity": ("cosine_similarity(x, x, axis=None)", lambda x: 1.0),
    "keepdims": ("argmax(x, None, True)", lambda x: np.argmax(x, axis=None, keepdims=True)),
}
NULLABLE = [op for op in TABLE.public() if any(a.name == "axis" and a.nullable for a in op.attributes)]


@pytest.mark.parametrize("name", PEERS)
def test_none_written_in_a_program_is_numpys(name: str) -> None:
    program, peer = PEERS[name]
    np.testing.assert_allclose(value(program), peer(X), rtol=1e-14)


def test_every_axis_that_takes_null_is_compared() -> None:
    assert {op.name for op in NULLABLE} == set(PEERS) - {"keepdims"}


REFUSED = [
    (op.name, a.name)
    for op in TABLE.public()
    for a in op.attributes
    if a.name in ("axis", "axis1", "axis2", "axes") and a.default is not None and not a.nullable
]


@pytest.mark.parametrize(("name", "attribute"), REFUSED)
def test_where_none_has_no_meaning_it_is_refused(name: str, attribute: str) -> None:
    """As NumPy refuses it, and never taken for the default."""
    (declared,) = (a for a in TABLE[name].attributes if a.name == attribute)
    inputs = ["x"] * max(1, len(TABLE[name].inputs))
    node = {"name": "y", "op": name, "inputs": inputs, "attributes": {attribute: None}}
    with pytest.raises(InvalidAttribute, match=r"null|required"):
        decode_graph({"version": 1, "inputs": {"x": {}}, "nodes": [node], "outputs": ["y"]})
    assert repr(declared.default) == "REQUIRED" or "default" in str(_hint(declared))


def _hint(attribute: Any) -> str | None:
    with pytest.raises(InvalidAttribute) as raised:
        attribute.parse(None)
    return raised.value.hint


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in NULLABLE if len(op.inputs) == 1])
def test_null_in_a_graph_is_none_and_absent_is_the_default(op: Any) -> None:
    def answer(attributes: dict[str, Any]) -> Any:
        node = {"name": "y", "op": op.name, "inputs": ["x"], "attributes": attributes}
        document = {"version": 1, "inputs": {"x": {}}, "nodes": [node], "outputs": ["y"]}
        return run(decode_graph(document))["outputs"]["y"]

    settings = {a.name: a.default for a in op.attributes}
    for given, axis in (({"axis": None}, None), ({}, settings["axis"])):
        inputs = [X, X] if op.variadic else [X]
        expected = REFERENCES[op.name](*inputs[:1], **{**settings, "axis": axis})
        np.testing.assert_allclose(answer(given), expected, rtol=1e-14)


def test_null_elsewhere_is_the_default() -> None:
    node = {"name": "y", "op": "sum", "inputs": ["x"], "attributes": {"axis": None, "keepdims": None}}
    graph = decode_graph({"version": 1, "inputs": {"x": {}}, "nodes": [node], "outputs": ["y"]})
    assert run(graph)["outputs"]["y"] == X.sum()


def test_a_null_axis_survives_the_graph_of_a_gradient() -> None:
    program = "i = argmax(x, axis=None)\nloss = sum(softmax(x, axis=None) * x) + flatten(x)[i]"
    answer = run(parse_program(program), kind="gradient", targets=("loss",), return_graph=True)
    written = [n for n in answer["graph"]["nodes"] if n["op"] == "argmax"]
    assert [n["attributes"] for n in written] == [{"axis": None, "keepdims": False}]
    again = run(decode_graph(answer["graph"]))["outputs"]
    np.testing.assert_array_equal(again["value"], answer["value"])
    np.testing.assert_array_equal(again["gradients/x"], answer["gradients"]["x"])


# -- lists of one ------------------------------------------------------------------------------------

LISTS = {
    "split(x, 1)[0]": X,
    "x.split(1)[-1]": X,
    "meshgrid(x[0])[0]": X[0],
    "broadcast_arrays(x)[0]": X,
    "unstack(x[:1])[0]": X[0],
    "a, = split(x, 1)\na * 2": X * 2,
    "parts = split(x, 1)\nparts[0] * 2": X * 2,
    "stack([x])": X[None],
    "concat([x])": X,
    "concat(split(x, 2))": X,
    "stack(split(x, 2))": np.stack(np.split(X, 2)),
}


@pytest.mark.parametrize("program", LISTS)
def test_a_list_of_one_tensor_is_a_list(program: str) -> None:
    np.testing.assert_array_equal(value(program), LISTS[program])


@pytest.mark.parametrize("op", ["stack", "concat", "hstack", "vstack", "multi_dot"])
@pytest.mark.parametrize("form", ["{}(x)", "x.{}()"])
def test_one_tensor_is_no_list_to_join(op: str, form: str) -> None:
    """NumPy takes it for the list of its rows, and would answer something else than a list of one."""
    with pytest.raises(SyntaxFault, match="joins a list") as raised:
        value(form.format(op))
    assert f"{op}([x])" in str(raised.value.hint)


def test_a_list_of_one_tensor_is_no_tensor() -> None:
    with pytest.raises(SyntaxFault, match="a list of one tensor"):
        value("split(x, 1) * 2")
