"""Reductions, shaping, indexing and products against PyTorch: value, first and second derivative.

Where ours is the better answer, DEVIATIONS says what differs and why; a difference that is not listed
fails, and so does a listed one that is gone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.peer import Case, compared, named, op_of

pytestmark = pytest.mark.oracle

rng = np.random.default_rng(0)
M = rng.standard_normal((3, 4))
T = rng.standard_normal((2, 3, 4))
S = rng.standard_normal((3, 3))
V, W = rng.standard_normal((2, 4))
ZEROS = np.array([[2.0, 0.0, 3.0, 0.0], [0.0, 1.5, -2.0, 0.5], [0.0, 0.0, 0.0, 1.0]])
TIED = np.array([[1.0, 2.0, 2.0, -1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 3.0, 3.0]])
FLAT = np.full((3, 4), 0.1)
PLACES = np.array([2, 0, 2, 1, 2])
GRID = np.array([[0, 3, 3, 1], [2, 2, 0, 1], [0, 0, 0, 0]])

AXIS = {"axis": 1}


def over(name: str, x: Any, axis: int = 1, keepdim: bool = False, **ours: Any) -> Case:
    """A reduction over one axis."""
    attributes = {"axis": axis, "keepdims": keepdim, **ours}
    return Case(lambda torch, t: getattr(torch, name)(t, dim=axis, keepdim=keepdim), (x,), attributes)


CASES: dict[str, Case] = {
    **named("sum mean prod max=amax min=amin", M),
    "prod of zeros": over("prod", ZEROS),
    "prod of everything": Case(lambda torch, x: torch.prod(x), (ZEROS,)),
    "prod kept": over("prod", T, 0, True),
    "max of ties": over("amax", TIED),
    "min of ties": over("amin", TIED, 0, True),
    "max of infinities": over("amax", np.array([[np.inf, 1.0], [-np.inf, -np.inf]])),
    "max of nan": over("amax", np.array([[np.nan, 1.0], [2.0, 3.0]])),
    "var": Case(lambda torch, x: torch.var(x, dim=1), (M,), {"axis": 1, "correction": 1}),
    "var of everything": Case(lambda torch, x: torch.var(x, correction=0), (M,)),
    "var of a constant": Case(lambda torch, x: torch.var(x, dim=0, correction=0), (FLAT,), {"axis": 0}),
    "std": Case(lambda torch, x: torch.std(x, dim=1, correction=1), (M,), {"axis": 1, "ddof": 1}),
    "std of a constant": Case(
        lambda torch, x: torch.std(x, dim=1, correction=0), (np.full((2, 4), 0.5),), {"axis": 1}
    ),
    "quantile": Case(lambda torch, x: torch.quantile(x, 0.3, dim=1), (M,), {"q": 0.3, "axis": 1}),
    "quantile of nan": Case(lambda torch, x: torch.quantile(x, 0.3), ([1.0, np.nan, 2.0],), {"q": 0.3}),
    "median": Case(lambda torch, x: torch.quantile(x, 0.5, dim=1), (M,), {"axis": 1}),
    **{
        f"vector_norm of order {order}": Case(
            lambda torch, x, order=order: torch.linalg.vector_norm(x, order, dim=1),
            (M,),
            {"axis": 1, "ord": order},
        )
        for order in (0, 0.5, 1, 1.5, 2, 3, np.inf, -np.inf)
    },
    **{
        f"vector_norm of zero of order {order}": Case(
            lambda torch, x, order=order: torch.linalg.vector_norm(x, order), (np.zeros(3),), {"ord": order}
        )
        for order in (1, 1.5, 2, 3, np.inf)
    },
    "norm of a matrix": Case(lambda torch, x: torch.linalg.matrix_norm(x, 1), (M,), {"ord": 1}),
    "norm fro": Case(lambda torch, x: torch.linalg.matrix_norm(x), (M,), {"ord": "fro"}),
    "cumulative_sum": Case(lambda torch, x: torch.cumsum(x, 1), (M,), AXIS),
    "cumulative_prod": Case(lambda torch, x: torch.cumprod(x, 1), (M,), AXIS),
    "cumulative_prod of zeros": Case(lambda torch, x: torch.cumprod(x, 1), (ZEROS,), AXIS),
    # -- shaping
    "permute_dims": Case(lambda torch, x: torch.permute(x, (2, 0, 1)), (T,), {"axes": [2, 0, 1]}),
    "roll": Case(lambda torch, x: torch.roll(x, (1, -2), (0, 2)), (T,), {"shift": [1, -2], "axis": [0, 2]}),
    "flip": Case(lambda torch, x: torch.flip(x, (0, 2)), (T,), {"axis": [0, 2]}),
    "tile": Case(lambda torch, x: torch.tile(x, (2, 1, 3)), (M,), {"repetitions": [2, 1, 3]}),
    "repeat": Case(lambda torch, x: torch.repeat_interleave(x, 2, 1), (M,), {"repeats": 2, "axis": 1}),
    "repeat counted": Case(
        lambda torch, x: torch.repeat_interleave(x, torch.tensor([2, 0, 1]), 0),
        (M,),
        {"repeats": [2, 0, 1], "axis": 0},
    ),
    "concat": Case(lambda torch, x, y: torch.cat((x, y), 1), (M, S), AXIS),
    "stack": Case(lambda torch, x, y: torch.stack((x, y), 1), (V, W), AXIS),
    **{
        f"pad {mode}": Case(
            lambda torch, x, theirs=theirs: torch.nn.functional.pad(x, (2, 1), mode=theirs),
            (M,),
            {"pad_width": [[0, 0], [2, 1]], "mode": mode},
        )
        for mode, theirs in [
            ("constant", "constant"),
            ("reflect", "reflect"),
            ("edge", "replicate"),
            ("wrap", "circular"),
        ]
    },
    # -- indexing
    "getitem": Case(lambda torch, x: x[1:, ::2], (T,), {"index": [{"start": 1}, {"step": 2}]}),
    "getitem by arrays": Case(
        lambda torch, x: x[:, [0, 2, 2], [1, 1, 3]], (T,), {"index": [{}, [0, 2, 2], [1, 1, 3]]}
    ),
    "take": Case(lambda torch, x, i: torch.index_select(x, 0, i), (M, PLACES), {"axis": 0}),
    "gather": Case(lambda torch, x, i: torch.nn.functional.embedding(i, x), (M, PLACES)),
    "take_along_axis": Case(lambda torch, x, i: torch.gather(x, 1, i), (M, GRID), AXIS),
    "index_add": Case(
        lambda torch, x, v: torch.index_add(x, 0, torch.tensor(PLACES), v),
        (M, rng.standard_normal((5, 4))),
        {"index": [PLACES.tolist()]},
    ),
    "sort": Case(lambda torch, x: torch.sort(x, dim=1, stable=True).values, (TIED,), AXIS),
    "sort descending": Case(
        lambda torch, x: torch.sort(x, dim=1, descending=True, stable=True).values,
        (TIED,),
        {"axis": 1, "descending": True},
    ),
    # -- products
    **{
        f"matmul {a.shape} by {b.shape}": Case(lambda torch, x, y: torch.matmul(x, y), (a, b))
        for a, b in [
            (M, M.T),
            (V, W),
            (M, V),
            (V, M.T),
            (T, V),
            (T, M.T),
            (T, T.transpose(0, 2, 1)),
            (V, T.transpose(0, 2, 1)),
        ]
    },
    "tensordot": Case(
        lambda torch, x, y: torch.tensordot(x, y, ([2, 1], [1, 0])), (T, M), {"axes": [[2, 1], [1, 0]]}
    ),
    "inner": Case(lambda torch, x, y: torch.inner(x, y), (M, T)),
    "outer": Case(lambda torch, x, y: torch.outer(x, y), (V, W)),
    "kron": Case(lambda torch, x, y: torch.kron(x, y), (M, S)),
    "vecdot": Case(lambda torch, x, y: torch.linalg.vecdot(x, y), (M, V)),
    "cross": Case(lambda torch, x, y: torch.linalg.cross(x, y), (S, S[::-1].copy())),
    "multi_dot": Case(lambda torch, x, y, z: torch.linalg.multi_dot((x, y, z)), (M, M.T, V[:3])),
    # -- square matrices
    "inv": Case(lambda torch, x: torch.linalg.inv(x), (S,)),
    "solve": Case(lambda torch, x, y: torch.linalg.solve(x, y), (S, M)),
    "solve a vector": Case(lambda torch, x, y: torch.linalg.solve(x, y), (S, V[:3])),
    "det": Case(lambda torch, x: torch.linalg.det(x), (S,)),
    "det of a stack": Case(lambda torch, x: torch.linalg.det(x), (T[:, :, :3],)),
    "det of ones": Case(lambda torch, x: torch.linalg.det(x), (np.ones((2, 2)),)),
    "cholesky": Case(lambda torch, x: torch.linalg.cholesky(x), (S @ S.T + np.eye(3),)),
    "cholesky upper": Case(
        lambda torch, x: torch.linalg.cholesky(x, upper=True), (S @ S.T + np.eye(3),), {"upper": True}
    ),
    "matrix_power": Case(lambda torch, x: torch.linalg.matrix_power(x, -3), (S,), {"n": -3}),
    "trace": Case(lambda torch, x: torch.trace(x), (S,)),
    "diagonal": Case(
        lambda torch, x: torch.diagonal(x, 1, 1, 2), (T,), {"offset": 1, "axis1": 1, "axis2": 2}
    ),
    "diag": Case(lambda torch, x: torch.diag(x, -1), (V,), {"k": -1}),
    "diag_embed": Case(lambda torch, x: torch.diag_embed(x, 1), (M,), {"offset": 1}),
    "tril": Case(lambda torch, x: torch.tril(x, 1), (T,), {"k": 1}),
    **{
        f"einsum {equation}": Case(
            lambda torch, *xs, equation=equation: torch.einsum(equation, *xs), given, {"equation": equation}
        )
        for equation, given in [
            ("ij,kj->ik", (M, S[:, :1] * V)),
            ("bij,bkj->bik", (T, T)),
            ("ii->i", (S,)),
            ("ij,j,i->", (M, V, V[:3])),
            ("...j,j->...", (T, V)),
            ("bij,jk,bk->bi", (T, M.T, T[:, 1, :3])),
        ]
    },
}

# key → the quantities that differ, why ours is the better answer
FLAT_AT_ZERO = "a norm is flat at zero, at every order; PyTorch divides 0 by 0"
DEVIATIONS: dict[str, tuple[set[str], str]] = {
    "vector_norm of zero of order 1.5": ({"second"}, FLAT_AT_ZERO),
    "vector_norm of zero of order 2": ({"second"}, FLAT_AT_ZERO),
}


@pytest.fixture(scope="module")
def torch(oracle: Any) -> Any:
    return oracle("torch")


@pytest.mark.parametrize("key", CASES)
def test_structure(torch: Any, key: str) -> None:
    differing = {
        quantity
        for quantity, mine, other in compared(torch, op_of(key), CASES[key])
        if not np.allclose(mine, other, rtol=1e-9, atol=1e-12, equal_nan=True)
    }
    assert differing == DEVIATIONS.get(key, (set(), ""))[0]
