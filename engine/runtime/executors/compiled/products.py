"""Matrix products by tiles: a few rows of the left factor times two vectors of the right one, in registers.

A tile is a function with its strides as arguments, so all products of a module share it. Every element of the
result is one chain of fused multiply-adds over k: its bits depend neither on the tile nor on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.runtime.executors.compiled.ir import SIZES, SUFFIXES, TYPES, Builder, Index, Module, mask, vector
from engine.runtime.executors.compiled.nodes import Nodes, Product

_VECTORS = 2


class Tiles:
    """The tiles of one module. With `wide` vectors have 64 bytes and tiles 8 rows, else 32 bytes and 6 rows:
    as many as the registers hold.
    """

    def __init__(self, module: Module, wide: bool) -> None:
        self._module = module
        self._bytes, self._rows = (64, 8) if wide else (32, 6)

    def write(
        self,
        name: str,
        node: Product,
        nodes: Nodes,
        entry: Callable[[int], int],
        scratch: Callable[[int, str], int],
    ) -> str:
        """The function `void f(ptr table)` of a product; `scratch` makes a root for a packed factor."""
        first, right, out = (nodes.views[slot] for slot in (*node.inputs, node.output))
        (m, k), n, kind = first.shape, right.shape[1], out.dtype
        b = Builder(self._module)

        def pointer(root: int, offset: int = 0) -> str:
            place = b.let(f"getelementptr ptr, ptr %table, i64 {entry(root)}")
            return b.offset(b.let(f"load ptr, ptr {place}, align 8"), offset, kind)

        a, right_at, c = (pointer(view.root, view.offset) for view in (first, right, out))
        row_step, column_step = right.strides
        if column_step != 1 and n > 1:  # the columns are rows in memory: they are copied once
            packed = pointer(scratch(k * n, kind))
            _pack(b, kind, right_at, packed, (k, n), (row_step, column_step))
            right_at, row_step = packed, n
        width = self._bytes // SIZES[kind]

        def tile(row: Index, column: Index, rows: int, counts: Sequence[int]) -> None:
            symbol = self._tile(kind, rows, counts)
            values = [
                ("ptr", b.offset(a, b.multiply(row, first.strides[0]), kind)),
                ("i64", str(first.strides[0])),
                ("i64", str(first.strides[1])),
                ("ptr", b.offset(right_at, column, kind)),
                ("i64", str(row_step)),
                ("ptr", b.offset(c, b.add(b.multiply(row, n), column), kind)),
                ("i64", str(n)),
                ("i64", str(k)),
            ]
            b.call("void", symbol, *values)

        def rows_of(row: Index, rows: int) -> None:
            step = width * _VECTORS
            whole = n // step * step
            b.loop(0, whole, step, lambda column, _: tile(row, column, rows, [width] * _VECTORS))
            if whole < n:
                rest = n - whole
                tile(row, whole, rows, [width] * (rest // width) + [rest % width] * (rest % width > 0))

        whole = m // self._rows * self._rows
        b.loop(0, whole, self._rows, lambda row, _: rows_of(row, self._rows))
        if whole < m:
            rows_of(whole, m - whole)
        return b.function(f"internal void @{name}(ptr %table) noinline nounwind")

    def _tile(self, kind: str, rows: int, counts: Sequence[int]) -> str:
        """The name of a tile of so many rows, whose vectors have so many columns each."""
        width, type = self._bytes // SIZES[kind], TYPES[kind]
        name = f"tile_{SUFFIXES[kind]}_{rows}_{'_'.join(map(str, counts))}"
        if name in self._module.functions:
            return name
        b = Builder(self._module)
        lanes, suffix = vector(type, width), f"v{width}{SUFFIXES[kind]}"
        starts = [b.offset("%a", b.let(f"mul nsw i64 %ra, {row}") if row else 0, kind) for row in range(rows)]

        def step(_: Index, carried: list[str]) -> list[str]:
            *totals, place, right = carried
            columns = []
            for at, count in enumerate(counts):
                address = b.offset(right, at * width, kind)
                if count == width:
                    columns.append(b.let(f"load {lanes}, ptr {address}, align {SIZES[kind]}"))
                else:
                    which = (f"<{width} x i1>", mask(count, width))
                    masked = f"llvm.masked.load.{suffix}.p0"
                    columns.append(b.call(lanes, masked, ("ptr", address), which, (lanes, "zeroinitializer")))
            result = []
            for row in range(rows):
                one = b.let(f"load {type}, ptr {b.offset(starts[row], place, kind)}, align {SIZES[kind]}")
                first = b.let(f"insertelement {lanes} poison, {type} {one}, i32 0")
                every = f"shufflevector {lanes} {first}, {lanes} poison, <{width} x i32> zeroinitializer"
                spread = b.let(every)
                for at, column in enumerate(columns):
                    total = totals[row * len(counts) + at]
                    terms = ((lanes, spread), (lanes, column), (lanes, total))
                    result.append(b.call(lanes, f"llvm.fma.{suffix}", *terms))
            return [*result, str(b.add(place, "%ca")), b.offset(right, "%rb", kind)]

        start = [(lanes, "zeroinitializer")] * (rows * len(counts)) + [("i64", "0"), ("ptr", "%b")]
        totals = b.loop(0, "%k", 1, step, start)
        for row in range(rows):
            line = b.offset("%c", b.let(f"mul nsw i64 %rc, {row}") if row else 0, kind)
            for at, count in enumerate(counts):
                total, address = totals[row * len(counts) + at], b.offset(line, at * width, kind)
                if count == width:
                    b.do(f"store {lanes} {total}, ptr {address}, align {SIZES[kind]}")
                else:
                    which = (f"<{width} x i1>", mask(count, width))
                    b.call("void", f"llvm.masked.store.{suffix}.p0", (lanes, total), ("ptr", address), which)
        arguments = "ptr %a, i64 %ra, i64 %ca, ptr %b, i64 %rb, ptr %c, i64 %rc, i64 %k"
        self._module.functions[name] = b.function(f"internal void @{name}({arguments}) noinline nounwind")
        return name


def _pack(
    b: Builder, kind: str, source: str, target: str, shape: tuple[int, int], strides: tuple[int, int]
) -> None:
    """Copy a matrix with any strides into C order."""
    rows, columns = shape

    def element(row: Index, column: Index) -> None:
        place = b.add(b.multiply(row, strides[0]), b.multiply(column, strides[1]))
        value = b.let(f"load {TYPES[kind]}, ptr {b.offset(source, place, kind)}, align {SIZES[kind]}")
        to = b.offset(target, b.add(b.multiply(row, columns), column), kind)
        b.do(f"store {TYPES[kind]} {value}, ptr {to}, align {SIZES[kind]}")

    b.loop(0, rows, 1, lambda row, _: b.loop(0, columns, 1, lambda column, _: element(row, column)) and None)
