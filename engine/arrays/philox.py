"""Random numbers that are a function of (seed, purpose, name, step).

Each stream is Philox4x64 with the seed and a hash of purpose and name as its key, the step in the high
word of its counter. There is no generator state to save, and a step drawn again gives the same bits. The
numbers are made here from the generator's raw 64-bit words, so that they do not change with NumPy.

Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import prod

import numpy as np
from scipy.special import ndtr, ndtri

from engine.arrays.types import Array

SEEDS = 2**64
_EMPTY = np.zeros(4, np.uint64)


class Stream:
    """The random words of one purpose, in order; a new stream of the same purpose starts again."""

    def __init__(self, seed: int, purpose: str, name: str = "", step: int = 0) -> None:
        self._key = (seed % SEEDS, _word(purpose, name))
        self._philox = np.random.Philox(0)
        self.at(step)

    def at(self, step: int) -> Stream:
        """This stream at another step, from its start."""
        self._philox.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": np.array((0, 0, 0, step), np.uint64),
                "key": np.array(self._key, np.uint64),
            },
            "buffer": _EMPTY,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self

    def words(self, count: int) -> Array:
        """The next `count` words, uint64."""
        return np.asarray(self._philox.random_raw(count))

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Float64 in the open interval (0, 1): the middles of 2^53 equal cells."""
        words = self.words(prod(shape))
        return (((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal numbers, by the inverse of the distribution function."""
        return np.asarray(ndtri(self.uniform(shape)))

    def truncated_normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal numbers within two deviations of the mean."""
        low, high = ndtr(-2.0), ndtr(2.0)
        return np.asarray(ndtri(low + self.uniform(shape) * (high - low)))

    def mask(self, shape: tuple[int, ...], rate: float, dtype: str) -> Array:
        """Zeros with probability `rate` (in steps of 2^-32), else 1 / (1 - rate)."""
        count = prod(shape)
        words = self.words((count + 1) // 2).astype("<u8", copy=False).view("<u4")[:count]
        survivors = words >= np.uint32(min(round(rate * 2**32), 2**32 - 1))
        scale = np.asarray(1 / (1 - rate), dtype)
        return np.asarray(np.multiply(survivors, scale)).reshape(shape)

    def order(self, count: int) -> Array:
        """A permutation of 0 … count - 1, each equally likely."""
        return np.argsort(self.words(count), kind="stable")


@lru_cache(maxsize=256)
def _word(purpose: str, name: str) -> int:
    digest = hashlib.blake2b(f"{purpose}\0{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
