"""The last diagnosis of a target: an iteration that sends the same numbers again gets the same words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from engine.arrays.types import Array

Entries = dict[str, Any]


class LastDiagnosis:
    """Keeps one result with a digest of what it was made from. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: tuple[bytes, Entries] | None = None

    def find(
        self, label: str, arrays: Iterable[Array | None], make: Callable[[], tuple[Entries, bool]]
    ) -> Entries:
        """The entries for these arrays, to the bit: those of the last call, or what `make` returns.

        `label` is whatever else they depend on. `make` says also whether its entries may be kept.
        """
        key = _digest(label, arrays)
        last = self._known
        if last is not None and last[0] == key:
            return deepcopy(last[1])
        entries, lasting = make()
        self._known = (key, deepcopy(entries)) if lasting else None
        return entries


def _digest(label: str, arrays: Iterable[Array | None]) -> bytes:
    """Of the label, and of shape, dtype and bytes of each array."""
    digest = hashlib.blake2b(label.encode(), digest_size=32)
    for array in arrays:
        if array is None:
            digest.update(b"none;")
            continue
        digest.update(f"{array.shape}{array.dtype.str};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()
