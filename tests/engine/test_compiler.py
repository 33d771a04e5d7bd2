"""Queries end to end in the engine, on graphs as JSON: defaults, errors with their places, the cache."""

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import (
    DtypeMismatch,
    InvalidTarget,
    MissingInput,
    OverLimit,
    ShapeMismatch,
    TargetRequired,
    UnknownInput,
    UnknownName,
    UnknownWrt,
)
from engine.frontend.decode import decode_graph
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.graphs import REGRESSION as LINEAR

VALUES = {
    "W": np.array([0.5]),
    "b": np.array([0.0]),
    "x": np.array([[1.0], [2.0], [3.0]]),
    "y": np.array([[2.0], [4.0], [6.0]]),
}


def query(kind, document=LINEAR, values=VALUES, **choices):
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in values.items()}
    return Query(graph=decode_graph(document), kind=kind, inputs=types, **choices)


def ask(kind, document=LINEAR, values=VALUES, cotangents=None, **choices):
    if cotangents is not None:
        choices["cotangents"] = {n: TensorType(c.shape, c.dtype.name) for n, c in cotangents.items()}
    return Compiler().compile(query(kind, document, values, **choices)).run(values, cotangents)


def test_the_gradient_of_the_wire_format():
    answer = ask("gradient", wrt=("W", "b"))
    assert answer["value"] == 10.5
    np.testing.assert_allclose(answer["gradients"]["W"], [-14.0])
    np.testing.assert_allclose(answer["gradients"]["b"], [-6.0])
    assert set(answer) == {"value", "gradients"}


def test_wrt_defaults_to_every_floating_input():
    answer = ask("gradient")
    assert list(answer["gradients"]) == ["W", "b", "x", "y"]


def test_wrt_may_name_a_node():
    answer = ask("gradient", wrt=("pred", "W"))
    np.testing.assert_allclose(answer["gradients"]["pred"].sum(), -6.0)


def test_many_targets_are_keyed_by_target():
    document = LINEAR | {"outputs": ["loss", "sq"], "nodes": [*LINEAR["nodes"], TOTAL]}
    answer = ask("gradient", document, targets=("loss", "total"), target_list=True, wrt=("W",))
    assert set(answer["value"]) == {"loss", "total"}
    np.testing.assert_allclose(answer["gradients"]["total"]["W"], 3 * answer["gradients"]["loss"]["W"])


TOTAL = {"name": "total", "op": "sum", "inputs": ["sq"]}


def test_evaluate_answers_outputs_or_nodes_by_name():
    assert ask("evaluate")["outputs"].keys() == {"loss"}
    outputs = ask("evaluate", outputs=("pred", "loss"))["outputs"]
    np.testing.assert_allclose(outputs["pred"], [[0.5], [1.0], [1.5]])


def test_a_vjp_pulls_cotangents_back_and_absent_ones_are_zero():
    seed = np.array([[1.0], [0.0], [2.0]])
    answer = ask("vjp", cotangents={"pred": seed}, wrt=("W", "y"))
    np.testing.assert_allclose(answer["vjp"]["W"], [7.0])
    np.testing.assert_array_equal(answer["vjp"]["y"], np.zeros((3, 1)))
    assert answer["outputs"].keys() == {"pred"}


def test_a_cotangent_has_the_shape_of_its_output():
    with pytest.raises(ShapeMismatch, match=r"\(3, 1\)") as caught:
        ask("vjp", cotangents={"pred": np.ones(3)})
    assert caught.value.path == "$.cotangents.pred"


def test_the_dtype_option_computes_in_that_dtype():
    answer = ask(
        "gradient", dtype="float32", wrt=("b",), document=LINEAR | {"inputs": dict.fromkeys("Wbxy", {})}
    )
    assert answer["value"].dtype == np.float32
    assert answer["gradients"]["b"].dtype == np.float32


@pytest.mark.parametrize(
    ("error", "choices", "words"),
    [
        (UnknownWrt, {"wrt": ("w",)}, "'w'"),
        (UnknownName, {"targets": ("los",)}, "'los'"),
        (InvalidTarget, {"targets": ("pred",)}, "shape"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(error, choices, words):
    with pytest.raises(error, match=words) as caught:
        ask("gradient", **choices)
    assert caught.value.hint
    assert caught.value.path


def test_several_outputs_need_a_target():
    with pytest.raises(TargetRequired, match="'loss', 'sq'"):
        ask("gradient", LINEAR | {"outputs": ["loss", "sq"]})


def test_missing_and_unknown_inputs_are_named():
    with pytest.raises(MissingInput, match="y"):
        ask("gradient", values={name: VALUES[name] for name in "Wbx"})
    with pytest.raises(UnknownInput, match="bias"):
        ask("gradient", values={**VALUES, "bias": np.array(1.0)})


def test_shapes_that_do_not_fit_name_the_node():
    with pytest.raises(ShapeMismatch) as caught:
        ask("gradient", values={**VALUES, "x": np.ones((3, 2)), "y": np.ones((4, 1))})
    assert (caught.value.node, caught.value.op) == ("err", "subtract")
    assert caught.value.path == "$.graph.nodes[2]"
    assert str(caught.value).startswith("subtract at $.graph.nodes[2] 'err': ")


def test_the_limit_refuses_before_a_byte_is_allocated():
    document = {
        "version": 1,
        "inputs": {},
        "nodes": [
            {"name": "a", "op": "zeros", "inputs": [], "attributes": {"shape": [1_000_000_000, 1]}},
            {"name": "b", "op": "zeros", "inputs": [], "attributes": {"shape": [1, 1_000_000_000]}},
            {"name": "c", "op": "add", "inputs": ["a", "b"]},
        ],
        "outputs": ["c"],
    }
    with pytest.raises(OverLimit, match="bytes") as caught:
        Compiler().compile(query("evaluate", document, {}), peak_bytes_limit=1 << 30)
    assert caught.value.estimate is not None
    assert caught.value.estimate["peak_bytes"] >= 8 * 10**18


def test_the_same_question_is_compiled_once():
    compiler = Compiler(entries=2)
    first = compiler.compile(query("gradient"))
    assert compiler.compile(query("gradient")) is first
    assert (compiler.hits, compiler.misses) == (1, 1)
    compiler.compile(query("evaluate"))
    compiler.compile(query("gradient", wrt=("W",)))
    assert not compiler.has(query("gradient"))


def test_numbers_change_between_runs_and_answers_do_not_alias():
    program = Compiler().compile(query("gradient", wrt=("W",)))
    before = program.run(VALUES)
    kept = before["gradients"]["W"].copy()
    program.run({**VALUES, "W": np.array([2.0])})
    np.testing.assert_array_equal(before["gradients"]["W"], kept)


def test_weak_scalars_take_the_dtype_of_what_they_meet():
    values = {name: value.astype(np.float32) for name, value in VALUES.items()}
    document = LINEAR | {"inputs": dict.fromkeys("Wbxy", {})}
    assert ask("evaluate", document, values)["outputs"]["loss"].dtype == np.float32


def test_a_negative_power_of_an_integer_is_refused_wherever_it_stands():
    values = {"a": np.array([2, 3]), "b": np.array([-1, 2])}
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in values.items()}
    for program in ("a ** b", "sum(sin(a ** b))"):
        asked = Query(graph=parse_program(program), kind="evaluate", inputs=types)
        with pytest.raises(DtypeMismatch, match="negative power"):
            Compiler().compile(asked).run(values)
