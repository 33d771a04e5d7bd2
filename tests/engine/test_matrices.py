"""Jacobians and Hessians against products and finite differences; batches of questions against loops."""

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, InvalidTarget, ShapeMismatch, UnknownInput
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.asking import ask as about

RNG = np.random.default_rng(5)
NETWORK = "h = tanh(x @ W + b)\ny = softmax(h) * 2\nloss = sum(y ** 3) / 4"
VALUES = {"x": RNG.normal(size=(2, 3)), "W": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}


def ask(kind, program=NETWORK, values=VALUES, directions=None, **choices):
    return about(
        kind, program, {name: np.asarray(v, float) for name, v in values.items()}, directions, **choices
    )


def test_the_examples_of_the_wire_format():
    answer = ask("jacobian", "y = x ** 2", {"x": [1, 2]})
    np.testing.assert_array_equal(answer["jacobian"]["y"]["x"], [[2, 0], [0, 4]])
    assert answer["method"] == "reverse"
    answer = ask("hessian", "sum(x ** 3)", {"x": [1, 2]})
    assert answer["value"] == 9
    np.testing.assert_array_equal(answer["gradients"]["x"], [3, 12])
    np.testing.assert_array_equal(answer["hessian"]["x"]["x"], [[6, 0], [0, 12]])
    answer = ask("gradient", "sum(x ** 2)", {"x": [[1, 2], [3, 4]]}, batch=("x",))
    np.testing.assert_array_equal(answer["value"], [5, 25])
    np.testing.assert_array_equal(answer["gradients"]["x"], [[2, 4], [6, 8]])


@pytest.mark.parametrize("method", ["forward", "reverse"])
def test_a_jacobian_holds_every_product(method):
    blocks = ask("jacobian", outputs=("y", "h"), method=method)["jacobian"]
    assert blocks["y"]["W"].shape == (2, 2, 3, 2)
    tangents = {name: RNG.normal(size=v.shape) for name, v in VALUES.items()}
    pushed = ask("jvp", directions=tangents, outputs=("y", "h"))["jvp"]
    for out, row in blocks.items():
        total = sum(np.tensordot(row[name], tangents[name], axes=tangents[name].ndim) for name in VALUES)
        np.testing.assert_allclose(total, pushed[out], rtol=1e-10, atol=1e-12)


def test_auto_takes_the_side_with_fewer_passes():
    tall = ask("jacobian", "y = outer(sin(a), exp(a))", {"a": RNG.normal(size=20)})
    assert tall["method"] == "forward"
    assert tall["jacobian"]["y"]["a"].shape == (20, 20, 20)
    wide = ask("jacobian", "y = sum(sin(a) * exp(a))", {"a": RNG.normal(size=50)})
    assert wide["method"] == "reverse"


def test_a_hessian_holds_every_product_and_is_symmetric():
    answer = ask("hessian", targets=("loss",))
    blocks = answer["hessian"]
    np.testing.assert_allclose(
        blocks["W"]["b"], np.moveaxis(blocks["b"]["W"], 0, -1), rtol=1e-9, atol=1e-12
    )  # fmt: skip
    vectors = {name: RNG.normal(size=v.shape) for name, v in VALUES.items()}
    products = ask("hvp", directions=vectors, targets=("loss",))["hvp"]
    for a, row in blocks.items():
        total = sum(np.tensordot(row[b], vectors[b], axes=vectors[b].ndim) for b in VALUES)
        np.testing.assert_allclose(products[a], total, rtol=1e-9, atol=1e-12)


def test_disconnected_blocks_are_zero():
    answer = ask("jacobian", "y = x * 2\nz = w * 3", {"x": [1, 2], "w": [3.0]}, outputs=("y",))
    np.testing.assert_array_equal(answer["jacobian"]["y"]["w"], np.zeros((2, 1)))
    answer = ask("hessian", "sum(x) + sum(w ** 2)", {"x": [1, 2], "w": [3.0]})
    np.testing.assert_array_equal(answer["hessian"]["x"]["w"], np.zeros((2, 1)))
    np.testing.assert_array_equal(answer["hessian"]["w"]["w"], [[2]])


def test_refusals():
    with pytest.raises(InvalidTarget):
        ask("hessian", "x * 2", {"x": [1, 2]})
    query = Query(
        graph=parse_program("sum(x[i])"),
        kind="jacobian",
        inputs={"x": TensorType((3,)), "i": TensorType((2,), "int64")},
        wrt=("i",),
    )
    with pytest.raises(DtypeMismatch, match="int64"):
        Compiler().compile(query)


KINDS = [
    ("evaluate", {}, None),
    ("gradient", {"targets": ("loss",)}, None),
    ("jacobian", {"outputs": ("y",)}, None),
    ("hessian", {"targets": ("loss",), "wrt": ("x",)}, None),
    ("hvp", {"targets": ("loss",)}, {"x": (2, 3), "b": (2,)}),
    ("jvp", {"outputs": ("y",)}, {"x": (2, 3), "b": (2,)}),
    ("gnvp", {"outputs": ("y",)}, {"x": (2, 3), "b": (2,)}),
    ("vjp", {}, {"y": (2, 2)}),
]


@pytest.mark.parametrize(("kind", "choices", "moves"), KINDS)
def test_a_batch_answers_each_row(kind, choices, moves):
    n = 4
    values = {**VALUES, "x": RNG.normal(size=(n, 2, 3))}
    given = None
    if moves is not None:
        rows = {name for name in moves if name != "b"}
        given = {
            name: RNG.normal(size=(n, *shape) if name in rows else shape) for name, shape in moves.items()
        }
    whole = ask(kind, values=values, directions=given, batch=("x",), **choices)
    for k in range(n):
        one = {**VALUES, "x": values["x"][k]}
        directions = None if given is None else {m: v[k] if m != "b" else v for m, v in given.items()}
        compare(whole, ask(kind, values=one, directions=directions, **choices), k)


def compare(whole, part, k):
    if isinstance(part, dict):
        assert whole.keys() == part.keys()
        for key in part:
            if key != "method":
                compare(whole[key], part[key], k)
    else:
        np.testing.assert_allclose(whole[k], part, rtol=1e-9, atol=1e-11)


def test_many_cotangents_are_pulled_back_in_one_pass():
    cotangents = {"y": RNG.normal(size=(5, 2, 2))}
    many = ask("vjp", directions=cotangents, cotangent_batch=True)
    assert many["outputs"]["y"].shape == (2, 2)
    for k in range(5):
        one = ask("vjp", directions={"y": cotangents["y"][k]})
        for name, value in one["vjp"].items():
            np.testing.assert_allclose(many["vjp"][name][k], value, rtol=1e-12)


def test_rows_are_checked():
    with pytest.raises(ShapeMismatch, match="first axis"):
        ask("evaluate", "x + w", {"x": [[1], [2]], "w": [1, 2, 3]}, batch=("x", "w"))
    with pytest.raises(UnknownInput, match="'z'"):
        ask("evaluate", "x * 2", {"x": [1, 2]}, batch=("z",))
    with pytest.raises(ShapeMismatch, match="no axes"):
        ask("evaluate", "x * 2", {"x": 1.0}, batch=("x",))
