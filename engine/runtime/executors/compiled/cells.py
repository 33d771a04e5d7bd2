"""Elements of the memory that the table of pointers leads to: addresses, loads and stores of one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.runtime.executors.compiled.ir import (
    SIZES,
    SUFFIXES,
    TYPES,
    Builder,
    Index,
    mask,
    register_type,
    vector,
)
from engine.runtime.executors.compiled.lane import Lane
from engine.runtime.executors.compiled.lanes import Scalars
from engine.runtime.executors.compiled.regions import Access


class Cells:
    """Reads and writes elements by their access, row and column.

    `entry` gives the place of a root in the table; `groups` are the axes of the grid that each loop runs
    over; vectors of columns are lanes of `wide`.
    """

    def __init__(
        self, b: Builder, entry: Callable[[int], int], groups: Sequence[Sequence[int]], wide: Scalars
    ) -> None:
        self._b, self._entry, self._groups, self._wide = b, entry, groups, wide
        self._one = Scalars(b, 1)
        self._pointers: dict[int, str] = {}

    def pointer(self, root: int) -> str:
        """The register that holds a root's address."""
        return self._pointers.setdefault(root, f"%root{root}")

    def header(self) -> str:
        """The lines that read the addresses from the table, for the start of the function."""
        lines = []
        for root, name in self._pointers.items():
            lines.append(f"  {name}.at = getelementptr ptr, ptr %table, i64 {self._entry(root)}")
            lines.append(f"  {name} = load ptr, ptr {name}.at, align 8")
        return "\n".join(lines)

    def strides(self, access: Access) -> list[int]:
        """A stride for each loop; the last is that of columns."""
        return [access.strides[group[-1]] for group in self._groups]

    def address(self, access: Access, kind: str, row: Sequence[Index], column: Index = 0) -> str:
        """Where the element of a row and column lies."""
        *lead, step = self.strides(access)
        index: Index = access.offset
        for place, stride in zip(row, lead, strict=True):
            index = self._b.add(self._b.multiply(place, stride), index)
        index = self._b.add(index, self._b.multiply(column, step))
        return self._b.offset(self.pointer(access.root), index, kind)

    def load(self, m: Scalars, at: str, kind: str, count: int) -> Lane:
        """`count` neighbours in a lane, which may be wider."""
        b, memory = self._b, vector(TYPES[kind], m.width)
        if count == m.width:
            value = b.let(f"load {memory}, ptr {at}, align {SIZES[kind]}")
        else:
            name = f"llvm.masked.load.v{m.width}{SUFFIXES[kind]}.p0"
            which = (f"<{m.width} x i1>", mask(count, m.width))
            value = b.call(memory, name, ("ptr", at), which, (memory, "zeroinitializer"))
        if kind == "bool":
            zero = "0" if m.width == 1 else "zeroinitializer"
            value = b.let(f"icmp ne {memory} {value}, {zero}")
        return Lane(m, value, kind)

    def store(self, lane: Lane, at: str, count: int) -> None:
        """Write the first `count` numbers of a lane."""
        b, width, kind = self._b, lane.m.width, lane.kind
        memory, value = vector(TYPES[kind], width), lane.x
        if kind == "bool":
            value = b.let(f"zext {vector('i1', width)} {value} to {memory}")
        if count == width:
            b.do(f"store {memory} {value}, ptr {at}, align {SIZES[kind]}")
            return
        name = f"llvm.masked.store.v{width}{SUFFIXES[kind]}.p0"
        which = (f"<{width} x i1>", mask(count, width))
        b.call("void", name, (memory, value), ("ptr", at), which)

    def spread(self, lane: Lane) -> Lane:
        """A number in every lane."""
        m, type = self._wide, register_type(lane.kind)
        if m.width == 1:
            return Lane(m, lane.x, lane.kind)
        whole = vector(type, m.width)
        first = self._b.let(f"insertelement {whole} poison, {type} {lane.x}, i32 0")
        zeros = f"<{m.width} x i32> zeroinitializer"
        return m.lane(f"shufflevector {whole} {first}, {whole} poison, {zeros}", lane.kind)

    def read(self, access: Access, kind: str, row: Sequence[Index], column: Index, count: int) -> Lane:
        """A vector of columns from memory."""
        m, b, step = self._wide, self._b, self.strides(access)[-1]
        if step == 1 or m.width == 1:
            return self.load(m, self.address(access, kind, row, column), kind, count)
        base = self.address(access, kind, row, column)
        value, type = "zeroinitializer", register_type(kind)
        for lane in range(count):
            one = self.load(self._one, b.offset(base, lane * step, kind), kind, 1)
            value = b.let(f"insertelement {m.type(kind)} {value}, {type} {one.x}, i32 {lane}")
        return Lane(m, value, kind)
