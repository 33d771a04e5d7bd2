"""The gradient as a graph: it decodes, runs again, gives the same bits, and can be differentiated."""

import numpy as np
import pytest

from engine import Compiler, Query, TensorType, decode_graph, parse_program
from tests.engine.test_control import PROGRAMS

RNG = np.random.default_rng(2)
MLP = "h = tanh(x @ W + b)\np = softmax(h)[[0, 0, 1]]\nloss = mean((p - 0.3) ** 2) + sum(where(x > 0, x, 0))"
PROGRAMS = {
    **PROGRAMS,
    "mlp": (MLP, {"x": RNG.normal(size=(2, 3)), "W": RNG.normal(size=(3, 4)), "b": RNG.normal(size=4)}),
}


def types(values):
    return {name: TensorType(np.shape(v), np.asarray(v).dtype.name) for name, v in values.items()}


def run(graph, kind, values, **choices):
    return Compiler().compile(Query(graph=graph, kind=kind, inputs=types(values), **choices)).run(values)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_graph_answers_the_same_bits(name):
    program, values = PROGRAMS[name]
    answer = run(parse_program(program), "gradient", values, targets=("loss",), return_graph=True)
    graph = decode_graph(answer["graph"])
    again = run(graph, "evaluate", values)["outputs"]
    np.testing.assert_array_equal(again["value"], answer["value"])
    for variable, gradient in answer["gradients"].items():
        if gradient is not None:
            np.testing.assert_array_equal(again[f"gradients/{variable}"], gradient)


def test_the_graph_can_be_differentiated_again():
    graph = decode_graph(
        run(parse_program("sum(x ** 4)"), "gradient", {"x": np.ones(2)}, return_graph=True)["graph"]
    )
    x = np.array([1.0, 2.0])
    jacobian = run(graph, "jacobian", {"x": x}, outputs=("gradients/x",))["jacobian"]
    np.testing.assert_allclose(jacobian["gradients/x"]["x"], np.diag(12 * x**2))


def test_many_targets_lie_between():
    program = "a = sum(x ** 2)\nb = sum(x ** 3)"
    answer = run(
        parse_program(program), "gradient", {"x": np.ones(2)}, targets=("a", "b"), target_list=True,
        return_graph=True,
    )  # fmt: skip
    assert set(answer["graph"]["outputs"]) == {"value/a", "value/b", "gradients/a/x", "gradients/b/x"}
