"""Cross-entropies fused: the same numbers to rounding, and nothing becomes finite by it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.errors import IndexOutOfRange
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, plan_of

RNG = np.random.default_rng(31)
ODD = (np.nan, np.inf, -np.inf, 0.0, 1e300, -1e300, 700.0)

SOFT = (
    "loss = categorical_crossentropy(y, x * c, from_logits=True)",
    "loss = categorical_crossentropy(y, x * c, from_logits=True, label_smoothing=0.1)",
    "loss = -mean(sum(y * log_softmax(x * c), axis=1))",
    "loss = sum(w * sum(log_softmax(x * c) * y, axis=1))",
    "loss = sum(sum(log_softmax(x * c, axis=0) * y, axis=0) ** 2)",
)
OF_CLASSES = (
    "loss = sparse_categorical_crossentropy(l, x * c, from_logits=True)",
    "loss = sum(w * (sparse_categorical_crossentropy(l, x * c, from_logits=True, reduction='none')))",
    "loss = -mean(log_softmax(x * c)[arange(5), l])",
    "loss = -sum(w * log_softmax(x * c)[arange(5), l])",
    "loss = -mean(take_along_axis(log_softmax(x * c), l[:, None], axis=1))",
)


def values(dtype: str) -> dict[str, Any]:
    y = RNG.random((5, 4)) * (RNG.random((5, 4)) > 0.4)
    return {
        "x": RNG.normal(size=(5, 4)).astype(dtype),
        "y": y.astype(dtype),
        "w": RNG.normal(size=5).astype(dtype),
        "c": np.asarray(1.5, dtype),
        "l": RNG.integers(0, 4, 5),
    }


def query(program: str, inputs: dict[str, Any], **choices: Any) -> Query:
    graph = parse_program(program)
    types = {n: TensorType(v.shape, v.dtype.name) for n, v in inputs.items() if n in graph.inputs}
    wrt = tuple(name for name in ("x", "c") if name in types)
    return Query(
        graph=graph, inputs=types, kind="gradient", targets=("loss",), wrt=wrt, diagnose="off", **choices
    )


def both(program: str, inputs: dict[str, Any]) -> list[list[Any]]:
    found = []
    for optimize in (True, False):
        answer = Compiler().compile(query(program, inputs, optimize=optimize)).run(inputs)
        found.append([answer["value"], *answer["gradients"].values()])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("program", SOFT + OF_CLASSES)
def test_the_numbers_are_the_same(program: str, dtype: str) -> None:
    inputs = values(dtype)
    names = [s.op.name for s in plan_of(query(program, inputs))[1].tape.instructions]
    assert "log_softmax" not in names
    assert "logsumexp" not in names
    assert sum(name.endswith("log_likelihood") for name in names) == 1
    for ours, expected in zip(*both(program, inputs), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("program", "seed"), list(product(SOFT + OF_CLASSES, range(12))))
def test_nothing_becomes_finite(program: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    inputs = values("float64")
    for name in ("x", "y", "w") if seed % 2 else ("x",):
        flat = inputs[name].reshape(-1)
        flat[draw.integers(0, flat.size, 2)] = draw.choice(ODD, 2)
    for ours, expected in zip(*both(program, inputs), strict=True):
        odd = ~np.isfinite(expected)
        assert not np.isfinite(ours[odd]).any()
        sound = np.isfinite(ours) & ~odd
        np.testing.assert_allclose(ours[sound], expected[sound], rtol=1e-12, atol=1e-12)


def test_masked_classes_add_nothing() -> None:
    inputs = values("float64")
    inputs["x"][:, 1], inputs["y"][:, 1] = -np.inf, 0
    ours, expected = both(SOFT[0], inputs)
    assert np.isfinite(ours[0])
    np.testing.assert_allclose(ours[1], expected[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("program", "label"), list(product(OF_CLASSES, (4, -1, -5))))
def test_labels_out_of_range_are_the_same_errors(program: str, label: int) -> None:
    inputs = values("float64")
    inputs["l"][2] = label
    found = []
    for optimize in (True, False):
        try:
            answer = Compiler().compile(query(program, inputs, optimize=optimize)).run(inputs)
            found.append(answer["value"])
        except IndexOutOfRange as error:
            found.append(str(error) + str(error.node))
    if isinstance(found[0], str):
        assert found[0] == found[1]
    else:
        np.testing.assert_allclose(*found, rtol=1e-12)


def test_what_is_read_elsewhere_stays() -> None:
    inputs = values("float64")
    program = "s = log_softmax(x)\nloss = -mean(s[arange(5), l]) + 0.1 * sum(s ** 2)"
    names = [s.op.name for s in plan_of(query(program, inputs))[1].tape.instructions]
    assert "log_softmax" in names
    for ours, expected in zip(*both(program, inputs), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


@pytest.mark.parametrize("program", SOFT + OF_CLASSES)
def test_an_exported_gradient_can_be_differentiated(program: str) -> None:
    """What is returned as a graph is made of ops that have derivatives."""
    inputs = values("float64")
    tape = plan_of(query(program, inputs, return_graph=True))[1].tape
    assert not any(step.op.name.endswith("log_likelihood") for step in tape.instructions)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("seed", range(12))
def test_the_derivative_of_logsumexp_shares_its_exponentials(seed: int, axis: int | None) -> None:
    draw = np.random.default_rng(seed)
    inputs = {"x": draw.normal(size=(5, 4)), "c": np.asarray(1.5)}
    if seed:
        inputs["x"].reshape(-1)[draw.integers(0, 20, 2)] = draw.choice(ODD, 2)
    program = f"loss = sum(sin(logsumexp(x * c, axis={axis}, keepdims={bool(seed % 2)})))"
    names = [s.op.name for s in plan_of(query(program, inputs))[1].tape.instructions]
    assert "logsumexp_and_softmax" in names
    for ours, expected in zip(*both(program, inputs), strict=True):
        odd = ~np.isfinite(expected)
        assert not np.isfinite(ours[odd]).any()
        sound = np.isfinite(ours) & ~odd
        np.testing.assert_allclose(ours[sound], expected[sound], rtol=1e-12, atol=1e-12)
