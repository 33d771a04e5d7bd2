"""What the table of ops cannot express of convolutions and pools: indices, layouts, blocks, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.ir.table import TABLE
from engine.ops.nn.convolution import kernels
from engine.runtime.executors.numpy import run_tape
from tests.engine.derive import derive
from tests.engine.sampling import named, record
from tests.engine.torch_networks import waves


def values(name: str, *given: Any, **attributes: Any) -> list[Any]:
    arrays = [np.asarray(x) for x in given]
    return run_tape(record(TABLE[name], arrays, attributes)[0], named(arrays))


@pytest.mark.oracle
@pytest.mark.parametrize("n", [1, 2, 3])
def test_indices_of_maxima_are_those_of_torch(n: int, oracle: Callable[[str], Any]) -> None:
    torch = oracle("torch")
    x = np.round(waves(2, 3, *(7, 6, 5)[:n]), 1)  # with elements that tie
    settings = {"stride": 2, "padding": 1, "ceil_mode": True}
    pool = getattr(torch.nn.functional, f"max_pool{n}d")
    theirs = pool(torch.tensor(x), 3, return_indices=True, **settings)
    ours = values(f"max_pool{n}d_with_indices", x, window=3, data_format="channels_first", **settings)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other.numpy())
    back = values(f"max_unpool{n}d", *ours, size=list(x.shape[2:]), data_format="channels_first")[0]
    flat = ours[1].reshape(2, 3, -1)
    np.testing.assert_array_equal(
        np.take_along_axis(back.reshape(2, 3, -1), flat, -1), ours[0].reshape(2, 3, -1)
    )


@pytest.mark.oracle
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_channels_last_is_keras(n: int, padding: str, stride: int, oracle: Callable[[str], Any]) -> None:
    ops = oracle("keras").ops
    x, kernel = waves(2, *(9, 8, 7)[:n], 4), waves(*(2, 3, 2)[:n], 4, 3)
    settings = {"padding": padding}
    np.testing.assert_allclose(
        values(f"conv{n}d", x, kernel, stride=stride, **settings)[0],
        np.asarray(ops.conv(x, kernel, strides=stride, data_format="channels_last", **settings)),
        rtol=2e-5,
        atol=2e-6,
    )  # fmt: skip
    kernel = np.swapaxes(kernel, -1, -2)
    np.testing.assert_allclose(
        values(f"conv{n}d_transpose", x, kernel, stride=stride, **settings)[0],
        np.asarray(ops.conv_transpose(x, kernel, strides=stride, data_format="channels_last", **settings)),
        rtol=2e-5,
        atol=2e-6,
    )  # fmt: skip
    for ours, theirs in (("max_pool", ops.max_pool), ("average_pool", ops.average_pool)):
        np.testing.assert_allclose(
            values(f"{ours}{n}d", x, window=2, stride=stride, **settings)[0],
            np.asarray(theirs(x, 2, strides=stride, data_format="channels_last", **settings)),
            rtol=2e-5,
        atol=2e-6,
        )  # fmt: skip


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("binary_focal_crossentropy", {"gamma": 1.5, "apply_class_balancing": True, "alpha": 0.3}),
        ("binary_focal_crossentropy", {"from_logits": True, "label_smoothing": 0.1}),
        ("categorical_focal_crossentropy", {"alpha": 0.5, "gamma": 3.0}),
        ("categorical_focal_crossentropy", {"from_logits": True, "label_smoothing": 0.1}),
        ("categorical_generalized_cross_entropy", {"q": 0.7}),
        ("dice", {}),
        ("tversky", {"alpha": 0.3, "beta": 0.6}),
    ],
)
def test_a_loss_is_that_of_keras(name: str, settings: dict[str, Any], oracle: Callable[[str], Any]) -> None:
    keras = oracle("keras")
    pred = np.array([[0.7, 0.2, 0.1], [0.3, 0.25, 0.45]])
    true: Any = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    if name == "categorical_generalized_cross_entropy":
        true = np.array([0, 2])
    kind = "".join(part.capitalize() for part in name.split("_"))
    theirs = getattr(keras.losses, kind)(**settings)(true, pred)
    ours = values(name, true, pred, **settings)[0]
    np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), rtol=1e-5)


def test_the_first_of_equal_elements_gets_the_gradient() -> None:
    x = np.array([[1.0], [1.0], [0.0], [2.0], [2.0]])
    first = derive("max_pool1d", x, window=5).first[0]
    np.testing.assert_array_equal(first, [[0.0], [0.0], [0.0], [1.0], [0.0]])


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("channels", [3, 12])
def test_blocks_make_no_difference(groups: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, kernel = waves(3, 9, 8, channels), waves(3, 2, channels // groups, 6)
    settings = {"groups": groups, "stride": [2, 1], "dilation": [1, 2]}
    whole = derive("conv2d", x, kernel, **settings)
    monkeypatch.setattr(kernels, "BLOCK", 200)  # less than one sample
    parts = derive("conv2d", x, kernel, **settings)
    np.testing.assert_allclose(parts.value, whole.value, rtol=1e-12)
    for mine, other in zip((*parts.first, *parts.second), (*whole.first, *whole.second), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


@pytest.mark.oracle
def test_a_batch_is_normalised_as_by_torch(oracle: Callable[[str], Any]) -> None:
    torch = oracle("torch")
    x = waves(5, 4, 3)
    kept = [torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)]
    theirs = torch.nn.functional.batch_norm(torch.tensor(x), *kept, training=True, momentum=1.0)
    ours, mean, variance = values("batch_norm_training", x, axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mean, kept[0], rtol=1e-9)
    np.testing.assert_allclose(variance * 15 / 14, kept[1], rtol=1e-9)


def test_a_query_that_sees_no_key_has_zeros_and_no_gradient_that_is_not_finite() -> None:
    q, k, v = waves(2, 3), waves(3, 3, start=1), waves(3, 2, start=2)
    mask = np.array([[True, False, True], [False, False, False]])
    found = derive("scaled_dot_product_attention", q, k, v, mask)
    np.testing.assert_array_equal(found.value[1], 0)
    assert all(np.isfinite(g).all() for g in (*found.first, *found.second))


def test_dropout_keeps_the_mean_and_the_gradient_of_what_it_keeps() -> None:
    x = np.full((200, 50), 2.0)
    found = derive("dropout", x, np.asarray(11), rate=0.25)
    assert found.value.mean() == pytest.approx(2, abs=0.05)
    np.testing.assert_array_equal((found.value != 0) & (found.first[0] != 0), found.value != 0)
    np.testing.assert_array_equal(found.first[0][found.value == 0], 0)


@pytest.mark.oracle
@pytest.mark.parametrize("reverse", [False, True])
def test_cells_and_sequences_are_those_of_torch(reverse: bool, oracle: Callable[[str], Any]) -> None:
    torch = oracle("torch")
    x, h, c = waves(2, 5, 3), waves(2, 4, start=1), waves(2, 4, start=2)

    def given(gates: int) -> list[Any]:
        return [waves(3, gates * 4, start=3), waves(4, gates * 4, start=4), waves(gates * 4, start=5)]

    def turned(array: Any, order: Any = slice(None)) -> Any:
        """Weights as PyTorch has them: a block of rows for each gate, in its order."""
        return torch.tensor(np.concatenate([np.stack(np.split(array.T, 3))[order]]).reshape(array.T.shape))

    seen = x[:, ::-1].copy() if reverse else x
    kernel, recurrent, bias = given(4)
    zeros = torch.zeros(16, dtype=torch.float64)
    weights = [torch.tensor(kernel.T), torch.tensor(recurrent.T), torch.tensor(bias), zeros]
    states = (torch.tensor(h)[None], torch.tensor(c)[None])
    theirs = torch.lstm(torch.tensor(seen), states, weights, True, 1, 0.0, False, False, True)
    ours = values("lstm", x, h, c, kernel, recurrent, bias, reverse=reverse)
    sequence = theirs[0].numpy()
    np.testing.assert_allclose(ours[0], sequence[:, ::-1] if reverse else sequence, rtol=1e-9)
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(mine, other[0], rtol=1e-9)
    kernel, recurrent, _ = given(3)
    biases = waves(2, 12, start=6)
    order = [1, 0, 2]  # r, z, n
    found = torch.gru_cell(
        torch.tensor(x[:, 0]),
        torch.tensor(h),
        *(turned(w, order) for w in (kernel, recurrent)),
        *(turned(b, order) for b in biases),
    )
    np.testing.assert_allclose(values("gru_cell", x[:, 0], h, kernel, recurrent, biases)[0], found, rtol=1e-9)


REFUSED: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "channels": ("conv1d", (np.ones((1, 5, 2)), np.ones((2, 3, 4))), {}, "2 channels in 1 groups"),
    "groups": ("conv1d", (np.ones((1, 5, 4)), np.ones((2, 2, 3))), {"groups": 2}, "gives 3"),
    "no room": ("conv1d", (np.ones((1, 2, 1)), np.ones((3, 1, 1))), {}, "do not fit"),
    "axes of the kernel": ("conv2d", (np.ones((1, 5, 5, 1)), np.ones((3, 1, 1))), {}, "kernel of 4 axes"),
    "axes of x": ("conv2d", (np.ones((5, 1)), np.ones((3, 3, 1, 1))), {}, "2 spatial axes"),
    "a stride of 0": ("conv1d", (np.ones((1, 5, 1)), np.ones((3, 1, 1))), {"stride": 0}, "1 or more"),
    "a word": ("conv1d", (np.ones((1, 5, 1)), np.ones((3, 1, 1))), {"padding": "full"}, "'same'"),
    "causal in two axes": (
        "conv2d", (np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 1))), {"padding": "causal"}, "one axis",
    ),
    "a width below 0": ("conv1d", (np.ones((1, 5, 1)), np.ones((3, 1, 1))), {"padding": -1}, "negative"),
    "only padding": ("max_pool1d", (np.ones((1, 5, 1)),), {"window": 2, "padding": 2}, "nothing but padding"),
    **{
        f"{op} with an epsilon below 0": (op, (np.ones((2, 3, 2)),), {"epsilon": -0.75}, "0 or more")
        for op in ("layer_norm", "rms_norm", "batch_norm_training", "instance_norm")
    },
    "an index": (
        "max_unpool1d", (np.ones((1, 1, 1)), np.array([[[7]]])), {"size": [4]}, "index 7 is out of bounds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_meaning_is_refused(case: str) -> None:
    name, given, attributes, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        values(name, *given, **attributes)


def test_a_complex_mask_is_refused() -> None:
    x = waves(2, 2)
    with pytest.raises(UserError, match="mask of dtype complex128"):
        derive("scaled_dot_product_attention", x, x, x, np.ones((1, 2)) * 1j)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"3\] fit into sizes"):
        derive("window_spread", waves(2, 2), window=(2,), stride=(2,), dilation=(1,), size=(7,))
    with pytest.raises(UserError, match="a kernel of shape"):
        derive("conv1d", waves(2, 5, 3), waves(0, 3, 2))
