"""Arrays as files to upload: the same arrays always make the same bytes, since data sets go by their hash."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from gradwire._tracing.node import Array, as_array
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import may_read

_TYPES = {".npy": "application/x-npy", ".npz": "application/x-npz", ".csv": "text/csv"}
_SOME_DAY = (1980, 1, 1, 0, 0, 0)  # an archive's members carry a date
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Body:
    """A file, its content type, and the id that the server will give it."""

    file: Path
    media: str
    id: str


@contextmanager
def body_of(data: Any) -> Iterator[Body]:
    """`data` as a file: one that is there (npy, npz, csv), or a temporary one for arrays.

    Raises TypeError for anything else, and ValueError for a file of another kind.
    """
    if isinstance(data, str | Path):
        path = Path(data)
        media = _TYPES.get(path.suffix.lower())
        if media is None:
            raise ValueError(f"expected a file ending in {', '.join(_TYPES)}, got '{path.name}'")
        yield Body(path, media, _hash(path))
        return
    with tempfile.NamedTemporaryFile(prefix="gradwire-", delete=False) as target:
        place = Path(target.name)
    try:
        with place.open("wb") as out:
            _write(cast(BinaryIO, out), data)
        yield Body(place, _TYPES[".npz" if isinstance(data, Mapping) else ".npy"], _hash(place))
    finally:
        place.unlink()


def array_of(value: Any) -> Array:
    """An array that the wire knows, of a tensor, an array or numbers; not copied without need."""
    if isinstance(value, Operators):
        may_read(value._edge(), "a data set")
        return value._value()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.isnative:
        return value
    return as_array(value)


def _write(target: BinaryIO, data: Any) -> None:
    if not isinstance(data, Mapping):
        np.lib.format.write_array(target, array_of(data), allow_pickle=False)
        return
    if not data:
        raise ValueError("expected at least one array by name, got an empty dict")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, value in data.items():
            member = zipfile.ZipInfo(f"{name}.npy", _SOME_DAY)
            with archive.open(member, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array_of(value), allow_pickle=False)


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"
