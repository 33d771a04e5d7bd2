"""The adjoint of every instruction by itself, recorded once and evaluated with every value kept.

`backward` records one long walk and keeps what the answer needs. A diagnosis asks more: what each edge
passed on, and what every slot gathered. So each instruction's rule is recorded separately, between slots
that stand for cotangents, and the gathering is done with numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.absolute_sensitivity import sweep_magnitudes
from engine.diagnosis.evidence.extended_precision import compute_wider, widen
from engine.diagnosis.evidence.interpreter import Values, run_steps
from engine.diagnosis.evidence.structure import Edge
from engine.ir.tape import Instruction, Tape
from engine.transforms.masks import Masks
from engine.transforms.vjp import carries, depending_on, gather, pull


@dataclass(frozen=True, slots=True)
class Pullback:
    """The adjoint of one step: `cotangents` are the stand-ins for its outputs' cotangents, `answers` the
    slots of what the edges pass on.

    With masks, `masks` are the slots of those of its inputs, and `acted` says where one acted on an edge.
    """

    step: Instruction
    cotangents: tuple[int, ...]
    answers: tuple[tuple[Edge, int], ...]
    instructions: tuple[Instruction, ...]
    masks: tuple[int, ...] = ()
    acted: tuple[tuple[Edge, int], ...] = ()


def record_pullbacks(
    tape: Tape, steps: Sequence[Instruction], target: int, wrt: Iterable[int], *, masked: bool = False
) -> tuple[Tape, list[Pullback]]:
    """A tape of adjoints beside `tape`, and the pullbacks between `wrt` and `target`, target first.

    With `masked`, they are those of `masked_backward`.

    Raises DerivativeNotImplemented.
    """
    own = Tape(list(tape.types), dict(tape.inputs), dict(tape.constants))
    masks = Masks.of(own, [target]) if masked else None
    needed = depending_on(tape, steps, wrt)
    reached = {target}
    stand_ins: dict[int, int] = {}
    answer = []
    for step in reversed(steps):
        positions = [i for i, slot in enumerate(step.inputs) if slot in needed and carries(tape, step, i)]
        if not positions or not any(slot in reached for slot in step.outputs):
            continue
        for slot in step.outputs:
            if slot not in stand_ins:
                type = own.types[slot]
                stand_ins[slot] = own.input(f"cotangent:{slot}", type).slot
        cotangents = tuple(stand_ins[slot] for slot in step.outputs)
        start = len(own.instructions)
        with own.at(step.origin):
            pulled = pull(own, step, positions, [own.variable(slot) for slot in cotangents])
            answers = []
            before = 0 if masks is None else len(masks.acted)
            for i, term in pulled:
                contribution = term if masks is None else masks.pass_on(step, i, term)
                answers.append((Edge(step, i), gather(own.variable(step.inputs[i]), None, contribution).slot))
        edges = {edge.position: edge for edge, _ in answers}
        new = () if masks is None else masks.acted[before:]
        acted = [(edges[one.position], one.where.slot) for one in new]
        inputs = dict.fromkeys(step.inputs[i] for i in positions)
        reached.update(inputs)
        input_masks = [masks.masks[slot] for slot in inputs] if masks is not None else []
        noted = tuple(mask.slot for mask in input_masks if mask is not None)
        instructions = tuple(own.instructions[start:])
        answer.append(Pullback(step, cotangents, tuple(answers), instructions, noted, tuple(acted)))
    return own, answer


@dataclass(frozen=True, slots=True)
class Contribution:
    """What an edge passed on: the term of the adjoint, and the size it had if nothing cancelled."""

    term: Array
    size: Array


def no_size(like: Array) -> Array:
    """The size of nothing: real zeros."""
    return np.zeros_like(like.real)


@dataclass
class Sweep:
    """All adjoints of one run: `adjoints` and their `sizes` by slot, `passed` by edge, and by edge where a
    mask `acted`.
    """

    values: Values
    pullbacks: Sequence[Pullback]
    makers: Mapping[int, Instruction] = field(default_factory=dict)
    adjoints: Values = field(default_factory=dict)
    sizes: Values = field(default_factory=dict)
    contributions: dict[Edge, Contribution] = field(default_factory=dict)
    gradients: dict[int, list[Edge]] = field(default_factory=dict)
    acted: dict[Edge, Array] = field(default_factory=dict)

    def follow(self, target: int) -> None:
        """Gather from the target down."""
        seed = np.ones_like(self.values[target])
        self.adjoints[target], self.sizes[target] = seed, seed
        for pullback in self.pullbacks:
            outputs = pullback.step.outputs
            local = self._local(pullback, [self.adjoint(slot) for slot in outputs])
            sizes = dict(zip(pullback.cotangents, map(self.size, outputs), strict=True))
            magnitudes = sweep_magnitudes(pullback.instructions, local, sizes)
            self.values.update({slot: local[slot] for slot in pullback.masks})
            self.acted.update({edge: local[slot] for edge, slot in pullback.acted})
            for edge, slot in pullback.answers:
                size = magnitudes.get(slot)
                contribution = Contribution(local[slot], no_size(local[slot]) if size is None else size)
                self.contributions[edge] = contribution
                self.gradients.setdefault(edge.slot, []).append(edge)
                self._gather(edge.slot, contribution)

    @cached_property
    def unit(self) -> float:
        """The largest rounding unit among the adjoints."""
        dtypes_met = {adjoint.dtype for adjoint in self.adjoints.values()}
        return max((float(np.finfo(dtype).eps) for dtype in dtypes_met if dtype.kind in "fc"), default=0.0)

    def adjoint(self, slot: int) -> Array:
        """What a slot gathered; zeros for one that the target does not use."""
        result = self.adjoints.get(slot)
        return np.zeros_like(self.values[slot]) if result is None else result

    def size(self, slot: int) -> Array:
        """The size of what a slot gathered."""
        result = self.sizes.get(slot)
        return no_size(self.values[slot]) if result is None else result

    def probe(self, pullback: Pullback, cotangents: Sequence[Array]) -> dict[Edge, Contribution]:
        """What the edges of a step would pass on for other cotangents."""
        local = self._local(pullback, cotangents)
        sizes = {slot: np.abs(g) for slot, g in zip(pullback.cotangents, cotangents, strict=True)}
        magnitudes = sweep_magnitudes(pullback.instructions, local, sizes)
        return {
            edge: Contribution(local[slot], magnitudes.get(slot, no_size(local[slot])))
            for edge, slot in pullback.answers
        }

    def propagate_sizes(self, pullback: Pullback, sizes: Sequence[Array]) -> dict[Edge, Array]:
        """The sizes that the edges of a step would pass on for other sizes of its outputs' cotangents."""
        local = self._local(pullback, [self.adjoint(slot) for slot in pullback.step.outputs])
        seeds = dict(zip(pullback.cotangents, sizes, strict=True))
        magnitudes = sweep_magnitudes(pullback.instructions, local, seeds)
        return {edge: magnitudes.get(slot, no_size(local[slot])) for edge, slot in pullback.answers}

    def in_wider_floats(self, pullback: Pullback) -> dict[Edge, Contribution] | None:
        """What the edges would pass on in wider floats, None where a kernel cannot."""
        step = pullback.step
        operands = [self.values[slot] for slot in step.inputs]
        outputs = compute_wider(step, operands)
        if outputs is None:
            return None
        local: Values = {slot: widen(value) for slot, value in self._constants(pullback).items()}
        local.update(zip(step.inputs, map(widen, operands), strict=True))
        local.update(zip(step.outputs, outputs, strict=True))
        cotangents = [widen(self.adjoint(slot)) for slot in step.outputs]
        local.update(zip(pullback.cotangents, cotangents, strict=True))
        sizes = {
            slot: widen(self.size(output))
            for slot, output in zip(pullback.cotangents, step.outputs, strict=True)
        }
        try:
            run_steps(pullback.instructions, local)
            magnitudes = sweep_magnitudes(pullback.instructions, local, sizes)
        except (TypeError, ValueError, AttributeError, KeyError):
            return None
        return {
            edge: Contribution(local[slot], magnitudes.get(slot, no_size(local[slot])))
            for edge, slot in pullback.answers
        }

    def vanished(self, slot: int) -> Array | None:
        """Where a value is 0 and would not be in wider floats, None where that cannot be said."""
        step = self.makers.get(slot)
        wide = None if step is None else compute_wider(step, [self.values[s] for s in step.inputs])
        if step is None or wide is None:
            return None
        return np.asarray((self.values[slot] == 0) & (wide[step.outputs.index(slot)] != 0))

    def _local(self, pullback: Pullback, cotangents: Sequence[Array]) -> Values:
        """The values that a pullback reads and makes."""
        local = self._constants(pullback)
        local.update(zip(pullback.cotangents, cotangents, strict=True))
        run_steps(pullback.instructions, local)
        return local

    def _constants(self, pullback: Pullback) -> Values:
        """The values from outside that a pullback reads."""
        read = {slot for step in pullback.instructions for slot in step.inputs}
        read.update(slot for _, slot in pullback.answers)
        return {slot: self.values[slot] for slot in read if slot in self.values}

    def _gather(self, slot: int, contribution: Contribution) -> None:
        with np.errstate(all="ignore"):
            if slot in self.adjoints:
                self.adjoints[slot] = self.adjoints[slot] + contribution.term
                self.sizes[slot] = self.sizes[slot] + contribution.size
            else:
                self.adjoints[slot], self.sizes[slot] = contribution.term, contribution.size
