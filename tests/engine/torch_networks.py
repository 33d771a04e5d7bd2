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


NETWORKS = dict([*_convolutions(), *_pools()])
