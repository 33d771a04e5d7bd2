"""`Variable`: a value that is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradwire._locations import here
from gradwire._names.tensorflow import warn_of_integers
from gradwire._tracing.applied import gradient_in, note_applied
from gradwire._tracing.methods import Methods
from gradwire._tracing.node import Array, Edge, Leaf, Owner, are_integers, as_array
from gradwire._tracing.operators import Operators
from gradwire._tracing.reads import may_read, note_assigned, note_leaf
from gradwire._tracing.rebinding import warn_if_dropped
from gradwire._tracing.restarts import born, note_step
from gradwire._tracing.tensor import Tensor, record
from gradwire._tracing.variable_warnings import fitting, warn_of_divergence
from gradwire.errors import TensorFlowDifference

_FOREIGN = {
    "requires_grad": "write trainable=True, which is the default, or trainable=False",
    "device": "leave it out: the server computes; gw.Client(url, device='cuda') says where",
    "shape": "leave it out: it is that of the value, as in gw.Variable(np.zeros((2, 3)))",
    "initializer": "give the values, as in gw.Variable(np.random.normal(size=(2, 3)))",
    "constraint": "leave it out: after a step write w.assign(np.clip(w.numpy(), low, high))",
    "validate_shape": "leave it out",
}

NO_NAME = "Variable"  # what a variable is called that was given no name


class Variable(Methods[Tensor]):
    """A named value that optimisers change and tapes watch automatically.

    An expression captures the value that the variable has when it is recorded; `assign` binds a new value and
    does not change earlier ones. Numbers and lists become float64 unless `dtype` names another; arrays keep
    their dtype. If the initial value is a traced tensor, its value is requested; if it is callable, it is
    called.
    """

    __slots__ = ("_at", "_leaf", "_owner", "name")

    def __init__(
        self,
        initial_value: Any | Callable[[], Any],
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        **foreign: Any,
    ) -> None:
        for keyword in foreign:
            cure = _FOREIGN.get(keyword, "it takes initial_value, trainable, name and dtype")
            raise TypeError(f"Variable() has no keyword '{keyword}': {cure}")
        if callable(initial_value):
            initial_value = initial_value()
        if not isinstance(name, str | None):
            raise TensorFlowDifference(
                f"Variable: expected a text as the third argument, the name, got {name!r}; TensorFlow's is "
                "validate_shape, which is not here: give name= and dtype= by name"
            )
        if dtype is None and are_integers(initial_value):
            warn_of_integers("Variable()")
        self.name = name or NO_NAME
        self._owner = Owner(bool(trainable), born())
        self._bind(Leaf(as_array(self._fetch_value(initial_value), dtype), self.name, here(), self._owner))
        self._note(initial_value)

    @property
    def trainable(self) -> bool:
        """Whether tapes watch it automatically."""
        return self._owner.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._owner.trainable = bool(value)

    def _bind(self, leaf: Leaf) -> None:
        self._leaf, self._at = leaf, Edge(leaf)

    def _edge(self) -> Edge:
        return self._at

    def _record(self, op: str, *inputs: Any, **attributes: Any) -> Tensor:
        if op in ("subtract", "add") and inputs and inputs[0] is self:
            warn_if_dropped(self.name)
        return record(op, inputs, attributes)

    def _value(self) -> Array:
        return self._leaf.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._leaf.value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements; it never changes."""
        return self._leaf.value.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._leaf.value.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._leaf.value.size

    def numpy(self) -> Array:
        """Return the present value as a new array."""
        return self._read("numpy()", lambda value: value.copy())

    def value(self) -> Tensor:
        """Return the present value as a tensor that later assignments do not change."""
        return Tensor(self._at)

    read_value = value

    def assign(self, value: Any) -> Variable:
        """Bind a new value of the same shape; what was recorded before keeps the old one.

        The value of a tensor is requested. Raises ValueError if the shapes differ.
        """
        moved = isinstance(value, Operators)
        note_applied(
            self._owner,
            self.name,
            gradient_in(value._edge(), self._owner, self._leaf) if moved else None,
            "assign",
        )
        return self._assigned(value)

    def _assigned(self, value: Any, optimizer: Any = None) -> Variable:
        """As `assign`; by an optimiser if one is given."""
        array = fitting(self.name, self._fetch_value(value), self.dtype)
        if array.shape != self.shape:
            turned = array.ndim == 2 and array.shape[::-1] == self.shape
            cure = (
                "it is the other way round: write value.T (PyTorch keeps weights as (out, in))"
                if turned
                else "a variable of another shape is another variable"
            )
            raise ValueError(
                f"expected shape {self.shape} for the variable '{self.name}', got {array.shape}; {cure}"
            )
        warn_of_divergence(self.name, self._leaf.value, array, value)
        note_step(self._leaf, array, optimizer)
        self._owner.assigned = here()
        self._bind(Leaf(array, self.name, self._leaf.place, self._owner))
        self._note(value)
        return self

    def assign_add(self, delta: Any) -> Variable:
        """Bind the present value plus `delta`."""
        return self._moved(self._value() + self._fetch_value(delta), delta, "assign_add")

    def assign_sub(self, delta: Any) -> Variable:
        """Bind the present value minus `delta`."""
        return self._moved(self._value() - self._fetch_value(delta), delta, "assign_sub")

    def _moved(self, array: Array, delta: Any, how: str) -> Variable:
        """Bind what `delta` has made of the present value."""
        gradient = gradient_in(delta._edge(), self._owner) if isinstance(delta, Operators) else None
        note_applied(self._owner, self.name, gradient, how)
        self._assigned(array)
        self._note(delta)
        return self

    def _fetch_value(self, value: Any) -> Any:
        """What is to be assigned, fetched; raises ReadError where that may not be read."""
        if not isinstance(value, Operators):
            return value
        may_read(value._edge(), "assigning to a variable")
        return value._value()

    def _note(self, value: Any) -> None:
        """Tell the tapes what the present value was made of."""
        if isinstance(value, Operators):
            note_assigned(self._leaf, value._edge())
        else:
            note_leaf(self._leaf, value)

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> Variable:
        copied = Variable(self, self.trainable, self.name, self.dtype)
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        value = self._read("pickling", lambda value: value.copy())
        return type(self), (value, self.trainable, self.name)  # a copy is a variable of its own

    def __repr__(self) -> str:
        value = np.array2string(self._leaf.value, separator=", ")
        return f"<Variable '{self.name}' shape={self.shape} dtype={self.dtype} value={value}>"
