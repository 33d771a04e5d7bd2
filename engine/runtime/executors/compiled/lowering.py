"""From a tape to nodes, by the scalar forms and the lowerings in the records of ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from engine import arrays
from engine.errors import EngineError
from engine.ir.tape import Instruction, Tape
from engine.runtime.executors.compiled.ir import TYPES, Builder, Module
from engine.runtime.executors.compiled.lane import Lane, Unsupported
from engine.runtime.executors.compiled.lanes import Scalars
from engine.runtime.executors.compiled.nodes import (
    Formula,
    How,
    Map,
    Node,
    Nodes,
    NumpyStep,
    Product,
    Reduce,
)
from engine.runtime.executors.compiled.views import Shape, View, dense

_MOST_PRODUCT_BYTES = 2 << 20  # of the right factor: beyond that BLAS, which packs it, is faster
_MOST_TERMS = 4096  # of a product's sums, which are added one after the other


class Structure:
    """What a `lowering` in an op's record composes its result of; values are slots.

    A method raises Unsupported where the executor leaves the op to NumPy.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.made: list[Node] = []

    def shape(self, slot: int) -> Shape:
        """The shape of a value."""
        return self._nodes.views[slot].shape

    def dtype(self, slot: int) -> str:
        """The dtype of a value."""
        return self._nodes.views[slot].dtype

    def map(self, formula: Formula, *slots: int, dtype: str | None = None) -> int:
        """`formula(m, *xs)` of each element of the values, broadcast; in the first one's dtype by default."""
        shape = np.broadcast_shapes(*(self.shape(slot) for slot in slots))
        dtype = dtype or self.dtype(slots[0])
        if any(self.dtype(slot) not in TYPES for slot in slots) or dtype not in TYPES or prod(shape) == 0:
            raise Unsupported("a map of these types")
        _try(formula, [self.dtype(slot) for slot in slots], dtype, prod(shape))
        output = self._nodes.fresh(shape, dtype)
        self.made.append(Map(slots, output, shape, formula))
        return output

    def reduce(
        self, how: How, slot: int, axes: Sequence[int], keepdims: bool = False, *, divisor: int = 1
    ) -> int:
        """The elements along `axes` combined; a sum is divided by `divisor`."""
        shape, dtype = self.shape(slot), self.dtype(slot)
        if dtype not in TYPES or prod(shape) == 0:
            raise Unsupported("a reduction of this type")
        if (dtype == "bool") != (how in ("and", "or")):
            raise Unsupported("a reduction of booleans")
        remaining = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        target = remaining if keepdims else tuple(size for axis, size in enumerate(shape) if axis not in axes)
        if remaining == shape:  # nothing is combined
            return self.reshape(self.map(lambda m, x: x, slot), target)
        output = self._nodes.fresh(target, dtype)
        self.made.append(Reduce((slot,), output, shape, how, tuple(axes), keepdims, divisor))
        return output

    def reshape(self, slot: int, shape: Shape) -> int:
        """A value that lies in C order, in another shape."""
        if not self._nodes.views[slot].is_dense:
            raise Unsupported("a reshape that copies")
        return self._nodes.look(slot, shape, dense(shape))

    def matmul(self, a: int, b: int) -> int:
        """The product of two matrices or vectors; with a vector it is a map and a sum, which fuse."""
        rows, columns = self.shape(a), self.shape(b)
        if (
            not self.dtype(a).startswith("float")
            or self.dtype(a) not in TYPES
            or not prod(rows) * prod(columns)
        ):
            raise Unsupported("a product of this type")
        if len(rows) > 2 or len(columns) > 2:
            raise Unsupported("a product of stacks")
        if len(rows) == 1 and len(columns) == 2:
            return self.reduce("add", self.map(_times, self._as_column(a), b), (0,))
        if len(columns) == 1:
            return self.reduce("add", self.map(_times, a, b), (len(rows) - 1,))
        if rows[1] == 1:
            return self.map(_times, a, b)
        if columns[1] == 1:
            return self.reduce("add", self.map(_times, a, self._as_row(b)), (1,), True)
        size = np.dtype(self.dtype(a)).itemsize
        if prod(columns) * size > _MOST_PRODUCT_BYTES or rows[1] > _MOST_TERMS:
            raise Unsupported("a large product")
        output = self._nodes.fresh((rows[0], columns[1]), self.dtype(a))
        self.made.append(Product((a, b), output))
        return output

    def _as_column(self, slot: int) -> int:
        view = self._nodes.views[slot]
        return self._nodes.look(slot, (*view.shape, 1), (*view.strides, 0))

    def _as_row(self, slot: int) -> int:
        view = self._nodes.views[slot]
        return self._nodes.look(slot, view.shape[:1], view.strides[:1])

    def join(self, slots: Sequence[int], axis: int) -> int:
        """Values one after another along an axis, each computed where it will stand if that is possible."""
        shapes, dtype = [self.shape(slot) for slot in slots], self.dtype(slots[0])
        whole_shape = list(shapes[0])
        whole_shape[axis] = sum(shape[axis] for shape in shapes)
        if dtype not in TYPES or not prod(whole_shape):
            raise Unsupported("a concatenation of this type")
        whole = self._nodes.fresh(tuple(whole_shape), dtype)
        strides = self._nodes.views[whole].strides
        start = 0
        for slot, shape in zip(slots, shapes, strict=True):
            offset = start * strides[axis]
            start += shape[axis]
            if not prod(shape) or (prod(shape[:axis]) == 1 and self._moved(slot, whole, offset)):
                continue
            part = self._nodes.look(whole, shape, strides, offset)
            self.made.append(Map((slot,), part, shape, lambda m, x: x))
        return whole

    def _moved(self, slot: int, whole: int, offset: int) -> bool:
        """Whether a value that nobody has placed yet now lies in a part of `whole`."""
        nodes = self._nodes
        view = nodes.views[slot]
        root = nodes.views[view.root]
        movable = view.root not in nodes.external and root.root == view.root and root.is_dense
        if not movable or not view.is_dense or view.offset or view.size != root.size:
            return False
        moved = view.root
        for other in nodes.views.values():
            if other.root == moved:
                other.root, other.offset = whole, other.offset + offset
        return True


def _times(m: Any, a: Any, b: Any) -> Any:
    return a * b


def _try(formula: Formula, kinds: Sequence[str], result: str, size: int) -> None:
    """Raise Unsupported unless the formula can be written on these dtypes."""
    m = Scalars(Builder(Module()), 1, size)
    m.result = result
    try:
        lane = formula(m, *[Lane(m, "undef", kind) for kind in kinds])
        m.cast(m.lift(lane, result), result)
    except (AttributeError, TypeError, ValueError, OverflowError, EngineError) as error:
        raise Unsupported(str(error)) from None


def lower_tape(tape: Tape) -> Nodes:
    """The nodes of a lowered tape. Every slot of the tape has a view afterwards."""
    nodes = Nodes(constants=tape.constants, next_slot=len(tape.types))
    blanks: dict[int, Any] = {}
    for slot in (*tape.inputs.values(), *tape.constants):
        _add_root(nodes, tape, slot, blanks)
        nodes.external.add(slot)
    for index, step in enumerate(tape.instructions):
        if _looks(nodes, tape, step, blanks):
            continue
        structure = Structure(nodes)
        before = nodes.next_slot
        try:
            result = _compose(structure, tape, step)
        except Unsupported:
            for slot in range(before, nodes.next_slot):
                del nodes.views[slot]
            nodes.next_slot = before
            result = None
        if result is None:
            for slot in step.outputs:
                _add_root(nodes, tape, slot, blanks)
            nodes.order.append(NumpyStep(step.inputs, step.outputs, index))
            continue
        nodes.order += structure.made
        (out,) = step.outputs
        view = nodes.views[result]
        nodes.views[out] = View(view.root, view.offset, tape.types[out].shape, view.strides, view.dtype)
        blanks[out] = None
    return nodes


def _add_root(nodes: Nodes, tape: Tape, slot: int, blanks: dict[int, Any]) -> None:
    type = tape.types[slot]
    nodes.views[slot] = View(slot, 0, type.shape, dense(type.shape), type.dtype)
    blanks[slot] = None


def _looks(nodes: Nodes, tape: Tape, step: Instruction, blanks: dict[int, Any]) -> bool:
    """Whether a step only looks at its first input's memory, which is tried out on empty arrays."""
    kernel = step.op.kernel
    if kernel.in_place or kernel.refuses or kernel.forward is None or not kernel.is_view(step.attributes):
        return False
    if len(step.outputs) != 1:
        return False
    for slot in step.inputs:
        if blanks[slot] is None:
            type, view = tape.types[slot], nodes.views[slot]
            blank = np.empty(max(1, view.span[1] - view.span[0]), type.dtype)
            strides = [stride * blank.itemsize for stride in view.strides]
            start = blank[view.offset - view.span[0] :]
            blanks[slot] = np.lib.stride_tricks.as_strided(start, type.shape, strides)
    base = blanks[step.inputs[0]]
    operands = [blanks[slot] for slot in step.inputs]
    look = kernel.forward(arrays.numpy_namespace(), *operands, **step.attributes)
    if not isinstance(look, np.ndarray) or look.dtype != base.dtype or not np.may_share_memory(look, base):
        return False
    view, size = nodes.views[step.inputs[0]], base.itemsize
    offset = (look.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // size
    (out,) = step.outputs
    steps = tuple(stride // size for stride in look.strides)
    nodes.views[out] = View(view.root, view.offset + offset, look.shape, steps, view.dtype)
    blanks[out] = look
    return True


def _compose(structure: Structure, tape: Tape, step: Instruction) -> int | None:
    """The result as a value of the structure; None if the op's record says nothing of how."""
    if len(step.outputs) != 1 or any(isinstance(value, Tape) for value in step.attributes.values()):
        return None
    kernel = step.op.kernel
    if kernel.lowering is not None:
        result: int = kernel.lowering(structure, *step.inputs, **step.attributes)
        return result
    if step.op.family.name != "elementwise" or kernel.scalar is None or not step.inputs:
        return None
    return _elementwise(structure, tape, step)


def _elementwise(structure: Structure, tape: Tape, step: Instruction) -> int:
    """A map by the scalar form; constants without axes reach it as numbers, by which forms choose."""
    out = tape.types[step.outputs[0]]
    scalar, attributes = step.op.kernel.scalar, step.attributes
    assert scalar is not None
    if prod(out.shape) == 0:
        raise Unsupported("no elements")
    constants = [tape.constants.get(slot) for slot in step.inputs]
    numbers = [None if c is None or c.ndim else c.item() for c in constants]
    inputs = [slot for slot, value in zip(step.inputs, numbers, strict=True) if value is None]
    shape = np.broadcast_shapes(*(structure.shape(slot) for slot in inputs)) if inputs else ()
    if inputs and shape == out.shape and any(value is not None for value in numbers):
        try:
            return structure.map(_with_numbers(scalar, numbers, attributes), *inputs, dtype=out.dtype)
        except Unsupported:
            pass
    formula = _with_numbers(scalar, [None] * len(step.inputs), attributes)
    return structure.map(formula, *step.inputs, dtype=out.dtype)


def _with_numbers(scalar: Any, numbers: Sequence[float | None], attributes: Mapping[str, Any]) -> Formula:
    def formula(m: Any, *lanes: Any) -> Any:
        rest = iter(lanes)
        return scalar(m, *[next(rest) if value is None else value for value in numbers], **attributes)

    return formula
