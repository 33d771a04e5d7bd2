"""The data of a job: which npy files make a field, and the arrays in them, mapped into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.dtypes import TensorType

Array = npt.NDArray[Any]
#: Files by field, below the data folder; more than one are columns to be stacked.
Sources = Mapping[str, Sequence[str]]


def open_sources(root: Path, sources: Sources, types: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays by field, mapped read-only, of the ledger's `types`; stacked columns are in memory."""
    return {name: _open(root, files).reshape(types[name]["shape"]) for name, files in sources.items()}


def types_of(arrays: Mapping[str, Array]) -> dict[str, TensorType]:
    """Their types by field."""
    return {name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()}


def _open(root: Path, files: Sequence[str]) -> Array:
    arrays = [_mapped(root / file) for file in files]
    return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)


def _mapped(file: Path) -> Array:
    try:
        mapped: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError:  # nothing to map in an array without elements
        mapped = np.load(file, allow_pickle=False)
    return mapped
