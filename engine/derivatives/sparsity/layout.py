"""Where the entries of a derivative lie in a few products, and how they become coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.arrays.types import Array
from engine.derivatives.sparsity.colouring import Colours, column_colours, star_colours
from engine.dtypes import TensorType, complex_of, is_complex
from engine.errors import InternalError

Types = Mapping[str, TensorType]
Method = Literal["forward", "reverse"]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A block's entries in row-major order, none twice: their rows, columns, and places in the products.

    `places` number the products' elements: all of the first product's, then all of the second's. Those may be
    complex where the block, of `dtype`, is real, and may be `conjugated`.
    """

    rows: Array
    cols: Array
    places: Array
    shape: tuple[int, int]
    dtype: str
    conjugated: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.rows.nbytes + self.cols.nbytes + self.places.nbytes)

    def answer(self, products: Array) -> dict[str, Any]:
        """The block as the wire has it, from the products' elements (their last axis)."""
        values = products[..., self.places]
        if self.conjugated:
            values = values.conj()
        if not is_complex(self.dtype):
            values = values.real
        return {
            "rows": self.rows.copy(),
            "cols": self.cols.copy(),
            "values": np.ascontiguousarray(values, self.dtype),
            "shape": list(self.shape),
        }


@dataclass(slots=True)
class Layout:
    """A coloured pattern: which elements each product moves, and where the entries are found.

    Products run along `seeded` (the variables where `method` is forward, the outputs where it is reverse),
    whose elements have `colours`, of which there are `count`; they answer for the names of the other side.
    """

    method: Method
    count: int
    seeded: Types
    colours: Mapping[str, Colours]
    blocks: dict[str, dict[str, Coordinates]]

    @property
    def nonzeros(self) -> int:
        """Entries of all blocks."""
        return sum(block.places.size for row in self.blocks.values() for block in row.values())

    @property
    def nbytes(self) -> int:
        """Bytes that keeping this takes."""
        total = sum(colours.nbytes for colours in self.colours.values())
        return total + sum(block.nbytes for row in self.blocks.values() for block in row.values())

    def seeds(self, start: int, most: int) -> dict[str, Array]:
        """The directions of the products from `start` on, by name: rows of zeros and ones, `most` at most.

        There are as many for each `start`: past the last product they are zero.
        """
        rows = min(self.count, most)
        return {name: self._seed(name, type, start, rows) for name, type in self.seeded.items()}

    def _seed(self, name: str, type: TensorType, start: int, rows: int) -> Array:
        seed = np.zeros((rows, type.size), type.dtype)
        colours = self.colours[name] - start
        (own,) = np.nonzero((self.colours[name] >= start) & (colours < rows))
        seed[colours[own], own] = 1
        return seed.reshape((rows, *type.shape))

    def answer(self, passes: Sequence[Sequence[Array]], types: Sequence[TensorType]) -> dict[str, Any]:
        """All blocks, from the passes' products for each name of the other side, whose `types` these are.

        Axes in front of the products' own stay in front of the values.
        """
        if not self.seeded:
            return {row: {} for row in self.blocks}
        flat = [
            np.concatenate(rows, axis=-1) if len(rows) > 1 else rows[0]
            for rows in ([_flat(p, t) for p, t in zip(products, types, strict=True)] for products in passes)
            if rows
        ]
        if not flat:
            return {row: {} for row in self.blocks}
        joined = np.concatenate(flat, axis=-2) if len(flat) > 1 else flat[0]
        joined = joined.reshape((*joined.shape[:-2], joined.shape[-2] * joined.shape[-1]))
        return {
            row: {column: block.answer(joined) for column, block in blocks.items()}
            for row, blocks in self.blocks.items()
        }


def _flat(product: Array, type: TensorType) -> Array:
    """Products with the tensor's elements along one axis."""
    return product.reshape((*product.shape[: product.ndim - len(type.shape)], type.size))


def jacobian_layout(pattern: Any, outputs: Types, variables: Types, method: Method) -> Layout:
    """The layout of a Jacobian, by products with columns (forward) or with rows (reverse)."""
    row_of, columns = _entries(pattern)
    if method == "forward":
        colours, count = column_colours(pattern)
        places = colours[columns] * pattern.shape[0] + row_of
        seeded = variables
    else:
        colours, count = column_colours(pattern.T.tocsr())
        places = colours[row_of] * pattern.shape[1] + columns
        seeded = outputs

    def kind_of(row: str, column: str) -> tuple[str, bool]:
        sides = outputs[row].dtype, variables[column].dtype
        answered, other = sides if method == "forward" else sides[::-1]
        halved = is_complex(other) and not is_complex(answered)
        conjugated = method == "reverse" and is_complex(answered) and not is_complex(other)
        return complex_of(answered) if halved else answered, conjugated

    blocks = _blocks(pattern, outputs, variables, places, kind_of)
    return Layout(method, count, seeded, _split(colours, seeded), blocks)


def hessian_layout(pattern: Any, variables: Types, *, symmetric: bool) -> Layout:
    """The layout of a Hessian; where it is surely symmetric, an entry may be read from its mirror image."""
    colours, count = column_colours(pattern)
    row_of, columns = _entries(pattern)
    places = colours[columns] * pattern.shape[0] + row_of
    if symmetric:
        whole = (pattern + pattern.T).tocsr()
        whole.sort_indices()
        stars, fewer = star_colours(whole)
        if fewer < count:
            colours, count, pattern = stars, fewer, whole
            places = _from_either(whole, stars, fewer)
    blocks = _blocks(pattern, variables, variables, places, lambda row, column: (variables[row].dtype, False))
    return Layout("forward", count, variables, _split(colours, variables), blocks)


def _from_either(pattern: Any, colours: Colours, count: int) -> Array:
    """For each entry (i, j) its place in row i of j's product, else in row j of i's product."""
    n = pattern.shape[0]
    row_of, columns = _entries(pattern)
    pairs = row_of * count + colours[columns]
    _, group, sizes = np.unique(pairs, return_inverse=True, return_counts=True)
    own = sizes[group] == 1
    keys = row_of * n + columns  # in order, as the rows are
    mirrored = own[np.searchsorted(keys, columns * n + row_of)]
    if not bool((own | mirrored).all()):
        raise InternalError("a star colouring leaves an entry that no product shows")
    places: Array = np.where(own, colours[columns] * n + row_of, colours[row_of] * n + columns)
    return places


def _entries(pattern: Any) -> tuple[Array, Array]:
    """Rows and columns of a pattern's entries, row after row, columns in order."""
    rows = np.repeat(np.arange(pattern.shape[0], dtype=np.int64), np.diff(pattern.indptr))
    return rows, pattern.indices.astype(np.int64)


def _split(values: Array, types: Types) -> dict[str, Array]:
    ends = np.cumsum([type.size for type in types.values()])
    return dict(zip(types, np.split(values, ends[:-1]), strict=True)) if types else {}


def _blocks(pattern: Any, rows: Types, columns: Types, places: Array, kind_of: Any) -> dict[str, Any]:
    row_of, column_of = _entries(pattern)
    blocks: dict[str, dict[str, Coordinates]] = {}
    top = 0
    for row, height in rows.items():
        own = slice(pattern.indptr[top], pattern.indptr[top + height.size])
        across, blocks[row], offset = column_of[own], {}, 0
        for column, width in columns.items():
            here = (across >= offset) & (across < offset + width.size)
            blocks[row][column] = Coordinates(
                row_of[own][here] - top,
                across[here] - offset,
                places[own][here],
                (height.size, width.size),
                *kind_of(row, column),
            )
            offset += width.size
        top += height.size
    return blocks
