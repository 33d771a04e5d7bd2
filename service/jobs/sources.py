"""The data of a job: which npy files make a field, and the arrays in them, mapped into memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.dtypes import TensorType
from service.storage.checksums import Checksum, Damaged

Array = npt.NDArray[Any]
#: Files by field, below the data folder; more than one are columns to be stacked.
Sources = Mapping[str, Sequence[str]]


def open_sources(root: Path, sources: Sources, types: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays by field, mapped read-only, of the ledger's `types`; stacked columns are in memory.

    Raises Damaged if a file is not there, or is no array of that type.
    """
    arrays = {}
    for name, files in sources.items():
        try:
            array = _open(root, files).reshape(types[name]["shape"])
        except FileNotFoundError:
            raise _damaged(name, missing=True) from None
        except (ValueError, EOFError):
            raise _damaged(name) from None
        if array.dtype.name != types[name]["dtype"]:
            raise _damaged(name)
        arrays[name] = array
    return arrays


def verify(root: Path, sources: Sources, checksums: Mapping[str, Mapping[str, Any]]) -> None:
    """Read every file once and compare its checksum, if it has one. Raises Damaged."""
    for name, files in sources.items():
        for file in files:
            if file not in checksums:  # stored by an older server
                continue
            try:
                intact = Checksum.read(checksums[file]).fits(root / file)
            except FileNotFoundError:
                raise _damaged(name, missing=True) from None
            if not intact:
                raise _damaged(name)


def types_of(arrays: Mapping[str, Array]) -> dict[str, TensorType]:
    """Their types by field."""
    return {name: TensorType(array.shape, array.dtype.name) for name, array in arrays.items()}


def _open(root: Path, files: Sequence[str]) -> Array:
    """One array, or the columns beside each other; each is open only while it is copied."""
    first = _mapped(root / files[0])
    if len(files) == 1:
        return first
    dtype = np.result_type(*(_mapped(root / file).dtype for file in files))
    stacked: Array = np.empty((len(first), len(files)), dtype)
    for column, file in enumerate(files):
        stacked[:, column] = _mapped(root / file)
    return stacked


def _damaged(name: str, *, missing: bool = False) -> Damaged:
    hint = "submit the job again; if it trains on a data set, upload that again first"
    return Damaged(f"the job's data '{name[:100]}'", hint, missing=missing)


def _mapped(file: Path) -> Array:
    try:
        mapped: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError:  # nothing to map in an array without elements
        mapped = np.load(file, allow_pickle=False)
    return mapped
