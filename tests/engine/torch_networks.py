"""PyTorch's functions of networks beside ours: the cases that `test_ops_torch_tensors` compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from tests.engine.peer import Case

FIRST = {"data_format": "channels_first"}


def waves(*shape: int, start: float = 0.0) -> Any:
    """Numbers without a pattern of their own."""
    return np.sin(np.arange(prod(shape)) * 1.7 + start).reshape(shape)


def functional(name: str, **settings: Any) -> Callable[..., Any]:
    """torch.nn.functional's function with settings of its own."""
    return lambda torch, *xs: getattr(torch.nn.functional, name)(*xs, **settings)


def _convolutions() -> Iterator[tuple[str, Case]]:
    for n in (1, 2, 3):
        sizes = (7, 6, 5)[:n]
        x, w = waves(2, 4, *sizes), waves(6, 2, *(3, 2, 2)[:n], start=0.3)
        for remark, settings in {
            "": {},
            " padded": {"padding": tuple((2, 1, 1)[:n]), "stride": 2},
            " dilated": {"dilation": tuple((2, 1, 2)[:n]), "padding": "same"},
        }.items():
            yield (
                f"conv{n}d{remark}",
                Case(
                    functional(f"conv{n}d", groups=2, **settings),
                    (x, w),
                    {**FIRST, "groups": 2, **_ours(settings)},
                ),
            )
        w = waves(4, 3, *(3, 2, 2)[:n], start=0.3)
        for remark, settings in {
            "": {},
            " strided": {"stride": 2, "padding": tuple((1, 1, 0)[:n]), "output_padding": 1, "dilation": 2},
        }.items():
            yield (
                f"conv{n}d_transpose{remark}",
                Case(
                    functional(f"conv_transpose{n}d", groups=2, **settings),
                    (x, w),
                    {**FIRST, "groups": 2, **_ours({"padding": 0, **settings})},
                ),
            )


def _pools() -> Iterator[tuple[str, Case]]:
    for n in (1, 2, 3):
        x, window = waves(2, 3, *(7, 6, 5)[:n]), (3, 2, 2)[:n]
        for name, theirs, settings in (
            ("max_pool", "max_pool", {"stride": 2, "padding": (1, 1, 0)[:n], "ceil_mode": True}),
            ("max_pool", "max_pool", {"dilation": 2}),
            ("average_pool", "avg_pool", {"stride": 2, "padding": (1, 1, 0)[:n], "ceil_mode": True}),
            ("average_pool", "avg_pool", {"padding": (1, 0, 1)[:n], "count_include_pad": False}),
        ):
            ours = {**FIRST, "window": list(window), **_ours(settings)}
            if name == "average_pool":
                ours.setdefault("count_include_pad", True)
            peer = functional(f"{theirs}{n}d", kernel_size=window, **settings)
            yield f"{name}{n}d {sorted(settings)}", Case(peer, (x,), ours)
        yield (
            f"lp_pool{n}d",
            Case(
                functional(f"lp_pool{n}d", norm_type=4, kernel_size=window if n > 1 else 3, stride=2),
                (x,),
                {**FIRST, "window": list(window), "ord": 4, "stride": 2},
            ),
        )
        indices = np.array([[0, 3], [5, 2]]).reshape(2, 2, *(1,) * n)
        size = (3, 2, 1)[:n] if n > 1 else (6,)
        yield (
            f"max_unpool{n}d",
            Case(
                lambda torch, x, i, n=n, size=size: getattr(torch.nn.functional, f"max_unpool{n}d")(
                    x, i, size
                ),
                (waves(*indices.shape), indices),
                {**FIRST, "size": list(size)},
            ),
        )
        for name, theirs in (("adaptive_average_pool", "adaptive_avg_pool"), ("adaptive_max_pool",) * 2):
            size = (3, 4, 2)[:n]
            peer = functional(f"{theirs}{n}d", output_size=size)
            yield f"{name}{n}d", Case(peer, (x,), {**FIRST, "size": list(size)})
    x = waves(2, 3, 4, 5)
    yield "global_average_pool", Case(lambda torch, x: x.mean((-2, -1)), (x,), FIRST)
    yield "global_max_pool", Case(lambda torch, x: x.amax((-2, -1)), (x,), FIRST)


def _ours(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


MASK = np.array([[True, False, True], [False, False, False]])  # the second query sees nothing


def _normalisations() -> Iterator[tuple[str, Case]]:
    x = waves(3, 4, 2, 3)
    yield "layer_norm", Case(functional("layer_norm", normalized_shape=(2, 3)), (x,), {"axis": [-2, -1]})
    yield "rms_norm", Case(functional("rms_norm", normalized_shape=(3,), eps=1e-3), (x,), {"epsilon": 1e-3})
    settings = {**FIRST, "groups": 2}
    yield "group_norm", Case(lambda torch, x: torch.nn.functional.group_norm(x, 2), (x,), settings)
    yield "instance_norm", Case(functional("instance_norm"), (x,), FIRST)
    yield (
        "batch_norm",
        Case(
            lambda torch, x, m, v: (
                (x - m[:, None, None])
                / torch.sqrt(v[:, None, None] + 1e-5)  # its own has no slope by m and v
            ),
            (x, waves(4), waves(4) + 2),
            {"axis": 1},
        ),
    )


def _attentions() -> Iterator[tuple[str, Case]]:
    name = "scaled_dot_product_attention"
    q, k, v = waves(1, 4, 2, 3), waves(1, 2, 3, 3, start=1), waves(1, 2, 3, 5, start=2)
    yield (
        f"{name} grouped",
        Case(functional(name, enable_gqa=True, is_causal=True), (q, k, v), {"causal": True}),
    )
    q, k, v = waves(2, 3), waves(3, 3, start=1), waves(3, 5, start=2)
    yield f"{name} scaled", Case(functional(name, scale=0.3), (q, k, v), {"scale": 0.3})
    yield f"{name} masked", Case(functional(name), (q, k, v, MASK))
    yield f"{name} biased", Case(functional(name), (q, k, v, waves(2, 3, start=3)))
    indices = np.array([[0, 2, 1], [1, 4, 1]])
    for mode in ("sum", "mean", "max"):
        yield (
            f"embedding_bag {mode}",
            Case(functional("embedding_bag", mode=mode), (indices, waves(5, 3)), {"mode": mode}),
        )
    yield (
        "embedding_bag padded",
        Case(
            functional("embedding_bag", mode="mean", padding_idx=1),
            (indices, waves(5, 3)),
            {"padding_idx": 1},
        ),
    )
    for ord in (2, 3, "Infinity"):  # PyTorch's own have no second derivative
        yield (
            f"cdist {ord}",
            Case(
                lambda torch, a, b, p=float(ord): torch.linalg.vector_norm(a[:, None] - b, p, -1),
                (waves(3, 4), waves(2, 4, start=1)),
                {"ord": ord},
            ),
        )
    yield (
        "pdist",
        Case(lambda torch, x: torch.linalg.vector_norm(x[[0, 0, 1]] - x[[1, 2, 2]], 2, -1), (waves(3, 4),)),
    )


def _images() -> Iterator[tuple[str, Case]]:
    linear, cubic = ("linear", "bilinear", "trilinear"), (None, "bicubic", None)
    for n in (1, 2, 3):
        x, size = waves(2, 3, *(5, 4, 3)[:n]), (7, 3, 4)[:n]
        for mode, theirs in (
            ("nearest", "nearest"),
            ("linear", linear[n - 1]),
            ("area", "area"),
            ("cubic", cubic[n - 1]),
        ):
            for corners in (False, True) if mode in ("linear", "cubic") and theirs else (None,):
                if theirs:
                    align = {} if corners is None else {"align_corners": corners}
                    yield (
                        f"interpolate{n}d {mode} {corners}",
                        Case(
                            functional("interpolate", size=size, mode=theirs, **align),
                            (x,),
                            {**FIRST, "size": list(size), "mode": mode, **align},
                        ),
                    )
    x = waves(2, 8, 4, 6)
    for name in ("pixel_shuffle", "pixel_unshuffle"):
        yield name, Case(lambda torch, x, name=name: getattr(torch, name)(x, 2), (x,), {**FIRST, "factor": 2})
    settings = {"dilation": 2, "padding": (1, 0), "stride": (2, 1)}
    x = waves(2, 3, 5, 4)
    ours = {**FIRST, "window": [2, 2], **_ours(settings)}
    yield "unfold", Case(functional("unfold", kernel_size=2, **settings), (x,), ours)
    yield (
        "fold",
        Case(
            functional("fold", kernel_size=2, output_size=(5, 4), **settings),
            (waves(2, 12, 6),),
            {**ours, "size": [5, 4]},
        ),
    )
    points = 1.3 * waves(2, 2, 3, 2, start=0.4)
    for padding in ("zeros", "border", "reflection"):
        for corners in (False, True):
            settings = {"padding_mode": padding, "align_corners": corners}
            yield (
                f"grid_sample {padding} {corners}",
                Case(functional("grid_sample", **settings), (x, points), {**FIRST, **settings}),
            )
    yield (
        "affine_grid",
        Case(
            lambda torch, theta: torch.nn.functional.affine_grid(theta, (2, 1, 3, 4), align_corners=True),
            (waves(2, 2, 3),),
            {"size": [3, 4], "align_corners": True},
        ),
    )


SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])


def _turned(name: str, **settings: Any) -> Callable[..., Any]:
    """PyTorch's loss, which takes the prediction first."""
    return lambda torch, y, p: getattr(torch.nn.functional, name)(p, y, **settings)


def _multi_margin(torch: Any, labels: Any, p: Any) -> Any:
    """PyTorch's own has no second derivative."""
    right = p[[0, 1], labels]
    short = torch.relu(1 - right[:, None] + p) ** 2
    return (short.sum(1) - 1).mean() / 3  # less the right class, which is short by the margin


def _losses() -> Iterator[tuple[str, Case]]:
    x, z, labels = waves(2, 3), waves(2, 3, start=1), np.array([2, 0])
    yield "nll_loss", Case(_turned("nll_loss", reduction="sum"), (labels, x), {"reduction": "sum"})
    yield "smooth_l1_loss", Case(_turned("smooth_l1_loss", beta=0.3), (z, x), {"beta": 0.3})
    yield (
        "soft_margin_loss",
        Case(lambda torch, y, p: torch.nn.functional.softplus(-y * p).mean(), (SIGNS, x)),
    )
    yield (
        "hinge_embedding_loss",
        Case(_turned("hinge_embedding_loss", margin=0.6), (SIGNS, x), {"margin": 0.6}),
    )
    yield (
        "poisson_nll_loss",
        Case(_turned("poisson_nll_loss", full=True), (np.array([3.0, 0.5, 2.0]), x[0]), {"full": True}),
    )
    yield (
        "gaussian_nll_loss",
        Case(functional("gaussian_nll_loss", full=True), (x, z, x**2 + 0.1), {"full": True}),
    )
    yield "multilabel_soft_margin_loss", Case(_turned("multilabel_soft_margin_loss"), (abs(z), x))
    yield "multi_margin_loss", Case(_multi_margin, (labels, x), {"ord": 2})
    yield (
        "margin_ranking_loss",
        Case(functional("margin_ranking_loss", margin=0.3), (x, z, SIGNS), {"margin": 0.3}),
    )
    yield (
        "triplet_margin_loss",
        Case(
            functional("triplet_margin_loss", swap=True, margin=2.0),
            (x, z, waves(2, 3, start=2)),
            {"swap": True, "margin": 2.0},
        ),
    )
    yield (
        "cosine_embedding_loss",
        Case(functional("cosine_embedding_loss", margin=0.1), (x, z, SIGNS[0, :2]), {"margin": 0.1}),
    )


NETWORKS = dict([*_convolutions(), *_pools(), *_normalisations(), *_attentions(), *_images(), *_losses()])
