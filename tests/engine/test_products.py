"""jvp, hvp and gnvp against finite differences and against vjp: <J v, w> = <v, J'w>."""

import numpy as np
import pytest

from engine.errors import MissingInput, ShapeMismatch, UnknownWrt
from engine.frontend.decode import decode_graph
from tests.engine.asking import ask as about


def graph(*nodes, outputs):
    document = {
        "version": 1,
        "inputs": {"x": {}, "W": {}},
        "nodes": [
            {"name": name, "op": op, "inputs": inputs, "attributes": attributes}
            for name, op, inputs, attributes in nodes
        ],
        "outputs": outputs,
    }
    return decode_graph(document)


NETWORK = graph(
    ("h", "matmul", ["x", "W"], {}),
    ("a", "tanh", ["h"], {}),
    ("m", "max", ["a"], {"axis": 1}),
    ("p", "softmax", ["h"], {}),
    ("k", "getitem", ["p"], {"index": [[0, 0, 1]]}),
    ("c", "concat", ["a", "k"], {"axis": 0}),
    ("d", "divide", ["c", 3.0], {}),
    ("q", "cumulative_sum", ["d"], {"axis": 0}),
    ("s", "sum", ["q"], {"axis": 0}),
    ("y", "multiply", ["s", "s"], {}),
    ("loss", "mean", ["y"], {}),
    outputs=["y", "m", "loss"],
)
RNG = np.random.default_rng(3)
VALUES = {"x": RNG.normal(size=(4, 3)), "W": RNG.normal(size=(3, 2))}
MOVES = {"x": RNG.normal(size=(4, 3)), "W": RNG.normal(size=(3, 2))}


def ask(kind, values=VALUES, directions=None, **choices):
    return about(kind, NETWORK, values, directions, **choices)


def moved(h):
    return {name: VALUES[name] + h * MOVES[name] for name in VALUES}


def test_jvp_agrees_with_central_differences():
    pushed = ask("jvp", directions=MOVES)["jvp"]
    h = 1e-6
    ahead, behind = (ask("evaluate", values=moved(s))["outputs"] for s in (h, -h))
    for name, tangent in pushed.items():
        np.testing.assert_allclose(tangent, (ahead[name] - behind[name]) / (2 * h), rtol=1e-6, atol=1e-8)


def test_jvp_and_vjp_are_adjoint_to_the_last_bits():
    pushed = ask("jvp", directions=MOVES)["jvp"]
    cotangents = {name: RNG.normal(size=value.shape) for name, value in pushed.items()}
    pulled = ask("vjp", directions=cotangents)["vjp"]
    left = sum(np.vdot(cotangents[name], pushed[name]) for name in pushed)
    right = sum(np.vdot(MOVES[name], pulled[name]) for name in pulled)
    assert left == pytest.approx(right, rel=1e-12)


def test_hvp_agrees_with_differences_of_gradients():
    answer = ask("hvp", directions=MOVES, targets=("loss",))
    h = 1e-6
    ahead, behind = (
        ask("gradient", values=moved(s), targets=("loss",))["gradients"] for s in (h, -h)
    )  # fmt: skip
    for name, product in answer["hvp"].items():
        np.testing.assert_allclose(product, (ahead[name] - behind[name]) / (2 * h), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(
        answer["gradients"]["W"], ask("gradient", targets=("loss",))["gradients"]["W"]
    )


def test_gnvp_is_the_vjp_of_the_jvp():
    answer = ask("gnvp", directions=MOVES, outputs=("y", "m"))
    pushed = ask("jvp", directions=MOVES, outputs=("y", "m"))["jvp"]
    expected = ask("vjp", directions=pushed, wrt=("x", "W"))["vjp"]
    for name, product in answer["gnvp"].items():
        np.testing.assert_allclose(product, expected[name], rtol=1e-12)


def test_what_does_not_move_has_the_tangent_zero():
    answer = ask("jvp", directions={"W": MOVES["W"]}, outputs=("x", "y"))
    np.testing.assert_array_equal(answer["jvp"]["x"], np.zeros((4, 3)))


def test_directions_are_checked():
    with pytest.raises(MissingInput, match="tangents"):
        ask("jvp")
    with pytest.raises(ShapeMismatch, match=r"\(3, 2\)"):
        ask("jvp", directions={"W": np.ones(3)})
    with pytest.raises(UnknownWrt, match="tangents"):
        ask("jvp", directions=MOVES, wrt=("x",))
    with pytest.raises(UnknownWrt):
        ask("hvp", directions={"w": MOVES["W"]}, targets=("loss",))
