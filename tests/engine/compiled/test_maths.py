"""The functions of `maths` against mpmath, over the whole range of both formats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import engine.ops  # noqa: F401  # fills the table
from engine.dtypes import TensorType
from engine.ir.table import F
from engine.ir.tape import Tape
from engine.passes import lower
from engine.runtime.executors.compiled import maths
from engine.runtime.executors.compiled.jit import is_available
from engine.runtime.executors.compiled.plans import CompiledPlan
from engine.runtime.plan import make_plan

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra `compiled` is not installed")


def native(name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    tape = Tape()
    tape.outputs = [getattr(F, name)(tape.input("x", TensorType(x.shape, x.dtype.name))).slot]
    compiled = CompiledPlan(make_plan(lower(tape)), verify=True)
    assert compiled._program.single is not None, "NumPy has no part in it"
    return compiled.run({"x": x})[0]


def numbers(dtype: str, count: int = 3000) -> np.ndarray[Any, Any]:
    """Numbers of every exponent and both signs, more of those where functions bend, and special ones."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(5)
    spread = rng.choice([-1.0, 1.0], count) * 2.0 ** rng.uniform(info.minexp - 20, info.maxexp, count)
    near = rng.normal(size=count) * rng.choice([0.01, 0.5, 1.0, 5.0, 50.0, 400.0], count)
    ones = 1 + rng.normal(size=count // 4) * 2.0 ** rng.uniform(-40, 0, count // 4)
    edges = [0.0, -0.0, 1.0, -1.0, 0.5, 0.625, 88.72, -103.9, 709.78, -745.1, info.max, info.tiny]
    quarters = np.arange(-300, 300) * (np.pi / 2)
    with np.errstate(over="ignore"):
        return np.concatenate([spread, near, ones, edges, quarters]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", maths.NAMES)
def test_within_two_units_in_the_last_place(name: str, dtype: str) -> None:
    x = numbers(dtype)
    if name == "log":
        x = np.abs(x)
    if name == "log1p":
        x = x[x > -1]
    ours = native(name, x)
    with mpmath.workprec(240):
        function: Callable[[Any], Any] = getattr(mpmath, name)
        info = np.finfo(dtype)
        for value, result in zip(x.tolist(), ours.tolist(), strict=True):
            if value == 0:
                assert result == (getattr(np, name)(0.0) if name != "log" else -np.inf)
                continue
            if name in ("exp", "expm1") and value > 800:
                assert result == np.inf
                continue
            if name in ("exp", "expm1", "tanh") and value < -1200:
                assert result == (0 if name == "exp" else -1)
                continue
            if name == "tanh" and value > 1200:
                assert result == 1
                continue
            exact = function(mpmath.mpf(value))
            if abs(exact) > float(info.max):
                assert result == np.inf * mpmath.sign(exact), value
                continue
            unit = max(2.0 ** (mpmath.frexp(exact)[1] - info.nmant - 1), float(info.smallest_subnormal))
            error = abs((mpmath.mpf(result) - exact) / unit)
            assert error < 2, (value, result, float(error))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", maths.NAMES)
def test_special_numbers_as_numpy_has_them(name: str, dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, -2.0], dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(native(name, x), getattr(np, name)(x), rtol=1e-6)
