"""Derivatives at NaN, beside infinities and where nothing is: never 0 where the value is NaN, never NaN where
both are known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from engine.ir.op import Op
from engine.ir.table import TABLE
from tests.engine.derive import derive
from tests.engine.kinds import Kinds
from tests.engine.sampling import Array

inf, nan = math.inf, math.nan
POINTS = [0.0, -0.0, 1.0, -1.0, 0.5, inf, -inf, nan, 1e-300]


def slopes(name: str, *points: Any, **attributes: Any) -> list[Any]:
    """The derivatives of the sum by each input."""
    arrays = [np.array(point, float) for point in points]
    kinds = Kinds(TABLE[name], arrays, attributes)
    kinds.inputs.update({f"c{i}": np.ones(v.shape) for i, v in enumerate(kinds.floating)})
    with np.errstate(all="ignore"):
        here = kinds.run()
    return [0.0 if g is None else here[g.slot].tolist() for g in kinds.pulled]


# -- by the table ------------------------------------------------------------------------------------

#: Ops whose derivative is 0 where a NaN comes in, and why.
ZERO_AT_NAN: Mapping[str, str] = {
    "angle": "of a real number it is 0 everywhere",
    "heaviside": "x2 is chosen where x1 is 0, which a NaN is not",
    "multiply": "the derivative by one factor is the other",
    "prelu": "the derivative by one factor is the other",
    "xlog1py": "the derivative by one factor is the other",
    "xlogy": "the derivative by one factor is the other",
    "divide": "the derivative by x1 is 1 / x2, which is 0 at infinity",
    "divide_no_nan": "the derivative by x1 is 1 / x2, which is 0 at infinity",
    "sigmoid_cross_entropy": "the derivative by the label is minus the logit",
}
REAL = [
    op
    for op in TABLE.public()
    if op.family.name == "elementwise"
    and all(i.kind not in ("boolean", "index", "integer") for i in op.inputs)
]


def at_edges(op: Op) -> tuple[Kinds, list[Array]]:
    columns = list(zip(*itertools.product(POINTS, repeat=len(op.inputs)), strict=True))
    given = [np.array(column) for column in columns]
    return Kinds(op, given, op.samples.cases[0].attributes), given


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in REAL])
def test_no_derivative_is_zero_where_a_nan_comes_in_and_goes_out(op: Op) -> None:
    """A zero would hide the NaN from whoever looks at gradients alone."""
    kinds, given = at_edges(op)
    if not kinds.moving or not kinds.floating:
        return
    with np.errstate(all="ignore"):
        here = kinds.run()
    lost = np.isnan(here[kinds.values[0].slot]) & np.any(np.isnan(given), axis=0)
    silent = any(np.any(lost & (here[g.slot] == 0)) for g in kinds.pulled if g is not None)
    assert silent == (op.name in ZERO_AT_NAN)


# -- one by one --------------------------------------------------------------------------------------

SLOPES: Sequence[tuple[str, tuple[Any, ...], Mapping[str, Any], list[Any]]] = [
    ("maximum", (1.0, nan), {}, [nan, nan]),
    ("maximum", (nan, nan), {}, [nan, nan]),
    ("minimum", (nan, 1.0), {}, [nan, nan]),
    ("maximum", (2.0, 1.0), {}, [1.0, 0.0]),
    ("minimum", (2.0, 1.0), {}, [0.0, 1.0]),
    ("maximum", (inf, inf), {}, [0.5, 0.5]),
    ("fmax", (nan, nan), {}, [0.5, 0.5]),
    ("fmin", (nan, nan), {}, [0.5, 0.5]),
    ("fmin", (nan, 1.0), {}, [0.0, 1.0]),
    ("fmax", (1.0, nan), {}, [1.0, 0.0]),
    ("clip", (nan,), {"min": -1, "max": 1}, [1.0]),
    ("hypot", (inf, 1.0), {}, [1.0, 0.0]),
    ("hypot", (-inf, 1.0), {}, [-1.0, 0.0]),
    ("hypot", (inf, inf), {}, [nan, nan]),
    ("atan2", (inf, 1.0), {}, [0.0, 0.0]),
    ("atan2", (1.0, -inf), {}, [0.0, 0.0]),
    ("median", ([inf, inf],), {}, [[0.5, 0.5]]),
    ("median", ([-inf, 2.0],), {}, [[0.5, 0.5]]),
    ("vector_norm", ([0.0, 0.0],), {"ord": 0.5}, [[0.0, 0.0]]),
    ("sigmoid_cross_entropy", (1.0, inf), {}, [-inf, 0.0]),
    ("sigmoid_cross_entropy", (0.0, -inf), {}, [inf, 0.0]),
    ("sigmoid_cross_entropy", (0.0, inf), {}, [-inf, 1.0]),
    ("sigmoid_cross_entropy", (1.0, -inf), {}, [inf, -1.0]),
    ("softplus", (inf,), {}, [1.0]),
    ("softplus", (-inf,), {}, [0.0]),
    ("huber", ([0.0], [inf]), {}, [[-1.0], [1.0]]),
    ("log_cosh", ([0.0], [-inf]), {}, [[1.0], [-1.0]]),
]


@pytest.mark.parametrize(("name", "points", "attributes", "expected"), SLOPES)
def test_the_derivative_at_an_edge(
    name: str, points: tuple[Any, ...], attributes: Mapping[str, Any], expected: list[Any]
) -> None:
    for got, wanted in zip(slopes(name, *points, **attributes), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


VALUES: Sequence[tuple[str, tuple[Any, ...], Mapping[str, Any], Any]] = [
    ("median", ([inf, inf],), {}, inf),
    ("median", ([-inf, -inf, 1.0, 2.0],), {}, -inf),
    ("median", ([-inf, inf],), {}, nan),
    ("quantile", ([1.0, inf],), {"q": 0.25}, inf),
    ("quantile", ([-inf, 5.0],), {"q": 0.25}, -inf),
    ("quantile", ([1.0, 2.0, inf],), {"q": 0.25}, 1.5),
    ("quantile", ([-1.6e308, 1.6e308],), {"q": 0.5}, 0.0),
    ("sigmoid_cross_entropy", (1.0, inf), {}, 0.0),
    ("sigmoid_cross_entropy", (0.0, -inf), {}, 0.0),
    ("sigmoid_cross_entropy", (0.0, inf), {}, inf),
    ("sigmoid_cross_entropy", (0.25, -inf), {}, inf),
]


@pytest.mark.parametrize(("name", "points", "attributes", "expected"), VALUES)
def test_the_value_at_an_edge(
    name: str, points: tuple[Any, ...], attributes: Mapping[str, Any], expected: Any
) -> None:
    arrays = [np.array(point, float) for point in points]
    np.testing.assert_array_equal(derive(name, *arrays, **attributes).value, expected)


@pytest.mark.parametrize("ord", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("x", [[0.0, 0.0], [0.0, 2.0]])
def test_the_second_derivative_of_a_norm_is_one(ord: float, x: list[float]) -> None:
    """Two ways, reverse over reverse and forward over reverse."""
    kinds = Kinds(TABLE["vector_norm"], [np.array(x)], {"ord": ord})
    with np.errstate(all="ignore"):
        here = kinds.run()
    (curved,), (twice,) = kinds.curved, kinds.twice
    assert curved is not None
    assert twice is not None
    assert np.isfinite(here[twice.slot]).all()
    np.testing.assert_allclose(here[curved.slot], here[twice.slot], atol=1e-12)


def test_a_masked_class_adds_nothing_to_the_cross_entropy() -> None:
    labels, logits = np.array([[1.0, 0.0, 0.0]]), np.array([[0.3, -inf, 1.2]])
    found = derive("categorical_crossentropy", labels, logits, from_logits=True)
    alone = derive("categorical_crossentropy", labels[:, ::2], logits[:, ::2], from_logits=True)
    assert found.value == alone.value
    np.testing.assert_allclose(found.first[1], [[alone.first[1][0, 0], 0, alone.first[1][0, 1]]])
    assert np.isfinite(found.first[0]).all()
    assert derive("categorical_crossentropy", labels, logits[:, [1, 0, 2]], from_logits=True).value == inf


# -- beside PyTorch ----------------------------------------------------------------------------------

AS_TORCH: Mapping[str, tuple[Callable[..., Any], list[tuple[float, ...]]]] = {
    "fmax": (lambda torch, x, y: torch.fmax(x, y), [(1.0, nan), (nan, 1.0), (2.0, 1.0), (inf, 1.0)]),
    "fmin": (lambda torch, x, y: torch.fmin(x, y), [(1.0, nan), (nan, 1.0), (2.0, 1.0), (-inf, 1.0)]),
    "maximum": (lambda torch, x, y: torch.maximum(x, y), [(1.0, 1.0), (2.0, 1.0), (inf, inf), (-inf, 1.0)]),
    "relu": (lambda torch, x: torch.relu(x), [(nan,), (inf,), (-inf,), (0.0,)]),
    "softplus": (lambda torch, x: torch.nn.functional.softplus(x), [(inf,), (-inf,), (1e-300,)]),
    "logaddexp": (lambda torch, x, y: torch.logaddexp(x, y), [(inf, 1.0), (-inf, 1.0), (-inf, -inf)]),
    "xlogy": (lambda torch, x, y: torch.xlogy(x, y), [(1.0, 0.0), (0.0, inf), (2.0, inf)]),
    "abs": (lambda torch, x: torch.abs(x), [(0.0,), (-inf,)]),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", AS_TORCH)
def test_edges_are_pytorchs(name: str, oracle: Callable[[str], ModuleType]) -> None:
    torch = oracle("torch")
    function, points = AS_TORCH[name]
    for point in points:
        xs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in point]
        expected = [g.item() for g in torch.autograd.grad(function(torch, *xs), xs)]
        np.testing.assert_array_equal(slopes(name, *point), expected, err_msg=f"{name}{point}")
