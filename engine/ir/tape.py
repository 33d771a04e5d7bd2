"""The tape: a Wengert list, flat and append-only, over numbered slots of known shape and dtype.

`apply` is the one way an instruction comes into being. It makes promotion explicit (an `astype` on
each input that is not yet in the common dtype), so kernels and rules meet one dtype, and it infers the
outputs' types, so that shape, dtype and cost are known before a number is computed. A variable is a slot
of a tape: each needs the other, so both stand in this file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import InternalError, Origin, ShapeMismatch
from engine.ir.attributes import parse_attributes
from engine.ir.budget import charge
from engine.ir.op import Op
from engine.ir.operands import cast_scalar, check_arity, check_kind, weak_dtype
from engine.ir.table import TABLE

NOWHERE = Origin()
MOST_AXES = 64  # what array libraries hold


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step: `outputs = op(inputs, **attributes)`, all of them slots; `origin` is the user's node."""

    op: Op
    inputs: tuple[int, ...]
    attributes: Mapping[str, Any]
    outputs: tuple[int, ...]
    origin: Origin


class Variable:
    """A slot of a tape, with operators that only record: what VJP rules and formulas compute with.

    It has a type and never a value.
    """

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
        variable: Variable = self.tape.apply(TABLE[op], values, attributes)
        return variable

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
        """The same values in another dtype; itself if the dtype is already right."""
        return self if self.dtype == dtype else self._record("astype", self, dtype=dtype)

    def conj(self) -> Variable:
        """The complex conjugate; of a real variable itself, and nothing is recorded."""
        return self._record("conj", self) if dtypes.is_complex(self.dtype) else self

    def real(self) -> Variable:
        """The real part; of a real variable itself, and nothing is recorded."""
        return self._record("real", self) if dtypes.is_complex(self.dtype) else self

    def reshape(self, shape: tuple[int, ...]) -> Variable:
        """The same elements in another shape; itself if the shape is already right."""
        return self if self.shape == shape else self._record("reshape", self, shape=shape)

    def broadcast_to(self, shape: tuple[int, ...]) -> Variable:
        """Repeated along new or single axes up to `shape`; itself if the shape is already right."""
        return self if self.shape == shape else self._record("broadcast_to", self, shape=shape)


@dataclass(slots=True, repr=False, eq=False)
class Tape:
    """The list itself. Slots are inputs, constants, or outputs of instructions; each is written once.

    `rewrites` are what a recording was rewritten to on request, as the response lists them. `derived` keeps
    what was worked out of a finished tape, so that a function that is called many times is walked once.
    """

    types: list[TensorType] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    constants: dict[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    origin: Origin = NOWHERE
    rewrites: list[dict[str, Any]] = field(default_factory=list)
    derived: dict[Any, Any] = field(default_factory=dict)
    _scalars: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    _casts: dict[tuple[int, str, bool], Variable] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<tape {id(self):x} of {len(self.instructions)} instructions>"

    def input(self, name: str, type: TensorType) -> Variable:
        """Declare an input."""
        if name in self.inputs:
            raise InternalError(f"the tape has two inputs '{name}'")
        slot = self._slot(type)
        self.inputs[name] = slot
        return Variable(self, slot)

    def constant(self, value: Any, dtype: str | None = None, *, weak: bool = False) -> Variable:
        """A constant array. Scalars of the same value and dtype share one slot."""
        array = np.asarray(value, dtype=dtype)
        type = TensorType(array.shape, dtypes.name_of(array.dtype), weak)
        if array.ndim:
            slot = self._slot(type)
            self.constants[slot] = array
            return Variable(self, slot)
        key = (repr(array.item()), type.dtype, weak)
        shared = self._scalars.get(key)
        if shared is None:
            shared = self._scalars[key] = self._slot(type)
            self.constants[shared] = array
        return Variable(self, shared)

    def weak(self, number: bool | int | float | complex) -> Variable:
        """A bare scalar: it takes the dtype of what it meets."""
        key = (repr(number), type(number).__name__, True)
        slot = self._scalars.get(key)
        if slot is None:
            slot = self._scalars[key] = self.constant(number, weak_dtype(number), weak=True).slot
        return Variable(self, slot)

    def variable(self, slot: int) -> Variable:
        """The variable that stands for a slot."""
        return Variable(self, slot)

    def at(self, origin: Origin) -> _At:
        """Everything recorded inside `with tape.at(origin)` belongs to the user's node `origin`."""
        return _At(self, origin)

    def apply(self, op: Op, values: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        """Record `op(*values, **attributes)` and return its output, or a tuple of outputs.

        Raises WrongArity, InvalidAttribute, DtypeMismatch and whatever the op's shape rule refuses.
        """
        check_arity(op, len(values))
        variables = [self._operand(value) for value in values]
        settings: Mapping[str, Any] = parse_attributes(attributes, op.attributes)
        variables = self._promote(op, variables)
        if op.flattens and settings["axis"] is None:
            variables = [variable.reshape((variable.size,)) for variable in variables]
            settings = {**settings, "axis": 0}
        types = [variable.type for variable in variables]
        stand_in = op.derivative.complex_rule
        if stand_in is not None and dtypes.is_complex(types[0].dtype):
            return self.apply(TABLE[stand_in], variables, attributes)
        if op.normalize is not None:
            settings = {**settings, **op.normalize(variables, **settings)}
        if op.formula is not None:
            return op.formula(*variables, **settings)
        if op.infer is None:
            raise InternalError(f"{op.name} has neither a shape rule nor a formula", op=op.name)
        slots = tuple(self._slot(type) for type in op.infer(types, **settings))
        self.instructions.append(
            Instruction(op, tuple(v.slot for v in variables), settings, slots, self.origin)
        )
        if op.outputs is not None and len(op.outputs) == 1:
            return Variable(self, slots[0])
        return tuple(Variable(self, slot) for slot in slots)

    def inline(self, sub: Tape, arguments: Sequence[Variable]) -> list[Variable]:
        """Play another tape onto this one, its inputs bound in order; origins are nested in the caller's."""
        slots: dict[int, int] = {}
        for slot, argument in zip(sub.inputs.values(), arguments, strict=True):
            slots[slot] = self._bound(argument, sub.types[slot]).slot
        for slot, value in sub.constants.items():
            slots[slot] = self.constant(value, weak=sub.types[slot].weak).slot
        outer = self.origin
        for step in sub.instructions:
            fresh = tuple(self._slot(sub.types[slot]) for slot in step.outputs)
            slots.update(zip(step.outputs, fresh, strict=True))
            inputs = tuple(slots[slot] for slot in step.inputs)
            self.instructions.append(
                Instruction(step.op, inputs, step.attributes, fresh, nested(outer, step.origin))
            )
        return [Variable(self, slots[slot]) for slot in sub.outputs]

    def _bound(self, argument: Variable, type: TensorType) -> Variable:
        if (argument.shape, argument.dtype) != (type.shape, type.dtype):
            raise InternalError(f"a sub-tape made for {type} was given {argument.type}")
        return argument

    def _slot(self, type: TensorType) -> int:
        charge()
        if len(type.shape) > MOST_AXES:
            raise ShapeMismatch(
                f"a tensor with {len(type.shape)} axes", hint=f"{MOST_AXES} axes are the most there can be"
            )
        self.types.append(type)
        return len(self.types) - 1

    def _operand(self, value: Any) -> Variable:
        if isinstance(value, Variable):
            if value.tape is not self:
                raise InternalError("a variable of another tape was recorded")
            return value
        if isinstance(value, bool | int | float | complex):
            return self.weak(value)
        return self.constant(value)

    def _promote(self, op: Op, variables: list[Variable]) -> list[Variable]:
        """Bring the promoting inputs to their common dtype; check every input's kind."""
        parameters = [op.input(i) for i in range(len(variables))]
        types = [variable.type for variable in variables]
        shared = [type for type, p in zip(types, parameters, strict=True) if p.promote]
        common, weak = dtypes.result_type(shared) if shared else ("", False)
        answer = []
        for variable, type, parameter in zip(variables, types, parameters, strict=True):
            dtype = common if parameter.promote else type.dtype
            if parameter.kind in ("floating", "real_floating"):
                dtype = dtypes.as_floating(dtype)
            check_kind(op, parameter, dtype)
            keeps_weak = type.weak and (weak or not parameter.promote)
            same = type.dtype == dtype and type.weak == keeps_weak
            answer.append(variable if same else self._cast(variable, dtype, keeps_weak))
        return answer

    def _cast(self, variable: Variable, dtype: str, weak: bool) -> Variable:
        constant = self.constants.get(variable.slot)
        if constant is not None and (constant.ndim == 0 or variable.dtype == dtype):
            key = (variable.slot, dtype, weak)
            if key not in self._casts:
                self._casts[key] = self.constant(cast_scalar(constant, dtype), weak=weak)
            return self._casts[key]
        if variable.dtype == dtype:
            return variable
        cast: Variable = self.apply(TABLE["astype"], [variable], {"dtype": dtype})
        return cast


class _At:
    """A stretch of recording for one node; a class, since a walk enters one for every instruction."""

    __slots__ = ("before", "origin", "tape")

    def __init__(self, tape: Tape, origin: Origin) -> None:
        self.tape, self.origin = tape, origin

    def __enter__(self) -> None:
        self.before, self.tape.origin = self.tape.origin, self.origin

    def __exit__(self, *raised: object) -> None:
        self.tape.origin = self.before


def nested(outer: Origin, inner: Origin) -> Origin:
    """The origin of an expanded function's node: named within the node that called it."""
    if outer.node is None:
        return inner
    return Origin(
        f"{outer.node}/{inner.node}" if inner.node else outer.node, inner.op, inner.path, inner.source
    )
