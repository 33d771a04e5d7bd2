"""Questions for sparse matrices: patterns by question and indices, programs that answer in coordinates.

A pattern follows from the graph and from the values of indices, never from floating values. It is kept with
its colouring by the question and a digest of those indices. The compiled program underneath is that of the
question with a number of colours, so that other floating values, and other indices whose pattern takes as
many colours, cost only the run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np

from engine.arrays.types import Array
from engine.derivatives import one_row
from engine.derivatives.jacobian_problem import Method, jacobian_problem
from engine.derivatives.matrices import MARGIN, seconds
from engine.derivatives.query import Query
from engine.derivatives.sparse import MOST_ENTRIES, Pattern, sparse
from engine.derivatives.sparsity import Layout, TooDense
from engine.dtypes import ITEMSIZE, TensorType
from engine.errors import OverLimit
from engine.runtime.cost import Estimate

Values = Mapping[str, Array]

KEPT_BYTES = 256 << 20
KEPT_LAYOUTS = 256
ENTRY_BYTES = 64  # what finding a pattern holds for each entry, at most
TOGETHER = 32  # products in one pass: more are no faster, and take as much more memory
NEAR = 4  # a method whose fewest products are so many times more than the other's is not looked at


def most_entries(peak_bytes_limit: int | None) -> int:
    """The entries that a pattern may have within a limit of memory."""
    return MOST_ENTRIES if peak_bytes_limit is None else min(peak_bytes_limit // ENTRY_BYTES, MOST_ENTRIES)


@dataclass(frozen=True, slots=True)
class SparseLayout:
    """A layout, and the types of the side that its products answer for."""

    layout: Layout
    types: tuple[TensorType, ...]

    @property
    def passes(self) -> int:
        """How often the products' program runs."""
        return max(1, -(-self.layout.count // TOGETHER))

    def coloured(self, query: Query) -> Query:
        """The question of the products of one pass."""
        return replace(query, method=self.layout.method, colours=min(self.layout.count, TOGETHER))

    def estimate(self, products: Estimate, rows: int) -> Estimate:
        """What the whole takes, given what a pass takes: the coordinates, kept and answered, beside it."""
        blocks = [block for row in self.layout.blocks.values() for block in row.values()]
        width = max((ITEMSIZE[block.dtype] for block in blocks), default=0)
        several = self.passes > 1
        copies = int(several) + int(several or len(self.types) > 1)  # kept from pass to pass; joined
        joined = copies * rows * self.layout.count * width * sum(type.size for type in self.types)
        entry_bytes = self.layout.nonzeros * (2 * ITEMSIZE["int64"] + rows * width)
        layout_bytes = self.layout.nbytes
        return replace(
            products,
            flops=self.passes * products.flops,
            bytes=self.passes * products.bytes,
            seconds=self.passes * products.seconds,
            peak_bytes=products.peak_bytes + joined + entry_bytes + layout_bytes,
        )


class Layouts:
    """Layouts by question and indices, the least recently used dropped first. Threads may share it."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._reads: OrderedDict[tuple[Any, ...], tuple[str, ...]] = OrderedDict()
        self._found: OrderedDict[tuple[Any, ...], SparseLayout] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def find(
        self,
        query: Query,
        values: Values,
        most: int = MOST_ENTRIES,
        in_dtype: Callable[[Query], Query] = lambda query: query,
    ) -> SparseLayout:
        """The layout of `query` for these values of its indices; `in_dtype` gives it in its own dtype.

        Raises every UserError that the question earns; OverLimit where its pattern exceeds `most` entries.
        """
        names = tuple(sorted(name for name in values if name in query.inputs))  # others may be any
        key = (query.key, names)
        with self._lock:
            reads = self._reads.get(key)
            layout = None if reads is None else self._found.get((key, _digest(reads, values)))
            if layout is not None and reads is not None:
                self._found.move_to_end((key, _digest(reads, values)))
                return layout
        layout, reads = find_layout(in_dtype(query), values, most)
        with self._lock:
            self._reads[key] = reads
            self._keep((key, _digest(reads, values)), layout)
        return layout

    def _keep(self, key: tuple[Any, ...], layout: SparseLayout) -> None:
        before = self._found.pop(key, None)
        self._bytes += layout.layout.nbytes - (0 if before is None else before.layout.nbytes)
        self._found[key] = layout
        while len(self._found) > 1 and (len(self._found) > KEPT_LAYOUTS or self._bytes > self._kept_bytes):
            _, dropped = self._found.popitem(last=False)
            self._bytes -= dropped.layout.nbytes
        while len(self._reads) > KEPT_LAYOUTS:
            self._reads.popitem(last=False)


def _digest(reads: tuple[str, ...], values: Values) -> bytes:
    digest = blake2b(digest_size=16)
    for name in reads:
        digest.update(np.ascontiguousarray(values[name]).tobytes())
    return digest.digest()


def find_layout(
    query: Query, values: Values, most: int = MOST_ENTRIES
) -> tuple[SparseLayout, tuple[str, ...]]:
    """The layout of the cheaper method, or of the one named, and the inputs that it was read from."""
    row = one_row(query)
    index_values = {
        name: np.asarray(value, query.inputs[name].dtype)
        for name, value in values.items()
        if name in query.inputs and name not in query.batch
    }
    sides = jacobian_problem(row.query)
    try:
        pattern = Pattern(sides, index_values, most)
    except TooDense as error:
        raise OverLimit(
            f"the pattern of this {query.kind} has {error.entries:,} entries or more on the way, "
            f"and the limit is {most:,}",
            hint="it is hardly sparse: ask for products (hvp, jvp, vjp) or for fewer variables or outputs",
        ) from None
    candidates = [
        SparseLayout(pattern.layout(method), tuple(sides.answered(method).values()))
        for method in _methods(pattern)
    ]
    if len(candidates) == 2:
        times = [one.passes * seconds(sparse(one.coloured(row.query))) for one in candidates]
        candidates = [candidates[1 if times[1] < MARGIN * times[0] else 0]]
    return candidates[0], tuple(sorted(pattern.reads))


def _methods(pattern: Pattern) -> list[Method]:
    """The methods that may be the cheaper one."""
    query = pattern.query
    if query.kind == "hessian":
        return ["forward"]
    if query.method != "auto":
        return ["forward" if query.method == "forward" else "reverse"]
    reverse, ahead = pattern.passes("reverse"), pattern.passes("forward")
    if reverse > NEAR * ahead:
        return ["forward"]
    return ["reverse"] if ahead > NEAR * reverse else ["reverse", "forward"]


class Runs(Protocol):
    """A program of products."""

    device: str

    @property
    def estimate(self) -> Estimate:
        """What one run takes."""

    def run(self, inputs: Values, directions: Values | None = None) -> dict[str, Any]:
        """The answer, with `products` in place of the matrix."""


class SparseProgram:
    """A question for a sparse matrix, ready to run for every floating value."""

    def __init__(self, query: Query, program: Runs, layout: SparseLayout) -> None:
        self._kind = query.kind
        self._program = program
        self.device = program.device
        self._found = layout
        self.colours = layout.layout.count
        self.nonzeros = layout.layout.nonzeros
        self.method = layout.layout.method
        self._rows = one_row(query).count if query.batch else 1

    @property
    def pattern_bytes(self) -> int:
        """What the pattern takes that is kept from run to run."""
        return self._found.layout.nbytes

    @property
    def answer_types(self) -> list[TensorType]:
        """The types of the tensors that an answer holds: of each block the entries and their places."""
        blocks = [block for row in self._found.layout.blocks.values() for block in row.values()]
        entries = [TensorType((self._rows * block.rows.size,), block.dtype) for block in blocks]
        places = [TensorType((2 * block.rows.size,), "int64") for block in blocks]
        return [*entries, *places]

    @property
    def estimate(self) -> Estimate:
        """What one run takes, with the coordinates that are kept and answered."""
        return self._found.estimate(self._program.estimate, self._rows)

    def run(self, inputs: Values, directions: Values | None = None) -> dict[str, Any]:
        """The answer in the shape of the wire format, its arrays the caller's own."""
        layout = self._found.layout
        answer: dict[str, Any] = {}
        passes: list[list[Array]] = []
        for start in range(0, max(1, layout.count), TOGETHER):
            one = self._program.run(inputs, layout.seeds(start, TOGETHER))
            passes.append(one.pop("products"))
            answer = answer or one
        matrix = layout.answer(passes, self._found.types)
        method = {"method": answer.pop("method")} if "method" in answer else {}
        return {**answer, self._kind: matrix, **method}
