"""Checkpoints on the disk: a folder each, complete or not there.

    {data}/jobs/{job}/checkpoints/{step}-{attempt}/
        run.safetensors         everything the run needs to go on
        parameters.safetensors  parameters and state by their names on the wire
        position.json           epoch, step, and what else the run and the server remember

The attempt's number is part of the name, so that a worker that was taken for dead can only write beside what
its successor writes; which folder counts is decided by the ledger.
"""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json
from safetensors.numpy import load, save

from service.wire.json_numbers import dumps

Array = npt.NDArray[Any]
_STATE = "state:"
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
        _write_file(tmp / "run.safetensors", save(_plain(arrays)))
        _write_file(tmp / "parameters.safetensors", save(_plain(named)))
        order = {"parameters": list(learned.parameters), "state": list(learned.state)}
        _write_file(tmp / "position.json", dumps({**position, **order}))
        _sync(tmp)
        tmp.rename(folder / name)
        _sync(folder)
    except BaseException:
        shutil.rmtree(tmp, ignore_errors=True)
        raise


def read_snapshot(folder: Path, name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the position of a run."""
    place = folder / name
    return load((place / "run.safetensors").read_bytes()), from_json((place / "position.json").read_bytes())


def read_parameters(folder: Path, name: str) -> Parameters:
    """What a checkpoint has for predictions. Raises FileNotFoundError if it has been dropped."""
    place = folder / name
    arrays = load((place / "parameters.safetensors").read_bytes())
    order = from_json((place / "position.json").read_bytes())
    return Parameters(
        {key: arrays[key] for key in order["parameters"]},
        {key: arrays[_STATE + key] for key in order["state"]},
    )


def size(folder: Path, name: str) -> int:
    """Bytes of what a checkpoint has for predictions; 0 if it has been dropped."""
    try:
        return (folder / name / "parameters.safetensors").stat().st_size
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
