"""The receipt of a gradient names its function and tests, and detects a wrong gradient."""

import numpy as np
import pytest

from engine import Query, TensorType, parse_program
from engine.errors import InvalidDocument
from engine.queries.receipt import receipt


def asked(program, x, **choices):
    graph = parse_program(program)
    query = Query(graph=graph, kind="gradient", inputs={"x": TensorType(x.shape, x.dtype.name)}, **choices)
    return query, receipt(query, {"x": x})


def test_a_receipt_names_the_question_and_its_tests():
    query, told = asked("sum(x ** 3)", np.array([1.0, 2.0]))
    assert told["graph"] == query.graph.id
    assert told["inputs"] == {"x": {"shape": [2], "dtype": "float64"}}
    assert told["method"] == "reverse"
    assert told["tests"]["passed"]
    assert told["tests"]["taylor_order"]["x"] == pytest.approx(2, abs=0.1)
    assert told["tests"]["dot_product_error"] < 1e-13


def test_a_rule_that_is_wrong_by_a_thousandth_does_not_pass():
    program = "def f(x):\n    return x ** 2\ndef g(x, y, dy):\n    return 2.002 * x * dy\n"
    _, told = asked(program + "sum(custom_gradient(f, g, x))", np.array([1.0, 2.0]))
    assert not told["tests"]["passed"]
    assert told["tests"]["taylor_order"]["x"] == pytest.approx(1, abs=0.1)


def test_several_targets_have_a_test_each_and_the_dtype_is_the_one_computed_in():
    _, told = asked(
        "a = sum(x ** 3)\nb = sum(sin(x))", np.ones(2), targets=("a", "b"), target_list=True, dtype="float32"
    )
    assert told["inputs"]["x"]["dtype"] == "float32"
    assert all(told["tests"][name]["passed"] for name in ("a", "b"))


def test_a_batch_has_no_receipt():
    with pytest.raises(InvalidDocument, match="one point"):
        asked("sum(x)", np.ones((2, 2)), batch=("x",))


def test_a_receipt_tests_what_can_be_moved():
    graph = parse_program("y = x * n\nl = sum(y ** 2)")
    inputs = {"x": np.ones(2), "n": np.array([1, 2])}
    types = {name: TensorType(value.shape, value.dtype.name) for name, value in inputs.items()}
    query = Query(graph=graph, kind="gradient", inputs=types, targets=("l",), wrt=("n", "y", "x"))
    tests = receipt(query, inputs)["tests"]
    assert tests["passed"]
    assert set(tests["taylor_order"]) == {"x"}
