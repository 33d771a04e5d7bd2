"""The folder of a finished data set: made beside its place, synced, and renamed into it whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from service.datasets import archives, tables
from service.datasets.arrays import Field, check, sync
from service.storage.checksums import Checksum, Damaged

Format = Literal["npy", "npz", "csv"]
#: Numbers of a field that a preview shows if its rows are small, and of the widest row that it shows.
_SHOWN, _WIDEST = 4096, 2**16
#: Bytes that the header of an npy file has at most, as NumPy reads them.
_MOST_HEADER = 2**14


def damaged_set(dataset_id: str, *, missing: bool = False) -> Damaged:
    """The problem of a data set whose files are not what was stored."""
    return Damaged(
        f"the data set {dataset_id[:100]}", "upload the same file again: that puts it right", missing=missing
    )


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
        return rows, {
            name: replace(field, checksum=Checksum.of(prepared / field.file))
            for name, field in fields.items()
        }

    def place(self, dataset_id: str, body: Path, *, replace: bool = False) -> None:
        """Move what was prepared from `body` to its final place, unless the same content is there already.

        With `replace`, what is there moves beside `body`, and goes with it; who has it mapped keeps the
        mapping.
        """
        target = self._place(dataset_id)
        if replace and target.is_dir():
            target.rename(body.parent / "replaced")
        try:
            (body.parent / "fields").rename(target)
        except OSError:
            if not target.is_dir():
                raise
        sync(self._root)

    def is_intact(self, dataset_id: str, fields: Mapping[str, Field]) -> bool:
        """Whether every file is there and has its checksum; it is read whole."""
        place = self._place(dataset_id)
        try:
            return all(
                field.checksum.fits(place / field.file) if field.checksum else (place / field.file).is_file()
                for field in fields.values()
            )
        except OSError:
            return False

    def open(self, dataset_id: str, field: Field, *, rows: int | None = None) -> npt.NDArray[Any]:
        """The field's array, mapped read-only; its checksum is verified, of the first `rows` at least.

        Raises Damaged, also if the file is not there.
        """
        path = self._place(dataset_id) / field.file
        width = np.dtype(field.dtype).itemsize * prod(field.shape)
        most = None if rows is None else _MOST_HEADER + rows * width
        try:
            intact = field.checksum is None or field.checksum.fits(path, most=most)
        except FileNotFoundError:
            raise damaged_set(dataset_id, missing=True) from None
        if not intact:
            raise damaged_set(dataset_id)
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r")
        except ValueError:  # stored by an older server, or nothing to map in an array without elements
            array = np.load(path)
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
        """The first rows of every field, fewer if a row is wide; none of rows of more than 65,536 numbers.

        Raises Damaged.
        """
        shown = {}
        for name, field in fields.items():
            size = max(1, prod(field.shape))
            if size > _WIDEST:
                continue
            count = max(1, min(rows, _SHOWN // size))
            array = self.open(dataset_id, field, rows=count)
            if len(array):
                shown[name] = np.array(array[:count])
        return shown

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
