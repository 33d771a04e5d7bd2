"""Ops on complex tensors against PyTorch: value, first and second derivative, in its own convention.

Where the two differ, DEVIATIONS says at which points and why, as in `test_ops_torch`.
"""

import math
from typing import Any

import numpy as np
import pytest

from engine.dtypes import TensorType
from engine.ir.table import TABLE, lookup
from engine.ir.tape import Tape
from engine.runtime.executors.numpy import run_tape
from engine.transforms.vjp import backward, ones
from tests.engine.peer import Case, compared, differing, named, op_of
from tests.engine.test_ops_complex import TAKEN

pytestmark = pytest.mark.oracle

POINTS = [0.3 + 0.4j, -1.2 + 0.7j, 2 - 0.5j, -0.4 - 1.5j, 0.6j, -2.5j, 1.5 + 1e-9j, 0.25 - 1e-9j, 12 + 3j]
AT_ZERO = [0j, *POINTS]
OTHERS = [1 - 1j, 0.5 + 2j, -0.3 + 0.1j, 2 + 0.2j, 1 + 1j, -0.7j, 0.5 + 0j, 3 - 0.25j, 0.1 + 0.2j]
PAIR = (POINTS, OTHERS)

ELEMENTWISE = {
    **named("exp expm1 sin cos tan sinh cosh tanh sigmoid", AT_ZERO),
    **named("square negative positive real imag conj", AT_ZERO),
    **named("log log2 log10 log1p sqrt rsqrt reciprocal asin acos atan asinh acosh atanh", POINTS),
    **named("abs angle sign=sgn", AT_ZERO),
    **named("add subtract multiply divide pow", *PAIR),
    "equal": Case(lambda torch, a, b: torch.eq(a, b), PAIR),
    "not_equal": Case(lambda torch, a, b: torch.ne(a, b), PAIR),
    "isclose": Case(lambda torch, a, b: torch.isclose(a, b), PAIR),
    **named("isnan isinf isfinite", POINTS),
    "where": Case(lambda torch, c, a, b: torch.where(c, a, b), ([True, False] * 4 + [True], *PAIR)),
    "pow at zero": Case(lambda torch, a, b: a**b, ([0j] * 4, [2 + 0j, 1 + 1j, 0j, 3 + 0j])),
    "squared_difference": Case(lambda torch, a, b: (a - b) ** 2, PAIR),
    "complex": Case(lambda torch, a, b: torch.complex(a, b), (np.array([0.5, -2.0]), np.array([1.0, 0.0]))),
    "divide_no_nan": Case(
        lambda torch, a, b: torch.where(b == 0, 0, a / torch.where(b == 0, 1, b)),
        ([1 + 2j, 3j], [0j, 2 - 1j]),
    ),
    "identity": Case(lambda torch, x: x * 1, (POINTS,)),
    "astype": Case(
        lambda torch, x: x.to(torch.complex128), (np.array([0.5, -2.0]),), {"dtype": "complex128"}
    ),
}


def cube(*shape: int) -> Any:
    places = np.arange(math.prod(shape))
    return (np.sin(places + 1.0) + 1j * np.cos(2.0 * places)).reshape(shape)


CUBE, SQUARE, VECTOR = cube(2, 3, 4), cube(3, 3), cube(3)
TURNED = SQUARE[::-1].copy()
HERMITIAN = SQUARE @ SQUARE.conj().T + 2 * np.eye(3)
ZEROS = np.array([[0, 2 + 1j, 3j], [0, 0, 5 - 1j]])
INDICES = np.array([0, 2, 2])

TENSORS = {
    **named("sum mean", CUBE),
    "sum over axes": Case(
        lambda torch, x: x.sum((0, 2), keepdim=True), (CUBE,), {"axis": [0, 2], "keepdims": True}
    ),
    "prod": Case(lambda torch, x: x.prod(1), (ZEROS,), {"axis": 1}),
    "cumulative_sum": Case(lambda torch, x: x.cumsum(1), (CUBE,), {"axis": 1}),
    "cumulative_prod": Case(lambda torch, x: x.cumprod(1), (CUBE,), {"axis": 1}),
    "var": Case(lambda torch, x: x.var(-1, correction=1), (CUBE,), {"axis": -1, "correction": 1}),
    "std": Case(lambda torch, x: x.std(correction=0), (CUBE,)),
    "vector_norm": Case(lambda torch, x: torch.linalg.vector_norm(x, 2, -1), (CUBE,), {"axis": -1}),
    "vector_norm of order 3": Case(lambda torch, x: torch.linalg.vector_norm(x, 3), (SQUARE,), {"ord": 3}),
    "vector_norm of order 1": Case(lambda torch, x: torch.linalg.vector_norm(x, 1), (SQUARE,), {"ord": 1}),
    "vector_norm with zeros": Case(lambda torch, x: torch.linalg.vector_norm(x), (ZEROS,)),
    "norm": Case(lambda torch, x: torch.linalg.norm(x), (SQUARE,)),
    "all": Case(lambda torch, x: x.all(), ([1j, 0j],)),
    "any": Case(lambda torch, x: x.any(), ([1j, 0j],)),
    "count_nonzero": Case(lambda torch, x: x.count_nonzero(), ([1j, 0j],)),
    **named("matmul dot=matmul kron", SQUARE, TURNED),
    **named("inner outer vdot dot", VECTOR, cube(4)[1:]),
    **named("trace diag diagonal tril triu", SQUARE),
    "cross": Case(lambda torch, a, b: torch.linalg.cross(a, b), (SQUARE, TURNED)),
    "vecdot": Case(lambda torch, a, b: torch.linalg.vecdot(a, b), (SQUARE, TURNED)),
    "tensordot": Case(lambda torch, a, b: torch.tensordot(a, b, 1), (CUBE, CUBE[0].T), {"axes": 1}),
    "multi_dot": Case(lambda torch, *xs: torch.linalg.multi_dot(xs), (SQUARE, SQUARE, SQUARE)),
    "einsum": Case(
        lambda torch, a, b: torch.einsum("ijk,kl->li", a, b), (CUBE, CUBE[0].T), {"equation": "ijk,kl->li"}
    ),
    "inv": Case(lambda torch, x: torch.linalg.inv(x), (SQUARE,)),
    "solve": Case(lambda torch, a, b: torch.linalg.solve(a, b), (SQUARE, VECTOR)),
    "det": Case(lambda torch, x: torch.linalg.det(x), (SQUARE,)),
    "matrix_power": Case(lambda torch, x: torch.linalg.matrix_power(x, -2), (SQUARE,), {"n": -2}),
    "cholesky": Case(lambda torch, x: torch.linalg.cholesky((x + x.mH) / 2), (HERMITIAN,)),
    "cholesky from above": Case(
        lambda torch, x: torch.linalg.cholesky((x + x.mH) / 2, upper=True), (HERMITIAN,), {"upper": True}
    ),
    "diag_embed": Case(lambda torch, x: torch.diag_embed(x), (VECTOR,)),
    "matrix_transpose": Case(lambda torch, x: x.mT, (SQUARE,)),
    "take": Case(lambda torch, x, i: x[:, i], (SQUARE, INDICES), {"axis": 1}),
    "take_along_axis": Case(
        lambda torch, x, i: torch.take_along_dim(x, i, 1), (SQUARE, np.array([[0, 0, 2]] * 3)), {"axis": 1}
    ),
    "index_add": Case(
        lambda torch, x, v: x.index_add(0, torch.tensor(INDICES), v),
        (SQUARE, CUBE[0, :, :3]),
        {"index": [[0, 2, 2]]},
    ),
    "permute_dims": Case(lambda torch, x: x.permute(2, 0, 1), (CUBE,), {"axes": [2, 0, 1]}),
    "reshape": Case(lambda torch, x: x.reshape(4, 6), (CUBE,), {"shape": [4, 6]}),
    "flip": Case(lambda torch, x: x.flip(1), (CUBE,), {"axis": 1}),
    "roll": Case(lambda torch, x: x.roll(1, 2), (CUBE,), {"shift": 1, "axis": 2}),
    "concat": Case(lambda torch, a, b: torch.cat((a, b), 1), (SQUARE, TURNED), {"axis": 1}),
    "stack": Case(lambda torch, a, b: torch.stack((a, b), 1), (SQUARE, TURNED), {"axis": 1}),
    "tile": Case(lambda torch, x: x.tile(2, 3), (SQUARE,), {"repetitions": [2, 3]}),
    "repeat": Case(lambda torch, x: x.repeat_interleave(2, 1), (SQUARE,), {"repeats": 2, "axis": 1}),
    "broadcast_to": Case(lambda torch, x: x.broadcast_to(2, 3), (VECTOR,), {"shape": [2, 3]}),
    "pad": Case(lambda torch, x: torch.nn.functional.pad(x, (1, 2)), (VECTOR,), {"pad_width": [[1, 2]]}),
    "diff": Case(lambda torch, x: torch.diff(x, n=2, dim=1), (CUBE,), {"n": 2, "axis": 1}),
    **named("cov corrcoef trapezoid", SQUARE),
    **named("fft=fft.fft ifft=fft.ifft irfft=fft.irfft hfft=fft.hfft fft2=fft.fft2 ifft2=fft.ifft2", CUBE),
    **named("irfft2=fft.irfft2 fftn=fft.fftn ifftn=fft.ifftn irfftn=fft.irfftn", CUBE),
    **named("fftshift=fft.fftshift ifftshift=fft.ifftshift", CUBE),
    **named("expm=linalg.matrix_exp svdvals=linalg.svdvals pinv=linalg.pinv", SQUARE),
    "pinv of a wide matrix": Case(lambda torch, x: torch.linalg.pinv(x), (CUBE[0],)),
    "eigvalsh": Case(lambda torch, x: torch.linalg.eigvalsh((x + x.mH) / 2), (HERMITIAN,)),
    "matrix_norm": Case(lambda torch, x: torch.linalg.matrix_norm(x, "nuc"), (SQUARE,), {"ord": "nuc"}),
    "condition_number": Case(lambda torch, x: torch.linalg.cond(x), (SQUARE,)),
    "solve_triangular": Case(
        lambda torch, a, b: torch.linalg.solve_triangular(a, b, upper=True), (SQUARE, TURNED)
    ),
    "cholesky_solve": Case(
        lambda torch, b, factor: torch.cholesky_solve(b, factor.tril()), (SQUARE, HERMITIAN)
    ),
    "lstsq": Case(lambda torch, a, b: torch.linalg.pinv(a) @ b, (CUBE[0], SQUARE)),
    "block_diag": Case(lambda torch, a, b: torch.block_diag(a, b), (SQUARE, CUBE[0])),
}

# (case, the quantity, the points of its inputs, why ours is the better answer)
DEVIATIONS: list[tuple[str, str, list[Any], str]] = [
    ("angle", "second", [0j], "0 at the origin, at every order"),
    ("sign", "second", [0j], "0 at the origin, at every order"),
    ("pow at zero", "value", [(0j, 0j)], "0^0 is 1, as of real numbers and in NumPy"),
    ("pow at zero", "first", [(0j, 1 + 1j)], "by the exponent: 0 where the base is 0"),
    ("pow at zero", "second", [(0j, 2 + 0j), (0j, 0j), (0j, 3 + 0j)], "PyTorch multiplies 0 by infinity"),
]

# -- what is compared ----------------------------------------------------------------------------------

ELSEWHERE = {
    *("atleast_1d", "atleast_2d", "broadcast_arrays", "expand_dims", "flatten", "fliplr", "flipud", "hstack"),
    *("matrix_transpose", "meshgrid", "moveaxis", "split", "squeeze", "swapaxes", "unstack", "vstack"),
    *("getitem", "index_set", "gather", "gather_nd"),
}  # only move elements: their derivatives are held against differences
NETWORKS = {
    *(f"conv{n}d{kind}" for n in (1, 2, 3) for kind in ("", "_transpose")),
    *(f"{op}{n}d" for n in (1, 2, 3) for op in ("average_pool", "max_unpool")),
    *("fold", "unfold", "pixel_shuffle", "pixel_unshuffle", "dropout"),
}  # linear in each input and without conjugates: compared for real numbers, and held against differences
#: Formulas of ops that are compared themselves; each is held against differences as well.
COMPOSED = {
    *(
        "cumulative_trapezoid",
        "central_differences",
        "average",
        "nansum",
        "nanprod",
        "nanmean",
        "nanvar",
        "nanstd",
    ),
    *("nancumsum", "nancumprod", "segment_sum", "segment_mean", "put_along_axis"),
    *("convolve", "correlate", "fftconvolve"),
}
#: Compared where the target does not depend on signs, in `test_decompositions`.
SEVERAL = {"slogdet", "eigh", "svd", "qr", "lu"}
NO_DERIVATIVE = {
    "matrix_rank",
    "full_like",
    "ones_like",
    "zeros_like",
    "shape",
    "size",
    "ndim",
    "stop_gradient",
}


@pytest.fixture(scope="module")
def torch(oracle):
    return oracle("torch")


@pytest.mark.parametrize("key", ELEMENTWISE)
def test_elementwise(torch, key):
    listed = {(quantity, repr(point)) for op, quantity, at, _ in DEVIATIONS if op == key for point in at}
    assert differing(torch, key, ELEMENTWISE[key], atol=1e-13) == listed


def test_every_op_has_its_peer_or_is_named():
    ops = {name for name in TAKEN if not TABLE[name].internal}
    covered = {op_of(key) for key in (*ELEMENTWISE, *TENSORS)}
    assert ops - covered == (ELSEWHERE | NETWORKS | COMPOSED | SEVERAL | NO_DERIVATIVE) - covered


def test_the_logarithm_and_sign_of_a_determinant(torch):
    """Two outputs, both of which carry: weighed into one number."""
    x = torch.tensor(SQUARE, requires_grad=True)
    sign, log = torch.linalg.slogdet(x)
    (expected,) = torch.autograd.grad((sign * (0.3 + 2j)).real + 1.5 * log, x)
    tape = Tape()
    y = tape.input("x", TensorType(SQUARE.shape, "complex128"))
    ours, magnitude = lookup("slogdet")(y)
    loss = (ours * (0.3 + 2j)).real() + magnitude * 1.5
    found = backward(tape, {loss.slot: ones(tape, loss)}, [y.slot])
    tape.outputs = [found[y.slot].conj().slot]
    np.testing.assert_allclose(run_tape(tape, {"x": SQUARE})[0], expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("key", TENSORS)
def test_tensors(torch, key):
    for quantity, mine, other in compared(torch, op_of(key), TENSORS[key]):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11, err_msg=quantity)
