"""Cubes as products: within two units in the last place of the power, and nothing becomes finite by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler, plan_of

RNG = np.random.default_rng(29)


def query(program: str, x: Any, **choices: Any) -> Query:
    types = {"x": TensorType(x.shape, x.dtype.name)}
    return Query(graph=parse_program(program), inputs=types, **choices)


def run(program: str, x: Any, **choices: Any) -> tuple[Any, Any]:
    return tuple(
        Compiler().compile(query(program, x, optimize=optimize, **choices)).run({"x": x})
        for optimize in (True, False)
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cubes_are_the_powers_to_two_units(dtype: str) -> None:
    odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-5, -1e-5, 50.0, -3.0]
    with np.errstate(over="ignore"):
        wide = np.exp(RNG.uniform(-300, 300, 500)) * RNG.choice([-1, 1], 500)
        x = np.concatenate([RNG.normal(size=500), odd, wide]).astype(dtype)
    rewritten, plain = (a["outputs"]["y"] for a in run("y = x ** 3", x, kind="evaluate", outputs=("y",)))
    assert rewritten.dtype == plain.dtype
    finite = np.isfinite(plain)
    np.testing.assert_array_equal(np.isnan(rewritten), np.isnan(plain))
    np.testing.assert_array_equal(rewritten[~finite], plain[~finite])
    np.testing.assert_array_equal(np.signbit(rewritten), np.signbit(plain))
    units = np.abs(rewritten[finite] - plain[finite]) / np.spacing(np.abs(plain[finite]))
    assert units.max() <= 2
    assert units.max() > 0, "the pass has done nothing"


@pytest.mark.parametrize(
    ("x", "changed"),
    [
        (np.ones(3), True),
        (np.ones(()), True),
        (np.ones(3, "complex128"), False),
        (np.ones(3, "int64"), False),
    ],
)
def test_only_real_floating_numbers_are_rewritten(x: Any, changed: bool) -> None:
    tape = plan_of(query("y = x ** 3", x, kind="evaluate", outputs=("y",)))[1].tape
    names = [step.op.name for step in tape.instructions]
    assert ("multiply" in names, "pow" in names) == (changed, not changed)
    assert {step.origin.node for step in tape.instructions} == {"y"}


def test_other_exponents_stay() -> None:
    tape = plan_of(query("y = x ** 2 + x ** 2.5 + x ** -3", np.ones(3), kind="evaluate", outputs=("y",)))[
        1
    ].tape
    assert [step.op.name for step in tape.instructions].count("pow") == 3


@pytest.mark.parametrize("seed", range(12))
def test_derivatives_agree_with_those_of_the_powers(seed: int) -> None:
    """Of random sums of products of cubes, at ordinary numbers and at odd ones."""
    draw = np.random.default_rng(seed)
    functions, sizes = ["tanh", "sin", "exp"], draw.integers(2, 9, 3)
    factors = [f"{draw.choice(functions)}(x ** 3 / {size})" for size in sizes]
    terms = [f"{draw.normal():.3f} * {factor} * x ** {draw.integers(2, 5)}" for factor in factors]
    program = f"loss = sum({' + '.join(terms)})"
    x = draw.normal(size=6)
    if seed % 3 == 2:
        x[draw.integers(0, 6, 2)] = draw.choice([np.nan, np.inf, -np.inf, 0.0], 2)
    choices: dict[str, Any] = {"kind": "gradient", "targets": ("loss",), "diagnose": "off"}
    rewritten, plain = run(program, x, **choices)
    for ours, expected in (
        (rewritten["value"], plain["value"]),
        (rewritten["gradients"]["x"], plain["gradients"]["x"]),
    ):
        np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(expected))
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-13)
