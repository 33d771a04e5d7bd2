"""Labels that a loss written out by hand, or a built-in one, does not mean: known once their values are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.texts.caveat import LIKELY_MISTAKE, Caveat
from engine.diagnosis.texts.fix import Fix, say, write
from engine.diagnosis.texts.source_text import Expressions, bracket
from engine.ir.tape import Instruction
from engine.transforms.vjp import depending_on

_LOGS = frozenset({"log", "log1p", "log2", "log10", "log_sigmoid", "softplus"})
_BUILT_IN = frozenset({"binary_crossentropy", "sigmoid_cross_entropy"})
#: Ops without which there is no such loss.
OPS_OF_LABELS = frozenset({"maximum", "relu", *_LOGS, *_BUILT_IN})
_MOST_FACTORS = 6
_ROUNDING = 1e-6  # beyond 0 and 1 that labels of a probability may reach
_WIDEST = 4.0  # from the least label to the largest: beyond it they are no two classes

Labels = tuple[tuple[int, ...], Callable[[Array], Caveat | None]]


def label_watches(
    expressions: Expressions, steps: Sequence[Instruction], sources: tuple[int, ...]
) -> Iterator[Labels]:
    """The slots of labels, and what their values tell: of hinges, logistic losses and cross-entropies."""
    if not any(step.op.name in OPS_OF_LABELS or step.origin.op in _BUILT_IN for step in steps):
        return
    reader = _Reader(expressions, steps, sources)
    watched: set[tuple[int, str | None]] = set()
    for slot, step, tell in (*reader.margins(), *reader.by_hand(), *reader.built_in()):
        key = (slot, step.origin.node)
        if key not in watched:
            watched.add(key)
            yield (slot,), tell


class _Reader:
    """Finds the losses among some steps; `sources` are the slots that are learned."""

    def __init__(
        self, expressions: Expressions, steps: Sequence[Instruction], sources: tuple[int, ...]
    ) -> None:
        self._expressions, self._steps, self._sources = expressions, steps, sources
        tape = expressions.graph.tape
        self._constants, self._types = tape.constants, tape.types

    @cached_property
    def _learned(self) -> frozenset[int]:
        graph = self._expressions.graph
        return frozenset(depending_on(graph.tape, graph.steps, self._sources))

    # -- losses of a margin --------------------------------------------------------------------------------

    def margins(self) -> Iterator[tuple[int, Instruction, Callable[[Array], Caveat | None]]]:
        """The labels of maximum(0, 1 - y * score), and of log(1 + exp(-y * score)) in all its forms."""
        for step in self._steps:
            hinge = self._of_hinge(step)
            product = hinge or self._of_logistic(step)
            if product is None:
                continue
            labels = [slot for slot in self._factors_of(product) if self._is_data(slot)]
            if len(labels) == 1:
                kind = "labels_of_hinge" if hinge else "labels_of_margin"
                yield labels[0], step, self._of_signs(step, labels[0], kind)

    def _of_hinge(self, step: Instruction) -> Instruction | None:
        """The product in maximum(0, 1 - y * score)."""
        if step.op.name == "maximum":
            rest = [slot for slot in step.inputs if not self._is_number(slot, 0)]
            inner = rest[0] if len(rest) == 1 else None
        else:
            inner = step.inputs[0] if step.op.name == "relu" else None
        maker = None if inner is None else self._expressions.maker(inner)
        if maker is None or maker.op.name != "subtract" or not self._is_number(maker.inputs[0], 1):
            return None
        return self._product(maker.inputs[1])

    def _of_logistic(self, step: Instruction) -> Instruction | None:
        """The product in softplus(-y * score), log1p(exp(-y * score)) and log_sigmoid(y * score)."""
        if step.origin.op in _BUILT_IN:
            return None
        name, inner = step.op.name, step.inputs[0] if step.inputs else None
        if name == "log" and inner is not None:
            added = self._expressions.maker(inner)
            rest = [] if added is None or added.op.name != "add" else list(added.inputs)
            inner = next((slot for slot in rest if not self._is_number(slot, 1)), None)
            name = "log1p" if len(rest) == 2 and any(self._is_number(slot, 1) for slot in rest) else ""
        if name == "log1p" and inner is not None:
            exponential = self._expressions.maker(inner)
            is_exp = exponential is not None and exponential.op.name == "exp"
            inner = exponential.inputs[0] if is_exp and exponential is not None else None
        elif name not in ("softplus", "log_sigmoid"):
            return None
        return None if inner is None else self._product(inner)

    def _product(self, slot: int) -> Instruction | None:
        """The product that a slot holds, whatever its sign."""
        step = self._expressions.maker(slot)
        while step is not None and step.op.name == "negative":
            step = self._expressions.maker(step.inputs[0])
        return step if step is not None and step.op.name == "multiply" else None

    def _of_signs(self, step: Instruction, slot: int, kind: str) -> Callable[[Array], Caveat | None]:
        def tell(labels: Array) -> Caveat | None:
            zero, one = labels == 0, labels == 1
            if not (zero | one).all() or not zero.any() or not one.any():
                return None
            text, node = self._expressions.text(slot), step.origin.node
            words = {"op": step.origin.op or step.op.name, "node": str(node), "text": text}
            words |= {"count": str(int(zero.sum())), "size": str(zero.size)}
            fix = write(f"(2 * {bracket(text)} - 1)", text, "it is -1 for 0 and 1 for 1")
            return Caveat(LIKELY_MISTAKE, node, kind, words, fix)

        return tell

    # -- losses of a probability ---------------------------------------------------------------------------

    def by_hand(self) -> Iterator[tuple[int, Instruction, Callable[[Array], Caveat | None]]]:
        """The labels of y * log(p) + (1 - y) * log(1 - p), in whatever form the logarithms are."""
        products = [step for step in self._steps if step.op.name == "multiply"]
        factors = {step.outputs[0]: self._factors_of(step) for step in products}
        direct = {slot for listed in factors.values() if any(map(self._is_log, listed)) for slot in listed}
        for step in products:
            listed = factors[step.outputs[0]]
            if not any(map(self._is_log, listed)):
                continue
            for slot in listed:
                labels = self._complement(slot)
                if labels is not None and labels in direct and self._is_data(labels):
                    yield labels, step, self._of_unit(step, labels)
        yield from self._weighed_apart(factors)

    def _weighed_apart(
        self, factors: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, Instruction, Callable[[Array], Caveat | None]]]:
        """The same, if 1 - y is data of its own, as what was computed before is."""
        weights: dict[tuple[str, str], tuple[Instruction, int]] = {}
        for product, listed in factors.items():
            data = [slot for slot in listed if self._is_data(slot) and self._complement(slot) is None]
            sides = [side for slot in listed if (side := self._side(slot)) is not None]
            if len(data) == 1 and len(sides) == 1 and len(listed) == 2:
                weights[sides[0]] = (self._expressions.graph.makers[product], data[0])
        for (which, p), (step, y) in weights.items():
            other = weights.get(("less", p))
            if which == "p" and other is not None and other[1] != y:
                yield y, step, self._of_unit(step, y)

    def _side(self, slot: int) -> tuple[str, str] | None:
        """What a logarithm is taken of: ("p", p), or ("less", p) for that of 1 - p; p may be a logit."""
        side = self._slot_of_side(slot)
        return None if side is None else (side[0], self._expressions.text(side[1]))

    def _slot_of_side(self, slot: int) -> tuple[str, int] | None:
        log = self._expressions.maker(slot)
        if log is None or log.op.name not in _LOGS or slot not in self._learned:
            return None
        inner = log.inputs[0]
        maker = self._expressions.maker(inner)
        negative = maker is not None and maker.op.name == "negative"
        behind = maker.inputs[0] if maker is not None and negative else inner
        if log.op.name in ("softplus", "log_sigmoid"):
            return ("p" if negative == (log.op.name == "softplus") else "less"), behind
        if log.op.name == "log1p":
            return ("less", behind) if negative else None
        while maker is not None and maker.op.name == "add":  # a small number beside p
            rest = [one for one in maker.inputs if one not in self._constants]
            if len(rest) != 1:
                break
            inner, maker = rest[0], self._expressions.maker(rest[0])
        complement = self._complement(inner)
        return ("p", inner) if complement is None else ("less", complement)

    def built_in(self) -> Iterator[tuple[int, Instruction, Callable[[Array], Caveat | None]]]:
        """The labels of the losses that have their own name."""
        nodes: set[str | None] = set()
        for step in self._steps:
            node = step.origin.node
            if step.origin.op not in _BUILT_IN or node in nodes:
                continue
            nodes.add(node)
            own = [one for one in self._expressions.graph.steps if one.origin.node == node]
            outputs = {slot for one in own for slot in one.outputs}
            outside = {slot for one in own for slot in one.inputs if slot not in outputs}
            labels = [slot for slot in outside if self._is_data(slot)]
            if len(labels) == 1:
                yield labels[0], step, self._of_unit(step, labels[0])

    def _of_unit(self, step: Instruction, slot: int) -> Callable[[Array], Caveat | None]:
        def tell(labels: Array) -> Caveat | None:
            if labels.dtype.kind not in "iuf" or not labels.size:
                return None
            low, high = float(labels.min()), float(labels.max())
            if not low < -_ROUNDING and not high > 1 + _ROUNDING:
                return None
            text, node = self._expressions.text(slot), step.origin.node
            words = {"op": step.origin.op or step.op.name, "node": str(node), "text": text}
            words |= {"low": f"{low:g}", "high": f"{high:g}"}
            return Caveat(LIKELY_MISTAKE, node, "labels_of_probability", words, _to_unit(text, labels))

        return tell

    # -- what the slots hold -------------------------------------------------------------------------------

    def _factors_of(self, product: Instruction) -> list[int]:
        """What a product, and those in it, multiply, without signs."""
        factors: list[int] = []
        ahead = list(product.inputs)
        while ahead:
            slot = ahead.pop(0)
            step = self._expressions.maker(slot)
            while step is not None and step.op.name == "negative":
                slot = step.inputs[0]
                step = self._expressions.maker(slot)
            is_product = step is not None and step.op.name == "multiply"
            if step is not None and is_product and len(factors) + len(ahead) < _MOST_FACTORS:
                ahead += step.inputs
            else:
                factors.append(slot)
        return factors

    def _is_data(self, slot: int) -> bool:
        """Whether a slot holds several numbers of which none is learned."""
        return slot not in self._learned and self._types[slot].size > 1

    def _is_log(self, slot: int) -> bool:
        step = self._expressions.maker(slot)
        return step is not None and step.op.name in _LOGS and slot in self._learned

    def _complement(self, slot: int) -> int | None:
        """What y is, if a slot holds 1 - y."""
        step = self._expressions.maker(slot)
        if step is None or step.op.name != "subtract" or not self._is_number(step.inputs[0], 1):
            return None
        return step.inputs[1]

    def _is_number(self, slot: int, number: float) -> bool:
        constant = self._constants.get(slot)
        return constant is not None and constant.size == 1 and float(constant.real.item()) == number


def _to_unit(text: str, labels: Array) -> Fix:
    """How labels come to lie between 0 and 1, if they are two classes."""
    low, high = float(labels.min()), float(labels.max())
    if np.isin(labels, (low, high)).all() and 0 < high - low <= _WIDEST:
        moved = bracket(text) if low == 0 else f"({bracket(text)} {'+' if low < 0 else '-'} {abs(low):g})"
        new = moved if high - low == 1 else f"{moved} / {high - low:g}"
        return write(f"({new})" if high - low != 1 else new, text, f"it is 0 for {low:g} and 1 for {high:g}")
    return say(
        f"Divide {text} by its largest value if it holds shares; for numbers that are no probabilities take "
        "the mean of the squared errors"
    )
