"""npy files as fields: the header checked, the size exact, the order native and by rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from engine import dtypes
from service.storage.checksums import Checksum
from service.wire.problems import Problem

_CHUNK_BYTES = 2**22
_MOST_AXES = 64
_MOST_ELEMENTS = 2**56
_HINT = "write it with numpy.save(file, array) from a plain numeric array whose first axis counts the rows"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a set: its file, the shape of one row, its dtype, and the checksum of the file.

    Fields that an older server stored have no checksum.
    """

    file: str
    shape: tuple[int, ...]
    dtype: str
    checksum: Checksum | None = None

    def document(self) -> dict[str, Any]:
        """The field on the wire."""
        return {"shape": list(self.shape), "dtype": self.dtype}

    def record(self) -> dict[str, Any]:
        """The field in the database."""
        checksum = {} if self.checksum is None else {"checksum": self.checksum.record()}
        return {"file": self.file, **self.document(), **checksum}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Field:
        """The field that `record` came from."""
        checksum = Checksum.read(record["checksum"]) if "checksum" in record else None
        return cls(record["file"], tuple(record["shape"]), record["dtype"], checksum)


def check(path: Path, place: str) -> tuple[int, tuple[int, ...], str]:
    """Rows, row shape and dtype of an npy file; afterwards it is native, by rows and synced to the disk.

    Raises Problem invalid_dataset with `place`.
    """
    shape, dtype, fortran, offset = _header(path, place)
    expected = offset + prod(shape) * dtype.itemsize
    if path.stat().st_size != expected:
        refuse(
            place,
            f"expected {expected} bytes for shape {list(shape)} of {dtype.name}, got {path.stat().st_size}",
            "the file was cut off, or something follows the array",
        )
    if fortran or not dtype.isnative:
        _rewrite(path)
    sync(path)
    return shape[0], shape[1:], dtype.name


def refuse(place: str, detail: str, hint: str = _HINT) -> NoReturn:
    """Raise Problem invalid_dataset."""
    raise Problem("invalid_dataset", f"{detail} at {place}", path=place, hint=hint)


def sync(path: Path) -> None:
    """Have the file, or the folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(path: Path, place: str) -> tuple[tuple[int, ...], np.dtype[Any], bool, int]:
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read is None:
                refuse(place, f"expected npy format 1.0 or 2.0, got {version[0]}.{version[1]}")
            shape, fortran, dtype = read(file)
            offset = file.tell()
    except (Problem, OSError):
        raise
    except Exception as error:  # a head is a Python literal, and may be wrong in every way
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        refuse(place, f"expected an npy file: {reason[:200]}")
    if dtype.newbyteorder("=").name not in dtypes.ALL or dtype.fields is not None:
        refuse(place, f"expected one of {dtypes.names(dtypes.ALL)}, got dtype {str(dtype)[:100]}")
    if len(shape) == 0:
        refuse(place, "expected an array with rows, got a single number")
    _check_shape(shape, place)
    return shape, dtype, fortran and len(shape) > 1, offset


def _check_shape(shape: tuple[Any, ...], place: str) -> None:
    """Raise Problem invalid_dataset for what no array has; NumPy's reader lets pass any integer."""
    if len(shape) > _MOST_AXES:
        refuse(place, f"expected at most {_MOST_AXES} axes, got {len(shape)}")
    for size in shape:
        if type(size) is not int or size < 0:
            refuse(place, f"expected sizes of 0 or more, got {str(size)[:40]} in the shape")
    if prod(max(1, size) for size in shape) > _MOST_ELEMENTS:
        refuse(place, "expected an array that memory can hold, got a shape of too many elements")


def write(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], parts: Iterable[Any]) -> None:
    """An npy file of `parts`, one after the other. Raises OSError.

    Written and not mapped: on a full disk a write to mapped memory is a signal that kills the server. Nor by
    NumPy: it writes through a C stream and closes that unseen, so that on a full disk an array may silently
    lose its end.
    """
    descr = np.lib.format.dtype_to_descr(dtype)
    with path.open("wb") as file:
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).data)


def _rewrite(path: Path) -> None:
    """In native order and by rows, a few rows at a time."""
    source = np.load(path, mmap_mode="r")
    copy = path.with_suffix(".copy")
    step = max(1, _CHUNK_BYTES // max(1, source[:1].nbytes))
    parts = (source[start : start + step] for start in range(0, len(source), step))
    write(copy, source.dtype.newbyteorder("="), source.shape, parts)
    del source
    copy.replace(path)
