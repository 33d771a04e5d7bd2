"""Which elements an op's outputs read: the rules of sparsity that families and records share.

A rule is `rule(step, i)`: an instruction as a `TypedStep`, and the position of one of its inputs. It returns
how that input's elements reach the output as a `Reach`, or None: each output element may depend on every
element of that input, which is always right. An op whose functions do the work has `Inside` or `Stepwise` in
place of a rule (`engine.ir.dependence`). Elements are numbered in C order. A rule reads shapes and indices,
never a floating value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import arrays
from engine.dtypes import TensorType
from engine.ir.dependence import Numbers, Reach
from engine.ir.op import Op
from engine.ir.table import TABLE


@dataclass(frozen=True, slots=True)
class TypedStep:
    """An instruction as a rule sees it: with the types of its inputs and of one output.

    `value(i)` is the array of an input that does not depend on floating inputs; None if it is not known.
    """

    op: Op
    inputs: Sequence[TensorType]
    output: TensorType
    attributes: Mapping[str, Any]
    value: Callable[[int], npt.NDArray[Any] | None]


Rule = Callable[[TypedStep, int], Reach | None]

SAME = Reach()


def numbers(shape: tuple[int, ...]) -> Numbers:
    """The elements' numbers, in that shape."""
    return np.arange(prod(shape), dtype=np.int64).reshape(shape)


def spread(shape: tuple[int, ...], to: tuple[int, ...]) -> Numbers:
    """For each element of an array of the shape `to`, the element of `shape` that broadcasting puts there."""
    return np.broadcast_to(numbers(shape), to).reshape(-1)


def everything(source: TensorType, output: TensorType) -> Reach:
    """Each element of the output depends on all of the input."""
    zero = np.zeros(max(source.size, output.size), np.int64)
    return Reach(into=zero[: source.size], groups=1, read=zero[: output.size])


def elementwise(step: TypedStep, i: int) -> Reach | None:
    """Element by element, under broadcasting."""
    shape, out = step.inputs[i].shape, step.output.shape
    return SAME if shape == out else Reach(take=spread(shape, out))


def along_axis(step: TypedStep, i: int) -> Reach | None:
    """Along `axis` everything depends on everything; across it nothing does."""
    shape, out, axis = step.inputs[i].shape, step.output.shape, step.attributes.get("axis")
    if axis is None:
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    rest = tuple(1 if k in axes else size for k, size in enumerate(shape))
    labels = spread(rest, shape)
    if out == shape:
        return Reach(into=labels, groups=prod(rest), read=labels)
    if step.output.size == prod(rest):
        return Reach(into=labels, groups=prod(rest))
    return None


def moved(step: TypedStep, i: int) -> Reach | None:
    """Elements are moved, repeated or left out: the kernel itself says where, given their numbers."""
    kernel = step.op.kernel.forward
    if kernel is None or not step.op.derivative.linear_in:
        return None
    # What an affine op adds is no mark: it need not even be an integer.
    settings = {**step.attributes, **step.op.derivative.linear_at}
    marked, blank = [], []
    for position, type in enumerate(step.inputs):
        if min(position, len(step.op.inputs) - 1) in step.op.derivative.linear_in:
            mark, none = (np.zeros(type.shape, np.int64) for _ in range(2))  # to be written: no bare numbers
            if position == i:
                mark += numbers(type.shape) + 1
            marked.append(mark)
            blank.append(none)
            continue
        value = step.value(position)
        if value is None:
            return along_axis(step, i)
        marked.append(value)
        blank.append(value)
    try:
        there, empty = (
            kernel(arrays.numpy_namespace(), *operands, **settings) for operands in (marked, blank)
        )
    except IndexError:  # the run says it, with its place
        return None
    return Reach(take=np.where(there != empty, there - 1, -1).reshape(-1))


def added(reader: str) -> Rule:
    """The second input is added into the first, at the places from which the op `reader` would read."""

    def rule(step: TypedStep, i: int) -> Reach | None:
        if i == 0:
            return SAME
        kernel = TABLE[reader].kernel.forward
        indices = [step.value(position) for position in range(2, len(step.inputs))]
        if kernel is None or any(index is None for index in indices):
            return None
        try:
            places = kernel(arrays.numpy_namespace(), numbers(step.output.shape), *indices, **step.attributes)
        except IndexError:
            return None
        take = None if step.inputs[i].shape == places.shape else spread(step.inputs[i].shape, places.shape)
        return Reach(take=take, into=places.reshape(-1), groups=step.output.size)

    return rule


def folded(step: TypedStep, i: int) -> Reach | None:
    """The adjoint of broadcast_to or pad: each element is added to the one that it repeats."""
    if step.op.name == "sum_to":
        places = spread(step.output.shape, step.inputs[i].shape)
    else:
        kernel = TABLE["pad"].kernel.forward
        assert kernel is not None, "pad has a kernel"
        own = numbers(step.output.shape)
        places = kernel(arrays.numpy_namespace(), own, **step.attributes, constant_values=0).reshape(-1)
    return Reach(into=places, groups=step.output.size)


def matrices(step: TypedStep, i: int) -> Reach | None:
    """Within each matrix of a stack everything depends on everything."""
    shape, out = step.inputs[i].shape, step.output.shape
    stack = shape[:-2]
    if len(shape) < 2 or stack not in (out, out[:-2]):
        return None
    labels = numbers(stack)
    into = np.repeat(labels.reshape(-1), prod(shape[-2:]))
    read = None if out == stack else np.repeat(labels.reshape(-1), prod(out[-2:]))
    return Reach(into=into, groups=labels.size, read=read)


def product(step: TypedStep, i: int) -> Reach | None:
    """The matrix product: rows of the first input, columns of the second."""
    first, second = (type.shape for type in step.inputs)
    first = (1, *first) if len(first) == 1 else first
    second = (*second, 1) if len(second) == 1 else second
    stack = np.broadcast_shapes(first[:-2], second[:-2])
    shape = first if i == 0 else second
    lines = (*shape[:-1], 1) if i == 0 else (*shape[:-2], 1, shape[-1])
    read = spread(lines, (*stack, first[-2], second[-1]))
    return Reach(into=spread(lines, shape), groups=prod(lines), read=read)


def rows(step: TypedStep, i: int) -> Reach | None:
    """The last axis is reduced; the others broadcast."""
    shape = step.inputs[i].shape
    leading = shape[:-1]
    into = spread((*leading, 1), shape)
    return Reach(into=into, groups=prod(leading), read=spread(leading, step.output.shape))


def by_row(step: TypedStep, i: int) -> Reach | None:
    """Row k of the output depends on row k of a batched input."""
    n = step.attributes["n"]
    if not step.attributes["batched"][i] or n == 0:
        return None
    labels = np.arange(n)
    into, read = (np.repeat(labels, type.size // n) for type in (step.inputs[i], step.output))
    return Reach(into=into, groups=n, read=read)
