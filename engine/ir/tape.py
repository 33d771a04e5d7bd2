"""The tape: a Wengert list, flat and append-only, over numbered slots of known shape and dtype.

`apply` is the one way an instruction comes into being. It makes promotion explicit (an `astype` on
each input that is not yet in the common dtype), so kernels and rules meet one dtype, and it infers the
outputs' types, so that shape, dtype and cost are known before a number is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.errors import DtypeMismatch, InternalError, Origin, ShapeMismatch, WrongArity
from engine.ir.attributes import parse_attributes
from engine.ir.input import Input
from engine.ir.op import Op
from engine.ir.table import TABLE
from engine.ir.variable import Variable

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


@dataclass(slots=True, repr=False, eq=False)
class Tape:
    """The list itself. Slots are inputs, constants, or outputs of instructions; each is written once.

    `rewrites` are what a recording was rewritten to on request, as they are answered.
    """

    types: list[TensorType] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    constants: dict[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    origin: Origin = NOWHERE
    rewrites: list[dict[str, Any]] = field(default_factory=list)
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
        known = self._scalars.get(key)
        if known is None:
            known = self._scalars[key] = self._slot(type)
            self.constants[known] = array
        return Variable(self, known)

    def weak(self, number: bool | int | float | complex) -> Variable:
        """A bare scalar: it takes the dtype of what it meets."""
        key = (repr(number), type(number).__name__, True)
        slot = self._scalars.get(key)
        if slot is None:
            slot = self._scalars[key] = self.constant(number, _weak_dtype(number), weak=True).slot
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
            _check_kind(op, parameter, dtype)
            keeps_weak = type.weak and (weak or not parameter.promote)
            same = type.dtype == dtype and type.weak == keeps_weak
            answer.append(variable if same else self._cast(variable, dtype, keeps_weak))
        return answer

    def _cast(self, variable: Variable, dtype: str, weak: bool) -> Variable:
        known = self.constants.get(variable.slot)
        if known is not None and (known.ndim == 0 or variable.dtype == dtype):
            key = (variable.slot, dtype, weak)
            if key not in self._casts:
                self._casts[key] = self.constant(cast_scalar(known, dtype), weak=weak)
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


def cast_scalar(value: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """A constant in another dtype; raises DtypeMismatch where an integer does not fit."""
    if value.dtype.name == dtype:
        return value
    if dtypes.is_integer(dtype) and dtypes.is_integer(value.dtype.name):
        limits = np.iinfo(dtype)
        if value.size and not (limits.min <= value.min() and value.max() <= limits.max):
            raise DtypeMismatch(
                f"{value.item() if value.ndim == 0 else 'a constant'} does not fit into {dtype}",
                hint=f"{dtype} holds {limits.min} to {limits.max}; cast the tensor to a wider dtype first",
            )
    with np.errstate(all="ignore"):
        return value.astype(dtype)


def check_arity(op: Op, count: int) -> None:
    """Raise WrongArity unless `op` takes `count` arrays."""
    fixed = len(op.inputs)
    if op.variadic:
        minimum = fixed - 1 + op.inputs[-1].minimum
        if count < minimum:
            raise WrongArity(
                f"expected at least {_inputs(minimum)}, got {count}", op=op.name, hint=op.signature
            )
    elif count != fixed:
        raise WrongArity(f"expected {_inputs(fixed)}, got {count}", op=op.name, hint=op.signature)


def _inputs(count: int) -> str:
    return "1 input" if count == 1 else f"{count} inputs"


def _weak_dtype(number: bool | int | float | complex) -> str:
    """The dtype in which a bare scalar is kept until it meets a tensor; a huge integer is a float."""
    if isinstance(number, bool):
        return dtypes.BOOL
    if isinstance(number, int):
        if -(2**63) <= number < 2**63:
            return "int64"
        return "uint64" if 0 < number < 2**64 else "float64"
    return "complex128" if isinstance(number, complex) else "float64"


_NUMBERS = frozenset(dtypes.ALL) - {dtypes.BOOL}
_ACCEPTED = {
    "any": (frozenset(dtypes.ALL), ""),
    "numeric": (_NUMBERS, "a number's dtype"),
    "floating": (frozenset((*dtypes.FLOATING, *dtypes.COMPLEX)), "a floating dtype"),
    "real_floating": (frozenset(dtypes.FLOATING), "a real floating dtype"),
    "real": (_NUMBERS - set(dtypes.COMPLEX), "a real number's dtype"),
    "integer": (frozenset(dtypes.INTEGER), "an integer dtype"),
    "index": (frozenset((*dtypes.INTEGER, dtypes.BOOL)), "an integer or bool dtype"),
    "boolean": (frozenset((dtypes.BOOL,)), "bool"),
}


def _check_kind(op: Op, parameter: Input, dtype: str) -> None:
    accepted, expected = _ACCEPTED[parameter.kind]
    if dtype not in accepted:
        compares = parameter.kind == "boolean"
        whole = parameter.kind in ("integer", "index")
        cure = "compare first, as in x != 0" if compares else "convert it with astype first"
        if whole and dtypes.is_floating(dtype):
            cure = f'{cure}, as in astype(x, \'int64\'), or send it so: {{"dtype": "int64", "data": …}}'
        raise DtypeMismatch(f"expected {expected} for '{parameter.name}', got {dtype}", op=op.name, hint=cure)
