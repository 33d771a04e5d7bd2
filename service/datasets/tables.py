"""CSV: a header line, then numbers; every column a field of int64, float64 or bool."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from service.datasets.arrays import Field, refuse, sync

_MAX_COLUMNS = 4096
_MAX_LINE = 2**20
_BATCH = 65_536
_BOOLEANS = {"true": 1.0, "false": 0.0}
_MISSING = {"", "na", "nan", "null", "none"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")  # exact in float64, through which every column passes
_HINT = "a CSV data set is UTF-8, with a header line, separated by commas, every cell a number or true/false"


class _Column:
    """The values of one column so far: on the disk, but for the newest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind: str | None = None  # bool or int64 while every cell so far allows it
        self._values = array("d")
        self._file = path.open("xb")

    def add(self, text: str, line: int, name: str) -> None:
        word = text.strip()
        lowered = word.lower()
        if lowered in _BOOLEANS:
            self._narrow("bool", line, name)
            self._values.append(_BOOLEANS[lowered])
            return
        self._narrow("int64" if _INTEGER.fullmatch(word) else "float64", line, name)
        if lowered in _MISSING:
            self._values.append(float("nan"))
            return
        try:
            if "_" in word:
                raise ValueError
            self._values.append(float(word))
        except ValueError:
            refuse(f"line {line}, column '{name}'", f"expected a number, got '{text[:60]}'", _HINT)

    def flush(self) -> None:
        self._values.tofile(self._file)
        self._values = array("d")

    def close(self) -> None:
        self._file.close()

    def finish(self, rows: int) -> str:
        """Write the column as npy; its dtype."""
        self.flush()
        self.close()
        dtype = self.kind or "float64"
        target = np.lib.format.open_memmap(self.path.with_suffix(".npy"), "w+", np.dtype(dtype), (rows,))
        raw = np.memmap(self.path, np.float64, "r", shape=(rows,))
        for start in range(0, rows, _BATCH):
            target[start : start + _BATCH] = raw[start : start + _BATCH]
        target.flush()
        del target, raw
        self.path.unlink()
        sync(self.path.with_suffix(".npy"))
        return dtype

    def _narrow(self, kind: str, line: int, name: str) -> None:
        if self.kind is None or self.kind == kind:
            self.kind = kind
        elif "bool" in (self.kind, kind):
            refuse(
                f"line {line}, column '{name}'",
                f"expected {'true or false' if self.kind == 'bool' else 'a number'} as in the lines before",
                _HINT,
            )
        else:
            self.kind = "float64"


def parse(source: Path, folder: Path) -> tuple[int, dict[str, Field]]:
    """The rows and the fields of a CSV file; columns go to `folder`. Raises Problem invalid_dataset."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(_bounded(file), strict=True)
            names = _names(next(lines, None))
            columns = [_Column(folder / f"{k}.raw") for k in range(len(names))]
            try:
                rows = _fill(lines, names, columns)
            finally:
                for column in columns:
                    column.close() if not rows_known(column) else None
    except UnicodeDecodeError as error:
        refuse("$", f"expected UTF-8 text, got the byte 0x{error.object[error.start]:02x}", _HINT)
    except csv.Error as error:
        refuse("$", f"expected CSV: {error}", _HINT)
    fields = {}
    for name, column in zip(names, columns, strict=True):
        dtype = column.finish(rows)
        fields[name] = Field(column.path.with_suffix(".npy").name, (), dtype)
    return rows, fields
