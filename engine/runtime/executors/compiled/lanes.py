"""The namespace on which scalar forms are played: each call writes an instruction of a vector function.

The arithmetic stands once, in the records of ops. A form gets lanes in place of arrays and this namespace in
place of the array library. What it asks for and is not here raises Unsupported, and NumPy computes the step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.runtime.executors.compiled import maths
from engine.runtime.executors.compiled.ir import (
    SIZES,
    SUFFIXES,
    TYPES,
    Builder,
    number,
    register_type,
    splat,
    vector,
)
from engine.runtime.executors.compiled.lane import Lane, Unsupported

_SIGNED = {"olt": "slt", "ole": "sle", "ogt": "sgt", "oge": "sge", "oeq": "eq", "une": "ne"}
_OF_LIBRARY = {"tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"}
_OF_LIBRARY |= {"erf", "erfc", "cbrt", "exp2", "log2", "log10", "atan2", "hypot"}
_MOST_LIBRARY_CALLS = 4096  # of a map: more elements are faster in NumPy than one by one


class Scalars:
    """Functions on lanes of `width` numbers each, by the array API's names.

    `size` is how many elements the map has that is being written, and `result` the dtype of its output, which
    numbers without a lane take.
    """

    def __init__(self, b: Builder, width: int, size: int = 0) -> None:
        self.b, self.width, self.size = b, width, size
        self.result = "float64"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in TYPES:
            return np.dtype(name)
        if name in maths.NAMES:
            return lambda x: self.helper(name, self.floats(x))
        if name in _OF_LIBRARY:
            return lambda *xs: self.from_library(
                name, *(self.pair(*xs)[:2] if len(xs) == 2 else map(self.floats, xs))
            )
        raise Unsupported(name)

    # -- lanes and types

    def type(self, kind: str) -> str:
        """How a lane of this dtype is called."""
        return vector(register_type(kind), self.width)

    def suffix(self, kind: str) -> str:
        """How intrinsics call such a lane."""
        return SUFFIXES[kind] if self.width == 1 else f"v{self.width}{SUFFIXES[kind]}"

    def lane(self, line: str, kind: str) -> Lane:
        """What an instruction makes."""
        return Lane(self, self.b.let(line), kind)

    def constant(self, value: Any, kind: str) -> Lane:
        """A number in every lane. Raises Unsupported if the dtype does not hold it."""
        if kind.startswith("int"):
            if not float(value).is_integer() or abs(value) >= 2 ** (8 * SIZES[kind] - 1):
                raise Unsupported(f"{value} as {kind}")
        elif kind == "bool" and not isinstance(value, bool):
            raise Unsupported(f"{value} as bool")
        return Lane(self, splat(number(value, kind), register_type(kind), self.width), kind)

    def lift(self, value: Any, kind: str) -> Lane:
        """A lane as it is; a number as a lane of this dtype."""
        if isinstance(value, Lane):
            return value
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, int | float):
            raise Unsupported(f"a {type(value).__name__} among numbers")
        return self.constant(value, kind)

    def cast(self, x: Lane, kind: str) -> Lane:
        """A lane in another dtype, as NumPy converts where that is defined."""
        if x.kind == kind:
            return x
        source, target = x.kind, kind
        if kind == "bool":
            return self.not_equal(x, 0)
        if source == "bool":
            how = "uitofp" if target.startswith("float") else "zext"
        elif source.startswith("float"):
            if target.startswith("int"):
                raise Unsupported("a float as an integer")
            how = "fpext" if target == "float64" else "fptrunc"
        elif target.startswith("float"):
            how = "sitofp"
        else:
            how = "sext" if SIZES[target] > SIZES[source] else "trunc"
        return self.lane(f"{how} {self.type(source)} {x.x} to {self.type(target)}", kind)

    def pair(self, a: Any, b: Any) -> tuple[Lane, Lane, str]:
        """Two operands in their common dtype; a number takes that of the lane beside it."""
        kinds = [value.kind for value in (a, b) if isinstance(value, Lane)]
        kind = np.result_type(*kinds).name if kinds else self.result
        if kind not in TYPES:
            raise Unsupported(kind)
        return self.cast(self.lift(a, kind), kind), self.cast(self.lift(b, kind), kind), kind

    def floats(self, x: Any) -> Lane:
        """A floating lane; Unsupported if it is none."""
        lane = self.lift(x, self.result)
        if not lane.kind.startswith("float"):
            raise Unsupported(f"a function of {lane.kind}")
        return lane

    # -- arithmetic

    def _binary(self, how: str, a: Any, b: Any) -> Lane:
        a, b, kind = self.pair(a, b)
        if kind == "bool" or (how == "div" and kind.startswith("int")):
            raise Unsupported(f"{how} of {kind}")
        op = f"f{how}" if kind.startswith("float") else how
        return self.lane(f"{op} {self.type(kind)} {a.x}, {b.x}", kind)

    def add(self, a: Any, b: Any) -> Lane:
        return self._binary("add", a, b)

    def subtract(self, a: Any, b: Any) -> Lane:
        return self._binary("sub", a, b)

    def multiply(self, a: Any, b: Any) -> Lane:
        return self._binary("mul", a, b)

    def divide(self, a: Any, b: Any) -> Lane:
        return self._binary("div", a, b)

    def square(self, a: Any) -> Lane:
        return self._binary("mul", a, a)

    def negative(self, a: Any) -> Lane:
        if a.kind.startswith("float"):
            return self.lane(f"fneg {self.type(a.kind)} {a.x}", a.kind)
        return self._binary("sub", 0, a)

    def fma(self, a: Lane, b: Any, c: Any) -> Lane:
        """A b + c with one rounding."""
        return self._intrinsic("fma", a, self.lift(b, a.kind), self.lift(c, a.kind))

    def _intrinsic(self, name: str, *xs: Lane) -> Lane:
        first = self.floats(xs[0])
        type = self.type(first.kind)
        value = self.b.call(type, f"llvm.{name}.{self.suffix(first.kind)}", *[(type, x.x) for x in xs])
        return Lane(self, value, first.kind)

    def sqrt(self, a: Any) -> Lane:
        return self._intrinsic("sqrt", a)

    def abs(self, a: Any) -> Lane:
        if a.kind.startswith("float"):
            return self._intrinsic("fabs", a)
        return a if a.kind == "bool" else self.where(self.less(a, 0), self.negative(a), a)

    def _whole(self, name: str, a: Any) -> Lane:
        return self._intrinsic(name, a) if a.kind.startswith("float") else a

    def floor(self, a: Any) -> Lane:
        return self._whole("floor", a)

    def ceil(self, a: Any) -> Lane:
        return self._whole("ceil", a)

    def trunc(self, a: Any) -> Lane:
        return self._whole("trunc", a)

    def round(self, a: Any) -> Lane:
        return self._whole("roundeven", a)

    def copysign(self, a: Any, b: Any) -> Lane:
        a, b, _ = self.pair(a, b)
        return self._intrinsic("copysign", a, b)

    def sign(self, a: Any) -> Lane:
        small = self.where(self.less(a, 0), self.lift(-1, a.kind), self.where(self.equal(a, 0), 0, a))
        return self.where(self.greater(a, 0), self.lift(1, a.kind), small)

    direction = sign

    def _extremum(self, test: str, a: Any, b: Any) -> Lane:
        """The larger or smaller; NaN if either is. Unordered numbers choose the second operand."""
        if isinstance(a, Lane) and not isinstance(b, Lane):
            a, b = b, a
        is_number = not isinstance(a, Lane) and not math.isnan(a)
        a, b, kind = self.pair(a, b)
        chosen = self.where(self._compare(test, a, b), a, b)
        return chosen if is_number or not kind.startswith("float") else self.where(self.isnan(a), a, chosen)

    def maximum(self, a: Any, b: Any) -> Lane:
        return self._extremum("ogt", a, b)

    def minimum(self, a: Any, b: Any) -> Lane:
        return self._extremum("olt", a, b)

    def _number_extremum(self, test: str, a: Any, b: Any) -> Lane:
        """The larger or smaller; the other if one is NaN."""
        a, b, kind = self.pair(a, b)
        chosen = self.where(self._compare(test, a, b), a, b)
        return self.where(self.isnan(b), a, chosen) if kind.startswith("float") else chosen

    def fmax(self, a: Any, b: Any) -> Lane:
        return self._number_extremum("ogt", a, b)

    def fmin(self, a: Any, b: Any) -> Lane:
        return self._number_extremum("olt", a, b)

    # -- comparisons, logic, selection

    def _compare(self, test: str, a: Any, b: Any) -> Lane:
        a, b, kind = self.pair(a, b)
        if kind.startswith("float"):
            return self.lane(f"fcmp {test} {self.type(kind)} {a.x}, {b.x}", "bool")
        if kind == "bool" and test not in ("oeq", "une"):
            raise Unsupported("an order of booleans")
        return self.lane(f"icmp {_SIGNED[test]} {self.type(kind)} {a.x}, {b.x}", "bool")

    def less(self, a: Any, b: Any) -> Lane:
        return self._compare("olt", a, b)

    def less_equal(self, a: Any, b: Any) -> Lane:
        return self._compare("ole", a, b)

    def greater(self, a: Any, b: Any) -> Lane:
        return self._compare("ogt", a, b)

    def greater_equal(self, a: Any, b: Any) -> Lane:
        return self._compare("oge", a, b)

    def equal(self, a: Any, b: Any) -> Lane:
        return self._compare("oeq", a, b)

    def not_equal(self, a: Any, b: Any) -> Lane:
        if isinstance(a, Lane) and a.kind == "bool" and not isinstance(b, Lane | bool) and b == 0:
            return a
        return self._compare("une", a, b)

    def isnan(self, a: Any) -> Lane:
        a = self.floats(a)
        return self.lane(f"fcmp uno {self.type(a.kind)} {a.x}, {a.x}", "bool")

    def isinf(self, a: Any) -> Lane:
        return self.equal(self.abs(self.floats(a)), float("inf"))

    def isfinite(self, a: Any) -> Lane:
        return self.less(self.abs(self.floats(a)), float("inf"))

    def signbit(self, a: Any) -> Lane:
        a = self.floats(a)
        return self.less(self.copysign(self.constant(1.0, a.kind), a), 0)

    def where(self, condition: Any, a: Any, b: Any) -> Lane:
        if not isinstance(condition, Lane) or condition.kind != "bool":
            raise Unsupported("a choice by a number")
        a, b, kind = self.pair(a, b)
        type = self.type(kind)
        return self.lane(f"select {self.type('bool')} {condition.x}, {type} {a.x}, {type} {b.x}", kind)

    def _bits(self, how: str, a: Any, b: Any) -> Lane:
        a, b, kind = self.pair(a, b)
        if kind.startswith("float"):
            raise Unsupported("bits of a float")
        return self.lane(f"{how} {self.type(kind)} {a.x}, {b.x}", kind)

    def bitwise_and(self, a: Any, b: Any) -> Lane:
        return self._bits("and", a, b)

    def bitwise_or(self, a: Any, b: Any) -> Lane:
        return self._bits("or", a, b)

    def bitwise_xor(self, a: Any, b: Any) -> Lane:
        return self._bits("xor", a, b)

    def bitwise_invert(self, a: Lane) -> Lane:
        return self._bits("xor", a, True if a.kind == "bool" else -1)

    def _truth(self, a: Any) -> Lane:
        return self.cast(self.lift(a, "bool"), "bool")

    def logical_and(self, a: Any, b: Any) -> Lane:
        return self._bits("and", self._truth(a), self._truth(b))

    def logical_or(self, a: Any, b: Any) -> Lane:
        return self._bits("or", self._truth(a), self._truth(b))

    def logical_xor(self, a: Any, b: Any) -> Lane:
        return self._bits("xor", self._truth(a), self._truth(b))

    def logical_not(self, a: Any) -> Lane:
        return self.bitwise_invert(self._truth(a))

    # -- what the array API says of dtypes

    def isdtype(self, dtype: Any, kind: Any) -> bool:
        return np.isdtype(dtype, kind)

    def astype(self, x: Lane, dtype: Any, *, copy: bool = True) -> Lane:
        kind = np.dtype(dtype).name
        if kind not in TYPES:
            raise Unsupported(kind)
        return self.cast(x, kind)

    def conj(self, x: Lane) -> Lane:
        return x

    def zeros_like(self, x: Lane) -> Lane:
        return self.constant(x.kind == "bool" and False, x.kind)

    # -- functions that are compositions in NumPy, too

    def heaviside(self, a: Any, b: Any) -> Lane:
        a, b, kind = self.pair(a, b)
        step = self.where(self.equal(a, 0), b, self.lift(1, kind))
        return self.where(self.isnan(a), a, self.where(self.less(a, 0), 0, step))

    def logaddexp(self, a: Any, b: Any) -> Lane:
        a, b, _ = self.pair(a, b)
        gap = a - b
        larger = self.where(gap > 0, a, b)
        result = larger + self.log1p(self.exp(-self.abs(gap)))
        result = self.where(self.equal(a, b), a + 0.6931471805599453, result)
        return self.where(self.isnan(gap) & ~self.equal(a, b), gap, result)

    def pow(self, a: Any, b: Any) -> Lane:
        if isinstance(b, Lane) or not isinstance(a, Lane) or not a.kind.startswith("float"):
            a, b, kind = self.pair(a, b)
            if not kind.startswith("float"):
                raise Unsupported("a power of integers")
            return self.from_library("pow", a, b)
        if b == 2:
            return self.square(a)
        if b == 1:
            return a
        if b == -1:
            return self.divide(1.0, a)
        if b == 0:
            return self.constant(1.0, a.kind)
        return self.from_library("pow", a, self.lift(b, a.kind))

    # -- functions of `maths`, each a function of the module, and those of the C library, lane by lane

    def helper(self, name: str, *xs: Lane) -> Lane:
        """A function of `maths`, which is written once for each dtype and width."""
        kind, width = xs[0].kind, self.width
        type = self.type(kind)
        symbol = f"{name}_{SUFFIXES[kind]}_{width}"
        functions = self.b.module.functions
        if symbol not in functions:
            functions[symbol] = ""  # it is there for those that it calls
            inner = Scalars(Builder(self.b.module), width, self.size)
            arguments = [Lane(inner, f"%a{place}", kind) for place in range(len(xs))]
            value = getattr(maths, name)(inner, *arguments)
            parameters = ", ".join(f"{type} %a{place}" for place in range(len(xs)))
            del functions[symbol]
            functions[symbol] = inner.b.function(
                f"internal {type} @{symbol}({parameters}) noinline nounwind", f"ret {type} {value.x}"
            )
        return Lane(self, self.b.call(type, symbol, *[(type, x.x) for x in xs]), kind)

    def from_library(self, name: str, *xs: Lane) -> Lane:
        """A function of the C library in float64, one lane at a time; Unsupported for a large map."""
        if self.size > _MOST_LIBRARY_CALLS:
            raise Unsupported(f"{name} of many elements")
        return self.helper_of_library(name, *xs)

    def helper_of_library(self, name: str, *xs: Lane) -> Lane:
        """The same for any size, for lanes that are rarely there."""
        kind = self.floats(xs[0]).kind
        wide = [self.cast(x, "float64") for x in xs]
        type = self.type("float64")
        if self.width == 1:
            return self.cast(Lane(self, self._library(name, *[x.x for x in wide]), "float64"), kind)
        result = "poison"
        for place in range(self.width):
            parts = [self.b.let(f"extractelement {type} {x.x}, i32 {place}") for x in wide]
            value = self._library(name, *parts)
            result = self.b.let(f"insertelement {type} {result}, double {value}, i32 {place}")
        return self.cast(Lane(self, result, "float64"), kind)

    def _library(self, name: str, *values: str) -> str:
        return self.b.call("double", name, *[("double", value) for value in values])
