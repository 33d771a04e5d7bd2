"""Fuse log_softmax with what picks the labels' elements from it: cross-entropies, and their derivatives.

sum(labels * log_softmax(x)) and log_softmax(x) at a class, whose derivatives are multiples of
labels - softmax(x), share one exponential then, and of the rows of scores no further copies are made. That
of logsumexp(x) - x[class] is the same; of any other logsumexp the derivative exp(x - logsumexp(x)) is the
softmax that it has made on its way. Digits change by rounding. What is not finite stays so: the value is
made of the same shifted scores, and softmax is NaN where log_softmax is. A multiple of labels may overflow
where that of labels - softmax would not: if it is not known to be at most 1, its product with the labels
stays, and only the exponential is shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import TensorType
from engine.ir.attributes import InputIndex
from engine.ir.shapes import reduced
from engine.ir.table import TABLE
from engine.ir.tape import Instruction, Tape
from engine.passes.patterns import LAID_OUT, Patterns


def entropies(tape: Tape) -> Tape:
    """The tape with the log-likelihoods of labels fused."""
    if not any(step.op.name in ("log_softmax", "logsumexp") for step in tape.instructions):
        return tape
    return _Fusing(tape).fused()


@dataclass(slots=True)
class _Match:
    """Steps that one fused step stands for: `value` is its likelihoods, negated if `negated`; `slopes` are
    the steps that are a multiple of its slopes, each with the slot of the multiple, and `exponentials` those
    that are its probabilities.

    `inside` are the ids of the steps that it makes superfluous.
    """

    scores: int
    labels: int
    axis: int
    attributes: dict[str, Any]
    op: str
    value: Instruction
    negated: bool = False
    slopes: list[tuple[Instruction, int]] = field(default_factory=list)
    exponentials: list[Instruction] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)


class _Fusing(Patterns):
    def fused(self) -> Tape:
        places = {id(step): place for place, step in enumerate(self.tape.instructions)}
        for step in self.tape.instructions:
            matches = []
            if step.op.name == "log_softmax" and len(step.attributes["axis"]) == 1:
                matches = self._of_log_softmax(step)
            elif step.op.name == "logsumexp" and len(step.attributes["axis"]) == 1:
                matches = self._of_logsumexp(step)
            for match in matches:
                self._write(match, places)
            if step.op.name == "logsumexp" and not matches:
                self._share_exponential(step)
        return self.finish()

    # -- what there is -----------------------------------------------------------------------------

    def _of_log_softmax(self, step: Instruction) -> list[_Match]:
        """All that reads a log_softmax, if it can be fused with it."""
        (y,), (x,), (axis,) = step.outputs, step.inputs, step.attributes["axis"]
        type = self.types[y]
        if type.size == 0 or self.outputs[y]:
            return []
        matches: dict[int, _Match] = {}  # by the id of the step whose value it is
        for reader in self.readers[y]:
            if reader.op.name == "exp":
                continue
            match = self._picked(reader, x, y, axis) or self._weighted(reader, x, y, axis)
            if match is None:
                return []
            matches.setdefault(id(match.value), match).inside |= match.inside
        for reader in self.readers[y]:
            if reader.op.name == "exp" and not self._is_adjoint(reader, axis, matches.values()):
                return []
        if not all(match.slopes or match.exponentials for match in matches.values()):
            return []  # of a value alone nothing is shared
        inside = {i for match in matches.values() for i in match.inside}
        if not all(id(reader) in inside for reader in self.readers[y]):
            return []
        return list(matches.values())

    def _picked(self, step: Instruction, x: int, y: int, axis: int) -> _Match | None:
        """One element of each row at a class that a tensor holds."""
        if step.inputs[0] != y:
            return None
        name, classes, strict = step.op.name, -1, False
        if name == "pick_class" and step.attributes["axis"] == axis:
            classes, strict = step.inputs[1], True
        elif name == "getitem":
            classes = self._column(step, self.types[y], axis)
        elif name == "read_along_axis" and step.attributes["axis"] == axis:
            type = self.types[y]
            row = tuple(1 if i == axis else size for i, size in enumerate(type.shape))
            classes = step.inputs[1] if self.types[step.inputs[1]].shape == row else -1
        if classes < 0:
            return None
        attributes = {"axis": axis, "strict": strict, "guarded": False}
        return _Match(x, classes, axis, attributes, "class_log_likelihood", step, inside={id(step)})

    def _column(self, step: Instruction, type: TensorType, axis: int) -> int:
        """The slot of the classes in an index like [arange(n), classes] of a matrix; -1 if it is another."""
        index = step.attributes["index"]
        if type.ndim != 2 or axis != 1 or len(index) != 2:
            return -1
        if not all(isinstance(item, InputIndex) for item in index):
            return -1
        first = 0 if step.op.name == "getitem" else 1  # of a write, the value comes first
        slots: list[int] = [step.inputs[first + item.position] for item in index]
        rows, classes = slots
        counted = self.constants.get(rows)
        if counted is None or counted.shape != type.shape[:1] or self.types[classes].shape != counted.shape:
            return -1
        if not dtypes.is_integer(self.types[classes].dtype) or not np.array_equal(
            counted, np.arange(type.shape[0])
        ):
            return -1
        return int(classes)

    def _weighted(self, step: Instruction, x: int, y: int, axis: int) -> _Match | None:
        """A sum of products with labels of the same shape, -inf ruled out where a label is 0 or not."""
        inside, logs, masked = {id(step)}, y, False
        if step.op.name == "equal":
            return self._ruled_out(step, x, y, axis)
        if step.op.name == "where":
            if step.inputs[2] != y or not self.is_number(step.inputs[1], 0):
                return None
            mask = self.makers.get(step.inputs[0])
            if mask is None or mask.op.name != "logical_and":
                return None
            product = self.only_reader(step.outputs[0])
            if product is None:
                return None
            logs, masked, inside = step.outputs[0], True, {*inside, id(product)}
        else:
            product = step
        if product.op.name != "multiply" or self.types[product.outputs[0]].shape != self.types[y].shape:
            return None
        labels = product.inputs[1] if product.inputs[0] == logs else product.inputs[0]
        if labels == logs or self.types[labels] != replace(self.types[y], weak=self.types[labels].weak):
            return None
        if masked and not self._is_mask(step.inputs[0], labels, y):
            return None
        total = self.only_reader(product.outputs[0])
        if total is None or total.op.name != "sum" or total.attributes["axis"] != (axis,):
            return None
        if total.attributes["keepdims"] or total.attributes["dtype"] != self.types[y].dtype:
            return None
        attributes = {"axis": axis, "masked": masked}
        inside.add(id(total))
        return _Match(x, labels, axis, attributes, "soft_log_likelihood", total, inside=inside)

    def _ruled_out(self, step: Instruction, x: int, y: int, axis: int) -> _Match | None:
        """The comparison with -inf that masks classes out, of which the mask is read by `where` alone."""
        both = self.only_reader(step.outputs[0])
        if both is None or both.op.name != "logical_and":
            return None
        chosen = [
            own
            for own in self.readers[both.outputs[0]]
            if own.op.name == "where" and own.inputs[0] == both.outputs[0] and own.inputs[2] == y
        ]
        if len(chosen) != 1 or self.outputs[both.outputs[0]]:
            return None
        match = self._weighted(chosen[0], x, y, axis)
        if match is not None:
            match.inside |= {id(step), id(both)}
        return match

    def _is_mask(self, mask: int, labels: int, y: int) -> bool:
        """Whether it holds where a label is 0 and the score is -inf."""
        parts = [self.makers.get(slot) for slot in self.makers[mask].inputs]
        tests = [part.inputs for part in parts if part is not None and part.op.name == "equal"]
        infinite = any(a == y and self.is_number(b, -np.inf) for a, b in tests)
        zero = any(a == labels and self.is_number(b, 0) for a, b in tests)
        value = self.constants.get(labels)
        if not zero and value is not None:
            constants = [self.constants.get(slot) for slot in self.makers[mask].inputs]
            zero = any(c is not None and np.array_equal(c, value == 0) for c in constants)
        return infinite and zero

    # -- derivatives -------------------------------------------------------------------------------

    def _is_adjoint(self, exp: Instruction, axis: int, matches: Iterable[_Match]) -> bool:
        """Whether exp(log_softmax) serves G - exp(y) sum(G) alone; the match of G notes it."""
        if self.outputs[exp.outputs[0]]:
            return False
        for product in self.readers[exp.outputs[0]]:
            last = self.only_reader(product.outputs[0])
            if product.op.name != "multiply" or last is None or last.op.name != "subtract":
                return False
            total_slot = next((slot for slot in product.inputs if slot != exp.outputs[0]), -1)
            total = self.makers.get(total_slot)
            if total is None or total.op.name != "sum" or not total.attributes["keepdims"]:
                return False
            g = total.inputs[0]
            if total.attributes["axis"] != (axis,) or last.inputs != (g, product.outputs[0]):
                return False
            for match in matches:
                multiple = self._multiple(g, match)
                if multiple >= 0:
                    if match.op == "class_log_likelihood" or self.is_small(multiple):
                        match.slopes.append((last, multiple))
                    else:
                        match.exponentials.append(exp)
                    match.inside |= {id(exp)}
                    break
            else:
                return False
        return True

    def _multiple(self, g: int, match: _Match) -> int:
        """The slot of h, with one number for each row, where g is h times the labels; -1 if it is not."""
        maker = self.makers.get(g)
        if maker is None:
            return -1
        if match.op == "class_log_likelihood":
            return self._placed(maker, match)
        mask = None
        if maker.op.name == "where" and match.attributes["masked"]:
            mask = maker.inputs[0]
            if not self.is_number(maker.inputs[1], 0):
                return -1
            maker = self.makers.get(maker.inputs[2])
        elif match.attributes["masked"]:
            return -1
        if maker is None or maker.op.name != "multiply" or match.labels not in maker.inputs:
            return -1
        if mask is not None:
            step = self.makers.get(mask)
            if step is None or not self._masks_like(step, match):
                return -1
        factor = maker.inputs[1] if maker.inputs[0] == match.labels else maker.inputs[0]
        return self.row_number(factor, self.types[g], match.axis)

    def _masks_like(self, mask: Instruction, match: _Match) -> bool:
        """Whether a mask is the one of the match, by the steps that the match has swallowed."""
        return id(mask) in match.inside or any(
            id(own) in match.inside and own.op.name == "where" for own in self.readers[mask.outputs[0]]
        )

    def _placed(self, maker: Instruction, match: _Match) -> int:
        """Of a cotangent that was laid into zeros at the classes, what was laid there."""
        type = self.types[maker.outputs[0]]
        if maker.op.name == "index_add" and self._column(maker, type, match.axis) == match.labels:
            zeros = self.constants.get(maker.inputs[0])
            if zeros is None or zeros.any():
                return -1
            return self.reshaped(maker, maker.inputs[1], (*type.shape[:1], 1))
        if maker.op.name == "add_along_axis" and maker.inputs[2] == match.labels:
            zeros = self.constants.get(maker.inputs[0])
            same = self.types[maker.inputs[1]].shape == self.types[match.labels].shape
            return maker.inputs[1] if zeros is not None and not zeros.any() and same else -1
        if maker.op.name == "where" and self.is_number(maker.inputs[2], 0):
            return self._chosen(maker, match)
        return -1

    def _chosen(self, where: Instruction, match: _Match) -> int:
        """The first side of `where(classes == numbers, h, 0)`, -1 if the condition is another."""
        test = self.makers.get(where.inputs[0])
        if test is None or test.op.name != "equal":
            return -1
        wide, numbers = test.inputs
        maker, constant = self.makers.get(wide), self.constants.get(numbers)
        if maker is None or maker.op.name not in LAID_OUT or maker.inputs[0] != match.labels:
            return -1
        type = self.types[where.outputs[0]]
        across = tuple(size if i == match.axis else 1 for i, size in enumerate(type.shape))
        if constant is None or constant.shape != across:
            return -1
        if not np.array_equal(constant.reshape(-1), np.arange(constant.size)):
            return -1
        return self.row_number(where.inputs[1], type, match.axis)

    def _of_logsumexp(self, step: Instruction) -> list[_Match]:
        """logsumexp(x) - pick_class(x), and the derivative by x if both are read for it alone."""
        (lse,), (x,), (axis,) = step.outputs, step.inputs, step.attributes["axis"]
        type = self.types[x]
        if step.attributes["keepdims"] or type.size == 0 or self.outputs[lse]:
            return []
        values = [own for own in self.readers[lse] if own.op.name == "subtract" and own.inputs[0] == lse]
        if len(values) != 1:
            return []
        picked = self.makers.get(values[0].inputs[1])
        if picked is None or picked.op.name != "pick_class" or picked.attributes["axis"] != axis:
            return []
        if picked.inputs[0] != x or self.only_reader(picked.outputs[0]) is not values[0]:
            return []
        attributes = {"axis": axis, "strict": True, "guarded": True}
        match = _Match(x, picked.inputs[1], axis, attributes, "class_log_likelihood", values[0], negated=True)
        for reader in self.readers[lse]:
            if reader is not values[0] and not self._is_slope(reader, match):
                return []
        return [match] if match.slopes else []

    def _is_slope(self, reader: Instruction, match: _Match) -> bool:
        """Whether the reader of logsumexp serves h exp(x - logsumexp) + where(class, -h, 0) alone."""
        shifted: Instruction | None = reader
        while shifted is not None and shifted.op.name in LAID_OUT:
            shifted = self.only_reader(shifted.outputs[0])
        if shifted is None or shifted.op.name != "subtract" or shifted.inputs[0] != match.scores:
            return False
        exp = self.only_reader(shifted.outputs[0])
        product = None if exp is None or exp.op.name != "exp" else self.only_reader(exp.outputs[0])
        if exp is None or product is None or product.op.name != "multiply":
            return False
        last = self.only_reader(product.outputs[0])
        if last is None or last.op.name != "add":
            return False
        factor = product.inputs[1] if product.inputs[0] == exp.outputs[0] else product.inputs[0]
        other = last.inputs[1] if last.inputs[0] == product.outputs[0] else last.inputs[0]
        where = self.makers.get(other)
        if where is None or where.op.name != "where" or not self.is_number(where.inputs[2], 0):
            return False
        type = self.types[last.outputs[0]]
        h, opposite = self.row_number(factor, type, match.axis), self._chosen(where, match)
        if h < 0 or opposite < 0 or not self.are_opposite(h, opposite):
            return False
        match.slopes.append((last, opposite))
        return True

    def _share_exponential(self, step: Instruction) -> None:
        """Take exp(x - logsumexp(x)) from the logsumexp, which divides what it has by its sum."""
        (lse,), (x,) = step.outputs, step.inputs
        if self.types[x].size == 0:
            return
        exponentials = []
        waiting = list(self.readers[lse])
        while waiting:
            reader = waiting.pop()
            if reader.op.name in LAID_OUT:
                waiting += self.readers[reader.outputs[0]]
            elif reader.op.name == "subtract" and reader.inputs[0] == x and self._is_spread(reader, step):
                after = self.readers[reader.outputs[0]]
                exponentials += [own for own in after if own.op.name == "exp"]
        if not exponentials:
            return
        softmax = self.slot(TensorType(self.types[x].shape, self.types[x].dtype))
        self.instead[id(step)] = [replace(step, op=TABLE["logsumexp_and_softmax"], outputs=(lse, softmax))]
        for exp in exponentials:
            self.instead[id(exp)] = [replace(exp, op=TABLE["identity"], inputs=(softmax,), attributes={})]

    def _is_spread(self, subtract: Instruction, step: Instruction) -> bool:
        """Whether what is subtracted from x is its logsumexp, each number against the slice that made it."""
        slot, shape = subtract.inputs[1], self.types[step.inputs[0]].shape
        row = reduced(shape, step.attributes["axis"], True)
        if self.types[slot].shape == shape:
            maker = self.makers.get(slot)
            if maker is None or maker.op.name != "broadcast_to":
                return shape == row and self.source(slot) == step.outputs[0]
            slot = maker.inputs[0]
        return self.types[slot].shape == row and self.source(slot) == step.outputs[0]

    # -- writing -----------------------------------------------------------------------------------

    def _write(self, match: _Match, places: dict[int, int]) -> None:
        """The fused step before the first that needs it, and the steps that read it."""
        value = match.value
        readers = (value, *(step for step, _ in match.slopes), *match.exponentials)
        first = min(readers, key=lambda own: places[id(own)])
        scores, type = self.types[match.scores], self.types[value.outputs[0]]
        row = tuple(size for i, size in enumerate(scores.shape) if i != match.axis)
        likelihoods = self.slot(TensorType(row, scores.dtype))
        slopes, probabilities = (self.slot(TensorType(scores.shape, scores.dtype)) for _ in range(2))
        labels = match.labels
        if match.op == "class_log_likelihood":
            labels = self.reshaped(first, labels, row)
        outputs = (likelihoods, slopes, probabilities)
        fused = Instruction(TABLE[match.op], (match.scores, labels), match.attributes, outputs, value.origin)
        self.more.setdefault(id(first), []).append(fused)
        if match.negated:
            name, attributes = "negative", {}
        else:
            name, attributes = "reshape", {"shape": type.shape, "copy": False}
        self.instead[id(value)] = [
            replace(value, op=TABLE[name], inputs=(likelihoods,), attributes=attributes)
        ]
        for step, multiple in match.slopes:
            self.instead[id(step)] = [
                replace(step, op=TABLE["multiply"], inputs=(multiple, slopes), attributes={})
            ]
        for exp in match.exponentials:
            self.instead[id(exp)] = [
                replace(exp, op=TABLE["identity"], inputs=(probabilities,), attributes={})
            ]
