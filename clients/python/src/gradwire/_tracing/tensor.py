"""`Tensor`: a value that is known, or will be once a server has computed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradwire._locations import here
from gradwire._names.tensorflow import warn_of_integers
from gradwire._tracing import values
from gradwire._tracing.applied import note_array
from gradwire._tracing.arithmetic import small_arithmetic
from gradwire._tracing.methods import Methods
from gradwire._tracing.node import Array, Edge, Leaf, Op, are_integers, as_array, known, leaf_of
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import note_leaf
from gradwire._tracing.tracer import as_edge, holds_traced, trace
from gradwire.errors import GradwireError, ProblemError, TensorFlowDifference


class Tensor(Methods["Tensor"]):
    """A traced value. Operators and NumPy functions record; `numpy()`, `float` and `print` request it.

    Only the server knows shape and dtype of a computed tensor, so `shape`, `dtype`, `ndim`, `size`, `len` and
    iteration request its value too. A value is requested once. Errors are those of `Client.evaluate`.
    """

    __slots__ = ("_at",)

    def __init__(self, edge: Edge) -> None:
        self._at = edge

    def _edge(self) -> Edge:
        return self._at

    def _record(self, op: str, *inputs: Any, **attributes: Any) -> Tensor:
        return record(op, inputs, attributes)

    def _value(self) -> Array:
        value = known(self._at)
        if value is None:
            value = small_arithmetic(self._at)
        return values.fetch([self._at])[0] if value is None else value

    def numpy(self) -> Array:
        """Return the value as a new NumPy array."""
        array = self._read("numpy()", lambda value: value.copy())
        leaf = leaf_of(self._edge())
        if leaf is not None and leaf.gradient_of is not None:
            note_array(array, leaf)
        return array

    def item(self) -> Any:
        """Return the value of a tensor of one element, as a Python number."""
        return self._read("item()", lambda value: value.item())

    def tolist(self) -> Any:
        """Return the value as nested lists."""
        return self._read("tolist()", lambda value: value.tolist())

    @property
    def name(self) -> str | None:
        """The name given to a constant."""
        return self._at.node.name if isinstance(self._at.node, Leaf) else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._value().shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._value().dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._value().ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._value().size

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: Any) -> Tensor:
        return self  # a tensor never changes, and a copy of its graph would be another one, without gradients

    def __reduce__(self) -> tuple[Any, ...]:
        return _constant, (self._read("pickling", lambda value: value.copy()), self.name)

    def __str__(self) -> str:
        try:
            value = self._value()
        except GradwireError as error:
            return f"{self._described()[:-1]}: {error}>" if isinstance(error, ProblemError) else repr(self)
        return f"Tensor({np.array2string(value, separator=', ')}, shape={value.shape}, dtype={value.dtype})"

    def __repr__(self) -> str:
        return self._described() if known(self._at) is None else str(self)

    def _described(self) -> str:
        """What it is, as long as its value is not known."""
        node = self._at.node
        if isinstance(node, Op):
            return f"<Tensor of {node.op}, not fetched{f', from {node.place}' if node.place else ''}>"
        return f"<Tensor of the argument '{node.name}', which has no value while its function is traced>"


def record(
    op: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    integer: Sequence[int] = (),
) -> Tensor:
    """Record one op with one output."""
    return Tensor(Edge(trace(op, inputs, attributes, integer=integer)))


def record_many(
    op: str, inputs: Sequence[Any], outputs: int, attributes: Mapping[str, Any] | None = None
) -> tuple[Tensor, ...]:
    """Record one op with several outputs."""
    node = trace(op, inputs, attributes)
    return tuple(Tensor(Edge(node, k)) for k in range(outputs))


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Tensor:
    """Return a tensor of a value, which is copied.

    Arrays keep their dtype. Numbers and lists of numbers become float64, even integers, unless `dtype` names
    another. With `shape`, the value is reshaped, a single number repeated.
    """
    array = as_array(value, dtype)
    if dtype is None and are_integers(value):
        warn_of_integers("constant()")
    if shape is not None:
        array = np.full(shape, array) if array.size == 1 else array.reshape(shape)
    leaf = Leaf(array, name, here())
    note_leaf(leaf, value)
    return Tensor(Edge(leaf))


def _constant(value: Array, name: str | None) -> Tensor:
    """What a pickled tensor becomes."""
    return constant(value, name=name)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Return `value` as a tensor; a tensor or variable stays on its tape, and is cast if `dtype` is given."""
    if not isinstance(name, str | None):
        raise TensorFlowDifference(
            "convert_to_tensor: the third argument is the name here, in TensorFlow dtype_hint"
        )
    if isinstance(value, Operators):
        tensor = Tensor(as_edge(value))
        return tensor if dtype is None else record("astype", (tensor,), {"dtype": np.dtype(dtype)})
    if holds_traced(value):
        tensor = Tensor(as_edge(value))
        return tensor if dtype is None else record("astype", (tensor,), {"dtype": np.dtype(dtype)})
    return constant(value, dtype, name=name)


def zeros(shape: int | Sequence[int], dtype: Any = np.float64) -> Tensor:
    """Return a tensor of zeros."""
    return Tensor(Edge(Leaf(np.zeros(shape, np.dtype(dtype)), place=here())))


def ones(shape: int | Sequence[int], dtype: Any = np.float64) -> Tensor:
    """Return a tensor of ones."""
    return Tensor(Edge(Leaf(np.ones(shape, np.dtype(dtype)), place=here())))
