"""Decompositions beside PyTorch's, where the target does not depend on signs and phases; equal values."""

import numpy as np
import pytest

from engine.derivatives.query import Query
from engine.dtypes import TensorType
from engine.frontend.program import parse_program
from engine.queries.compiler import Compiler
from tests.engine.sampling import Array

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 3))
TALL, WIDE = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 4))
EQUAL = np.diag([2.0, 2.0, 1.0])


def gradient(program: str, x: Array, kind: str = "gradient") -> Array:
    query = Query(
        graph=parse_program(program), kind=kind, inputs={"x": TensorType(x.shape, x.dtype.name)},
        targets=("loss",), diagnose="off",
    )  # fmt: skip
    answer = Compiler().compile(query).run({"x": x})
    return answer["gradients"]["x"]


def _eigh_loss(torch, x):
    w, v = torch.linalg.eigh((x + x.T) / 2)
    return (w**3).sum() + (v[0].abs() ** 4 * torch.exp(w)).sum()


def _svd_loss(torch, x):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return ((u * s**2 @ vh) ** 3).sum()


def _qr_loss(torch, x):
    q, r = torch.linalg.qr(x)
    return (q**3).sum() + (r**3).sum()


PROGRAMS = {
    "eigh": (
        "w, v = eigh(x)\nloss = sum(w ** 3) + sum(abs(v[0]) ** 4 * exp(w))",
        _eigh_loss,
        X,
    ),
    "svd": (
        "u, s, vh = svd(x)\nloss = sum((u * s ** 2 @ vh) ** 3)",
        _svd_loss,
        TALL,
    ),
    "svd wide": (
        "u, s, vh = svd(x)\nloss = sum((u * s ** 2 @ vh) ** 3)",
        _svd_loss,
        WIDE,
    ),
    "qr": ("q, r = qr(x)\nloss = sum(q ** 3) + sum(r ** 2 * r)", _qr_loss, TALL),
    "lu": (
        "p, l, u = lu(x)\nloss = sum(l ** 3) + sum(u ** 3)",
        lambda torch, x: sum((part**3).sum() for part in torch.linalg.lu(x)[1:]),
        X,
    ),
    "pinv": ("loss = sum(pinv(x) ** 3)", lambda torch, x: (torch.linalg.pinv(x) ** 3).sum(), TALL),
    "expm": ("loss = sum(expm(x) ** 2)", lambda torch, x: (torch.linalg.matrix_exp(x) ** 2).sum(), X),
    "nuclear": ("loss = norm(x, 'nuc')", lambda torch, x: torch.linalg.norm(x, "nuc"), WIDE),
    "spectral": ("loss = norm(x, 2)", lambda torch, x: torch.linalg.norm(x, 2), TALL),
    "condition": ("loss = condition_number(x)", lambda torch, x: torch.linalg.cond(x), X),
}


@pytest.mark.oracle
@pytest.mark.parametrize("key", PROGRAMS)
def test_gradients_are_pytorchs(oracle, key):
    torch = oracle("torch")
    program, peer, x = PROGRAMS[key]
    tensor = torch.tensor(x, requires_grad=True)
    (expected,) = torch.autograd.grad(peer(torch, tensor), tensor)
    np.testing.assert_allclose(gradient(program, x), expected.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.oracle
def test_hessians_are_pytorchs(oracle):
    torch = oracle("torch")
    for key in ("eigh", "svd", "qr", "pinv", "expm", "nuclear", "lu"):
        program, peer, x = PROGRAMS[key]
        query = Query(
            graph=parse_program(program), kind="hessian", inputs={"x": TensorType(x.shape)},
            targets=("loss",), diagnose="off",
        )  # fmt: skip
        ours = Compiler().compile(query).run({"x": x})["hessian"]["x"]["x"]
        theirs = torch.autograd.functional.hessian(lambda t, peer=peer: peer(torch, t), torch.tensor(x))
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-7, atol=1e-8, err_msg=key)


# -- equal values --------------------------------------------------------------------------------------


def test_values_alone_have_a_gradient_where_they_are_equal():
    """Of a target that treats equal values alike, by either op: the vectors are not divided by anything."""
    expected = 2 * EQUAL
    for program in ("w, v = eigh(x)\nloss = sum(w ** 2)", "loss = sum(eigvalsh(x) ** 2)"):
        np.testing.assert_allclose(gradient(program, EQUAL), expected, atol=1e-14)
    for program in ("u, s, vh = svd(x)\nloss = sum(s ** 2)", "loss = sum(svdvals(x) ** 2)"):
        np.testing.assert_allclose(gradient(program, EQUAL), expected, atol=1e-14)


@pytest.mark.parametrize(
    "program",
    ["w, v = eigh(x)\nloss = sum(v[0] ** 3)", "u, s, vh = svd(x)\nloss = sum(u[0] ** 3)"],
)
def test_vectors_of_equal_values_have_none_and_it_is_said(program):
    query = Query(
        graph=parse_program(program), kind="gradient", inputs={"x": TensorType((3, 3))}, targets=("loss",)
    )
    answer = Compiler().compile(query).run({"x": EQUAL})
    assert not np.isfinite(answer["gradients"]["x"]).all()
    told = answer["diagnosis"]["x"]
    assert told["status"] != "ok"
    assert any(program.split("= ")[1].split("(")[0] in str(culprit) for culprit in told["culprits"])


def test_signs_are_fixed():
    for name in ("w, v = eigh(x)\nloss = v", "v, s, vh = svd(x)\nloss = v"):
        for x in (X, -X, X.T):
            query = Query(graph=parse_program(name), kind="evaluate", inputs={"x": TensorType((3, 3))})
            v = Compiler().compile(query).run({"x": x})["outputs"]["loss"]
            largest = np.take_along_axis(v, np.argmax(np.abs(v), axis=0)[None], axis=0)
            assert (largest > 0).all()
