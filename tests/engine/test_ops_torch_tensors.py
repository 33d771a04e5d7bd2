"""Ops on whole tensors against PyTorch: value and both derivatives; ties, zeros and infinities too."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.ir.table import TABLE
from tests.engine.peer import Case, compared, named, op_of
from tests.engine.test_ops_torch import ELEMENTWISE
from tests.engine.torch_networks import NETWORKS, functional

pytestmark = pytest.mark.oracle

inf = math.inf

MATRIX = [[1.0, 2.0, 3.0], [1000.0, -1000.0, 0.0], [-1e9, 0.0, 1e-3], [5.0, 5.0, 5.0]]
INFINITE = [[-inf, -inf], [-inf, 1.0], [inf, 1.0]]
TRUE = [[0.2, 1.5, -0.4], [1.0, 0.0, 2.0]]
PRED = [[0.5, -1.0, 0.3], [1.0, 0.4, 0.1]]
SOFT = [[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]]
SCORES = [[2.0, -1.0, 30.0], [0.5, 800.0, -800.0]]
CHANCES = [[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]


def torch_loss(name: str, **settings: Any) -> Callable[..., Any]:
    """torch.nn.functional's loss, which takes the prediction first."""
    call = functional(name, **settings)
    return lambda torch, y, p: call(torch, p, y)


NEURAL = {
    "softmax": Case(lambda torch, x: torch.softmax(x, -1), (MATRIX,)),
    "softmax over rows": Case(lambda torch, x: torch.softmax(x, 0), (MATRIX,), {"axis": 0}),
    "softmax of infinities": Case(lambda torch, x: torch.softmax(x, -1), (INFINITE,)),
    "log_softmax": Case(lambda torch, x: torch.log_softmax(x, -1), (MATRIX,)),
    "log_softmax of infinities": Case(lambda torch, x: torch.log_softmax(x, -1), (INFINITE,)),
    "logsumexp": Case(lambda torch, x: torch.logsumexp(x, -1), (MATRIX,)),
    "logsumexp over all": Case(lambda torch, x: torch.logsumexp(x, (0, 1)), (MATRIX,), {"axis": [0, 1]}),
    "logsumexp of infinities": Case(
        lambda torch, x: torch.logsumexp(x, -1, keepdim=True), (INFINITE,), {"keepdims": True}
    ),
    "glu": Case(lambda torch, x: torch.nn.functional.glu(x, 0), (MATRIX,), {"axis": 0}),
    "normalize": Case(lambda torch, x: torch.nn.functional.normalize(x, dim=-1), (MATRIX,)),
    "cosine_similarity": Case(
        lambda torch, a, b: torch.nn.functional.cosine_similarity(a, b, -1, eps=1e-12), (MATRIX, MATRIX[::-1])
    ),
    "mean_squared_error": Case(torch_loss("mse_loss"), (TRUE, PRED)),
    "mean_squared_error summed": Case(
        torch_loss("mse_loss", reduction="sum"), (TRUE, PRED), {"reduction": "sum"}
    ),
    "mean_absolute_error": Case(torch_loss("l1_loss"), (TRUE, PRED)),
    "huber": Case(torch_loss("huber_loss", delta=0.75), (TRUE, PRED), {"delta": 0.75}),
    "huber unreduced": Case(torch_loss("huber_loss", reduction="none"), (TRUE, PRED), {"reduction": "none"}),
    "binary_crossentropy": Case(torch_loss("binary_cross_entropy"), (SOFT, CHANCES)),
    "binary_crossentropy of logits": Case(
        torch_loss("binary_cross_entropy_with_logits"), (SOFT, SCORES), {"from_logits": True}
    ),
    "categorical_crossentropy": Case(
        lambda torch, y, p: -(y * torch.log(p / p.sum(-1, keepdim=True))).sum(-1).mean(), (SOFT, CHANCES)
    ),
    "categorical_crossentropy of logits": Case(
        torch_loss("cross_entropy"), (SOFT, SCORES), {"from_logits": True}
    ),
    "categorical_crossentropy smoothed": Case(
        torch_loss("cross_entropy", label_smoothing=0.1),
        (SOFT, PRED),
        {"from_logits": True, "label_smoothing": 0.1},
    ),
    "sparse_categorical_crossentropy": Case(
        torch_loss("cross_entropy"), ([2, 0], SCORES), {"from_logits": True}
    ),
    "sparse_categorical_crossentropy of probabilities": Case(
        lambda torch, y, p: torch.nn.functional.nll_loss(
            torch.log(p / p.sum(-1, keepdim=True)), y, reduction="none"
        ),
        ([2, 0], CHANCES),
        {"reduction": "none"},
    ),
    "kl_divergence": Case(
        lambda torch, y, p: torch.nn.functional.kl_div(torch.log(p), y, reduction="batchmean"),
        (CHANCES, CHANCES[::-1]),
    ),
    "poisson": Case(torch_loss("poisson_nll_loss", log_input=False, eps=0), (SOFT, CHANCES)),
    "cosine_similarity_loss": Case(
        lambda torch, y, p: -torch.nn.functional.cosine_similarity(y, p, -1).mean(), (TRUE, PRED)
    ),
}


CUBE = np.sin(np.arange(24.0)).reshape(2, 3, 4)
SQUARE = [[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [2.0, -2.0, 1.5]]
TIED = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
ZEROS = [[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]]

REDUCTIONS = {
    **named("sum mean", CUBE),
    "sum over axes": Case(
        lambda torch, x: x.sum((0, 2), keepdim=True), (CUBE,), {"axis": [0, 2], "keepdims": True}
    ),
    "max": Case(lambda torch, x: x.amax(-1), (TIED,), {"axis": -1}),
    "min": Case(lambda torch, x: x.amin((0, 1)), (TIED,)),
    "prod": Case(lambda torch, x: x.prod(1), (ZEROS,), {"axis": 1}),
    "prod of all": Case(lambda torch, x: x.reshape(-1).prod(), (ZEROS,)),
    "var": Case(lambda torch, x: x.var(-1, correction=1), (CUBE,), {"axis": -1, "correction": 1}),
    "std": Case(lambda torch, x: x.std(correction=0), (CUBE,)),
    "std of a constant": Case(lambda torch, x: x.std(correction=0), ([2.0, 2.0],)),
    "cumulative_sum": Case(lambda torch, x: x.cumsum(1), (CUBE,), {"axis": 1}),
    "cumulative_prod": Case(lambda torch, x: x.cumprod(1), (ZEROS,), {"axis": 1}),
    "median": Case(lambda torch, x: x.median(), ([3.0, 1.0, 2.0],)),
    "quantile": Case(lambda torch, x: torch.quantile(x, 0.3, dim=1), (SQUARE,), {"q": 0.3, "axis": 1}),
    "vector_norm": Case(lambda torch, x: torch.linalg.vector_norm(x, 2, -1), (SQUARE,), {"axis": -1}),
    "vector_norm of order 3": Case(lambda torch, x: torch.linalg.vector_norm(x, 3), (SQUARE,), {"ord": 3}),
    "norm": Case(lambda torch, x: torch.linalg.norm(x), (SQUARE,)),
    "argmax": Case(lambda torch, x: x.argmax(-1), (SQUARE,)),
    "argmin": Case(lambda torch, x: x.argmin(-1), (SQUARE,)),
    "all": Case(lambda torch, x: x.all(), ([True, False],)),
    "any": Case(lambda torch, x: x.any(), ([True, False],)),
}

PRODUCTS = {
    **named("matmul dot=matmul kron", SQUARE, SQUARE[::-1]),
    **named("inner outer vdot dot", SQUARE[0], SQUARE[1]),
    **named("trace diag diagonal tril triu", SQUARE),
    "cross": Case(lambda torch, a, b: torch.linalg.cross(a, b), (SQUARE, SQUARE[::-1])),
    "vecdot": Case(lambda torch, a, b: torch.linalg.vecdot(a, b), (SQUARE, SQUARE[::-1])),
    "tensordot": Case(lambda torch, a, b: torch.tensordot(a, b, 1), (CUBE, CUBE[0].T), {"axes": 1}),
    "multi_dot": Case(lambda torch, *xs: torch.linalg.multi_dot(xs), (SQUARE, SQUARE, SQUARE)),
    "einsum": Case(
        lambda torch, a, b: torch.einsum("ijk,kl->li", a, b), (CUBE, CUBE[0].T), {"equation": "ijk,kl->li"}
    ),
    "einsum on a diagonal": Case(lambda torch, a: torch.einsum("ii->i", a), (SQUARE,), {"equation": "ii->i"}),
}

INDICES = np.array([[0, 2, 2], [1, 1, 0]])
MOVES = {
    "take": Case(lambda torch, x, i: x[:, i.reshape(-1)], (SQUARE, INDICES.reshape(-1)), {"axis": 1}),
    "take_along_axis": Case(lambda torch, x, i: x.take_along_dim(i, 1), (SQUARE[:2], INDICES), {"axis": 1}),
    "sort": Case(lambda torch, x: x.sort(-1).values, (SQUARE,)),
    "argsort": Case(lambda torch, x: x.argsort(-1), (SQUARE,)),
    "one_hot": Case(
        lambda torch, i: torch.nn.functional.one_hot(i, 4).double(), (INDICES,), {"num_classes": 4}
    ),
    "concat": Case(lambda torch, *xs: torch.cat(xs, 1), (SQUARE, SQUARE[::-1]), {"axis": 1}),
    "stack": Case(lambda torch, *xs: torch.stack(xs, 1), (SQUARE, SQUARE[::-1]), {"axis": 1}),
    "flip": Case(lambda torch, x: x.flip(1), (SQUARE,), {"axis": 1}),
    "roll": Case(lambda torch, x: x.roll(2, 1), (SQUARE,), {"shift": 2, "axis": 1}),
    "tile": Case(lambda torch, x: x.tile((2, 1)), (SQUARE,), {"repetitions": [2, 1]}),
    "repeat": Case(lambda torch, x: x.repeat_interleave(2, 1), (SQUARE,), {"repeats": 2, "axis": 1}),
    "pad": Case(
        lambda torch, x: torch.nn.functional.pad(x, (2, 1, 1, 0), value=0.5),
        (SQUARE,),
        {"pad_width": [[1, 0], [2, 1]], "constant_values": 0.5},
    ),
    "pad by reflection": Case(
        lambda torch, x: torch.nn.functional.pad(x[None], (2, 1), mode="reflect")[0],
        (SQUARE,),
        {"pad_width": [[0, 0], [2, 1]], "mode": "reflect"},
    ),
    "permute_dims": Case(lambda torch, x: x.permute(2, 0, 1), (CUBE,), {"axes": [2, 0, 1]}),
}

TENSORS = {**NEURAL, **REDUCTIONS, **PRODUCTS, **MOVES, **NETWORKS}

WITHOUT_PEER = {
    "cbrt", "complex", "divide_no_nan", "heaviside", "imag", "spherical_jn",
    "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "log_cosh",
    "hinge", "squared_hinge", "categorical_hinge",
    "max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices",
    "binary_focal_crossentropy", "categorical_focal_crossentropy", "dice", "tversky",
    "categorical_generalized_cross_entropy",  # with Keras, in test_networks
    "simple_rnn", "lstm", "gru", "simple_rnn_cell", "lstm_cell", "gru_cell",
    "batch_norm_training",  # and indices of pools, and cells: in test_networks
}  # fmt: skip


@pytest.fixture(scope="module")
def torch(oracle):
    return oracle("torch")


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch tells how it pads
@pytest.mark.parametrize("key", TENSORS)
def test_tensors(torch, key):
    for quantity, mine, other in compared(torch, op_of(key), TENSORS[key]):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12, err_msg=quantity)


AT_REST = {
    "norm": Case(lambda torch, x: torch.linalg.norm(x), ([0.0, 0.0],)),
    "vector_norm": Case(lambda torch, x: torch.linalg.vector_norm(x), ([0.0, 0.0],)),
}


@pytest.mark.parametrize("name", AT_REST)
def test_a_norm_at_zero_is_flat_at_every_order(torch, name):
    found = {quantity: (mine, other) for quantity, mine, other in compared(torch, name, AT_REST[name])}
    assert found["first"][0].tolist() == found["first"][1].tolist() == [0.0, 0.0]
    assert found["second"][0].tolist() == [0.0, 0.0]
    assert np.isnan(found["second"][1]).any(), "PyTorch no longer answers NaN: it is no deviation any more"


def test_every_op_has_its_peer_or_is_named():
    groups = {"elementwise", "special", "nn"}
    ops = {op.name for op in TABLE.public() if op.group in groups}
    covered = {op_of(key) for key in (*ELEMENTWISE, *TENSORS)}
    assert ops - covered == WITHOUT_PEER
