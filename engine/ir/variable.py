"""A variable on a tape: what VJP rules and formulas compute with. Operators only record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.table import TABLE

if TYPE_CHECKING:
    from engine.ir.tape import Tape


class Variable:
    """A slot of a tape, with operators. It has a type and never a value."""

    __slots__ = ("slot", "tape")

    def __init__(self, tape: Tape, slot: int) -> None:
        self.tape = tape
        self.slot = slot

    @property
    def type(self) -> TensorType:
        """Shape, dtype and whether it is a bare scalar."""
        return self.tape.types[self.slot]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype's name."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.type.size

    def __repr__(self) -> str:
        return f"<variable {self.slot}: {self.type}>"

    def _record(self, op: str, *values: Any, **attributes: Any) -> Variable:
        answer: Variable = self.tape.apply(TABLE[op], values, attributes)
        return answer

    def __add__(self, other: Any) -> Variable:
        return self._record("add", self, other)

    def __radd__(self, other: Any) -> Variable:
        return self._record("add", other, self)

    def __sub__(self, other: Any) -> Variable:
        return self._record("subtract", self, other)

    def __rsub__(self, other: Any) -> Variable:
        return self._record("subtract", other, self)

    def __mul__(self, other: Any) -> Variable:
        return self._record("multiply", self, other)

    def __rmul__(self, other: Any) -> Variable:
        return self._record("multiply", other, self)

    def __truediv__(self, other: Any) -> Variable:
        return self._record("divide", self, other)

    def __rtruediv__(self, other: Any) -> Variable:
        return self._record("divide", other, self)

    def __pow__(self, other: Any) -> Variable:
        return self._record("pow", self, other)

    def __matmul__(self, other: Any) -> Variable:
        return self._record("matmul", self, other)

    def __neg__(self) -> Variable:
        return self._record("negative", self)

    def __lt__(self, other: Any) -> Variable:
        return self._record("less", self, other)

    def __le__(self, other: Any) -> Variable:
        return self._record("less_equal", self, other)

    def __gt__(self, other: Any) -> Variable:
        return self._record("greater", self, other)

    def __ge__(self, other: Any) -> Variable:
        return self._record("greater_equal", self, other)

    def equals(self, other: Any) -> Variable:
        """Elementwise `==`; the operator itself stays Python's identity so that variables can be keys."""
        return self._record("equal", self, other)

    def astype(self, dtype: str) -> Variable:
        """The same values in another dtype; itself where the dtype is already right."""
        return self if self.dtype == dtype else self._record("astype", self, dtype=dtype)

    def conj(self) -> Variable:
        """The complex conjugate; of a real variable itself, and nothing is recorded."""
        return self._record("conj", self) if dtypes.is_complex(self.dtype) else self

    def real(self) -> Variable:
        """The real part; of a real variable itself, and nothing is recorded."""
        return self._record("real", self) if dtypes.is_complex(self.dtype) else self

    def reshape(self, shape: tuple[int, ...]) -> Variable:
        """The same elements in another shape; itself where the shape is already right."""
        return self if self.shape == shape else self._record("reshape", self, shape=shape)

    def broadcast_to(self, shape: tuple[int, ...]) -> Variable:
        """Repeated along new or single axes up to `shape`; itself where the shape is already right."""
        return self if self.shape == shape else self._record("broadcast_to", self, shape=shape)
