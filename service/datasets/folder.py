"""The folder of a finished data set: made beside its place, synced, and renamed into it whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from service.datasets import archives, tables
from service.datasets.arrays import Field, check, sync

Format = Literal["npy", "npz", "csv"]


class DatasetFolder:
    """Everything that data sets have on the disk, below one folder.

    Several servers may share it. A staging directory belongs to the process that holds the lock of the file
    beside it; the lock ends with the process.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"
        self._locks: dict[Path, int] = {}

    def staging_dir(self) -> Path:
        """A new empty folder to prepare a set in; leave it to `discard` whatever happens."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        while True:
            place = self._tmp / uuid4().hex
            descriptor = os.open(_lock_of(place), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
            if _is_locked(descriptor) and os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # a sweep came between, took it for an orphan and removed it
        self._locks[place] = descriptor
        place.mkdir()
        return place

    def discard(self, place: Path) -> None:
        """Remove a staging directory and what is left in it."""
        shutil.rmtree(place, ignore_errors=True)
        descriptor = self._locks.pop(place, None)
        if descriptor is not None:
            _lock_of(place).unlink(missing_ok=True)
            os.close(descriptor)

    def sweep(self) -> None:
        """Remove what uploads left behind if their process has ended."""
        for path in self._tmp.iterdir() if self._tmp.is_dir() else ():
            place = path.with_suffix("")
            try:
                descriptor = os.open(_lock_of(place), os.O_RDWR)
            except FileNotFoundError:  # a set on its way out, or the lock went just now and the place with it
                shutil.rmtree(place, ignore_errors=True)
                continue
            try:
                if _is_locked(descriptor):
                    shutil.rmtree(place, ignore_errors=True)
                    _lock_of(place).unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def prepare(self, body: Path, form: Format, *, limit: int) -> tuple[int, dict[str, Field]]:
        """Take the uploaded file apart beside it: the rows of the set and its fields.

        Raises Problem invalid_dataset.
        """
        prepared = body.parent / "fields"
        prepared.mkdir()
        if form == "npz":
            rows, fields = archives.unpack(body, prepared, limit=limit)
        elif form == "csv":
            rows, fields = tables.parse(body, prepared)
        else:
            body.rename(prepared / "0.npy")
            rows, shape, dtype = check(prepared / "0.npy", "$")
            fields = {"data": Field("0.npy", shape, dtype)}
        sync(prepared)
        return rows, fields

    def place(self, dataset_id: str, body: Path) -> None:
        """Move what was prepared from `body` to its final place, unless the same content is there already."""
        target = self._place(dataset_id)
        try:
            (body.parent / "fields").rename(target)
        except OSError:
            if not target.is_dir():
                raise
        sync(self._root)

    def open(self, dataset_id: str, field: Field) -> npt.NDArray[Any]:
        """The field's array, mapped read-only."""
        array: npt.NDArray[Any] = np.load(self._place(dataset_id) / field.file, mmap_mode="r")
        return array

    def path(self, dataset_id: str, field: Field) -> Path:
        """The field's npy file."""
        return self._place(dataset_id) / field.file

    def tombstone(self, dataset_id: str) -> Path:
        """Move the data set to the trash, for `discard`. Processes that have it mapped keep their mapping."""
        grave = self._tmp / uuid4().hex
        with suppress(FileNotFoundError):
            self._place(dataset_id).rename(grave)
        return grave

    def preview(self, dataset_id: str, fields: Mapping[str, Field], rows: int) -> dict[str, npt.NDArray[Any]]:
        """The first rows of every field, fewer if a row is wide."""
        return {
            name: np.array(array[: max(1, min(rows, 4096 // max(1, array[:1].size)))])
            for name, field in fields.items()
            if len(array := self.open(dataset_id, field))
        }

    def _place(self, dataset_id: str) -> Path:
        return self._root / dataset_id.replace(":", "-")


def _lock_of(place: Path) -> Path:
    """The file whose lock says that a staging directory is in use."""
    return place.with_suffix(".lock")


def _is_locked(descriptor: int) -> bool:
    """Lock a file for this process; False if another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
