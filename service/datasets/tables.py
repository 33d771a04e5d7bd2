"""CSV: a header line, then numbers; every column a field of int64, float64 or bool."""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from service.datasets.arrays import Field, refuse, sync, write

_MAX_COLUMNS = 4096
_MAX_LINE = 2**20
_BATCH = 65_536
_BATCH_CELLS = 2**21  # 16 MiB of numbers
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
        path.touch(exist_ok=False)

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
        with self.path.open("ab") as file:  # not held open: there may be more columns than descriptors
            self._values.tofile(file)
        self._values = array("d")

    def finish(self, rows: int) -> str:
        """Write the column as npy; its dtype."""
        self.flush()
        dtype = self.kind or "float64"
        target = self.path.with_suffix(".npy")
        raw = np.memmap(self.path, np.float64, "r", shape=(rows,))
        write(target, np.dtype(dtype), (rows,), (raw[i : i + _BATCH] for i in range(0, rows, _BATCH)))
        del raw
        self.path.unlink()
        sync(target)
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
            rows = _fill(lines, names, columns)
            kinds = [column.finish(rows) for column in columns]
    except UnicodeDecodeError as error:
        refuse("$", f"expected UTF-8 text, got the byte 0x{error.object[error.start]:02x}", _HINT)
    except csv.Error as error:
        refuse("$", f"expected CSV: {error}", _HINT)
    return rows, {
        name: Field(column.path.with_suffix(".npy").name, (), dtype)
        for name, column, dtype in zip(names, columns, kinds, strict=True)
    }


def _fill(lines: Any, names: list[str], columns: list[_Column]) -> int:
    rows = 0
    batch = max(1, _BATCH_CELLS // len(columns))
    for cells in lines:
        if not cells:  # an empty line, such as the last one
            continue
        if len(cells) != len(names):
            refuse(f"line {lines.line_num}", f"expected {len(names)} cells, got {len(cells)}", _HINT)
        for cell, column, name in zip(cells, columns, names, strict=True):
            column.add(cell, lines.line_num, name)
        rows += 1
        if rows % batch == 0:
            for column in columns:
                column.flush()
    if rows == 0:
        refuse("line 2", "expected at least one line of numbers below the header, got none", _HINT)
    return rows


def _names(header: list[str] | None) -> list[str]:
    names = [name.strip() for name in header or ()]
    if not names or not all(names):
        refuse("line 1", "expected a header line that names every column", _HINT)
    if len(names) > _MAX_COLUMNS:
        refuse("line 1", f"expected at most {_MAX_COLUMNS} columns, got {len(names)}", "use npy or npz")
    times = Counter(names)
    for name in names:
        if times[name] > 1:
            refuse("line 1", f"expected every column once, got '{name[:60]}' twice", _HINT)
    if all(_is_number(name) for name in names):
        refuse("line 1", f"expected a header line, got the numbers {', '.join(names)[:60]}", _HINT)
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bounded(file: TextIO) -> Iterator[str]:
    """The lines, none of which may be longer than the memory that we mean to spend."""
    number = 0
    while line := file.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            refuse(f"line {number}", f"expected lines of at most {_MAX_LINE} characters", _HINT)
        yield line
