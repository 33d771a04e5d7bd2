"""Hidden units that start equal: their gradients are equal too, so that they stay one unit for ever."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import say
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

_LARGEST = 1 << 20  # elements of weights beyond which they are not looked at
Told = Callable[..., Caveat | None]


def equal_units(
    expressions: Expressions, steps: Sequence[Instruction], sources: Collection[int]
) -> Iterator[tuple[tuple[int, ...], Told]]:
    """The weights of each hidden layer and of the layer that reads it; `sources` are what is learned."""
    types, inputs = expressions.graph.tape.types, expressions.graph.tape.inputs.values()
    for step in steps:
        if step.op.name != "matmul":
            continue
        for place in (0, 1):
            layer = _layer_behind(expressions, step.inputs[place])
            after = step.inputs[1 - place]
            if layer is None or after not in inputs or types[after].size > _LARGEST:
                continue
            first, side, biases = layer
            weights = first.inputs[side]
            if weights not in sources or types[weights].ndim != 2 or types[weights].size > _LARGEST:
                continue
            # The units lie along the last axis of x @ W, and along the first of W @ x.
            units, reads = (1 if side else 0), (0 if place == 0 else types[after].ndim - 1)
            n = types[weights].shape[units]
            if n < 2 or types[after].ndim not in (1, 2) or types[after].shape[reads] != n:
                continue
            if any(one not in inputs for one in biases):
                continue
            ranks = (2, types[after].ndim, *(types[one].ndim for one in biases))
            yield (weights, after, *biases), _told(expressions, step, first, (units, reads), ranks, n)


def _layer_behind(expressions: Expressions, slot: int) -> tuple[Instruction, int, list[int]] | None:
    """The product that a hidden layer is computed from element by element, the place of its weights, and
    what is added to it.
    """
    inputs, constants = expressions.graph.tape.inputs.values(), expressions.graph.tape.constants
    types = expressions.graph.tape.types
    biases: list[int] = []
    while (step := expressions.maker(slot)) is not None:
        if step.op.name == "matmul":
            side = 1 if step.inputs[1] in inputs else 0
            return step, side, biases
        if step.op.family.name != "elementwise":
            return None
        computed = [one for one in step.inputs if expressions.maker(one) is not None]
        others = [one for one in step.inputs if one not in computed and one not in constants]
        if len({*computed}) != 1 or any(types[one].size > 1 and step.op.name != "add" for one in others):
            return None
        biases += [one for one in others if types[one].size > 1]
        slot = computed[0]
    return None


def _told(
    expressions: Expressions,
    step: Instruction,
    first: Instruction,
    axes: tuple[int, int],
    ranks: Sequence[int],
    n: int,
) -> Told:
    def tell(weights: Array, after: Array, *biases: Array) -> Caveat | None:
        arrays = (weights, after, *biases)
        if [array.ndim for array in arrays] != [*ranks]:
            return None  # rows of a batch
        alike = _are_alike(weights, axes[0]) and _are_alike(after, axes[1])
        if not alike or not all(np.ptp(bias) == 0 for bias in biases) or not weights.any():
            return None
        name = expressions.text(first.inputs[1 if axes[0] else 0])
        after_name = expressions.text(step.inputs[1] if axes[1] == 0 else step.inputs[0])
        words = {"n": str(n), "name": name, "after": after_name}
        words |= {"layer": expressions.text(step.inputs[0] if axes[1] == 0 else step.inputs[1])}
        fix = say(f"Start '{name}' from small random numbers, so that each unit learns something of its own")
        return Caveat(LIKELY_MISTAKE, first.origin.node, "equal_units", words, fix)

    return tell


def _are_alike(array: Array, axis: int) -> bool:
    """Whether all slices along an axis are the same."""
    moved = np.moveaxis(array, axis, 0)
    return bool((moved == moved[:1]).all())
