"""Python's operators and NumPy's protocols on traced values: everything records, reading fetches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from gradwire._names.refusals import Refusing
from gradwire._tracing import array_protocol, reads
from gradwire._tracing.conditions import elementwise
from gradwire._tracing.indexing import index_attribute
from gradwire._tracing.node import Array, Traced
from gradwire.errors import GradwireError

R = TypeVar("R")
Result = TypeVar("Result")

_NOT_NUMBERS = (str, bytes, dict, set, type(None))


class Operators(Refusing, Traced, Generic[Result]):
    """What `Tensor` and `Variable` can do; each knows its own edge and how to record and read.

    `Result` is what an op returns: a `Tensor`.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # `==` compares elements, as in NumPy and TensorFlow

    def _record(self, op: str, *inputs: Any, **attributes: Any) -> Result:
        raise NotImplementedError

    def _value(self) -> Array:
        raise NotImplementedError

    def _read(self, how: str, convert: Callable[[Array], R]) -> R:
        """The value for the user's own use, converted: what becomes of it is no longer recorded.

        Raises ReadError where a function is traced on whose argument it depends.
        """
        edge = self._edge()
        reads.may_read(edge, how)
        value = convert(self._value())
        reads.note(edge, value)
        return value

    # -- arithmetic ------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Result:
        return self._record("add", self, other)

    def __radd__(self, other: Any) -> Result:
        return self._record("add", other, self)

    def __sub__(self, other: Any) -> Result:
        return self._record("subtract", self, other)

    def __rsub__(self, other: Any) -> Result:
        return self._record("subtract", other, self)

    def __mul__(self, other: Any) -> Result:
        return self._record("multiply", self, other)

    def __rmul__(self, other: Any) -> Result:
        return self._record("multiply", other, self)

    def __truediv__(self, other: Any) -> Result:
        return self._record("divide", self, other)

    def __rtruediv__(self, other: Any) -> Result:
        return self._record("divide", other, self)

    def __floordiv__(self, other: Any) -> Result:
        return self._record("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Result:
        return self._record("floor_divide", other, self)

    def __divmod__(self, other: Any) -> tuple[Result, Result]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Result, Result]:
        return other // self, other % self

    def __mod__(self, other: Any) -> Result:
        return self._record("remainder", self, other)

    def __rmod__(self, other: Any) -> Result:
        return self._record("remainder", other, self)

    def __pow__(self, other: Any) -> Result:
        return self._record("pow", self, other)

    def __rpow__(self, other: Any) -> Result:
        return self._record("pow", other, self)

    def __matmul__(self, other: Any) -> Result:
        return self._record("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Result:
        return self._record("matmul", other, self)

    def __neg__(self) -> Result:
        return self._record("negative", self)

    def __pos__(self) -> Result:
        return self._record("positive", self)

    def __abs__(self) -> Result:
        return self._record("abs", self)

    def __round__(self, digits: int | None = None) -> Result:
        return self._record("round", self, decimals=digits)

    # -- comparison and logic ----------------------------------------------------------------------

    def __eq__(self, other: object) -> Result:  # type: ignore[override]  # elementwise
        return NotImplemented if isinstance(other, _NOT_NUMBERS) else self._record("equal", self, other)

    def __ne__(self, other: object) -> Result:  # type: ignore[override]  # elementwise
        return NotImplemented if isinstance(other, _NOT_NUMBERS) else self._record("not_equal", self, other)

    def __lt__(self, other: Any) -> Result:
        return self._record("less", self, other)

    def __le__(self, other: Any) -> Result:
        return self._record("less_equal", self, other)

    def __gt__(self, other: Any) -> Result:
        return self._record("greater", self, other)

    def __ge__(self, other: Any) -> Result:
        return self._record("greater_equal", self, other)

    def __and__(self, other: Any) -> Result:
        return self._record("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Result:
        return self._record("bitwise_and", other, self)

    def __or__(self, other: Any) -> Result:
        return self._record("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Result:
        return self._record("bitwise_or", other, self)

    def __xor__(self, other: Any) -> Result:
        return self._record("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Result:
        return self._record("bitwise_xor", other, self)

    def __invert__(self) -> Result:
        return self._record("bitwise_invert", self)

    # -- indexing ----------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Result:
        index, tensors = index_attribute(key)
        return self._record("getitem", self, *tensors, index=index)

    def __len__(self) -> int:
        shape = self._value().shape
        if not shape:
            raise TypeError(
                "a 0-d tensor is one number and has no length: pass an array, gw.constant([1.0, 2.0]), or "
                "take x.size, which is 1 for it"
            )
        return int(shape[0])

    def __iter__(self) -> Iterator[Result]:
        return (self[k] for k in range(len(self)))

    # -- reading -----------------------------------------------------------------------------------

    def __float__(self) -> float:
        return self._read("float()", lambda value: float(value.item()))

    def __int__(self) -> int:
        return self._read("int()", lambda value: int(value.item()))

    def __complex__(self) -> complex:
        return self._read("complex()", lambda value: complex(value.item()))

    def __bool__(self) -> bool:
        reads.may_read(self._edge(), "bool()", branch=True)
        value = self._value()
        if value.size > 1:
            raise ValueError(
                f"a condition of {value.size} elements is ambiguous, neither true nor false: {elementwise()}"
            )
        return bool(value)

    def __index__(self) -> int:
        def convert(value: Array) -> int:
            if value.dtype.kind not in "iu" or value.ndim:
                raise TypeError(
                    f"only a 0-d integer tensor is an index, this one is {value.dtype}{list(value.shape)}"
                )
            return int(value)

        return self._read("the conversion to an index", convert)

    def __format__(self, spec: str) -> str:
        try:
            value = self._value()
        except GradwireError:
            return str(self)
        if not spec or value.dtype.kind not in "iufc":
            return format(str(self), spec)
        return format(value.item(), spec) if value.size == 1 else _formatted(value, spec)

    # -- NumPy's protocols ---------------------------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self._read("the conversion to a NumPy array", lambda value: np.array(value, dtype=dtype))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return array_protocol.call_ufunc(ufunc, method, inputs, options)

    def __array_function__(
        self, function: Any, types: Sequence[type], args: Sequence[Any], options: Mapping[str, Any]
    ) -> Any:
        return array_protocol.call_function(function, args, options)


def _formatted(value: Array, spec: str) -> str:
    """An array with every element formatted alike."""
    return np.array2string(value, separator=", ", formatter={"all": lambda element: format(element, spec)})
