"""Whether data fit the function that they are for, known from their types alone."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dtypes import TensorType
from engine.errors import DatasetMismatch, DtypeMismatch, MissingInput
from engine.frontend.json_reader import member
from engine.training.job.objective import Column, entering


def check_data(
    columns: Mapping[str, Column], data: Mapping[str, TensorType], path: str, expected: str = ""
) -> int:
    """The number of rows that all data have; raises DatasetMismatch, DtypeMismatch, ShapeMismatch."""
    rows: dict[str, int] = {}
    for name, column in columns.items():
        place = member(path, name)
        type = data.get(name)
        if type is None:
            raise MissingInput(
                f"there are no data '{name}'{expected}", path=place, hint=f'send them: {{"{name}": …}}'
            )
        if type.ndim == 0:
            raise DatasetMismatch(
                f"expected rows, got a single number for '{name}'",
                path=place,
                hint="the first axis is that of rows",
            )
        if not entering(column.dtype, type.dtype):
            raise DtypeMismatch(f"expected {column.dtype} for '{name}', got {type.dtype}", path=place)
        if type.shape[1:] != column.row:
            raise DatasetMismatch(
                f"expected rows of shape {list(column.row)} for '{name}', got {list(type.shape[1:])}",
                path=place,
                hint="the first axis is that of rows; the others are what one row looks like",
            )
        rows[name] = type.shape[0]
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"'{name}' has {count:,}" for name, count in rows.items())
        raise DatasetMismatch(
            f"data have different numbers of rows: {listed}", path=path, hint=_transposed(data, rows)
        )
    count = next(iter(rows.values()), 0)
    if count == 0:
        raise DatasetMismatch(f"there are no rows of data{expected}", path=path)
    return count


def _transposed(data: Mapping[str, TensorType], rows: Mapping[str, int]) -> str:
    """The cure for numbers of rows that differ."""
    for name in rows:
        shape = data[name].shape
        if len(shape) == 2 and shape[1] != shape[0] and shape[1] in {n for k, n in rows.items() if k != name}:
            return (
                f"send '{name}' transposed: its shape is {list(shape)}, and samples are rows, along "
                "the first axis"
            )
    return "row k of each belongs to sample k: leave out the rows that have no partner"
