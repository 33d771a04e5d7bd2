"""Where a value came from: the zero of a product, a difference or a norm, followed to the data behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.arrays.types import Array
from engine.diagnosis.evidence.element_masks import Mask, places
from engine.diagnosis.evidence.influence import pull_mask, push_mask
from engine.diagnosis.texts.source_text import Expressions
from engine.ir.tape import Instruction

DEEPEST = 40  # steps that are followed back


#: By code what a cause is said of, and what is said of it.
CLAUSES: Mapping[str, tuple[str, str]] = {
    "constant": ("the constant", "{number}"),
    "throughout": ("'{subject}'", "is {number} throughout"),
    "element": ("'{subject}'", "is {number}{place}"),
    "value": ("{subject}", "is {number}"),
    "equal": ("{subject}", "equals {other}"),
    "itself": ("{subject}", "is subtracted from itself"),
    "all_same": ("the values of {subject}", "are all the same"),
    "underflow": ("{subject}", "underflows, at {number}"),
    "infinite": ("{subject}", "is {number} there"),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a value is 0: a code of `CLAUSES` and its arguments, the first of them the `subject`.

    `leaf` is the slot of the input or constant, if it is one, and `step` what made it.
    """

    code: str
    arguments: Mapping[str, str]
    leaf: int | None = None
    constant: bool = False
    step: Instruction | None = None

    @property
    def is_underflow(self) -> bool:
        """Whether it is 0 only because it is too small for its dtype."""
        return self.code == "underflow"

    @property
    def subject(self) -> str:
        """What it is said of, in the user's words."""
        return self.arguments.get("subject", "")

    @property
    def predicate(self) -> str:
        """What is said of it."""
        return CLAUSES[self.code][1].format(**self.arguments)

    @property
    def clause(self) -> str:
        """Both, as a clause."""
        return f"{CLAUSES[self.code][0].format(**self.arguments)} {self.predicate}"


@dataclass(frozen=True, slots=True)
class Causes:
    """The values of a run, with the words for them."""

    values: Mapping[int, Array]
    expressions: Expressions

    def of_zero(self, slot: int, mask: Mask) -> Cause | None:
        """Why the marked elements of a slot are 0; None where there is no more to say than that they are."""
        for _ in range(DEEPEST):
            if slot in self._inputs or slot in self.expressions.graph.tape.constants:
                return self._leaf(slot, mask)
            step = self.expressions.maker(slot)
            if step is None:
                return None
            follow = _FOLLOW.get(step.op.name)
            if follow is not None:
                return follow(self, step, mask)
            further = self._operand_of(step, slot, mask)
            if further is None:
                return self._made(step)
            slot, mask = further
        return None

    def factor(self, step: Instruction, position: int, mask: Mask) -> tuple[int, Mask] | None:
        """The other operand that an edge multiplies by, and its elements that are 0 there."""
        for other, slot in enumerate(step.inputs):
            if other == position:
                continue
            output = step.outputs[0]
            behind = push_mask(step, {position: mask}, output, dict(self.values))
            met = pull_mask(step, other, output, behind, dict(self.values))
            zero = met & (self.values[slot] == 0)
            if zero.any():
                return slot, zero
        return None

    def leaf_of(self, slot: int) -> int | None:
        """The one input behind a slot, looked for through steps that have no other; None for several."""
        leaves: set[int] = set()
        ahead, visited = [slot], set[int]()
        while ahead:
            at = ahead.pop()
            if at in visited or at in self.expressions.graph.tape.constants:
                continue
            visited.add(at)
            if at in self._inputs:
                leaves.add(at)
                continue
            step = self.expressions.graph.makers.get(at)
            if step is None or step.op.family.name not in ("elementwise", "shaping", "indexing"):
                return None
            if step.op.name in _CHOOSING:
                return None
            ahead += step.inputs
        return leaves.pop() if len(leaves) == 1 else None

    @property
    def _inputs(self) -> frozenset[int]:
        return frozenset(self.expressions.graph.tape.inputs.values())

    def _operand_of(self, step: Instruction, slot: int, mask: Mask) -> tuple[int, Mask] | None:
        """The operand whose marked elements are all 0; data before what was computed."""
        operands = []
        for position, operand in enumerate(step.inputs):
            met = pull_mask(step, position, slot, mask, dict(self.values))
            value = self.values[operand]
            zero = met & (value == 0)
            if (
                value.dtype.kind in "fciu"
                and met.any()
                and (zero.sum() == met.sum() or _one_is_enough(step, zero))
            ):
                operands.append((operand not in self._inputs, position, operand, zero))
        if not operands:
            return None
        _, _, operand, zero = min(operands, key=lambda one: one[:2])
        return operand, zero

    def _leaf(self, slot: int, mask: Mask) -> Cause:
        value, constant = self.values[slot], slot not in self._inputs
        words = {
            "subject": self.expressions.text(slot),
            "number": f"{value[mask].flat[0]:.6g}" if mask.any() else "0",
        }
        if constant and not value.ndim:
            return Cause("constant", words, slot, constant=True)
        if value.ndim and bool((value == value[mask].flat[0]).all()):
            return Cause("throughout", words, slot, constant)
        place = f" at element {places(mask)[0]}" if value.ndim else ""
        return Cause("element", {**words, "place": place}, slot, constant)

    def _made(self, step: Instruction) -> Cause | None:
        """Of what chooses or rounds that it does; of what else is computed there is no more to say."""
        if step.op.name not in _CHOOSING or step.origin.op != step.op.name:
            return None
        return Cause("value", {"subject": self.expressions.node(step), "number": "0"}, step=step)

    def difference(self, step: Instruction, mask: Mask) -> Cause:
        """Why a difference is 0: both are equal."""
        a, b = step.inputs
        constants = self.expressions.graph.tape.constants
        for one, other in ((a, b), (b, a)):
            if one in constants:
                leaf = self.leaf_of(other)
                if leaf is not None and self.values[leaf].size == 1:
                    number = f"{self.values[leaf].item():.6g}"
                    words = {"subject": self.expressions.text(leaf), "number": number, "place": ""}
                    return Cause("element", words, leaf)
                text = self.expressions.operand(step, 1 if one == a else 0)
                return Cause("value", {"subject": text, "number": f"{self.values[one].flat[0]:.6g}"})
        texts = [self.expressions.operand(step, i) for i in (0, 1)]
        return Cause("itself" if texts[0] == texts[1] else "equal", {"subject": texts[0], "other": texts[1]})

    def spread(self, step: Instruction, mask: Mask) -> Cause:
        """Why a deviation is 0: all values are the same."""
        return Cause("all_same", {"subject": self.expressions.argument(step)})

    def underflow(self, step: Instruction, mask: Mask) -> Cause:
        """Why an exponential is 0: it is too small."""
        low = self.values[step.inputs[0]].min()
        if not np.isfinite(low):
            words = {"subject": self.expressions.operand(step, 0), "number": f"{low:g}"}
            return Cause("infinite", words)
        words = {"subject": self.expressions.node(step), "number": f"{low:.6g}"}
        return Cause("underflow", words, step=step)


def _one_is_enough(step: Instruction, zero: Mask) -> bool:
    return step.op.name in ("multiply", "prod") and bool(zero.any())


_CHOOSING = frozenset(
    [
        "relu",
        "relu6",
        "maximum",
        "minimum",
        "where",
        "clip",
        "floor",
        "round",
        "trunc",
        "ceil",
        "sign",
        "heaviside",
    ]
)
_FOLLOW: Mapping[str, Callable[[Causes, Instruction, Mask], Cause]] = {
    "subtract": Causes.difference,
    "squared_difference": Causes.difference,
    "var": Causes.spread,
    "std": Causes.spread,
    "ptp": Causes.spread,
    "exp": Causes.underflow,
    "exp2": Causes.underflow,
}
