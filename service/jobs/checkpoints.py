"""Checkpoints on the disk: a folder each, complete or not there.

    {data}/jobs/{job}/checkpoints/{step}-{attempt}/
        run.safetensors         everything the run needs to go on
        parameters.safetensors  parameters and state by their names on the wire
        position.json           epoch, step, and what else the run and the server remember
        checksums.json          of the files above, verified when they are read

The attempt's number is part of the name, so that a worker that was taken for dead can only write beside what
its successor writes; which folder counts is decided by the ledger.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service.storage.checksums import Damaged, of_texts
from service.wire.json_numbers import dumps

Array = npt.NDArray[Any]
_STATE = "state:"
_RUN, _PARAMETERS, _POSITION = "run.safetensors", "parameters.safetensors", "position.json"
_CHECKSUMS = "checksums.json"
_NAME = re.compile(r"\.?\d+-(\d+)(-final)?(\.tmp)?")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a checkpoint has for predictions."""

    parameters: Mapping[str, Array]
    state: Mapping[str, Array]


def write(
    folder: Path, name: str, arrays: Mapping[str, Array], position: Mapping[str, Any], learned: Parameters
) -> None:
    """Put a checkpoint in its place; it is on the disk when this returns. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    tmp = folder / f".{name}.tmp"
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir()
    try:
        named = {**learned.parameters, **{_STATE + key: array for key, array in learned.state.items()}}
        order = {"parameters": list(learned.parameters), "state": list(learned.state)}
        files = {
            _RUN: save(_plain(arrays)),
            _PARAMETERS: save(_plain(named)),
            _POSITION: dumps({**position, **order}),
        }
        for file, octets in files.items():
            _write_file(tmp / file, octets)
        _write_file(tmp / _CHECKSUMS, dumps({file: of_texts(octets) for file, octets in files.items()}))
        _sync(tmp)
        tmp.rename(folder / name)
        _sync(folder)
    except BaseException:
        shutil.rmtree(tmp, ignore_errors=True)
        raise


def read_snapshot(folder: Path, name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the position of a run. Raises Damaged, also if a file is not there."""
    with _Files(folder, name) as files:
        return load(files.read(_RUN)), from_json(files.read(_POSITION))


def read_parameters(folder: Path, name: str) -> Parameters:
    """What a checkpoint has for predictions.

    Raises FileNotFoundError if it has been dropped, Damaged if a file is not what was written or not there.
    """
    if not (folder / name).is_dir():
        raise FileNotFoundError(name)
    with _Files(folder, name) as files:
        arrays = load(files.read(_PARAMETERS))
        order = from_json(files.read(_POSITION))
        return Parameters(
            {key: arrays[key] for key in order["parameters"]},
            {key: arrays[_STATE + key] for key in order["state"]},
        )


class _Files:
    """The files of one checkpoint; inside `with`, whatever is wrong with them becomes Damaged."""

    def __init__(self, folder: Path, name: str) -> None:
        self._place = folder / name
        self._checksums: Any = None

    def __enter__(self) -> Self:
        with suppress(FileNotFoundError):  # written by an older server
            self._checksums = self._parsed()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise self._damaged(missing=True) from None
        if isinstance(error, SafetensorError | ValueError | LookupError | TypeError):
            raise self._damaged() from None

    def read(self, file: str) -> bytes:
        """The bytes of a file, verified."""
        octets = (self._place / file).read_bytes()
        if self._checksums is not None and self._checksums.get(file) != of_texts(octets):
            raise self._damaged()
        return octets

    def _parsed(self) -> Mapping[str, Any]:
        try:
            checksums = from_json((self._place / _CHECKSUMS).read_bytes())
        except ValueError:
            raise self._damaged() from None
        if not isinstance(checksums, dict):
            raise self._damaged()
        return checksums

    def _damaged(self, *, missing: bool = False) -> Damaged:
        return Damaged(
            f"the checkpoint {self._place.name}",
            "GET /v1/jobs/{id}/checkpoints lists those that are kept: name another",
            missing=missing,
        )


def size(folder: Path, name: str) -> int:
    """Bytes of what a checkpoint has for predictions; 0 if it has been dropped."""
    try:
        return (folder / name / _PARAMETERS).stat().st_size
    except FileNotFoundError:
        return 0


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove checkpoints that no longer count."""
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)


def sweep(folder: Path, attempt: int) -> None:
    """Remove what children of this attempt, and of those before it, were writing when they were killed."""
    for place in folder.glob(".*.tmp"):
        if _attempt(place) <= attempt:
            shutil.rmtree(place, ignore_errors=True)


def clear(folder: Path, attempt: int, names: Collection[str]) -> None:
    """Remove whatever attempts before this one left beside the checkpoints that count."""
    for place in folder.iterdir() if folder.is_dir() else ():
        if place.name not in names and _attempt(place) < attempt:
            shutil.rmtree(place, ignore_errors=True)


def _attempt(place: Path) -> float:
    """The attempt that wrote a file, by its name; for other files a number above every attempt's."""
    match = _NAME.fullmatch(place.name)
    return int(match[1]) if match else math.inf


def _plain(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Contiguous arrays of their own; safetensors keeps no views."""
    return {name: np.array(array, order="C") for name, array in arrays.items()}


def _write_file(path: Path, octets: bytes) -> None:
    with path.open("xb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
