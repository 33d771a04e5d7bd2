"""Text of LLVM's intermediate representation: a module of functions, and the builder of a function."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

#: The types of elements in memory; a boolean is a byte there and an `i1` in a register.
TYPES = {"float32": "float", "float64": "double", "bool": "i8", "int64": "i64", "int32": "i32"}
SIZES = {"float32": 4, "float64": 8, "bool": 1, "int64": 8, "int32": 4}
#: How intrinsics call a type.
SUFFIXES = {"float32": "f32", "float64": "f64", "bool": "i8", "int64": "i64", "int32": "i32"}
#: Vectors of this many bytes on every machine, so that sums have the same order everywhere.
VECTOR_BYTES = 64

Index = int | str
Body = Callable[[Index, list[str]], list[str] | None]


def register_type(dtype: str) -> str:
    """The type of an element in a register."""
    return "i1" if dtype == "bool" else TYPES[dtype]


def vector(type: str, width: int) -> str:
    """A vector of `width` elements; of one, the element itself."""
    return type if width == 1 else f"<{width} x {type}>"


def number(value: float, dtype: str) -> str:
    """A constant; floats by their bits, so that none is rounded on the way."""
    if dtype == "bool":
        return "1" if value else "0"
    if dtype.startswith("int"):
        return str(int(value))
    if dtype == "float32":
        value = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016X}"


def splat(constant: str, type: str, width: int) -> str:
    """A constant in every lane."""
    return constant if width == 1 else f"splat ({type} {constant})"


def mask(count: int, width: int) -> str:
    """The first `count` lanes of `width`, as a constant."""
    return "<" + ", ".join("i1 1" if lane < count else "i1 0" for lane in range(width)) + ">"


class Module:
    """Functions by name, and declarations of those that are called and stand elsewhere."""

    def __init__(self) -> None:
        self.functions: dict[str, str] = {}
        self.declarations: set[str] = set()

    @property
    def text(self) -> str:
        """The module as LLVM reads it."""
        return "\n".join([*sorted(self.declarations), *self.functions.values(), ""])


class Builder:
    """The lines of one function. An index is an `int` if it is known and the name of a register if not."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"

    def name(self, prefix: str) -> str:
        """A name that is free."""
        self._count += 1
        return f"{prefix}{self._count}"

    def do(self, line: str) -> None:
        """An instruction without a value."""
        self._lines.append(f"  {line}")

    def let(self, line: str) -> str:
        """The register that holds an instruction's value."""
        register = f"%{self.name('v')}"
        self._lines.append(f"  {register} = {line}")
        return register

    def call(self, type: str, function: str, *arguments: tuple[str, str]) -> str:
        """The value of a function that is declared here, or stands in the module."""
        if function not in self.module.functions:
            types = ", ".join(kind for kind, _ in arguments)
            self.module.declarations.add(f"declare {type} @{function}({types})")
        values = ", ".join(f"{kind} {value}" for kind, value in arguments)
        if type == "void":
            self.do(f"call void @{function}({values})")
            return ""
        return self.let(f"call {type} @{function}({values})")

    def offset(self, base: str, index: Index, dtype: str) -> str:
        """The address `index` elements behind `base`."""
        if index == 0:
            return base
        return self.let(f"getelementptr {TYPES[dtype]}, ptr {base}, i64 {index}")

    def add(self, a: Index, b: Index) -> Index:
        """A sum of two indices."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.let(f"add nsw i64 {a}, {b}")

    def multiply(self, a: Index, b: int) -> Index:
        """An index times a number."""
        if isinstance(a, int) or b == 0:
            return 0 if b == 0 else int(a) * b
        return a if b == 1 else self.let(f"mul nsw i64 {a}, {b}")

    def loop(
        self, start: int, stop: Index, step: int, body: Body, carried: Sequence[tuple[str, str]] = ()
    ) -> list[str]:
        """For i from `start` below `stop` by `step`: the carried values become `body(i, values)`.

        `carried` are types and first values; returns the last values. If `stop` is a register, it is above
        `start`.
        """
        first = [value for _, value in carried]
        if isinstance(stop, int) and start >= stop:
            return first
        if isinstance(stop, int) and start + step >= stop:
            return body(start, first) or []
        head, done, index = self.name("loop"), self.name("done"), f"%{self.name('i')}"
        before = self._block
        self.do(f"br label %{head}")
        self._start(head)
        place = len(self._lines)
        names = [f"%{self.name('c')}" for _ in carried]
        last = body(index, names) or []
        following = self.let(f"add nsw i64 {index}, {step}")
        test = self.let(f"icmp slt i64 {following}, {stop}")
        phis = [f"  {index} = phi i64 [{start}, %{before}], [{following}, %{self._block}]"]
        for name, (type, value), new in zip(names, carried, last, strict=True):
            phis.append(f"  {name} = phi {type} [{value}, %{before}], [{new}, %{self._block}]")
        self._lines[place:place] = phis
        self.do(f"br i1 {test}, label %{head}, label %{done}")
        self._start(done)
        return last

    def either(self, condition: str, type: str, then: Callable[[], str], otherwise: Callable[[], str]) -> str:
        """The value of one of two blocks."""
        yes, no, after = self.name("then"), self.name("else"), self.name("after")
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")
        values = []
        for label, block in ((yes, then), (no, otherwise)):
            self._start(label)
            value = block()
            values.append(f"[{value}, %{self._block}]")
            self.do(f"br label %{after}")
        self._start(after)
        return self.let(f"phi {type} {values[0]}, {values[1]}")

    def _start(self, block: str) -> None:
        self._lines.append(f"{block}:")
        self._block = block

    def function(self, head: str, last: str = "ret void") -> str:
        """The text of the function; `head` is what stands before its body."""
        return "\n".join([f"define {head} {{", "entry:", *self._lines, f"  {last}", "}"])
