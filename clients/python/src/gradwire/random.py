"""Random tensors, drawn in this process by NumPy's generator; nothing of it is on the tape."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradwire._names.refusals import names_of
from gradwire._tracing.node import Array
from gradwire._tracing.operators import Operators
from gradwire._tracing.tensor import Tensor, constant

__all__ = ["normal", "set_seed", "uniform"]

_generator = np.random.default_rng()
_seeded = False


def set_seed(seed: int | None) -> None:
    """Start the sequence of random numbers anew: the same seed gives the same numbers.

    With None, the seed comes from the system's entropy. A forked process continues with a copy of a sequence
    that was seeded, and otherwise begins one of its own.
    """
    global _generator, _seeded  # one sequence in a process, as in NumPy and TensorFlow
    _generator, _seeded = np.random.default_rng(seed), seed is not None


def _forked() -> None:
    """Another thread may have held the generator's lock when this process was forked."""
    global _generator  # noqa: PLW0603  # as above
    state = _generator.bit_generator.state
    _generator = np.random.default_rng()
    if _seeded:
        _generator.bit_generator.state = state


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def normal(
    shape: int | Sequence[int],
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = np.float64,
    seed: int | None = None,
) -> Tensor:
    """Return normally distributed numbers; with a `seed`, the same ones at each call.

    If `mean` or `stddev` is a tensor or a variable, the result is mean + stddev * noise, recorded: gradients
    flow to both (the noise itself depends on nothing).
    """
    draws = _draws(seed).standard_normal(shape)
    if isinstance(mean, Operators) or isinstance(stddev, Operators):
        return _moved(draws, mean, stddev, dtype)
    return constant((mean + stddev * draws), dtype)


def uniform(
    shape: int | Sequence[int],
    minval: Any = 0.0,
    maxval: Any = 1.0,
    dtype: Any = np.float64,
    seed: int | None = None,
) -> Tensor:
    """Return uniform numbers in [minval, maxval); integers if `dtype` is an integer dtype.

    If a bound is a tensor or a variable, the result is minval + (maxval - minval) * noise, recorded:
    gradients flow to both. Integers have no gradient by their bounds, which are then read.
    """
    traced = isinstance(minval, Operators) or isinstance(maxval, Operators)
    if traced and np.dtype(dtype).kind not in "iu":
        return _moved(_draws(seed).uniform(size=shape), minval, maxval - minval, dtype)
    if np.dtype(dtype).kind in "iu":
        return constant(_draws(seed).integers(int(minval), int(maxval), shape), dtype)
    return constant(_draws(seed).uniform(minval, maxval, shape), dtype)


def _moved(draws: Array, offset: Any, scale: Any, dtype: Any) -> Tensor:
    """Noise that is stretched and moved by tensors, as a recorded tensor."""
    moved: Tensor = offset + scale * constant(draws, dtype)
    return moved


def _draws(seed: int | None) -> np.random.Generator:
    return _generator if seed is None else np.random.default_rng(seed)


_SEEDED = (
    "draws here follow one sequence, gw.random.set_seed(0); inside of a published function a key is an input "
    "of integers, gw.random_normal(key, 0, 1, shape=(3,))"
)
_CURES = {
    **dict.fromkeys(
        ("PRNGKey", "key", "split", "fold_in", "default_rng", "Generator", "RandomState"), _SEEDED
    ),
    **dict.fromkeys(("seed", "manual_seed"), "gw.random.set_seed(seed)"),
    **dict.fromkeys(("randn", "standard_normal", "truncated_normal"), "gw.random.normal(shape)"),
    **dict.fromkeys(("rand", "random", "random_sample"), "gw.random.uniform(shape)"),
    "randint": "gw.random.uniform(shape, low, high, dtype='int64')",
}

if not TYPE_CHECKING:  # else every name would have a type
    __getattr__ = names_of(__name__, globals(), _CURES)
